//! The Kafka target against a real Apache Kafka, read back by another client.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod brokers_killed;
mod cut;
mod figures;
mod leaders;
mod oidc;
mod secured;
mod trouble;

use std::path::PathBuf;
use std::sync::Arc;

use rolog_core::delivery::{Failure, Outcome};
use rolog_host::instance::Instance;
use rolog_host::loader::{Library, LoaderSettings};
use rolog_tests::artifacts;
use rolog_tests::plugins::{attempt, batch, instance, loader};
use serde_json::{Value, json};

fn library() -> Library {
    let (loader, _) = loader(LoaderSettings::default());
    let library: PathBuf = artifacts::library("kafka");
    loader.load(library).unwrap()
}

/// Settings that reconnect fast, since the brokers are near.
fn settings(brokers: &str, topic: &str, more: &Value) -> Value {
    let mut settings = json!({
        "brokers": brokers,
        "topic": topic,
        "properties": { "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200 },
    });
    for (key, value) in more.as_object().unwrap() {
        match (settings.get_mut(key).and_then(Value::as_object_mut), value) {
            (Some(known), Value::Object(added)) => known.extend(added.clone()),
            _ => settings[key] = value.clone(),
        }
    }
    settings
}

async fn target(settings: &Value) -> Result<Arc<dyn Instance>, Failure> {
    let target = instance(&library(), "kafka", settings).await?;
    target.activate().await?;
    Ok(target)
}

async fn deliver(target: &Arc<dyn Instance>, messages: &[&str]) -> Outcome {
    target
        .deliver(batch(messages.iter().copied()), attempt(1))
        .await
}

/// The messages of JSON objects.
fn messages(lines: &[String]) -> Vec<String> {
    let message = |line: &String| serde_json::from_str::<Value>(line).unwrap()["message"].clone();
    lines
        .iter()
        .map(|line| message(line).as_str().unwrap().to_owned())
        .collect()
}
