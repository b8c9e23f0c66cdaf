//! The one error type of this crate's front: starting, checking and reloading a pipeline.

use std::fmt;

use crate::config::{Problem, Problems};

/// Why a pipeline could not be started. Opaque; ask the predicates what kind it is.
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
enum Kind {
    Config(Problems),
    Disposed,
    NoFile,
    NoBefore,
    Level(String),
    System {
        what: &'static str,
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn system(what: &'static str, source: std::io::Error) -> Self {
        Error(Kind::System { what, source })
    }

    pub(crate) fn disposed() -> Self {
        Error(Kind::Disposed)
    }

    pub(crate) fn no_file() -> Self {
        Error(Kind::NoFile)
    }

    pub(crate) fn no_generation_before() -> Self {
        Error(Kind::NoBefore)
    }

    pub(crate) fn level(message: String) -> Self {
        Error(Kind::Level(message))
    }

    /// A level was to be set for loggers, or a time, that cannot be.
    pub fn is_level(&self) -> bool {
        matches!(self.0, Kind::Level(_))
    }

    /// The pipeline has been disposed.
    pub fn is_disposed(&self) -> bool {
        matches!(self.0, Kind::Disposed)
    }

    /// The configuration is wrong; [`Error::problems`] says where.
    pub fn is_config(&self) -> bool {
        matches!(self.0, Kind::Config(_))
    }

    /// The operating system refused a thread or a file.
    pub fn is_system(&self) -> bool {
        matches!(self.0, Kind::System { .. })
    }

    /// What is wrong with the configuration, each with its place.
    pub fn problems(&self) -> &[Problem] {
        match &self.0 {
            Kind::Config(problems) => problems,
            _ => &[],
        }
    }
}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        Error(Kind::Config(problems))
    }
}

impl fmt::Display for Error {
    /// The problems of a configuration, a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Config(problems) => problems.fmt(f),
            Kind::Disposed => f.write_str("the pipeline has been disposed"),
            Kind::NoFile => f.write_str(
                "this pipeline was built in code and has no file to read again: use `reconfigure`",
            ),
            Kind::NoBefore => f.write_str("there is no generation before this one"),
            Kind::Level(message) => f.write_str(message),
            Kind::System { what, .. } => write!(f, "cannot start {what}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Kind::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
