//! From the JSON of a pipeline to an author's settings, with the path of what does not fit.

use rolog_core::delivery::{Class, Failure};
use serde_json::Value;

use crate::plan::Validation;
use crate::{ConfigError, Setup, Target};

/// Reads the settings of `T`.
pub(crate) fn read<T: Target>(json: &str) -> Result<T::Config, ConfigError> {
    let value: Value = serde_json::from_str(json)
        .map_err(|error| ConfigError::at("", format!("the configuration is not JSON: {error}")))?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        let text = error.into_inner().to_string();
        match text.split_once(", expected ") {
            Some((message, expected)) => ConfigError::at(path, message).expected(expected),
            None => ConfigError::at(path, text),
        }
    })
}

/// What an instance that is made from refused settings fails with.
pub(crate) fn refusal(error: ConfigError) -> Failure {
    let text = error.to_string();
    drop(error);
    Failure::new(
        Class::Invalid,
        format!("the configuration is refused: {text}"),
    )
}

/// Checks settings, as the host asks for it.
pub(crate) fn validate<T: Target>(json: &str, setup: &str) -> Validation {
    let checked = read::<T>(json).and_then(|config| {
        let setup: Setup = serde_json::from_str(setup)
            .map_err(|error| ConfigError::at("", format!("the setup cannot be read: {error}")))?;
        T::validate(&config, &setup)
    });
    Validation::from(checked)
}
