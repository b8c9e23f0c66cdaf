//! Batches and instances.

use std::time::Duration;

use rolog_core::frame::{BatchBuilder, FrameMeta, LoggerRef, RecordId};
use rolog_core::level::Level;
use rolog_core::value::{Encoder, Timestamp};
use rolog_http::Http;
use rolog_plugin::prelude::*;
use serde_json::Value;

/// An instance with these settings, on the current runtime.
pub(crate) async fn target(config: Value) -> Http {
    try_target(config).await.unwrap()
}

pub(crate) async fn try_target(mut config: Value) -> Result<Http, Failure> {
    // Whatever the machine's variables say.
    config
        .as_object_mut()
        .unwrap()
        .entry("proxy")
        .or_insert("none".into());
    let config = serde_json::from_value(config).unwrap();
    let target = Http::create(config, Context::detached(Setup::new("web"))).await?;
    target.activate().await?;
    Ok(target)
}

/// A batch of records that say these words, with `number` and `tenant` beside them.
pub(crate) fn batch(messages: &[&str]) -> Batch {
    let mut batch = BatchBuilder::new(1);
    for (sequence, message) in (0u64..).zip(messages) {
        let mut payload = Vec::new();
        let mut encoder = Encoder::new(&mut payload);
        encoder.key(message);
        encoder.key("number").u64(sequence);
        encoder
            .key("tenant")
            .str(["north", "south"][sequence as usize % 2]);
        let meta = FrameMeta::literal(
            RecordId { epoch: 7, sequence },
            Timestamp::from_nanos(1_795_346_100_123_456_789 + sequence as i64),
            Level::Information,
            LoggerRef {
                id: 1,
                name: "shop.orders",
            },
        );
        batch.push(&meta, &payload);
    }
    Batch::parse(batch.finish()).unwrap()
}

/// Ten records.
pub(crate) fn ten() -> Batch {
    batch(&["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9"])
}

/// Delivers, with time enough for what does not hang.
pub(crate) async fn deliver(target: &Http, batch: &Batch) -> Outcome {
    target
        .deliver(batch, &Attempt::new(1, Duration::from_secs(30)))
        .await
}

/// Delivers, for destinations that hang.
pub(crate) async fn deliver_briefly(target: &Http, batch: &Batch) -> Outcome {
    target
        .deliver(batch, &Attempt::new(1, Duration::from_millis(300)))
        .await
}

pub(crate) fn failure(outcome: &Outcome) -> &Failure {
    outcome.failure().unwrap()
}
