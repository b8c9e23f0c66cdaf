//! The settings of a file target.

mod access;
mod amount;
mod lines;
mod rotate;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::zone::Zone;

pub use access::{Mode, Owner};
pub use amount::{Size, Span};
pub(crate) use lines::renderer;
pub use lines::{Format, JsonShape, Times};
pub use rotate::{Compress, Every, Keep, Rotate};

/// The settings of a file target.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file to append to, relative to the pipeline's folder; or a template of such files, with
    /// `{logger}`, `{level}`, `{date}`, `{date:%Y/%m}` and `{field.name}`.
    pub path: PathBuf,
    /// What its lines look like.
    #[serde(default)]
    pub format: Format,
    /// The shape of JSON lines.
    #[serde(default)]
    pub shape: Option<JsonShape>,
    /// What the parts of a record are called in JSON lines of rolog's own shape; `off` leaves one out.
    #[serde(default)]
    pub names: BTreeMap<String, Option<String>>,
    /// The attributes of OpenTelemetry's resource, such as `service.name`.
    #[serde(default)]
    pub resource: BTreeMap<String, String>,
    /// The pattern of text lines.
    #[serde(default)]
    pub pattern: Option<String>,
    /// How times are written.
    #[serde(default)]
    pub time: Option<Times>,
    /// Whether each JSON line says where in the code it was logged.
    #[serde(default)]
    pub source: bool,
    /// When what was written is brought to the disk.
    #[serde(default)]
    pub fsync: Fsync,
    /// Whose hours and days count, for `rotate` and for dates in the path: `UTC` (the default), `local`,
    /// a name such as `Europe/Berlin`, or an offset such as `+02:00`.
    #[serde(default)]
    pub zone: Zone,
    /// How many files are open at a time, where the path is a template; 1 to 100,000, and 64 unless
    /// it says otherwise.
    #[serde(default)]
    pub max_open: Option<usize>,
    /// When a new file is begun.
    #[serde(default)]
    pub rotate: Option<Rotate>,
    /// How many of the rotated files stay; all of them, unless it says otherwise.
    #[serde(default)]
    pub keep: Keep,
    /// How rotated files are made smaller.
    #[serde(default)]
    pub compress: Compress,
    /// What a file that is made may be used for and by whom; an existing one that may be used for
    /// more is not written to. Without it the process's mask decides.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Whose files are: those that are made are given to it, and an existing one has to be its.
    #[serde(default)]
    pub owner: Option<Owner>,
    /// Whether a second process is kept from writing to the file.
    #[serde(default = "yes")]
    pub lock: bool,
}

fn yes() -> bool {
    true
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
