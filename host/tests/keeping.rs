//! What goes on and what does not: the rules of routes and the flight recorder, from YAML to target.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rolog_core::context;
use rolog_core::receipt::End;
use rolog_core::value::OwnedValue;
use rolog_core::{Level, critical, debug, error, info, trace, warning};
use rolog_host::config::{self, Env, PipelineSpec};
use rolog_host::{Host, MemoryRecord};

const LONG: Duration = Duration::from_secs(20);

fn spec(yaml: &str) -> PipelineSpec {
    let parsed = config::parse(yaml, "pipeline.yaml", "/nonexistent", &Env::empty());
    parsed.unwrap_or_else(|problems| panic!("{problems}"))
}

fn start(yaml: &str) -> Host {
    Host::builder().pipeline(spec(yaml)).start().unwrap()
}

/// A pipeline of one target and one route with this rule.
fn with(rule: &str) -> Host {
    start(&format!(
        "
version: 1
targets: {{ app: {{ plugin: memory, config: {{ max_records: 1000000 }} }} }}
routes: [{{ to: app, {rule} }}]
"
    ))
}

fn records(host: &Host, target: &str) -> Vec<MemoryRecord> {
    host.memory(target).unwrap().records()
}

fn said(records: &[MemoryRecord]) -> Vec<&str> {
    records.iter().map(|record| &*record.message).collect()
}

/// Ends the pipeline, and returns the records of its target.
fn end(host: &Host) -> Vec<MemoryRecord> {
    let memory = host.memory("app").unwrap();
    let report = host.dispose_blocking(LONG);
    assert!(report.is_complete() && report.ledger.balances(), "{report}");
    memory.records()
}

#[test]
fn a_sample_is_the_first_of_each_place_and_then_one_of_so_many() {
    let host = with("sample: { first: 2, then: 3, per: 1h }");
    let log = host.factory().get_logger("shop");
    for n in 0..10 {
        info!(log, "here {n}", n = n);
        info!(log, "there {n}", n = n);
        error!(log, "failed {n}", n = n);
    }
    let records = end(&host);
    let of = |word: &str| -> Vec<String> {
        let messages = records.iter().map(|record| record.message.clone());
        messages.filter(|text| text.starts_with(word)).collect()
    };
    assert_eq!(of("here"), ["here 0", "here 1", "here 4", "here 7"]);
    assert_eq!(of("there"), ["there 0", "there 1", "there 4", "there 7"]);
    assert_eq!(of("failed").len(), 10, "errors are exempt");
    let ledger = host.ledger();
    assert_eq!(ledger.source.suppressed, [("sampled", 12)]);
    let row = ledger.target("app").unwrap();
    assert_eq!((row.suppressed.total(), row.accepted), (12, 18));
    assert_eq!((ledger.lost(), ledger.copies), (0, 30));
}

#[test]
fn a_limit_says_how_many_it_held_back_and_of_what() {
    let host = with("limit: { rate: 1, per: 1h, burst: 2, by: logger }");
    for name in ["shop.a", "shop.b"] {
        let log = host.factory().get_logger(name);
        for n in 0..5 {
            info!(log, "asked {n}", n = n);
        }
    }
    let records = end(&host);
    for name in ["shop.a", "shop.b"] {
        let own: Vec<MemoryRecord> = records
            .iter()
            .filter(|record| record.logger == name)
            .cloned()
            .collect();
        let told = "suppressed 3 records like: asked {n}";
        assert_eq!(said(&own), ["asked 0", "asked 1", told], "{name}");
        assert_eq!(own[2].field("suppressed"), Some(&OwnedValue::U64(3)));
        assert_eq!(own[2].field("reason").unwrap().to_string(), "limited");
        assert_eq!(own[2].level, Level::Information);
    }
    assert_eq!(host.ledger().source.suppressed, [("limited", 6)]);
}

#[test]
fn what_is_counted_by_a_field_is_told_with_it() {
    let host = with("limit: { rate: 1, per: 1h, by: 'field:customer' }");
    let log = host.factory().get_logger("shop");
    for customer in ["ada", "bob", "ada", "ada"] {
        info!(log, "asked", customer = customer);
        info!(log, "nobody asked");
    }
    let records = end(&host);
    let told: Vec<(String, Option<String>)> = records
        .iter()
        .filter(|record| record.field("suppressed").is_some())
        .map(|record| {
            let customer = record.field("customer").map(ToString::to_string);
            (record.message.clone(), customer)
        })
        .collect();
    let of = |n: u64, what: &str, who: Option<&str>| {
        let message = format!("suppressed {n} records like: {what}");
        (message, who.map(str::to_owned))
    };
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.contains(&of(2, "asked", Some("ada"))), "{told:?}");
    assert!(told.contains(&of(3, "nobody asked", None)), "{told:?}");
}

#[test]
fn what_is_held_back_is_hidden_and_dressed_like_what_goes_out() {
    let host = start(
        "
version: 1
levels: { '**': info }
targets: { app: { plugin: memory } }
routes: [{ to: app, repeat: { after: 1h, max: 2h } }]
recorder: {}
fields: { service: shop }
redact: {}
",
    );
    let log = host.factory().get_logger("shop");
    for _ in 0..3 {
        debug!(log, "trying {password}", password = "hunter2");
        info!(log, "login with {password}", password = "hunter2");
    }
    error!(log, "refused");
    let records = end(&host);
    assert_eq!(records.len(), 6, "{records:#?}");
    for record in &records {
        assert!(!format!("{record:?}").contains("hunter2"), "{record:?}");
        assert_eq!(record.field("service").unwrap().to_string(), "shop");
    }
    assert!(
        records[5]
            .message
            .starts_with("repeated 2 times: login with ")
    );
}

#[test]
fn what_was_held_back_is_told_also_when_nothing_follows() {
    for rule in ["limit: { rate: 1, per: 50ms }", "repeat: { after: 50ms }"] {
        let host = with(rule);
        let log = host.factory().get_logger("shop");
        for _ in 0..4 {
            info!(log, "asked");
        }
        // No record follows, and nothing is flushed: the pump wakes by itself.
        let memory = host.memory("app").unwrap();
        let until = Instant::now() + LONG;
        while !memory
            .records()
            .iter()
            .any(|r| r.field("suppressed").is_some())
        {
            assert!(Instant::now() < until, "{rule}: {:?}", memory.records());
            std::thread::yield_now();
        }
        let records = end(&host);
        let told: u64 = records
            .iter()
            .filter_map(|record| match record.field("suppressed") {
                Some(OwnedValue::U64(n)) => Some(*n),
                _ => None,
            })
            .sum();
        let plain = records.iter().filter(|r| r.message == "asked").count() as u64;
        assert_eq!(told + plain, 4, "{rule}: {records:?}");
    }
}

#[test]
fn the_same_again_is_counted_and_another_record_passes_at_once() {
    let host = with("repeat: { after: 1h, max: 2h }");
    let log = host.factory().get_logger("shop");
    for n in [1, 1, 1, 2, 1, 2] {
        error!(log, "disk {n} is full", n = n);
    }
    warning!(log, "disk 1 is full");
    let records = end(&host);
    assert_eq!(
        said(&records[..3]),
        ["disk 1 is full", "disk 2 is full", "disk 1 is full"]
    );
    let mut told = said(&records[3..]);
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "repeated 1 time: disk 2 is full",
            "repeated 3 times: disk 1 is full"
        ]
    );
    assert_eq!(host.ledger().source.suppressed, [("repeated", 4)]);
}

#[test]
fn the_same_template_is_the_same_where_values_do_not_count() {
    let host = with("repeat: { after: 1h, max: 2h, same: template, keep: critical }");
    let (a, b) = (
        host.factory().get_logger("a"),
        host.factory().get_logger("b"),
    );
    for n in 0..3 {
        for log in [&a, &b] {
            error!(log, "disk {n} is full", n = n);
        }
        critical!(a, "disk {n} burns", n = n);
    }
    let records = end(&host);
    let of_b = records.iter().filter(|record| record.logger == "b");
    assert_eq!(of_b.count(), 2, "the first, and how many more there were");
    let burns = records
        .iter()
        .filter(|record| record.message.ends_with("burns"));
    assert_eq!(burns.count(), 3);
}

#[test]
fn a_record_can_go_to_one_target_and_be_held_back_from_another() {
    let host = start(
        "
version: 1
targets:
  all: { plugin: memory }
  some: { plugin: memory }
routes:
  - { to: all }
  - { to: [some, all], sample: { first: 1, then: 0, per: 1h } }
",
    );
    let log = host.factory().get_logger("shop");
    for _ in 0..5 {
        info!(log, "asked");
    }
    host.flush_blocking(LONG);
    assert_eq!(
        (records(&host, "all").len(), records(&host, "some").len()),
        (5, 1)
    );
    let ledger = host.ledger();
    assert!(ledger.balances(), "{ledger}");
    // Each went somewhere, so none is suppressed as a whole.
    assert_eq!((ledger.source.routed, ledger.source.held_back()), (5, 0));
    assert_eq!(ledger.target("some").unwrap().suppressed.total(), 4);
    assert_eq!(ledger.copies, 10);
}

#[test]
fn a_receipt_says_that_its_record_was_held_back_and_by_what() {
    let host = with("sample: { first: 1, then: 0, per: 1h }");
    let log = host.factory().get_logger("shop");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let ends: Vec<End> = runtime.block_on(async {
        let mut ends = Vec::new();
        for _ in 0..2 {
            let receipt = info!(log.receipt(), "asked").await.unwrap();
            let delivery = receipt.await;
            ends.extend(delivery.targets.iter().map(|target| target.end));
            info!(log.wait(), "waited").await.unwrap();
        }
        ends
    });
    // The place is the same both times.
    assert_eq!(ends, [End::Delivered, End::Dropped("sampled")]);
    assert_eq!(said(&end(&host)), ["asked", "waited"]);
}

const RECORDER: &str = "
version: 1
levels: { '**': info, quiet: off }
targets: { app: { plugin: memory } }
routes: [{ logger: '**', to: app }, { logger: noise, level: debug, to: [], final: true }]
recorder: { level: debug, keep: 3 }
";

#[test]
fn what_led_to_an_error_is_sent_before_it_in_order_and_marked() {
    let host = start(RECORDER);
    let log = host.factory().get_logger("shop");
    assert!(log.is_enabled(Level::Debug) && !log.is_enabled(Level::Trace));
    assert!(!host.factory().get_logger("quiet").is_enabled(Level::Error));
    for n in 0..5 {
        debug!(log, "step {n}", n = n);
    }
    trace!(log, "too fine");
    info!(log, "done");
    let other = std::thread::spawn({
        let log = log.clone();
        move || debug!(log, "elsewhere")
    });
    other.join().unwrap();
    error!(log, "failed");
    debug!(log, "after it");
    host.flush_blocking(LONG);
    let ledger = host.ledger();
    assert!(ledger.balances(), "{ledger}");
    assert_eq!(
        ledger.source.recorded, 2,
        "of the other thread, and what came after"
    );
    assert_eq!(ledger.source.suppressed, [("recorder", 2)], "{ledger}");
    let records = end(&host);
    assert_eq!(
        said(&records),
        ["done", "step 2", "step 3", "step 4", "failed"]
    );
    for (at, record) in records.iter().enumerate() {
        let marked = record.field("recorded") == Some(&OwnedValue::Bool(true));
        assert_eq!(marked, (1..4).contains(&at), "{record:?}");
    }
    assert!(records[1].time < records[0].time, "each has its own time");
    assert_eq!(records[1].field("n").unwrap().to_string(), "2");
    assert_eq!(host.ledger().source.suppressed, [("recorder", 4)]);
    assert_eq!(host.ledger().source.recorded, 0);
}

#[test]
fn a_trace_is_recorded_across_threads() {
    let host = start(&RECORDER.replace("keep: 3", "keep: 3, by: trace_id"));
    let log = host.factory().get_logger("shop");
    let threads = ["one", "two"].map(|trace| {
        let log = log.clone();
        std::thread::spawn(move || {
            let _entered = context!(trace_id = trace).enter();
            debug!(log, "begun {trace}", trace = trace);
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    debug!(log, "in no trace");
    error!(log, "failed", trace_id = "two");
    let records = end(&host);
    assert_eq!(said(&records), ["begun two", "failed"]);
    assert_eq!(host.ledger().source.suppressed, [("recorder", 2)]);
}

#[test]
fn a_reload_leaves_unchanged_rules_and_the_recorder_where_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipeline.yaml");
    let write = |limit: &str, keep: u32, more: &str| {
        let yaml = format!(
            "
version: 1
levels: {{ '**': info }}
targets: {{ app: {{ plugin: memory }} }}
routes:
  - {{ logger: a, to: app, sample: {{ first: 2, then: 0, per: 1h }} }}
  - {{ logger: b, to: app, limit: {limit} }}
{more}recorder: {{ keep: {keep} }}
"
        );
        std::fs::write(&file, yaml).unwrap();
    };
    write("{ rate: 1, per: 1h }", 10, "");
    let host = Host::builder().file(&file).watch(false).start().unwrap();
    let (a, b) = (
        host.factory().get_logger("a"),
        host.factory().get_logger("b"),
    );
    let say = || {
        info!(a, "sampled");
        info!(b, "limited");
        debug!(a, "recorded");
    };
    say();
    say();
    host.flush_blocking(LONG);
    assert_eq!(
        said(&records(&host, "app")),
        ["sampled", "limited", "sampled"]
    );
    assert_eq!(host.ledger().source.recorded, 2);

    // Another route in front, another limit: the sample and the recorder go on, what the old limit held
    // back is told, and the new one begins.
    write(
        "{ rate: 2, per: 1h }",
        3,
        "  - { logger: c, to: app, repeat: {} }\n",
    );
    host.reload_blocking().unwrap();
    say();
    say();
    host.flush_blocking(LONG);
    let told = "suppressed 1 record like: limited";
    let now = records(&host, "app");
    assert_eq!(said(&now[3..]), [told, "limited", "limited"]);
    let ledger = host.ledger();
    assert!(ledger.balances(), "{ledger}");
    assert_eq!(ledger.source.recorded, 3, "its bound is another one");
    let explained = host.explain("a", Level::Information);
    let state = explained.routes[0].state.unwrap();
    assert_eq!((state.passed, state.sampled, state.keys), (2, 2, 1));

    // Without a recorder everything that it kept is counted as forgotten.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("recorder: { keep: 3 }", "recorder: off"),
    )
    .unwrap();
    host.reload_blocking().unwrap();
    assert!(!a.is_enabled(Level::Debug));
    host.flush_blocking(LONG);
    let ledger = host.ledger();
    assert!(ledger.balances(), "{ledger}");
    assert_eq!(ledger.source.recorded, 0);
    assert!(
        ledger.source.suppressed.contains(&("recorder", 4)),
        "{ledger}"
    );
    end(&host);
}

#[test]
fn explain_tells_the_rules_their_state_and_the_recorder() {
    let host = start(
        "
version: 1
levels: { '**': info }
targets: { app: { plugin: memory } }
routes:
  - to: app
    sample: { first: 1, then: 0, per: 1h }
    limit: { rate: 5, by: 'field:customer', keep: critical }
    repeat: { after: 1s }
recorder: { by: trace_id }
",
    );
    let log = host.factory().get_logger("shop");
    for n in 0..3 {
        info!(log, "asked {n}", n = n);
    }
    debug!(log, "below");
    host.flush_blocking(LONG);
    let text = host.explain("shop", Level::Information).to_string();
    assert!(
        text.contains(
            "takes it to app, what says the same again told after 1s, then up to 1m, the first 1 \
             each 1h and call site, error and above all, at most 5 each 1s and `customer` (5 at once), \
             critical and above all; 1 passed, 2 sampled, 5 keys"
        ),
        "{text}"
    );
    let text = host.explain("shop", Level::Debug).to_string();
    assert!(
        text.contains("kept by the flight recorder, and sent only if error or above follows"),
        "{text}"
    );
    assert!(
        text.contains(
            "recorder\n  keeps it; from debug on, 1000 records a `trace_id` and 16MiB in all, sent \
             from error on; has 1 record now, "
        ),
        "{text}"
    );
    let explained = host.explain("shop", Level::Error).recorder.unwrap();
    assert!(explained.dumps && !explained.keeps);
}

/// A rule for a route, at random.
fn rule() -> impl Strategy<Value = String> {
    let keep = prop::sample::select(vec!["off", "error", "warning"]);
    let by = prop::sample::select(vec!["call_site", "logger", "field:n"]);
    prop_oneof![
        Just(String::new()),
        (0..4u32, 0..3u32, by.clone(), keep.clone()).prop_map(|(first, then, by, keep)| format!(
            ", sample: {{ first: {first}, then: {then}, per: 3ms, by: '{by}', keep: {keep} }}"
        )),
        (1..4u32, 1..5u32, by, keep.clone()).prop_map(|(rate, burst, by, keep)| format!(
            ", limit: {{ rate: {rate}, per: 2ms, burst: {burst}, by: '{by}', keep: {keep} }}"
        )),
        (prop::sample::select(vec!["values", "template"]), keep).prop_map(|(same, keep)| format!(
            ", repeat: {{ after: 1ms, max: 4ms, same: {same}, keep: {keep} }}"
        )),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever the rules: every equation holds at a flush and at the end, and what is told of is what
    /// was held back.
    #[test]
    fn the_books_balance_under_any_rules(
        rules in prop::collection::vec((rule(), rule(), any::<bool>(), 1..4u8), 1..4),
        recorder in prop::option::of((1..6u32, any::<bool>())),
        records in prop::collection::vec((0..3u8, 0..5u8, 0..3u8), 1..200),
    ) {
        let mut yaml = "
version: 1
levels: { '**': info }
targets:
  a: { plugin: memory, config: { max_records: 100000 } }
  b: { plugin: memory, config: { max_records: 100000 } }
routes:
".to_owned();
        for (first, second, last, to) in &rules {
            let second = if first.split(':').next() == second.split(':').next() { "" } else { second };
            let to = ["[a]", "[b]", "[a, b]"][usize::from(*to) - 1];
            writeln!(yaml, "  - {{ to: {to}, final: {last}{first}{second} }}").unwrap();
        }
        if let Some((keep, by_field)) = recorder {
            let by = if by_field { "field:n" } else { "thread" };
            writeln!(yaml, "recorder: {{ keep: {keep}, max_bytes: 64KiB, by: '{by}' }}").unwrap();
        }
        let host = start(&yaml);
        let loggers = ["x", "y", "z"].map(|name| host.factory().get_logger(name));
        for (index, (logger, level, n)) in records.iter().enumerate() {
            let log = &loggers[usize::from(*logger)];
            match level {
                0 => debug!(log, "debug {n}", n = *n),
                1 => info!(log, "info {n}", n = *n),
                2 => info!(log, "other"),
                3 => warning!(log, "warning {n}", n = *n),
                _ => error!(log, "error {n}", n = *n),
            }
            if index % 50 == 49 {
                host.flush_blocking(LONG);
                prop_assert!(host.ledger().balances(), "{yaml}{}", host.ledger());
            }
        }
        let report = host.dispose_blocking(LONG);
        let ledger = &report.ledger;
        prop_assert!(report.is_complete() && ledger.balances(), "{yaml}{report}");
        prop_assert_eq!((report.lost(), ledger.source.recorded), (0, 0));
        for name in ["a", "b"] {
            let row = ledger.target(name).unwrap();
            let had = host.memory(name).unwrap().records();
            prop_assert_eq!(had.len() as u64, row.delivered);
            let told: u64 = had.iter().filter_map(|record| match record.field("suppressed") {
                Some(OwnedValue::U64(n)) => Some(*n),
                _ => None,
            }).sum();
            let held = row.suppressed.total();
            let sampled: u64 = row
                .suppressed
                .iter()
                .filter(|(reason, _)| reason.name() == "sampled")
                .map(|(_, n)| n)
                .sum();
            prop_assert_eq!(told + sampled, held, "{}{}", yaml, report);
        }
    }
}
