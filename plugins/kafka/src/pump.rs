//! Takes what librdkafka tells to where it belongs.

use std::collections::HashSet;
use std::sync::Arc;

use log::Level;

use crate::native::{Client, Event, Throttle};
use crate::reports::Ledger;
use crate::statistics;
use crate::watch::Watch;

/// So many events are taken before others of the runtime have their turn. Reports come by the
/// hundreds in one.
const TURN: usize = 32;

/// Runs until it is aborted.
pub(crate) async fn pump(client: Arc<Client>, ledger: Arc<Ledger>, watch: Arc<Watch>) {
    let mut slow = HashSet::new();
    loop {
        client.has_events().await;
        let mut taken = 0;
        while let Some(event) = client.next_event() {
            take(event, &ledger, &watch);
            taken += 1;
            if taken % TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
        if ledger.has_delivered() {
            watch.over();
        }
        for throttle in client.throttled() {
            say(&throttle, &mut slow);
        }
    }
}

fn take(event: Event, ledger: &Ledger, watch: &Watch) {
    match event {
        Event::Reports(reports) => ledger.take(|each| reports.each(each)),
        Event::Error { code, text, fatal } => {
            if fatal {
                log::error!(target: "librdkafka", "the producer cannot go on: {text}");
            }
            watch.note(code, text);
        }
        Event::Statistics(json) => {
            if let Err(error) = statistics::publish(&json) {
                log::warn!("librdkafka's statistics cannot be read: {error}");
            }
        }
        Event::Log { severity, text } => log::log!(target: "librdkafka", level(severity), "{text}"),
        Event::Other => {}
    }
}

/// Says when a broker begins to throttle and when it has ended; between the two it is a metric.
fn say(throttle: &Throttle, slow: &mut HashSet<i32>) {
    let Throttle { broker, delay } = throttle;
    if delay.is_zero() {
        if slow.remove(broker) {
            log::info!("broker {broker} throttles no longer");
        }
    } else if slow.insert(*broker) {
        statistics::throttled(*broker);
        log::warn!("broker {broker} throttles: it asks for {delay:?} between requests");
    }
}

/// From syslog's severities.
fn level(severity: i32) -> Level {
    match severity {
        ..=3 => Level::Error,
        4 => Level::Warn,
        5 | 6 => Level::Info,
        _ => Level::Debug,
    }
}
