//! What records carry when they leave: the fields of the pipeline, and nothing that it hides.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::value::OwnedValue;
use rolog_core::{Level, LogTarget, context, error, exception, info};
use rolog_host::config::{self, Env};
use rolog_host::dead_letters::{DeadLetterSettings, LetterFile};
use rolog_host::{Host, MemoryRecord};

const LONG: Duration = Duration::from_secs(20);

fn yaml(sections: &str) -> String {
    format!(
        "
version: 1
levels: {{ '**': trace }}
targets:
  memory: {{ plugin: memory, flush: {{ interval: 10ms }} }}
routes: [ {{ to: memory }} ]
{sections}
"
    )
}

fn spec(sections: &str, env: &Env) -> config::PipelineSpec {
    config::parse(yaml(sections), "pipeline.yaml", "/nonexistent", env)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn host(sections: &str) -> Host {
    Host::builder()
        .pipeline(spec(sections, &Env::empty()))
        .start()
        .unwrap()
}

fn taken(host: &Host) -> Vec<MemoryRecord> {
    assert_eq!(host.flush_blocking(LONG), 0);
    let mut records = host.memory("memory").unwrap().take();
    records.retain(|record| record.logger != "rolog");
    records
}

fn one(host: &Host) -> MemoryRecord {
    let mut records = taken(host);
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

fn text(value: &str) -> OwnedValue {
    OwnedValue::Str(value.to_owned())
}

fn fields(record: &MemoryRecord) -> BTreeMap<&str, &OwnedValue> {
    record
        .fields
        .iter()
        .map(|(key, value)| (&**key, value))
        .collect()
}

#[test]
fn every_record_gets_the_fields_and_one_of_its_own_stands() {
    let env = Env::of([("VERSION", "1.2"), ("CANARY", "true")]);
    let sections = "
fields: { service: shop, version: '${VERSION}', shard: 7, ratio: 0.5, pid: '${pid}' }
redact: off
";
    let host = Host::builder()
        .pipeline(spec(sections, &env))
        .start()
        .unwrap();
    let log = host.factory().get_logger("shop");
    info!(log, "plain {n}", n = 1_u64);
    info!(log, "own", service = "own", n = 1_u64);
    {
        let _in = context!(shard = 9_u64, other = "x").enter();
        info!(log, "in a context");
    }
    log.record(Level::Information, "dynamic")
        .field("version", "mine")
        .send();
    let records = taken(&host);
    let pid = std::process::id().to_string();
    let all = fields(&records[0]);
    assert_eq!(records[0].message, "plain 1");
    assert_eq!(all["service"], &text("shop"));
    assert_eq!(all["version"], &text("1.2"));
    assert_eq!(all["shard"], &OwnedValue::U64(7));
    assert_eq!(all["ratio"], &OwnedValue::F64(0.5));
    assert_eq!(all["pid"], &text(&pid));
    // Its own first, then those of the pipeline in their order; none twice.
    let keys = |record: &MemoryRecord| -> Vec<String> {
        record.fields.iter().map(|(key, _)| key.clone()).collect()
    };
    assert_eq!(
        keys(&records[0]),
        ["n", "service", "version", "shard", "ratio", "pid"]
    );
    assert_eq!(
        keys(&records[1]),
        ["service", "n", "version", "shard", "ratio", "pid"]
    );
    assert_eq!(fields(&records[1])["service"], &text("own"));
    assert_eq!(
        keys(&records[2]),
        ["shard", "other", "service", "version", "ratio", "pid"]
    );
    assert_eq!(fields(&records[2])["shard"], &OwnedValue::U64(9));
    assert_eq!(fields(&records[3])["version"], &text("mine"));
    assert_eq!(records[3].fields.len(), 5);
    host.dispose_blocking(LONG);
}

#[test]
fn an_unquoted_number_stays_one_and_the_pipelines_own_records_get_the_fields() {
    let live = Live::start("fields: { service: shop }");
    live.change("fields:\n  pid: ${pid}\n  service: shop");
    let host = &live.host;
    info!(host.factory().get_logger("a"), "b");
    assert_eq!(host.flush_blocking(LONG), 0);
    let records = host.memory("memory").unwrap().take();
    let own = records
        .iter()
        .find(|record| record.logger == "rolog")
        .unwrap();
    assert_eq!(fields(own)["service"], &text("shop"));
    let last = records.iter().find(|record| record.logger == "a").unwrap();
    let pid = u64::from(std::process::id());
    assert_eq!(fields(last)["pid"], &OwnedValue::U64(pid));
    host.dispose_blocking(LONG);
}

/// A pipeline whose file can be changed.
struct Live {
    folder: tempfile::TempDir,
    host: Host,
}

impl Live {
    fn start(sections: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pipeline.yaml");
        std::fs::write(&file, yaml(sections)).unwrap();
        let host = Host::builder().file(&file).watch(false).start().unwrap();
        Live { folder, host }
    }

    fn change(&self, sections: &str) {
        let file = self.folder.path().join("pipeline.yaml");
        std::fs::write(file, yaml(sections)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(self.host.reload()).unwrap();
    }
}

#[test]
fn a_reload_changes_both_from_the_next_record_on() {
    let live = Live::start("fields: { version: one }\nredact: {}");
    let host = &live.host;
    let log = host.factory().get_logger("shop");
    let call = || info!(log, "login {password}", password = "hunter2", iban = "DE02");
    call();
    let first = one(host);
    assert_eq!(first.message, "login ***");
    assert_eq!(fields(&first)["version"], &text("one"));
    assert_eq!(fields(&first)["iban"], &text("DE02"));
    live.change(
        "fields: { version: two }\nredact: { defaults: false, keys: [iban], replacement: X }",
    );
    call();
    let second = one(host);
    assert_eq!(second.message, "login hunter2");
    assert_eq!(fields(&second)["version"], &text("two"));
    assert_eq!(fields(&second)["iban"], &text("X"));
    live.change("");
    call();
    let third = one(host);
    assert_eq!(third.fields.len(), 2, "{third:?}");
    assert_eq!(fields(&third)["iban"], &text("DE02"));
    host.dispose_blocking(LONG);
}

/// Each message with what it is to look like, and the arguments that stay.
#[test]
fn what_a_template_shows_is_hidden_by_the_name_of_its_hole() {
    let host = host("redact: {}");
    let log = host.factory().get_logger("shop");
    let told = |host: &Host| {
        let record = one(host);
        (record.message, record.args, record.fields)
    };
    info!(log, "{user} with {password}", "bob", "hunter2");
    let (message, args, _) = told(&host);
    assert_eq!(
        (&*message, &args[..]),
        ("bob with ***", &[text("bob"), text("***")][..])
    );
    info!(log, "{} gave password={} and {1}", "bob", "hunter2");
    assert_eq!(told(&host).0, "bob gave password=*** and ***");
    info!(log, "{0} {apiKey}", "hunter2");
    assert_eq!(
        told(&host).0,
        "*** ***",
        "the same argument twice is hidden twice"
    );
    info!(
        log,
        "Authorization: Bearer {credentials_of}",
        credentials_of = "hunter2"
    );
    let (message, _, fields) = told(&host);
    assert_eq!(message, "Authorization: Bearer ***");
    assert_eq!(fields, [("credentials_of".to_owned(), text("***"))]);
    info!(
        log,
        "postgres://{user}:{word}@db",
        user = "bob",
        word = "hunter2"
    );
    assert_eq!(told(&host).0, "postgres://bob:***@db");
    // A field of the context takes a hole, and the arguments move up: both the one that was meant and
    // the one that is shown are hidden.
    {
        let _in = context!(who = "bob", word = "hunter2").enter();
        info!(log, "{who} {token} {rest}", "hunter2", "rest");
        assert_eq!(told(&host).0, "bob *** ***");
        info!(log, "password: {word}");
        assert_eq!(told(&host).0, "password: ***");
    }
    info!(log, "{who} {token}", "bob", "hunter2");
    assert_eq!(told(&host).0, "bob ***");
    info!(log, "no {such} hole, {{password}}", such = 1);
    assert_eq!(told(&host).0, "no 1 hole, {password}");
    host.dispose_blocking(LONG);
}

#[derive(Debug)]
struct Outer(Inner);

#[derive(Debug)]
struct Inner;

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no login as bob: password=hunter2")
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("POST https://bob:hunter2@auth/?session_id=hunter2 failed, sk_live_hunter2")
    }
}

impl StdError for Outer {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

impl StdError for Inner {}

#[derive(serde::Serialize)]
struct Order {
    lines: Vec<BTreeMap<&'static str, Payment>>,
}

#[derive(serde::Serialize, Debug)]
struct Payment {
    #[serde(rename = "Card-Number")]
    card_number: u64,
    note: Option<&'static str>,
    cvc: Option<u16>,
}

#[test]
fn depth_errors_and_debug_texts_hide_nothing_from_the_rules() {
    let host = host("redact: { values: ['sk_live_\\w+'] }");
    let log = host.factory().get_logger("shop");
    exception!(log, Outer(Inner), "failed", cause = Outer(Inner));
    let record = one(&host);
    let error = record.error.clone().unwrap();
    assert_eq!(error.text, "no login as bob: password=***");
    assert_eq!(
        error.sources,
        ["POST https://bob:***@auth/?session_id=*** failed, ***"]
    );
    assert_eq!(record.field("cause"), Some(&OwnedValue::Error(error)));

    let payment = || Payment {
        card_number: 4_111_111_111_111_111,
        note: Some("token=hunter2"),
        cvc: None,
    };
    let order = Order {
        lines: vec![BTreeMap::from([("first", payment())])],
    };
    info!(log, "order {order}", order = order, pay = ?payment());
    let record = one(&host);
    let shown = format!("{record:?}");
    for secret in ["4111", "hunter2"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(
        record.message.contains("Card-Number: \"***\""),
        "{}",
        record.message
    );
    assert!(
        shown.contains(r#"("cvc", Null)"#),
        "nothing is not hidden: {shown}"
    );
    assert_eq!(
        record.field("pay"),
        Some(&text(
            "Payment { card_number: ***, note: Some(\"token=***\"), cvc: *** }"
        ))
    );
    // The text of the error and its source, its copy under `cause`, and what the order has.
    let numbers = host.metrics();
    assert!(
        numbers.redacted_by_name >= 9,
        "{}",
        numbers.redacted_by_name
    );
    assert_eq!(numbers.redacted_by_pattern, 2);
    host.dispose_blocking(LONG);
}

#[test]
fn a_key_that_a_pattern_matches_is_hidden_in_maps_and_fields() {
    let host = host("redact: { values: ['sk_live_\\w+'] }");
    let log = host.factory().get_logger("shop");
    let map = BTreeMap::from([("sk_live_abc", 1)]);
    log.record(Level::Information, "sk_live_abc")
        .field("uses of sk_live_abc", map)
        .arg("sk_live_abc")
        .field("raw", serde_json::json!({ "x": ["sk_live_abc", 1] }))
        .send();
    let record = one(&host);
    assert!(!format!("{record:?}").contains("sk_live"), "{record:?}");
    assert_eq!(record.message, "***");
    assert_eq!(record.fields[0].0, "uses of ***");
    host.dispose_blocking(LONG);
}

#[test]
fn equal_values_have_equal_hashes_in_every_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("key"),
        "a key of at least sixteen bytes\n",
    )
    .unwrap();
    let yaml = "
version: 1
targets: { memory: { plugin: memory, flush: { interval: 10ms } } }
routes: [ { to: memory } ]
redact: { keys: [customer], with: hash, key: '${file:key}' }
";
    let spec = config::parse(yaml, "p.yaml", folder.path(), &Env::empty()).unwrap();
    assert!(!format!("{spec:?}").contains("sixteen"), "{spec:?}");
    let host = Host::builder().pipeline(spec).start().unwrap();
    let log = host.factory().get_logger("shop");
    info!(log, "bought by {customer}", customer = 4711_u64);
    info!(log, "paid", by = serde_json::json!({ "Customer": "4711" }));
    log.record(Level::Information, "customer=4711 came back")
        .send();
    info!(log, "other {customer}", customer = 4712_u64);
    let records = taken(&host);
    let hash = records[0].message.strip_prefix("bought by ").unwrap();
    assert!(hash.starts_with("hash:") && hash.len() == 5 + 32, "{hash}");
    assert!(format!("{:?}", records[1]).contains(hash));
    assert_eq!(records[2].message, format!("customer={hash} came back"));
    assert!(!records[3].message.contains(hash));
    host.dispose_blocking(LONG);
}

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

#[test]
fn what_cannot_work_is_refused_at_its_place() {
    let refused = |sections: &str| -> String {
        let yaml = format!("version: 1\n{sections}\n");
        let env = Env::of([
            ("KEY", "a key of at least sixteen bytes"),
            ("SHORT", "short-key"),
        ]);
        match config::parse(yaml, "p.yaml", "/nonexistent", &env) {
            Ok(spec) => spec.warnings().iter().map(ToString::to_string).collect(),
            Err(problems) => problems.to_string(),
        }
    };
    for (sections, told) in [
        (
            "fields: { a: [1] }",
            "p.yaml:2:14: fields.a: is a list; expected text, a number, true or false",
        ),
        (
            "fields: { '': 1 }",
            "p.yaml:2:11: fields.\"\": `` is no name of a field",
        ),
        (
            "max_record: 1KiB\nfields: { a: \"${KEY}${KEY}${KEY}${KEY}${KEY}${KEY}${KEY}${KEY}${KEY}\" }",
            "p.yaml:3:9: fields: the fields take 289 bytes of each record, and a record has 1KiB in all; expected at most a quarter of that, 256 bytes",
        ),
        (
            "redact: { keys: ['*'] }",
            "p.yaml:2:18: redact.keys[0]: `*`: it would hide every value of every record",
        ),
        (
            "redact: { values: ['a('] }",
            "p.yaml:2:20: redact.values[0]: `a(`: unclosed group",
        ),
        (
            "redact: { values: ['a*'] }",
            "p.yaml:2:20: redact.values[0]: `a*`: it matches where there is nothing",
        ),
        ("redact: { with: hush }", "did you mean `hash`?"),
        (
            "redact: { with: hash }",
            "p.yaml:2:17: redact.with: `hash` needs a `key`",
        ),
        (
            "redact: { key: '${KEY}' }",
            "p.yaml:2:16: redact.key: a key is used for hashes only",
        ),
        (
            "redact: { with: hash, key: a key that stands here }",
            "p.yaml:2:28: redact.key: a key that stands in this file is no secret",
        ),
        (
            "redact: { with: hash, key: '${SHORT}' }",
            "p.yaml:2:28: redact.key: the key has fewer than 16 bytes",
        ),
        (
            "redact: { with: hash, key: '${KEY}', replacement: x }",
            "p.yaml:2:51: redact.replacement: a replacement is used for masks only",
        ),
        ("redact: { default: false }", "did you mean `defaults`?"),
        (
            "redact: { defaults: false }",
            "p.yaml:2:9: warning: redact: hides nothing",
        ),
        (
            "fields: { token: x }\nredact: {}",
            "p.yaml:2:18: warning: fields.token: `redact` hides this field",
        ),
    ] {
        let text = refused(sections);
        assert!(text.contains(told), "{sections}: {text}");
        assert!(!text.contains("short-key"), "{text}");
    }
}

#[test]
fn a_plan_says_what_changes_and_shows_no_key() {
    let env = |key: &str| Env::of([("KEY", key)]);
    let yaml = "redact: { with: hash, key: '${KEY}' }";
    let old = spec(
        &format!("fields: {{ a: 1 }}\n{yaml}"),
        &env("the first of two keys"),
    );
    let new = spec(
        &format!("fields: {{ a: 2 }}\n{yaml}"),
        &env("the second of two keys"),
    );
    let plan = rolog_host::reload::Plan::new(&old, &new);
    let shown = plan.to_string();
    assert!(shown.contains("fields: { a: 1 } -> { a: 2 }"), "{shown}");
    assert!(
        shown.contains("redact: ") && !shown.contains("of two keys"),
        "{shown}"
    );
    assert!(!old.diff(&new).is_empty() && old.digest() != new.digest());
    assert!(old.diff(&old).is_empty());
}
