//! What requests and answers look like on the wire.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::Problem;
use crate::error::Error;

/// The version of the protocol.
pub const VERSION: u64 = 1;

/// The longest request, in bytes.
pub(super) const MAX_REQUEST: usize = 64 * 1024;

/// What is asked for, once its version is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    #[serde(rename = "v")]
    _version: u64,
    pub(super) op: String,
    #[serde(default)]
    pub(super) with: Map<String, Value>,
    #[serde(default, rename = "id")]
    _id: Value,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    v: u64,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    id: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ok: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Refusal>,
}

/// Why something was not done.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(super) kind: String,
    pub(super) message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) problems: Vec<Wrong>,
}

/// A problem of a configuration.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Wrong {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    path: String,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
}

impl Refusal {
    pub(super) fn new(kind: &str, message: impl Into<String>) -> Self {
        Refusal {
            kind: kind.to_owned(),
            message: message.into(),
            problems: Vec::new(),
        }
    }

    /// The request itself is wrong.
    pub(super) fn request(message: impl Into<String>) -> Self {
        Refusal::new("request", message)
    }
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        let kind = if error.is_config() {
            "config"
        } else if error.is_disposed() {
            "disposed"
        } else if error.is_system() {
            "system"
        } else {
            "refused"
        };
        let message = rolog_core::delivery::chain(error);
        let problems = error.problems().iter().map(Wrong::from).collect();
        Refusal {
            problems,
            ..Refusal::new(kind, message)
        }
    }
}

impl From<&Problem> for Wrong {
    fn from(problem: &Problem) -> Self {
        Wrong {
            file: problem.file.to_string(),
            line: problem.place.map(|place| place.line),
            column: problem.place.map(|place| place.column),
            path: problem.path.to_string(),
            what: problem.what.clone(),
            expected: problem.expected.clone(),
        }
    }
}

impl Answer {
    /// The answer to the request with this id.
    pub(super) fn new(id: Value, result: Result<Value, Refusal>) -> Self {
        let (ok, error) = match result {
            Ok(value) => (Some(value), None),
            Err(refusal) => (None, Some(refusal)),
        };
        Answer {
            v: VERSION,
            id,
            ok,
            error,
        }
    }

    /// As it goes out, its end included.
    pub(super) fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self)
            .expect("it consists of texts, numbers and objects with texts as keys");
        line.push(b'\n');
        line
    }
}

/// A request, and its id even where it is none.
pub(super) fn read(line: &[u8]) -> (Value, Result<Request, Refusal>) {
    let value: Value = match serde_json::from_slice(line) {
        Ok(value) => value,
        Err(error) => {
            let message = format!("a request is an object of JSON on a line of its own: {error}");
            return (Value::Null, Err(Refusal::request(message)));
        }
    };
    let id = value.get("id").cloned().unwrap_or_default();
    let version = value.get("v");
    if version.and_then(Value::as_u64) != Some(VERSION) {
        let stated = version.map_or_else(|| "no version".to_owned(), |v| format!("version {v}"));
        let message = format!("the request has {stated}; this host speaks version {VERSION}");
        return (id, Err(Refusal::new("version", message)));
    }
    let request = serde_json::from_value(value)
        .map_err(|error| Refusal::request(format!("the request is wrong: {error}")));
    (id, request)
}
