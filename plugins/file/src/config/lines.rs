//! What lines look like.

use std::collections::BTreeMap;

use rolog_core::render::{
    JsonLine, LogfmtLine, Names, PatternLine, Renderer, Shape, ShapedJson, TextLine, TimeFormat,
};
use rolog_plugin::ConfigError;
use serde::Deserialize;

use super::Config;
use crate::zone::Zone;

/// The kinds of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A JSON object on a line.
    #[default]
    Json,
    /// A line of text for people.
    Text,
    /// Pairs of key and value.
    Logfmt,
    /// A line of text as the setting `pattern` says.
    Pattern,
}

/// The shapes of JSON lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JsonShape {
    /// rolog's own.
    #[default]
    Rolog,
    /// The Elastic Common Schema.
    Ecs,
    /// OpenTelemetry's JSON.
    OpenTelemetry,
}

/// How times are written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// `rfc3339` (the default), `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`, or what `strftime` takes.
    #[serde(default)]
    pub format: Option<String>,
    /// The digits of a second's fraction that `rfc3339` has: 0 to 9, the default.
    #[serde(default)]
    pub digits: Option<u8>,
    /// By whose clock; UTC, unless it says otherwise.
    #[serde(default)]
    pub zone: Zone,
}

impl Times {
    fn read(&self) -> Result<TimeFormat, ConfigError> {
        let format = self.format.as_deref().unwrap_or("rfc3339");
        let format = TimeFormat::read(format).map_err(|problem| {
            ConfigError::at("time.format", problem).expected(
                "`rfc3339`, `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`, or a form such as `%Y-%m-%d %H:%M:%S%.3f`",
            )
        })?;
        match (format, self.digits) {
            (format, None) => Ok(format),
            (TimeFormat::Rfc3339(_), Some(digits @ 0..=9)) => Ok(TimeFormat::Rfc3339(digits)),
            (_, Some(digits)) => Err(ConfigError::at(
                "time.digits",
                format!("{digits} digits cannot be written"),
            )
            .expected("0 to 9, with `format: rfc3339`")),
        }
    }
}

/// The renderer that the settings ask for.
pub(crate) fn renderer(config: &Config) -> Result<Renderer, ConfigError> {
    let json = config.format == Format::Json;
    let shape = config.shape.unwrap_or_default();
    let needless = |setting: &str, wanted: &str| {
        Err(
            ConfigError::at(setting, format!("it has no effect without {wanted}"))
                .expected(format!("{wanted}, or no `{setting}`")),
        )
    };
    if config.source && !json {
        return Err(ConfigError::at(
            "source",
            "only JSON lines say where in the code they were logged",
        )
        .expected("`format: json`, or no `source`"));
    }
    if config.shape.is_some() && !json {
        return needless("shape", "`format: json`");
    }
    let own = json && shape == JsonShape::Rolog;
    if !own && !config.names.is_empty() {
        return needless("names", "`format: json` and `shape: rolog`");
    }
    let otel = json && shape == JsonShape::OpenTelemetry;
    if !otel && !config.resource.is_empty() {
        return needless("resource", "`shape: opentelemetry`");
    }
    if config.pattern.is_some() != (config.format == Format::Pattern) {
        return match config.pattern {
            Some(_) => needless("pattern", "`format: pattern`"),
            None => Err(ConfigError::at("format", "there is no pattern")
                .expected("a `pattern` beside it, such as \"%d %-5p %c: %m %X\"")),
        };
    }
    let fixed = match config.format {
        Format::Text => Some("format: text"),
        Format::Json if otel => Some("shape: opentelemetry"),
        _ => None,
    };
    if let (Some(fixed), Some(_)) = (fixed, &config.time) {
        return Err(
            ConfigError::at("time", format!("`{fixed}` has its own form of time"))
                .expected("no `time`"),
        );
    }
    let times = config.time.clone().unwrap_or_default();
    let (format, zone) = (times.read()?, times.zone.for_lines());
    Ok(match config.format {
        Format::Text => Renderer::Text(TextLine::new()),
        Format::Logfmt => Renderer::Logfmt(LogfmtLine::with_times(format, zone)),
        Format::Pattern => {
            let pattern = config.pattern.as_deref().unwrap_or_default();
            let line = PatternLine::new(pattern, zone);
            Renderer::Pattern(line.map_err(|problem| ConfigError::at("pattern", problem))?)
        }
        Format::Json
            if shape == JsonShape::Rolog && config.names.is_empty() && config.time.is_none() =>
        {
            Renderer::Json(JsonLine::new().with_source(config.source))
        }
        Format::Json => {
            let shape = match shape {
                JsonShape::Rolog => Shape::Named(names(&config.names)?),
                JsonShape::Ecs => Shape::Ecs,
                JsonShape::OpenTelemetry => {
                    Shape::OpenTelemetry(config.resource.clone().into_iter().collect())
                }
            };
            Renderer::Shaped(ShapedJson::new(shape, config.source, format, zone))
        }
    })
}

fn names(wanted: &BTreeMap<String, Option<String>>) -> Result<Names, ConfigError> {
    let mut names = Names::default();
    // Those left out first: their names are free then.
    let (out, renamed): (Vec<_>, Vec<_>) = wanted
        .iter()
        .partition(|(_, name)| name.as_deref().is_none_or(|name| name == "off"));
    for (part, _) in out {
        names
            .leave_out(part)
            .map_err(|problem| ConfigError::at(format!("names.{part}"), problem))?;
    }
    for (part, name) in renamed {
        let name = name.as_deref().unwrap_or_default();
        names
            .rename(part, name)
            .map_err(|problem| ConfigError::at(format!("names.{part}"), problem))?;
    }
    Ok(names)
}
