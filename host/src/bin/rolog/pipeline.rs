//! The pipeline that a command is about.

use std::error::Error as _;
use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use rolog_host::Error;
use rolog_host::config::{self, Env, PipelineSpec, Problems};

use crate::print;

/// Used where no file is named.
const BUILT_IN: &str = include_str!("builtin.yaml");

/// A command line or a pipeline with which nothing can be done.
#[derive(Debug)]
pub(crate) struct Refused(Vec<String>);

impl Refused {
    pub(crate) fn because(reason: impl Display) -> Self {
        Refused(vec![reason.to_string()])
    }

    /// This, and something else besides.
    pub(crate) fn and(mut self, other: Refused) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Prints every reason; the exit status of wrong usage.
    pub(crate) fn tell(&self) -> ExitCode {
        self.print();
        ExitCode::from(2)
    }

    /// Prints every reason.
    pub(crate) fn print(&self) {
        for reason in &self.0 {
            print::error(reason);
        }
    }
}

impl From<Problems> for Refused {
    fn from(problems: Problems) -> Self {
        Refused(problems.iter().map(ToString::to_string).collect())
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::from(&error)
    }
}

impl From<&Error> for Refused {
    fn from(error: &Error) -> Self {
        if error.is_config() {
            return Refused(error.problems().iter().map(ToString::to_string).collect());
        }
        let mut told = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            told.push_str(": ");
            told.push_str(&cause.to_string());
            source = cause.source();
        }
        Refused(vec![told])
    }
}

/// Reads the pipeline of this file, or the built-in one. Warnings are printed.
pub(crate) fn load(path: Option<&Path>) -> Result<PipelineSpec, Refused> {
    let env = Env::process();
    let spec = match path {
        Some(path) => config::load(path, &env)?,
        None => config::parse(BUILT_IN, "the built-in pipeline", ".", &env)?,
    };
    for warning in spec.warnings() {
        print::warning(warning);
    }
    Ok(spec)
}
