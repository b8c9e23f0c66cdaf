//! What stays within its bounds, and what a target quotes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::value::OwnedValue;
use rolog_core::{Level, LogTarget, error, info};
use rolog_host::config::{self, Env};
use rolog_host::dead_letters::{DeadLetterSettings, LetterFile};
use rolog_host::{Host, MemoryRecord};

use crate::{LONG, host, one, text};

#[test]
fn masks_longer_than_what_they_hide_stay_within_the_bound_on_a_record() {
    let host = host(&format!(
        "
max_record: 1KiB
fields: {{ service: '{}' }}
redact: {{ replacement: '{}' }}
",
        "s".repeat(200),
        "*".repeat(64)
    ));
    let log = host.factory().get_logger("shop");
    let pins: Vec<BTreeMap<&str, u8>> = vec![BTreeMap::from([("pwd", 1)]); 50];
    info!(log, "many", pins = pins, note = "kept");
    let record = one(&host);
    assert_eq!(record.field("note"), Some(&text("kept")));
    assert_eq!(record.field("service"), Some(&text(&"s".repeat(200))));
    let Some(OwnedValue::Str(cut)) = record.field("pins") else {
        panic!("{record:?}")
    };
    assert!(
        cut.starts_with("[a list of ") && cut.ends_with(" bytes left out]"),
        "{cut}"
    );

    // A value that was cut where it was logged hides the part that is left, and a key that was cut
    // cannot be judged.
    let long = "x".repeat(4000);
    log.record(Level::Information, "cut")
        .field("password", &*long)
        .field(&format!("{long}_password"), "hunter2")
        .send();
    let record = one(&host);
    assert!(!format!("{record:?}").contains("hunter2"), "{record:?}");
    assert_eq!(record.field("password"), Some(&text(&"*".repeat(64))));
    host.dispose_blocking(LONG);
}

/// Keeps the length of the longest record.
struct Sizes(Arc<Mutex<usize>>);

impl LogTarget for Sizes {
    async fn log(&self, batch: &Batch<'_>) -> Outcome {
        for record in batch.records() {
            let mut largest = self.0.lock().unwrap();
            *largest = (*largest).max(record.payload().len());
        }
        Outcome::delivered()
    }
}

#[test]
fn frames_stay_within_the_bound_whatever_is_added_and_hidden() {
    let largest = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&largest);
    let host = host(&format!(
        "max_record: 2KiB\nfields: {{ service: '{}' }}\nredact: {{ replacement: '{}', values: ['q'] }}",
        "s".repeat(300),
        "*".repeat(64)
    ));
    host.factory()
        .add_target(Sizes(seen), Level::Trace)
        .unwrap();
    let log = host.factory().get_logger("shop");
    for len in (0..3000).step_by(61) {
        let text: String = "q ".repeat(len / 2);
        info!(log, "text {t}", t = &*text, n = 1);
        log.record(Level::Information, &text)
            .field(&text, &*text)
            .send();
    }
    assert_eq!(host.flush_blocking(LONG), 0);
    let largest = *largest.lock().unwrap();
    assert!((1500..=2048).contains(&largest), "{largest}");
    host.dispose_blocking(LONG);
}

/// Says what it was given, as databases do.
struct Quotes;

impl LogTarget for Quotes {
    async fn log(&self, _: &Batch<'_>) -> Outcome {
        let text = "duplicate row (password)=(hunter2), password: hunter2, sk_live_hunter2";
        Outcome::retry(Failure::new(Class::Invalid, text))
    }
}

#[test]
fn dead_letters_events_reports_and_receipts_hide_what_a_target_quotes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let yaml = "
version: 1
targets:
  db: { plugin: in-process, flush: { max_retries: 0, interval: 10ms } }
  memory: { plugin: memory, flush: { interval: 10ms } }
routes:
  - { logger: rolog, to: memory }
  - { logger: shop, to: db }
redact: { values: ['sk_live_\\w+'] }
";
    let spec = config::parse(yaml, "p.yaml", "/nonexistent", &Env::empty()).unwrap();
    let events = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&events);
    let host = Host::builder()
        .pipeline(spec)
        .target("db", Quotes)
        .dead_letters(DeadLetterSettings::new(&path))
        .on_event(move |event| told.lock().unwrap().extend([format!("{event:?}\n")]))
        .start()
        .unwrap();
    let log = host.factory().get_logger("shop");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let delivery = runtime.block_on(async {
        error!(
            log.receipt(),
            "login {password} and {note}",
            password = "hunter2",
            note = "sk_live_hunter2"
        )
        .await
        .unwrap()
        .await
    });
    assert_eq!(host.flush_blocking(LONG), 0);
    let own = host.memory("memory").unwrap().take();
    let status = format!("{:?}", host.explain("shop", Level::Error));
    let report = host.dispose_blocking(LONG);
    let letter = LetterFile::open(&path)
        .unwrap()
        .letters()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let written = std::fs::read_to_string(&path).unwrap();
    let letter = letter.unwrap();
    let batch = Batch::parse(&letter.batch).unwrap();
    let record = MemoryRecord::from(&batch.get(0).unwrap());
    let all = [
        written,
        format!("{record:?} {:?}", letter.failure),
        events.lock().unwrap().clone(),
        format!("{own:?}"),
        format!("{delivery:?}"),
        format!("{report} {report:?}"),
        status,
    ];
    for text in &all {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(
        all[0].contains("password: ***") && all[2].contains("***"),
        "{all:?}"
    );
    assert_eq!(record.message, "login *** and ***");
}
