//! The one error type of this crate.

use std::fmt;

/// What this crate refuses. Opaque; ask the predicates what kind it is.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Level,
    Frame,
    Setting,
    Disposed,
    Value,
}

impl Error {
    pub(crate) fn level(message: impl Into<String>) -> Self {
        Self::of(Kind::Level, message)
    }

    pub(crate) fn frame(message: impl Into<String>) -> Self {
        Self::of(Kind::Frame, message)
    }

    /// A setting out of its bounds, for the host crate.
    #[doc(hidden)]
    pub fn setting(message: impl Into<String>) -> Self {
        Self::of(Kind::Setting, message)
    }

    /// A pipeline that is not running, for the host crate.
    #[doc(hidden)]
    pub fn disposed(message: impl Into<String>) -> Self {
        Self::of(Kind::Disposed, message)
    }

    pub(crate) fn value(message: impl Into<String>) -> Self {
        Self::of(Kind::Value, message)
    }

    fn of(kind: Kind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
        }
    }

    /// A level or a range of levels that does not exist.
    pub fn is_level(&self) -> bool {
        self.kind == Kind::Level
    }

    /// Bytes that are not a batch of frames.
    pub fn is_frame(&self) -> bool {
        self.kind == Kind::Frame
    }

    /// A setting out of its bounds.
    pub fn is_setting(&self) -> bool {
        self.kind == Kind::Setting
    }

    /// A value that could not be taken into a record.
    pub fn is_value(&self) -> bool {
        self.kind == Kind::Value
    }

    /// The pipeline has been disposed, or was never started.
    pub fn is_disposed(&self) -> bool {
        self.kind == Kind::Disposed
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
