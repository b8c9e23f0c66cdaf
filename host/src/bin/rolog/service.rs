//! `rolog status` and the others: what is asked of a pipeline that runs elsewhere.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rolog_host::control::{Client, ClientError};
use serde_json::{Value, json};

use crate::args::Service;
use crate::pipeline::{self, Refused};
use crate::print;
use crate::show;

/// Asks for `operation`, and shows the answer by `shown`.
pub(crate) fn ask(service: &Service, operation: &str, shown: fn(&Value) -> String) -> ExitCode {
    ask_with(service, operation, &json!({}), shown)
}

/// The same with what the operation wants to know.
pub(crate) fn ask_with(
    service: &Service,
    operation: &str,
    with: &Value,
    shown: fn(&Value) -> String,
) -> ExitCode {
    let socket = match socket(service) {
        Ok(socket) => socket,
        Err(refused) => return refused.tell(),
    };
    told(call(&socket, operation, with), &socket, |answer| {
        if service.json {
            print::answer(&format!("{answer}\n"));
        } else {
            print::answer(&shown(answer));
        }
        ExitCode::SUCCESS
    })
}

/// Asks the service at `socket` for `operation`.
pub(crate) fn call(socket: &Path, operation: &str, with: &Value) -> Result<Value, ClientError> {
    Client::connect(socket)?.call(operation, with)
}

/// What to do with an answer, or why there is none.
pub(crate) fn told(
    answered: Result<Value, ClientError>,
    socket: &Path,
    tell: impl FnOnce(&Value) -> ExitCode,
) -> ExitCode {
    match answered {
        Ok(answer) => tell(&answer),
        Err(error) if error.refusal().is_some() => {
            for line in error.to_string().lines() {
                print::error(line);
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            let socket = socket.display();
            Refused::because(format_args!("no service answers at {socket}: {error}")).tell()
        }
    }
}

/// The control socket that is named, or that the pipeline names.
fn socket(service: &Service) -> Result<PathBuf, Refused> {
    if let Some(path) = &service.control {
        return Ok(path.clone());
    }
    let spec = pipeline::load(Some(&service.config))?;
    spec.control().map(Path::to_path_buf).ok_or_else(|| {
        Refused::because(format_args!(
            "{} names no control socket: add `control: <path>` to it, which a running service takes \
             over, or say --control PATH",
            service.config.display()
        ))
    })
}

/// The plugins that a service has loaded.
pub(crate) fn plugins(socket: &Path) -> ExitCode {
    told(call(socket, "plugins", &json!({})), socket, |answer| {
        print::answer(&show::plugins(answer));
        ExitCode::SUCCESS
    })
}

/// What a reload of the service would do now.
pub(crate) fn plan(socket: &Path, exit_code: bool) -> ExitCode {
    told(call(socket, "plan", &json!({})), socket, |answer| {
        print::answer(&show::plan(answer));
        let refused = answer["refused"]
            .as_array()
            .is_some_and(|list| !list.is_empty());
        let changes = answer["changes"] == true;
        ExitCode::from(u8::from(refused || exit_code && changes))
    })
}
