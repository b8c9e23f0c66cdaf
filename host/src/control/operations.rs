//! What can be asked for: one table, which the server, the docs and the tests read.
//!
//! To add an operation: a row here and the function behind it. It gets the pipeline and the request's
//! `with`, and returns what goes into `ok`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rolog_plugin::settings::Span;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::protocol::Refusal;
use super::report;
use crate::error::Error;
use crate::instance::BoxFuture;
use crate::levels::Levels;
use crate::pipeline::Pipeline;
use crate::reload::{Cause, Generation, Plan};

type With = Map<String, Value>;

type Done = BoxFuture<'static, Result<Value, Refusal>>;

/// Something that can be asked of a running pipeline.
pub struct Operation {
    /// The `op` of a request.
    pub name: &'static str,
    /// What is done, in a sentence.
    pub does: &'static str,
    /// The parts of `with`: name and meaning.
    pub with: &'static [(&'static str, &'static str)],
    run: fn(Arc<Pipeline>, With) -> Done,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

static OPERATIONS: &[Operation] = &[
    Operation {
        name: "operations",
        does: "Lists the operations that this host knows.",
        with: &[],
        run: |_, with| ready(nothing(with).map(|()| listed())),
    },
    Operation {
        name: "status",
        does: "Says which generation is in force, and what each target is doing and has done.",
        with: &[],
        run: |pipeline, with| ready(nothing(with).map(|()| report::status(&pipeline))),
    },
    Operation {
        name: "plugins",
        does: "Lists the plugins that the process has loaded: versions, their memory, who uses them.",
        with: &[],
        run: |pipeline, with| Box::pin(plugins(pipeline, with)),
    },
    Operation {
        name: "generations",
        does: "Lists the last hundred configurations that were in force, the present one last.",
        with: &[],
        run: |pipeline, with| ready(nothing(with).map(|()| report::generations(&pipeline))),
    },
    Operation {
        name: "levels",
        does: "Lists the levels that were set while the pipeline runs.",
        with: &[],
        run: |pipeline, with| ready(nothing(with).map(|()| report::levels(&pipeline))),
    },
    Operation {
        name: "set_level",
        does: "Sets a level, before those of the file, until it is restored.",
        with: &[
            (
                "logger",
                "a logger, which stands for its subtree as well, or a pattern",
            ),
            ("level", "`trace` to `critical`, or `off`"),
            (
                "for",
                "how long, such as `10m`; for as long as the process runs",
            ),
        ],
        run: |pipeline, with| ready(set_level(&pipeline, with)),
    },
    Operation {
        name: "restore_level",
        does: "Takes back a level that was set, or all of them.",
        with: &[("logger", "what it was set for, as it was written then; all")],
        run: |pipeline, with| ready(restore_level(&pipeline, with)),
    },
    Operation {
        name: "plan",
        does: "Says what a reload would do now, without doing it.",
        with: &[],
        run: |pipeline, with| Box::pin(plan(pipeline, with)),
    },
    Operation {
        name: "reload",
        does: "Reads the configuration's file again and takes over what has changed.",
        with: &[],
        run: |pipeline, with| {
            changing(pipeline, with, |pipeline| {
                Box::pin(async move { pipeline.reload(Cause::Asked).await })
            })
        },
    },
    Operation {
        name: "rollback",
        does: "Goes back to the configuration before the present one.",
        with: &[],
        run: |pipeline, with| {
            changing(pipeline, with, |pipeline| {
                Box::pin(async move { pipeline.roll_back().await })
            })
        },
    },
    Operation {
        name: "reload_plugins",
        does: "Takes up new builds of the plugins in use.",
        with: &[],
        run: |pipeline, with| {
            changing(pipeline, with, |pipeline| {
                Box::pin(async move { pipeline.reload_plugins().await })
            })
        },
    },
    Operation {
        name: "explain",
        does: "Says which targets get the records of a logger at a level, and why.",
        with: &[
            ("logger", "the logger's name"),
            ("level", "the level, such as `info`"),
        ],
        run: |pipeline, with| ready(explain(&pipeline, with)),
    },
    Operation {
        name: "explain_record",
        does: "Says where a record is, or how and when it was lost.",
        with: &[("id", "the record's id, as its `record_id` has it")],
        run: |pipeline, with| Box::pin(explain_record(pipeline, with)),
    },
    Operation {
        name: "replay",
        does: "Sends the dead letters of a file again, and takes out of it those that have arrived.",
        with: &[
            ("file", "the file, as an absolute path"),
            (
                "to",
                "the target that gets them all; without it each goes where it was routed to",
            ),
            ("deadline", "how long it may take in all, such as `1m`; 30s"),
        ],
        run: |pipeline, with| Box::pin(replay(pipeline, with)),
    },
];

/// Every operation.
pub fn operations() -> &'static [Operation] {
    OPERATIONS
}

/// The operations as a Markdown table, for the docs.
pub fn markdown() -> String {
    let mut text = String::from("| operation | what it does | `with` |\n|---|---|---|\n");
    for operation in OPERATIONS {
        let with: Vec<String> = operation
            .with
            .iter()
            .map(|(name, meaning)| format!("`{name}`: {meaning}"))
            .collect();
        let (name, does) = (operation.name, operation.does);
        // Writing to a string does not fail.
        let _ = writeln!(text, "| `{name}` | {does} | {} |", with.join("; "));
    }
    text
}

/// Does what is asked for.
pub(super) async fn perform(
    pipeline: Arc<Pipeline>,
    op: String,
    with: With,
) -> Result<Value, Refusal> {
    let Some(operation) = OPERATIONS.iter().find(|known| known.name == op) else {
        let known: Vec<&str> = OPERATIONS.iter().map(|known| known.name).collect();
        let message = format!(
            "no operation has the name `{op}`; there are {}",
            known.join(", ")
        );
        return Err(Refusal::new("unknown_operation", message));
    };
    (operation.run)(pipeline, with).await
}

fn ready(result: Result<Value, Refusal>) -> Done {
    Box::pin(std::future::ready(result))
}

/// The parts of `with`, all of them and no others.
fn parts<T: DeserializeOwned>(with: With) -> Result<T, Refusal> {
    serde_json::from_value(Value::Object(with))
        .map_err(|error| Refusal::request(format!("`with` is wrong: {error}")))
}

fn nothing(with: With) -> Result<(), Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    parts::<Nothing>(with).map(|Nothing {}| ())
}

fn listed() -> Value {
    let list = OPERATIONS.iter().map(|operation| {
        let with: Map<String, Value> = operation
            .with
            .iter()
            .map(|(name, meaning)| ((*name).to_owned(), json!(meaning)))
            .collect();
        json!({ "name": operation.name, "does": operation.does, "with": with })
    });
    json!({ "operations": list.collect::<Vec<_>>() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetLevel {
    logger: String,
    level: String,
    r#for: Option<String>,
}

fn set_level(pipeline: &Arc<Pipeline>, with: With) -> Result<Value, Refusal> {
    let SetLevel {
        logger,
        level,
        r#for,
    } = parts(with)?;
    let threshold = crate::levels::parse(&level).map_err(Refusal::request)?;
    let time = r#for.map(|text| {
        text.parse::<Span>()
            .map(|span| span.0)
            .map_err(|error| Refusal::request(format!("`for` is `{text}`: {error}")))
    });
    let time = time.transpose()?;
    let levels = Levels::of(pipeline);
    let set = match time {
        Some(time) => levels.set_for(&logger, threshold, time),
        None => levels.set(&logger, threshold),
    };
    set.map_err(|error| Refusal::request(error.to_string()))?;
    Ok(report::levels(pipeline))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RestoreLevel {
    logger: Option<String>,
}

fn restore_level(pipeline: &Arc<Pipeline>, with: With) -> Result<Value, Refusal> {
    let levels = Levels::of(pipeline);
    match parts(with)? {
        RestoreLevel { logger: None } => drop(levels.restore_all()),
        RestoreLevel {
            logger: Some(logger),
        } => match levels.restore(&logger) {
            Ok(true) => {}
            Ok(false) => {
                let message = format!("no level was set for `{logger}` while the pipeline runs");
                return Err(Refusal::request(message));
            }
            Err(error) => return Err(Refusal::request(error.to_string())),
        },
    }
    Ok(report::levels(pipeline))
}

async fn plugins(pipeline: Arc<Pipeline>, with: With) -> Result<Value, Refusal> {
    nothing(with)?;
    // A library that is being opened may have to be waited for.
    let listed = tokio::task::spawn_blocking(move || report::plugins(&pipeline)).await;
    listed.map_err(|error| Refusal::new("system", error.to_string()))
}

async fn plan(pipeline: Arc<Pipeline>, with: With) -> Result<Value, Refusal> {
    nothing(with)?;
    let source = pipeline.source.clone().ok_or_else(Error::no_file);
    let source = source.map_err(|error| Refusal::from(&error))?;
    let read = tokio::task::spawn_blocking(move || source.read()).await;
    let spec = read
        .map_err(|error| Refusal::new("system", error.to_string()))?
        .map_err(|problems| Refusal::from(&Error::from(problems)))?;
    let plan = Plan::new(&pipeline.shape().spec, &spec);
    Ok(report::plan(&plan))
}

/// An operation that may lead to another generation.
fn changing(
    pipeline: Arc<Pipeline>,
    with: With,
    change: impl FnOnce(Arc<Pipeline>) -> BoxFuture<'static, Result<Generation, Error>> + Send + 'static,
) -> Done {
    Box::pin(async move {
        nothing(with)?;
        let before = pipeline.shape().generation;
        match change(pipeline).await {
            Ok(generation) => Ok(json!({
                "changed": generation.number > before,
                "generation": report::generation(&generation),
            })),
            Err(error) => Err(Refusal::from(&error)),
        }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainParts {
    logger: String,
    level: String,
}

fn explain(pipeline: &Pipeline, with: With) -> Result<Value, Refusal> {
    let ExplainParts { logger, level } = parts(with)?;
    let level = level
        .parse()
        .map_err(|error: rolog_core::Error| Refusal::request(error.to_string()))?;
    Ok(report::explanation(&pipeline.explain(&logger, level)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordParts {
    id: String,
}

async fn explain_record(pipeline: Arc<Pipeline>, with: With) -> Result<Value, Refusal> {
    let RecordParts { id } = parts(with)?;
    let id = id
        .parse()
        .map_err(|error: rolog_core::Error| Refusal::request(error.to_string()))?;
    Ok(report::record(&pipeline.explain_record(id).await))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayParts {
    file: PathBuf,
    to: Option<String>,
    deadline: Option<String>,
}

async fn replay(pipeline: Arc<Pipeline>, with: With) -> Result<Value, Refusal> {
    /// Unless the request says otherwise.
    const DEADLINE: Duration = Duration::from_secs(30);
    let ReplayParts { file, to, deadline } = parts(with)?;
    if !file.is_absolute() {
        let file = file.display();
        return Err(Refusal::request(format!(
            "`file` is {file}, which is relative to a folder that this process does not know"
        )));
    }
    let known = |to: &String| pipeline.shape().spec.target(to).is_some();
    if let Some(unknown) = to.as_ref().filter(|to| !known(to)) {
        return Err(Refusal::request(format!(
            "no target has the name `{unknown}`"
        )));
    }
    let deadline = deadline.map(|text| text.parse::<Span>()).transpose();
    let deadline = deadline.map_err(|error| Refusal::request(error.to_string()))?;
    let deadline = deadline.map_or(DEADLINE, |span| span.0);
    let replayed = pipeline.replay(file, to, deadline).await;
    match replayed {
        Ok(replay) => Ok(report::replay(&replay)),
        Err(error) => Err(Refusal::from(&error)),
    }
}
