//! The Kafka target keeps what every target has to keep.

use std::sync::Arc;

use rdkafka::types::RDKafkaRespErr as E;
use rolog_plugin::conformance::{Suite, Trouble};
use rolog_plugin::prelude::*;
use serde_json::json;

use super::mock::Cluster;

#[test]
fn the_kafka_target_is_conformant() {
    let cluster = Arc::new(Cluster::new(1));
    let (settings, arrived) = (Arc::clone(&cluster), Arc::clone(&cluster));
    let short = Arc::clone(&cluster);
    let (down, up) = (Arc::clone(&cluster), Arc::clone(&cluster));
    let (down_too, up_too) = (Arc::clone(&cluster), Arc::clone(&cluster));
    let (lost, found) = (Arc::clone(&cluster), Arc::clone(&cluster));
    let topic = |n: usize| format!("t{n}");
    let base = json!({ "brokers": "a:1", "topic": "t" });
    let with = |key: &str, value: serde_json::Value| {
        let mut config = base.clone();
        config[key] = value;
        config
    };
    let report = Suite::of::<rolog_kafka::Kafka>(move |n| {
        let name = topic(n);
        settings.topic_once(&name);
        settings.settings(&name, &json!({}))
    })
    .arrived(move |n| {
        // A cluster that is down cannot be asked, and holds what it held.
        if arrived.is_down() {
            return Vec::new();
        }
        arrived.messages(&topic(n))
    })
    .refuses(with("brokers", json!("")), "brokers")
    .refuses(with("topic", json!("a b")), "topic")
    .refuses(with("topic", json!("{")), "topic")
    .refuses(with("compression", json!("zip")), "compression")
    .refuses(with("delivery_timeout", json!("1ms")), "delivery_timeout")
    .refuses(
        with("properties", json!({ "linger.msec": 1 })),
        "properties.linger.msec",
    )
    .trouble(
        Trouble::answered("a cluster that is down", Verdict::Retry)
            .class(Class::Connection)
            .config(move |n| {
                let name = topic(n);
                short.topic_once(&name);
                short.settings(&name, &json!({ "delivery_timeout": "2s" }))
            })
            .cause(move |_| down.down())
            .mend(move |_| up.up()),
    )
    .trouble(
        Trouble::answered("a topic that may not be written", Verdict::Hold)
            .class(Class::Auth)
            .cause(move |_| lost.refuse(&[E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]))
            .mend(move |_| found.refuse(&[])),
    )
    .trouble(
        Trouble::hangs("a cluster that has gone")
            .cause(move |_| down_too.down())
            .mend(move |_| up_too.up()),
    )
    .run();
    assert_eq!(report.passed().len(), 11, "{report:?}");
}
