//! librdkafka's figures as metrics.
//!
//! | metric | kind | labels | what |
//! |---|---|---|---|
//! | `kafka_queue_messages` | gauge | | messages that wait or are on their way |
//! | `kafka_queue_bytes` | gauge | | their size |
//! | `kafka_messages_total` | counter | | messages sent and answered |
//! | `kafka_message_bytes_total` | counter | | their size, before compression |
//! | `kafka_requests_total` | counter | | requests sent |
//! | `kafka_sent_bytes_total` | counter | | bytes sent, after compression |
//! | `kafka_broker_up` | gauge | `broker` | whether there is a connection that works |
//! | `kafka_broker_rtt_seconds` | gauge | `broker` | how long it takes to answer, on average |
//! | `kafka_broker_throttle_seconds` | gauge | `broker` | how long it asks to wait, on average |
//! | `kafka_broker_errors_total` | counter | `broker` | requests that failed |
//! | `kafka_broker_retries_total` | counter | `broker` | requests sent again |
//! | `kafka_broker_timeouts_total` | counter | `broker` | requests that were not answered in time |
//! | `kafka_throttled_total` | counter | `broker` | how often it began to ask to wait |
//!
//! `broker` is its number in the cluster; of more than 64 brokers the first are told of.

use std::collections::BTreeMap;

use metrics::{counter, gauge};
use serde::Deserialize;

const BROKERS: usize = 64;

#[derive(Deserialize)]
struct Figures {
    msg_cnt: f64,
    msg_size: f64,
    txmsgs: u64,
    txmsg_bytes: u64,
    tx: u64,
    tx_bytes: u64,
    brokers: BTreeMap<String, Broker>,
}

#[derive(Deserialize)]
struct Broker {
    nodeid: i32,
    state: String,
    txerrs: u64,
    txretries: u64,
    req_timeouts: u64,
    rtt: Window,
    throttle: Window,
}

#[derive(Deserialize)]
struct Window {
    avg: f64,
}

/// Sets the metrics from librdkafka's statistics.
pub(crate) fn publish(json: &str) -> Result<(), serde_json::Error> {
    let all: Figures = serde_json::from_str(json)?;
    gauge!("kafka_queue_messages").set(all.msg_cnt);
    gauge!("kafka_queue_bytes").set(all.msg_size);
    counter!("kafka_messages_total").absolute(all.txmsgs);
    counter!("kafka_message_bytes_total").absolute(all.txmsg_bytes);
    counter!("kafka_requests_total").absolute(all.tx);
    counter!("kafka_sent_bytes_total").absolute(all.tx_bytes);
    // Below 0 are the addresses to begin with, which are brokers under another name.
    let brokers = all.brokers.values().filter(|broker| broker.nodeid >= 0);
    for broker in brokers.take(BROKERS) {
        let id = broker.nodeid.to_string();
        let up = if broker.state == "UP" { 1.0 } else { 0.0 };
        gauge!("kafka_broker_up", "broker" => id.clone()).set(up);
        // It counts microseconds here and milliseconds there.
        gauge!("kafka_broker_rtt_seconds", "broker" => id.clone()).set(broker.rtt.avg / 1e6);
        gauge!("kafka_broker_throttle_seconds", "broker" => id.clone())
            .set(broker.throttle.avg / 1e3);
        counter!("kafka_broker_errors_total", "broker" => id.clone()).absolute(broker.txerrs);
        counter!("kafka_broker_retries_total", "broker" => id.clone()).absolute(broker.txretries);
        counter!("kafka_broker_timeouts_total", "broker" => id).absolute(broker.req_timeouts);
    }
    Ok(())
}

/// Counts that a broker has begun to throttle.
pub(crate) fn throttled(broker: i32) {
    counter!("kafka_throttled_total", "broker" => broker.to_string()).increment(1);
}
