//! The targets that come with the host: the console, a memory for tests, nothing, and the facades of
//! other crates.

mod console;
#[cfg(any(feature = "log", feature = "tracing"))]
mod facade;
mod memory;
mod null;

pub use memory::{Memory, MemoryRecord};

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::instance::Maker;

/// Their plugin names.
pub(crate) const NAMES: &[&str] = &[
    "console",
    "memory",
    "null",
    #[cfg(feature = "log")]
    "log",
    #[cfg(feature = "tracing")]
    "tracing",
];

/// A setting that is refused: its path within the target's `config`, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) path: String,
    pub(crate) what: String,
}

/// What a built-in target is made by.
pub(crate) enum Builtin {
    /// Any of them.
    Maker(Arc<dyn Maker>),
    /// One whose records can be looked at.
    Memory(Memory),
}

/// The built-in target of this plugin name, for the target `name`; `None` for another plugin.
pub(crate) fn builtin(
    plugin: &str,
    name: &str,
    config: &Value,
) -> Option<Result<Builtin, Refused>> {
    Some(match plugin {
        "console" => console::maker(name, config).map(Builtin::Maker),
        "memory" => memory::from_config(config).map(Builtin::Memory),
        "null" => null::maker(config).map(Builtin::Maker),
        #[cfg(feature = "log")]
        "log" => facade::log(name, config).map(Builtin::Maker),
        #[cfg(feature = "tracing")]
        "tracing" => facade::tracing(name, config).map(Builtin::Maker),
        _ => return None,
    })
}

fn settings<T: DeserializeOwned>(config: &Value) -> Result<T, Refused> {
    serde_path_to_error::deserialize(config).map_err(|error| Refused {
        path: match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        },
        what: error.inner().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(plugin: &str, config: &Value) -> Refused {
        match builtin(plugin, "t", config) {
            Some(Err(refused)) => refused,
            _ => panic!("{plugin} accepts {config}"),
        }
    }

    #[test]
    fn settings_are_refused_by_their_path() {
        let refusal = refused("console", &json!({ "format": "xml" }));
        assert_eq!(refusal.path, "format");
        assert!(refusal.what.contains("`text`") && refusal.what.contains("xml"));
        assert!(
            refused("null", &json!({ "x": 1 }))
                .what
                .contains("unknown field `x`")
        );
        assert_eq!(
            refused("memory", &json!({ "max_records": 0 })).path,
            "max_records"
        );
        for plugin in NAMES.iter().copied() {
            assert!(matches!(builtin(plugin, "t", &json!({})), Some(Ok(_))));
        }
        assert!(builtin("file", "t", &json!({})).is_none());
    }
}
