//! The standard output or error, as lines.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use rolog_core::LogTarget;
use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::render::{JsonLine, TextLine};
use serde::Deserialize;
use serde_json::Value;

use super::{Refused, settings};
use crate::in_process::InProcess;
use crate::instance::{BoxFuture, Instance, Maker};

/// `plugin: console`.
///
/// A closed pipe is an error that is tried again and goes to the fallback, never the end of the
/// process. It runs on a thread of its own, because a pipe that nobody reads blocks.
struct Console {
    settings: Settings,
    renderer: Mutex<Renderer>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    stream: Stream,
    format: Format,
    color: Color,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stream {
    #[default]
    Stdout,
    Stderr,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Color {
    /// On a terminal, unless `NO_COLOR` says otherwise.
    #[default]
    Auto,
    Always,
    Never,
}

enum Renderer {
    Text(Box<TextLine>),
    Json(Box<JsonLine>),
}

impl Settings {
    fn colors(self) -> bool {
        let forbidden = || std::env::var_os("NO_COLOR").is_some_and(|no| !no.is_empty());
        match (self.color, self.stream) {
            (Color::Always, _) => true,
            (Color::Never, _) => false,
            (Color::Auto, Stream::Stdout) => io::stdout().is_terminal() && !forbidden(),
            (Color::Auto, Stream::Stderr) => io::stderr().is_terminal() && !forbidden(),
        }
    }

    fn write(self, lines: &[u8]) -> io::Result<()> {
        match self.stream {
            Stream::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(lines).and_then(|()| out.flush())
            }
            Stream::Stderr => {
                let mut out = io::stderr().lock();
                out.write_all(lines).and_then(|()| out.flush())
            }
        }
    }
}

impl Console {
    fn new(settings: Settings) -> Self {
        let renderer = match settings.format {
            Format::Text => {
                Renderer::Text(Box::new(TextLine::new().with_colors(settings.colors())))
            }
            Format::Json => Renderer::Json(Box::new(JsonLine::new())),
        };
        Console {
            settings,
            renderer: Mutex::new(renderer),
        }
    }

    fn lines(&self, records: &Batch<'_>) -> Vec<u8> {
        let mut lines = Vec::new();
        let mut renderer = self.renderer.lock().unwrap_or_else(PoisonError::into_inner);
        for record in records.records() {
            match &mut *renderer {
                Renderer::Text(text) => text.line(&record, &mut lines),
                Renderer::Json(json) => json.line(&record, &mut lines),
            }
        }
        lines
    }
}

impl LogTarget for Console {
    fn name(&self) -> String {
        "console".to_owned()
    }

    async fn log(&self, records: &Batch<'_>) -> Outcome {
        match self.settings.write(&self.lines(records)) {
            Ok(()) => Outcome::delivered(),
            Err(error) => {
                let message = format!("cannot write to the console: {error}");
                Outcome::retry(Failure::new(Class::Io, message).maybe_written())
            }
        }
    }
}

struct ConsoleMaker {
    name: String,
    settings: Settings,
}

pub(super) fn maker(name: &str, config: &Value) -> Result<Arc<dyn Maker>, Refused> {
    Ok(Arc::new(ConsoleMaker {
        name: name.to_owned(),
        settings: settings(config)?,
    }))
}

impl Maker for ConsoleMaker {
    fn create(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, Failure>> {
        let started = InProcess::start(&self.name, Box::new(Console::new(self.settings)));
        Box::pin(std::future::ready(
            started.map(|instance| Arc::new(instance) as Arc<dyn Instance>),
        ))
    }

    fn preferred_batch(&self) -> Option<usize> {
        None
    }

    fn resources(&self) -> Vec<String> {
        Vec::new()
    }
}
