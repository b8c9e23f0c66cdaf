//! What a target answers to a configuration, before anything is done with it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What will follow from a configuration that is accepted.
///
/// ```
/// use rolog_plugin::Plan;
///
/// let plan = Plan::new()
///     .resource("file:/var/log/app.jsonl")
///     .preferred_batch(5000)
///     .warning("`fsync: never` loses what the disk had not yet got when the machine stops");
/// assert_eq!(plan.resources(), ["file:/var/log/app.jsonl"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    resources: Vec<String>,
    warnings: Vec<String>,
    preferred_batch: Option<usize>,
}

impl Plan {
    /// A plan without warnings, resources or wishes.
    pub fn new() -> Self {
        Plan::default()
    }

    /// Names something that only one target may use at a time, such as the canonical path of a
    /// file. Two targets that name one resource are refused, and so are a target that names a folder,
    /// `folder:/var/log/shop`, and one that names what lies in it, `file:/var/log/shop/app.jsonl` or
    /// another folder. Paths are absolute and without links.
    #[must_use]
    pub fn resource(mut self, name: impl Into<String>) -> Self {
        self.resources.push(name.into());
        self
    }

    /// Something the configuration's author should know.
    #[must_use]
    pub fn warning(mut self, text: impl Into<String>) -> Self {
        self.warnings.push(text.into());
        self
    }

    /// How many records a batch should have where the pipeline does not say.
    #[must_use]
    pub fn preferred_batch(mut self, records: usize) -> Self {
        self.preferred_batch = Some(records);
        self
    }

    /// The resources named.
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// The warnings given.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The batch size wished for.
    pub fn batch(&self) -> Option<usize> {
        self.preferred_batch
    }
}

/// One or more settings that are refused, each by its path.
///
/// ```
/// use rolog_plugin::ConfigError;
///
/// let error = ConfigError::at("auth.token", "the token is empty")
///     .expected("a token, or no `auth` at all")
///     .and(ConfigError::at("retries", "-1 is negative"));
/// assert_eq!(error.problems().len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

/// A setting that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where it is within the plugin's configuration, as in `auth.token` or `hosts[2]`; empty for
    /// the configuration as a whole.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
    /// What would be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

impl ConfigError {
    /// Refuses the setting at `path`; an empty path stands for the configuration as a whole.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        ConfigError {
            problems: vec![Problem {
                path: path.into(),
                message: message.into(),
                expected: None,
            }],
        }
    }

    /// Says what would be right, for the setting named last.
    #[must_use]
    pub fn expected(mut self, what: impl Into<String>) -> Self {
        if let Some(last) = self.problems.last_mut() {
            last.expected = Some(what.into());
        }
        self
    }

    /// Refuses further settings too, so that they can all be mended at once.
    #[must_use]
    pub fn and(mut self, other: ConfigError) -> Self {
        self.problems.extend(other.problems);
        self
    }

    /// What is refused.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(expected) = &self.expected {
            write!(f, " (expected {expected})")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// The answer of `validate`, as it crosses: the plan's keys, and `errors`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Validation {
    /// What is refused; empty when the configuration is accepted.
    pub errors: Vec<Problem>,
    /// What follows when it is accepted.
    #[serde(flatten)]
    pub plan: Plan,
}

impl From<Result<Plan, ConfigError>> for Validation {
    fn from(result: Result<Plan, ConfigError>) -> Self {
        match result {
            Ok(plan) => Validation {
                errors: Vec::new(),
                plan,
            },
            Err(error) => Validation {
                errors: error.problems,
                plan: Plan::default(),
            },
        }
    }
}
