//! Sampling, limits and repeats: what they hold back, and what they say of it.

use std::time::Instant;

use rolog_core::receipt::End;
use rolog_core::value::OwnedValue;
use rolog_core::{Level, critical, debug, error, info, warning};
use rolog_host::MemoryRecord;

use crate::{LONG, end, records, said, start, with};

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
