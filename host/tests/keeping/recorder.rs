//! The flight recorder; and what stays of rules and recorder at a reload, and is told of them.

use rolog_core::context;
use rolog_core::value::OwnedValue;
use rolog_core::{Level, debug, error, info, trace};
use rolog_host::Host;

use crate::{LONG, end, records, said, start};

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
fn a_receipt_does_not_wait_for_what_the_recorder_may_send_later() {
    let host = start(RECORDER);
    let log = host.factory().get_logger("shop");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let recorded = debug!(log.receipt(), "kept").await.unwrap().await;
        assert!(recorded.is_unrouted(), "{recorded:?}");
        let error = error!(log.receipt(), "failed").await.unwrap().await;
        assert!(error.is_delivered() && !error.is_unrouted(), "{error:?}");
    });
    assert_eq!(said(&end(&host)), ["kept", "failed"]);
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
