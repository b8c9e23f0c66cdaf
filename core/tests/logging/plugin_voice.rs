//! What the code of a linked plugin logs through the facades, which it shares with the service.

use std::cell::Cell;
use std::error::Error as StdError;
use std::sync::Mutex;

use rolog_core::feedback::{PluginVoice, set_plugin_voice};
use rolog_core::value::OwnedValue;
use rolog_core::{Level, bridge};

use crate::bench::Bench;
use crate::{fields, outer};

thread_local! {
    static SPEAKS: Cell<bool> = const { Cell::new(false) };
}

static HEARD: Mutex<Vec<(String, Vec<u8>)>> = Mutex::new(Vec::new());

/// What the plugin says in `speak`: each message, and its fields as they are read.
fn heard(bench: &mut Bench, speak: impl FnOnce()) -> Vec<(String, Vec<(String, OwnedValue)>)> {
    SPEAKS.set(true);
    speak();
    SPEAKS.set(false);
    let heard = std::mem::take(&mut *HEARD.lock().unwrap());
    let read = heard.into_iter().map(|(message, pairs)| {
        let log = bench.log();
        let record = log.record(Level::Warning, &message);
        record.encoded_fields(&pairs).unwrap().send();
        (message, bench.one(fields))
    });
    read.collect()
}

#[test]
fn an_error_that_a_linked_plugin_logs_is_a_field() {
    set_plugin_voice(PluginVoice {
        speaks: || SPEAKS.get(),
        log: |_, _, message, pairs| {
            let mut heard = HEARD.lock().unwrap();
            heard.push((message.to_owned(), pairs.to_vec()));
        },
    });
    let mut bench = Bench::new();
    bridge::log::install(&bench.factory).unwrap();
    bridge::tracing::install(&bench.factory).unwrap();
    let cause = outer();
    let heard = heard(&mut bench, || {
        let error = &cause as &(dyn StdError + 'static);
        tracing::warn!(n = 7, error, "traced");
        log::warn!(err:err = cause, n = 7; "logged");
    });
    let keys: Vec<_> = heard
        .iter()
        .map(|(message, fields)| {
            let keys: Vec<_> = fields.iter().map(|(key, _)| key.as_str()).collect();
            (message.as_str(), keys)
        })
        .collect();
    assert_eq!(
        keys,
        [("traced", vec!["n", "error"]), ("logged", vec!["err", "n"])]
    );
    for (_, fields) in &heard {
        let error = fields.iter().find(|(key, _)| key.starts_with("err"));
        let OwnedValue::Error(error) = &error.unwrap().1 else {
            panic!("{fields:?}");
        };
        assert_eq!(error.text, "cannot read the count");
        assert_eq!(error.sources, ["invalid digit found in string"]);
    }
    tracing::warn!(error = &cause as &(dyn StdError + 'static), "the service's");
    bench.one(|record| {
        assert!(record.error().is_some(), "the service's tell of theirs");
        assert_eq!(record.fields().count(), 0);
    });
}
