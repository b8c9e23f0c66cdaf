//! What leaves a pipeline beside its targets: its dead letters and its metrics.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::amount::{Count, Size};
use super::read::{Cursor, Keys, Section, Setting};
use super::recovery::OrOff;
use super::spec::{GIB, MIB};

/// What all dead letters take at most.
pub type DeadLetterBytes = Size<MIB, { 1024 * GIB }>;

/// Where records are kept that no target took.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeadLettersSpec {
    /// The file, as an absolute path in a valid pipeline.
    pub path: PathBuf,
    /// What it and its predecessors take at most.
    pub max_bytes: DeadLetterBytes,
}

impl DeadLettersSpec {
    /// A file with the default bound. A relative path is relative to the pipeline's folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        DeadLettersSpec {
            path: path.into(),
            max_bytes: DeadLettersDraft::default().max_bytes,
        }
    }
}

/// Where the pipeline's own numbers go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetricsSpec {
    /// The address of the page that Prometheus reads.
    pub prometheus: OrOff<SocketAddr>,
}

impl Default for MetricsSpec {
    fn default() -> Self {
        MetricsSpec {
            prometheus: OrOff::Off,
        }
    }
}

/// How many runs of lost records are remembered at each target.
pub type RememberedDrops = Count<0, 1_000_000>;

/// What is remembered for whoever asks what became of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExplainSpec {
    /// The last losses at each target, those of records that follow each other as one.
    pub drops: RememberedDrops,
}

impl Default for ExplainSpec {
    fn default() -> Self {
        ExplainSpec {
            drops: Count::of::<1000>(),
        }
    }
}

impl Keys for ExplainSpec {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key(
            "drops",
            "how many losses each target remembers for `rolog explain --record`; those of records that follow each other count as one",
            &mut self.drops,
        );
    }
}

/// The longest path of a Unix socket that the operating system takes, in bytes.
pub(crate) const MAX_SOCKET: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Checks the path of the control socket; says what is wrong with it.
pub(super) fn check_socket(path: &Path) -> Result<(), String> {
    if !cfg!(unix) {
        return Err("there are no Unix sockets on this system".to_owned());
    }
    // It is made beside its place, under a name of up to seven bytes.
    let folder = path.parent().map_or(0, |folder| folder.as_os_str().len());
    let length = path.as_os_str().len().max(folder + 8);
    if length > MAX_SOCKET {
        return Err(format!(
            "{} has {length} bytes, and a Unix socket's path at most {MAX_SOCKET}",
            path.display()
        ));
    }
    Ok(())
}

/// Dead letters as they are read.
pub(crate) struct DeadLettersDraft {
    path: Option<PathBuf>,
    max_bytes: DeadLetterBytes,
}

impl Default for DeadLettersDraft {
    fn default() -> Self {
        DeadLettersDraft {
            path: None,
            max_bytes: Size::of::<{ 256 * MIB }>(),
        }
    }
}

impl From<DeadLettersSpec> for DeadLettersDraft {
    fn from(spec: DeadLettersSpec) -> Self {
        DeadLettersDraft {
            path: Some(spec.path),
            max_bytes: spec.max_bytes,
        }
    }
}

impl DeadLettersDraft {
    pub(super) fn max_bytes(&self) -> DeadLetterBytes {
        self.max_bytes
    }

    /// `None` when it has no path, which has been reported.
    pub(super) fn finish(self, base: &Path) -> Option<DeadLettersSpec> {
        Some(DeadLettersSpec {
            path: base.join(self.path?),
            max_bytes: self.max_bytes,
        })
    }
}

impl Keys for DeadLettersDraft {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.required(
            "path",
            "the file, JSON lines; relative to the pipeline's folder; full ones are kept as `<path>.1` and so on",
            &mut self.path,
        );
        s.key(
            "max_bytes",
            "what all of them take at most; then the oldest goes, counted",
            &mut self.max_bytes,
        );
    }
}

impl Keys for MetricsSpec {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key(
            "prometheus",
            "where the page `/metrics` is served; port 0 has one chosen",
            &mut self.prometheus,
        );
    }
}

impl Setting for PathBuf {
    fn expected() -> String {
        "the path of a file".to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        match cursor.text(Self::expected())? {
            "" => {
                cursor.refuse("the path is empty", Self::expected());
                None
            }
            path => Some(PathBuf::from(path)),
        }
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Setting for SocketAddr {
    fn expected() -> String {
        "an IP address and port, such as `127.0.0.1:9464`".to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        cursor.parsed(&Self::expected())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}
