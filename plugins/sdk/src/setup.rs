//! What the host tells an instance about where it stands.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What an instance is made for, beside its own settings. It crosses as JSON, so that later versions
/// can say more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Setup {
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<PathBuf>,
    isolate: bool,
}

impl Setup {
    /// For the target of this name.
    pub fn new(target: impl Into<String>) -> Self {
        Setup {
            target: target.into(),
            ..Setup::default()
        }
    }

    /// Relative paths of the settings are relative to this folder.
    #[must_use]
    pub fn relative_to(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Whether the instance gets a runtime of its own.
    #[must_use]
    pub fn isolate(mut self, isolate: bool) -> Self {
        self.isolate = isolate;
        self
    }

    /// The target's name in the pipeline.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// A path of the settings, as it is meant: relative to the pipeline's file.
    pub fn resolve(&self, path: impl AsRef<Path>) -> PathBuf {
        match &self.folder {
            Some(folder) => folder.join(path),
            None => path.as_ref().to_path_buf(),
        }
    }

    /// Whether the instance has a runtime of its own.
    pub fn is_isolated(&self) -> bool {
        self.isolate
    }
}
