//! Takes what librdkafka tells to where it belongs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use log::Level;
use rolog_plugin::prelude::*;

use crate::native::{Client, Code, Event, Throttle};
use crate::reports::Ledger;
use crate::statistics;
use crate::token::{Token, Tokens};
use crate::watch::Watch;

/// So many events are taken before others of the runtime have their turn. Reports come by the
/// hundreds in one.
const TURN: usize = 32;

/// Runs until it is aborted.
pub(crate) async fn pump(
    client: Arc<Client>,
    ledger: Arc<Ledger>,
    watch: Arc<Watch>,
    mut tokens: Option<Tokens>,
    context: Context,
) {
    let refused = Code::of(rdkafka_sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__AUTHENTICATION);
    let mut slow = HashSet::new();
    loop {
        client.has_events().await;
        let mut taken = 0;
        while let Some(event) = client.next_event() {
            let asked = match &event {
                Event::TokenWanted => Some(Asked::ForOne),
                Event::Error { code, .. } if *code == refused => Some(Asked::ForAnother),
                _ => None,
            };
            take(event, &ledger, &watch);
            if let Some(asked) = asked {
                tokens = give_token(&client, tokens, asked, &context).await;
            }
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
        Event::TokenWanted | Event::Other => {}
    }
}

/// What token is asked for.
#[derive(Clone, Copy)]
enum Asked {
    /// Whichever there is.
    ForOne,
    /// Brokers have refused the last one.
    ForAnother,
}

/// Gives librdkafka the token that the file has, or says why there is none.
async fn give_token(
    client: &Client,
    tokens: Option<Tokens>,
    asked: Asked,
    context: &Context,
) -> Option<Tokens> {
    let mut tokens = tokens?;
    let reading = context.spawn_blocking(move || {
        let token = match asked {
            Asked::ForOne => Some(tokens.read()),
            Asked::ForAnother => tokens.read_if_new().map(Ok),
        };
        (tokens, token)
    });
    // Reading neither panics nor is aborted before this is.
    let (tokens, token) = reading.await.ok()?;
    let given = token.map(|token| token.and_then(|token| give(client, &token)));
    if let Some(Err(why)) = given {
        client.has_no_token(&why);
    }
    Some(tokens)
}

fn give(client: &Client, token: &Token) -> Result<(), String> {
    let life = token.until.duration_since(UNIX_EPOCH).unwrap_or_default();
    let until = i64::try_from(life.as_millis()).unwrap_or(i64::MAX / 1000);
    client.set_token(&token.value, until.min(i64::MAX / 1000), &token.subject)?;
    let (seconds, subject) = (life.as_secs(), &token.subject);
    log::info!("the token for `{subject}`, good until {seconds} s after 1970, is used from now on");
    Ok(())
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
