//! The names of targets and plugins.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A name that cannot be one. Displayed without the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName(&'static str);

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidName {}

/// The name of a target: 1 to 100 bytes of printable text without spaces at its ends.
///
/// It stands in routes, ledgers, events and as the label of metrics. Cheap to clone.
///
/// ```
/// use rolog_host::config::TargetName;
///
/// let name: TargetName = "app".parse()?;
/// assert_eq!(name.as_str(), "app");
/// assert!("".parse::<TargetName>().is_err());
/// # Ok::<(), rolog_host::config::InvalidName>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetName(Arc<str>);

impl TargetName {
    pub(crate) const EXPECTED: &'static str = "the name of a target";
    const LONGEST: usize = 100;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as shared text.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl FromStr for TargetName {
    type Err = InvalidName;

    /// # Errors
    /// A text that is empty, too long, with control characters or with spaces at an end.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() {
            return Err(InvalidName("the name of a target is empty"));
        }
        if text.len() > Self::LONGEST {
            return Err(InvalidName("the name of a target has more than 100 bytes"));
        }
        if text.contains(char::is_control) {
            return Err(InvalidName("the name of a target has a control character"));
        }
        if text.trim() != text {
            return Err(InvalidName("the name of a target has a space at an end"));
        }
        Ok(TargetName(text.into()))
    }
}

impl Borrow<str> for TargetName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// The name of a plugin: 1 to 64 ASCII letters, digits, `_` and `-`, because it becomes part of a
/// file's name (`librolog_<name>.so`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginName(Arc<str>);

impl PluginName {
    pub(crate) const EXPECTED: &'static str =
        "the name of a plugin: letters, digits, `_` and `-`, such as `file`";
    const LONGEST: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PluginName {
    type Err = InvalidName;

    /// # Errors
    /// A text that is empty, too long, or has other characters.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() {
            return Err(InvalidName("the name of a plugin is empty"));
        }
        if text.len() > Self::LONGEST {
            return Err(InvalidName("the name of a plugin has more than 64 bytes"));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !text.chars().all(allowed) {
            return Err(InvalidName(
                "the name of a plugin has other characters than letters, digits, `_` and `-`",
            ));
        }
        Ok(PluginName(text.into()))
    }
}

impl std::ops::Deref for PluginName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
