//! The books balance, under random rules too, and what is told of is what was held back.

use std::fmt::Write as _;
use std::time::Instant;

use proptest::prelude::*;
use rolog_core::value::OwnedValue;
use rolog_core::{debug, error, info, warning};
use rolog_host::Ledger;

use crate::{LONG, end, start, with};

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

/// The pipeline's own records come when it is their time, and nobody can wait for that.
#[test]
fn the_books_balance_while_the_pipeline_tells_what_it_held_back() {
    const VALUES: u64 = 500;
    const ROUNDS: u64 = 20;

    let host = with("repeat: { after: 1ms, max: 2ms }");
    let log = host.factory().get_logger("shop");
    for round in 1..=ROUNDS {
        for n in 0..VALUES {
            for _ in 0..2 {
                info!(log, "value {n} of round {round}", n = n, round = round);
            }
        }
        host.flush_blocking(LONG);
        // What the pipeline told is what was emitted beside the calls: one for each that it held back.
        let all_told = |ledger: &Ledger| {
            ledger.source.emitted - round * 2 * VALUES == ledger.source.held_back()
        };
        let late = Instant::now() + LONG;
        let mut ledger = host.ledger();
        while !all_told(&ledger) {
            assert!(ledger.balances(), "{ledger}");
            assert!(Instant::now() < late, "{ledger}");
            ledger = host.ledger();
        }
    }
    end(&host);
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
