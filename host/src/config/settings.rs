//! How each kind of value is read: the implementations of [`Setting`].

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use rolog_core::{Level, LevelRange, Threshold};
use rolog_plugin::settings::{self, UnitError};

use super::amount::{Count, Size, Time};
use super::names::{PluginName, TargetName};
use super::problem::quoted;
use super::read::{Cursor, Setting};
use super::spec::ClockKind;
use super::tree::ItemKind;
use crate::pattern::LoggerGlob;

pub(crate) const LEVELS: [&str; 6] = ["trace", "debug", "info", "warning", "error", "critical"];

impl<const MIN: usize, const MAX: usize> Setting for Count<MIN, MAX> {
    fn expected() -> String {
        format!("a number from {MIN} to {MAX}")
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        let value = match &cursor.item.kind {
            ItemKind::Number(number) => {
                let Some(value) = number.as_u64() else {
                    cursor.refuse(format!("{number} is not such a number"), Self::expected());
                    return None;
                };
                value
            }
            // Within { } a substitution has to stand in quotes, so it arrives as text.
            ItemKind::Text(text) if cursor.item.substituted => {
                let Ok(value) = text.trim().parse() else {
                    let what = format!("{} is not a number", quoted(text));
                    cursor.refuse(what, Self::expected());
                    return None;
                };
                value
            }
            _ => {
                cursor.wrong_kind(Self::expected());
                return None;
            }
        };
        let bounded = usize::try_from(value)
            .ok()
            .and_then(|value| Self::new(value).ok());
        if bounded.is_none() {
            cursor.refuse(format!("{value} is out of bounds"), Self::expected());
        }
        bounded
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl<const MIN: usize, const MAX: usize> Setting for Size<MIN, MAX> {
    fn expected() -> String {
        format!(
            "a size from {} to {}, such as `64MiB`, `1kB` or a number of bytes",
            settings::Size(MIN),
            settings::Size(MAX)
        )
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        let (written, bytes) = match &cursor.item.kind {
            ItemKind::Number(number) => (number.to_string(), size(&number.to_string())),
            ItemKind::Text(text) => (text.clone(), size(text)),
            _ => {
                cursor.wrong_kind(Self::expected());
                return None;
            }
        };
        bounded(cursor, &written, bytes, Self::new, &Self::expected())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl<const MIN: u64, const MAX: u64> Setting for Time<MIN, MAX> {
    fn expected() -> String {
        format!(
            "a time from {} to {}, such as `600ms`, `1s` or `1h30m`",
            settings::Span(Duration::from_millis(MIN)),
            settings::Span(Duration::from_millis(MAX))
        )
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        let (written, read) = match &cursor.item.kind {
            ItemKind::Number(number) => (number.to_string(), time(&number.to_string())),
            ItemKind::Text(text) => (text.clone(), time(text)),
            _ => {
                cursor.wrong_kind(Self::expected());
                return None;
            }
        };
        bounded(cursor, &written, read, Self::new, &Self::expected())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

fn size(text: &str) -> Result<usize, UnitError> {
    text.parse::<settings::Size>().map(|size| size.0)
}

fn time(text: &str) -> Result<Duration, UnitError> {
    text.parse::<settings::Span>().map(|span| span.0)
}

/// A parsed amount within its bounds, or a report.
fn bounded<V, T, E>(
    cursor: &Cursor<'_>,
    written: &str,
    value: Result<V, UnitError>,
    new: impl FnOnce(V) -> Result<T, E>,
    expected: &str,
) -> Option<T> {
    match value.map(new) {
        Ok(Ok(value)) => Some(value),
        Ok(Err(_)) => {
            cursor.refuse(format!("{} is out of bounds", quoted(written)), expected);
            None
        }
        Err(wrong) => {
            cursor.refuse(format!("{}: {wrong}", quoted(written)), expected);
            None
        }
    }
}

impl<const MIN: usize, const MAX: usize> Setting for Option<Count<MIN, MAX>> {
    fn expected() -> String {
        Count::<MIN, MAX>::expected()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        Count::read(cursor).map(Some)
    }

    fn show(&self) -> String {
        self.as_ref()
            .map_or_else(|| "unset".to_owned(), Setting::show)
    }
}

impl Setting for bool {
    fn expected() -> String {
        "true or false".to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        match &cursor.item.kind {
            ItemKind::Bool(value) => Some(*value),
            ItemKind::Text(text) if cursor.item.substituted && text == "true" => Some(true),
            ItemKind::Text(text) if cursor.item.substituted && text == "false" => Some(false),
            ItemKind::Text(text) => {
                cursor.refuse(format!("{} is text", quoted(text)), Self::expected());
                None
            }
            _ => {
                cursor.wrong_kind(Self::expected());
                None
            }
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for Level {
    fn expected() -> String {
        "trace, debug, info, warning, error or critical".to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        level_word(cursor, &Self::expected(), &LEVELS)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for ClockKind {
    fn expected() -> String {
        "exact or coarse".to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        let text = cursor.text(Self::expected())?;
        match text {
            "exact" => Some(ClockKind::Exact),
            "coarse" => Some(ClockKind::Coarse),
            other => {
                let problem = cursor
                    .problem(format!("{} is no clock", quoted(other)))
                    .expected(Self::expected())
                    .nearest_of(other, ["exact", "coarse"]);
                cursor.sink.push(problem);
                None
            }
        }
    }

    fn show(&self) -> String {
        match self {
            ClockKind::Exact => "exact",
            ClockKind::Coarse => "coarse",
        }
        .to_owned()
    }
}

/// A level from which something happens, or `off`.
impl Setting for Option<Level> {
    fn expected() -> String {
        "trace, debug, info, warning, error, critical or off".to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        Some(match Threshold::read(cursor)? {
            Threshold::At(level) => Some(level),
            Threshold::Off | Threshold::Inherit => None,
        })
    }

    fn show(&self) -> String {
        self.map_or_else(|| "off".to_owned(), |level| level.to_string())
    }
}

/// In a file a threshold is a level or `off`; it is left out to inherit.
impl Setting for Threshold {
    fn expected() -> String {
        <Option<Level> as Setting>::expected()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        if let ItemKind::Text(text) = &cursor.item.kind
            && text == "off"
        {
            return Some(Threshold::Off);
        }
        let mut words = LEVELS.to_vec();
        words.push("off");
        level_word(cursor, &Self::expected(), &words).map(Threshold::At)
    }

    fn show(&self) -> String {
        match self {
            Threshold::At(level) => level.to_string(),
            Threshold::Off => "off".to_owned(),
            Threshold::Inherit => "unset".to_owned(),
        }
    }
}

fn level_word(cursor: &Cursor<'_>, expected: &str, words: &[&str]) -> Option<Level> {
    let text = cursor.text(expected)?;
    if let Ok(level) = text.parse() {
        return Some(level);
    }
    let problem = cursor
        .problem(format!("{} is not a level", quoted(text)))
        .expected(expected)
        .nearest_of(text, words.iter().copied());
    cursor.sink.push(problem);
    None
}

impl Setting for LevelRange {
    fn expected() -> String {
        "a level or a range: `error` (only that), `info..`, `..warning`, `debug..warning`"
            .to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        cursor.parsed(&Self::expected())
    }

    fn show(&self) -> String {
        if *self == LevelRange::ALL {
            "every level".to_owned()
        } else {
            self.to_string()
        }
    }
}

impl Setting for LoggerGlob {
    fn expected() -> String {
        "a name or a pattern such as `shop.payments.**`".to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        cursor.parsed(&Self::expected())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for PluginName {
    fn expected() -> String {
        PluginName::EXPECTED.to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        // One of the built-in plugins has the name that YAML reads as no value.
        if let ItemKind::Null { word: true } = cursor.item.kind {
            return "null".parse().ok();
        }
        cursor.parsed(PluginName::EXPECTED)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// Names of targets: one, or a list in which each stands once.
impl Setting for Vec<TargetName> {
    fn expected() -> String {
        "the name of a target, or a list of names".to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        if matches!(cursor.item.kind, ItemKind::Text(_)) {
            return cursor.parsed(TargetName::EXPECTED).map(|name| vec![name]);
        }
        let mut names: Vec<TargetName> = Vec::new();
        let mut seen = HashSet::new();
        let mut whole = true;
        for item in cursor.items(&Self::expected())? {
            match item.parsed::<TargetName>(TargetName::EXPECTED) {
                Some(name) if !seen.insert(name.clone()) => {
                    item.refuse(
                        format!("{} stands in this list already", quoted(name.as_str())),
                        "each target once",
                    );
                    whole = false;
                }
                Some(name) => names.push(name),
                None => whole = false,
            }
        }
        whole.then_some(names)
    }

    fn show(&self) -> String {
        if self.is_empty() {
            return "none".to_owned();
        }
        let names: Vec<&str> = self.iter().map(TargetName::as_str).collect();
        names.join(", ")
    }
}

/// Folders, in order.
impl Setting for Vec<PathBuf> {
    fn expected() -> String {
        "a list of folders".to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        let mut paths = Vec::new();
        for item in cursor.items(&Self::expected())? {
            match item.text("the path of a folder")? {
                "" => {
                    item.refuse("the path is empty", "the path of a folder");
                    return None;
                }
                path => paths.push(PathBuf::from(path)),
            }
        }
        Some(paths)
    }

    fn show(&self) -> String {
        if self.is_empty() {
            return "none".to_owned();
        }
        let paths: Vec<String> = self.iter().map(|path| path.display().to_string()).collect();
        paths.join(", ")
    }
}
