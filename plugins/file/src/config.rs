use std::path::PathBuf;

use rolog_core::render::Format;
use serde::Deserialize;

/// The settings of a file target.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file to append to, relative to the pipeline's folder.
    pub path: PathBuf,
    /// What its lines look like.
    #[serde(default)]
    pub format: Format,
    /// Whether each JSON line says where in the code it was logged.
    #[serde(default)]
    pub source: bool,
    /// When what was written is brought to the disk.
    #[serde(default)]
    pub fsync: Fsync,
}

/// When what was written is brought to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// When the operating system sees fit, usually within half a minute.
    Never,
    /// Within a second.
    #[default]
    Interval,
    /// Before a batch counts as delivered.
    Batch,
}
