//! The HTTP plugin as a loaded library, against servers that others wrote: nginx before a receiver of
//! the test, and an `OpenTelemetry` collector.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod certificates;
mod collector;
mod nginx;
mod partial;
mod receiver;
mod replay;
mod restart;

use std::time::Duration;

use rolog_host::Host;
use rolog_host::config::{self, Env};
use rolog_tests::artifacts;
use serde_json::Value;

/// Longer than anything takes, on a machine with much to do.
const LONG: Duration = Duration::from_mins(5);

/// A pipeline whose one target, `web`, is the plugin with these settings.
fn pipeline(settings: &Value, flush: &str) -> Host {
    let mut settings = settings.clone();
    // Whatever the machine's variables say.
    settings["proxy"] = "none".into();
    started("http", &settings, flush)
}

/// A pipeline whose one target, `web`, is of this plugin.
fn started(plugin: &str, settings: &Value, flush: &str) -> Host {
    let yaml = format!(
        "
version: 1
plugins: {{ search: [{}] }}
levels: {{ '**': trace }}
rings: {{ overflow: {{ block: {{ max_wait: 60s }} }} }}
targets:
  web:
    plugin: {plugin}
    config: {settings}
    queue: {{ overflow: {{ block: {{ max_wait: 60s }} }} }}
    flush: {{ {flush} }}
routes:
  - {{ to: web }}
",
        artifacts::library_folder().display()
    );
    let spec = config::parse(yaml, "test.yaml", "/", &Env::empty());
    let spec = spec.unwrap_or_else(|problems| panic!("{problems}"));
    let host = Host::builder().pipeline(spec).start();
    host.unwrap_or_else(|error| panic!("{error}"))
}
