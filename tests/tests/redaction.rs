//! What is hidden is seen nowhere: random records of random shapes, through every kind of target, the
//! dead letters, a fallback, the flight recorder, events and the account.
//!
//! Each secret has `zq` in it, and nothing else has.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::render::{JsonLine, LogfmtLine, PatternLine, TextLine, Zone};
use rolog_core::value::{Encoder, OwnedError, OwnedValue};
use rolog_core::{Level, LogTarget, Logger, context, critical, info, warning};
use rolog_host::config::{self, Env};
use rolog_host::dead_letters::LetterFile;
use rolog_host::{Host, MemoryRecord};
use rolog_plugin::linked;

const DEADLINE: Duration = Duration::from_secs(30);

const PIPELINE: &str = "
version: 1
levels: { '**': trace }
max_record: 4KiB
fields: { service: shop, note: 'token=zqzq' }
redact: { keys: ['*.iban', 'x*y'], values: ['sk_live_\\w+'] WITH }
dead_letters: { path: dead.jsonl }
targets:
  file: { plugin: file, config: { path: out.jsonl, fsync: never } }
  memory: { plugin: memory }
  rescue: { plugin: memory }
  all: { plugin: in-process }
  quotes: { plugin: in-process, flush: { max_retries: 0 } }
  falls: { plugin: in-process, flush: { max_retries: 0, fallback: rescue } }
routes:
  - { level: info.., to: [file, memory, all, quotes, falls] }
recorder: { level: debug, dump_on: critical }
";

/// Every renderer's lines.
#[derive(Clone, Default)]
struct All(Arc<Mutex<String>>);

impl LogTarget for All {
    async fn log(&self, batch: &Batch<'_>) -> Outcome {
        let mut out = Vec::new();
        let mut json = JsonLine::new().with_source(true);
        let (mut text, mut colours) = (TextLine::new(), TextLine::new().with_colors(true));
        let mut logfmt = LogfmtLine::new();
        let mut pattern = PatternLine::new("%d %-5p %c: %m %X", Zone::default()).unwrap();
        for record in batch.records() {
            json.line(&record, &mut out);
            text.line(&record, &mut out);
            colours.line(&record, &mut out);
            logfmt.line(&record, &mut out);
            pattern.line(&record, &mut out);
        }
        self.0
            .lock()
            .unwrap()
            .push_str(&String::from_utf8(out).unwrap());
        Outcome::delivered()
    }
}

/// Fails, and says which record it was about, as databases do.
struct Quotes;

impl LogTarget for Quotes {
    async fn log(&self, batch: &Batch<'_>) -> Outcome {
        let shown: Vec<String> = batch
            .records()
            .map(|record| format!("password={:?} {}", "zqzq", record.message()))
            .collect();
        Outcome::retry(Failure::new(Class::Invalid, shown.join(", ")))
    }
}

fn start(folder: &std::path::Path, all: &All, events: &Arc<Mutex<String>>, hash: bool) -> Host {
    let with = if hash {
        ", with: hash, key: '${KEY}'"
    } else {
        ""
    };
    let yaml = PIPELINE.replace(" WITH", with);
    let env = Env::of([("KEY", "a key of at least sixteen bytes")]);
    let spec = config::parse(yaml, "test.yaml", folder, &env);
    let spec = spec.unwrap_or_else(|problems| panic!("{problems}"));
    let events = Arc::clone(events);
    Host::builder()
        .pipeline(spec)
        .link(linked::<rolog_file::File>())
        .target("all", all.clone())
        .target("quotes", Quotes)
        .target("falls", Quotes)
        .on_event(move |event| {
            let told = format!("{event} {event:?}\n");
            events.lock().unwrap().extend([told]);
        })
        .start()
        .unwrap()
}

/// Text without a secret.
fn noise() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        4 => "[a-py é\"'{},.:;=/\\[\\]\\\\()]{0,12}",
        1 => "[a-p ]{900,2500}",
    ]
}

/// Nothing but a secret: for where its name says so.
fn secret() -> impl Strategy<Value = String> + Clone {
    prop_oneof![4 => "[a-z]{0,4}zq[0-9a-z]{0,9}", 1 => "zq[a-z]{20,300}"]
}

/// A text in which a secret can be told.
fn tale() -> impl Strategy<Value = String> + Clone {
    let name = prop::sample::select(vec![
        "password",
        "API-Key",
        "accessToken",
        "db_passwd",
        "authorization",
        "xaay",
        "secret",
    ]);
    let form = prop::sample::select(vec![
        "N=S",
        "N: S",
        "\"N\":\"S\"",
        "N = 'S'",
        "{\\\"N\\\":\\\"S\\\"}",
        "User { N: Some(\"S\"), a: 1 }",
        "a?N=S&b=1",
        "N: Bearer S",
        "postgres://user:S@host/db",
        "sk_live_S",
        "\"sk_live_S\"",
        "(a, N)=(1, S)",
    ]);
    (noise(), form, name, secret(), noise()).prop_map(|(before, form, name, secret, after)| {
        let told = form.replace('N', name).replace('S', &secret);
        format!("{before} {told} {after}")
    })
}

fn open_text() -> impl Strategy<Value = String> + Clone {
    prop_oneof![noise(), tale()]
}

fn open_key() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        4 => "[a-f]{1,6}",
        1 => "[a-f]{1,3}\\.[a-f]{1,3}",
        1 => secret().prop_map(|secret| format!("uses of sk_live_{secret}")),
    ]
}

fn hidden_key() -> impl Strategy<Value = String> + Clone {
    let names = vec![
        "password",
        "userPassword",
        "API_KEY",
        "access-token",
        "set-cookie",
        "user.pwd",
        "pwd.0",
        "a.iban",
        "x-anything_y",
        "Authorization",
        "card_number",
        "jwt",
    ];
    prop_oneof![
        4 => prop::sample::select(names).prop_map(str::to_owned),
        1 => "[a-f]{1,2000}_password",
    ]
}

fn error(text: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = OwnedValue> {
    let sources = prop::collection::vec(text.clone(), 0..3);
    (text.clone(), sources, prop::option::of(text)).prop_map(|(text, sources, backtrace)| {
        OwnedValue::Error(OwnedError {
            type_name: "test::Error".to_owned(),
            text,
            sources,
            backtrace,
        })
    })
}

/// Anything at all, secrets everywhere: for below a hidden key.
fn hidden_value() -> impl Strategy<Value = OwnedValue> {
    let leaf = prop_oneof![
        secret().prop_map(OwnedValue::Str),
        secret().prop_map(|text| OwnedValue::Bytes(text.into_bytes())),
        any::<u64>().prop_map(OwnedValue::U64),
        Just(OwnedValue::Null),
        error(secret()),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(OwnedValue::List),
            prop::collection::vec((secret(), inner), 0..3).prop_map(OwnedValue::Map),
        ]
    })
}

fn pair(open: BoxedStrategy<OwnedValue>) -> impl Strategy<Value = (String, OwnedValue)> {
    prop_oneof![
        2 => (open_key(), open),
        1 => (hidden_key(), hidden_value()),
    ]
}

fn open_value() -> BoxedStrategy<OwnedValue> {
    let leaf = prop_oneof![
        open_text().prop_map(OwnedValue::Str),
        any::<i64>().prop_map(OwnedValue::I64),
        Just(OwnedValue::Bool(true)),
        tale().prop_map(|text| OwnedValue::Bytes(format!("sk_live_{text}").into_bytes())),
        error(open_text()),
    ];
    leaf.prop_recursive(5, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(OwnedValue::List),
            prop::collection::vec(pair(inner.boxed()), 0..4).prop_map(OwnedValue::Map),
        ]
    })
    .boxed()
}

/// A record, and by which call it is logged.
#[derive(Clone, Debug)]
struct Draft {
    call: u8,
    message: String,
    secret: String,
    fields: Vec<(String, OwnedValue)>,
}

fn draft() -> impl Strategy<Value = Draft> {
    let fields = prop::collection::vec(pair(open_value()), 0..5);
    (0..9_u8, open_text(), secret(), fields).prop_map(|(call, message, secret, fields)| Draft {
        call,
        message,
        secret,
        fields,
    })
}

#[derive(Debug)]
struct Told(String);

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Told {}

#[derive(Debug)]
struct Login<'a> {
    #[allow(dead_code, reason = "shown by its Debug")]
    api_key: Option<&'a str>,
}

fn log(log: &Logger, draft: &Draft) {
    let (message, secret) = (&*draft.message, &*draft.secret);
    match draft.call {
        0 => info!(
            log,
            "login {user} {password}",
            user = message,
            password = secret
        ),
        1 => info!(log, "{a} {token} {}", message, secret, 1),
        2 => warning!(log, "password={} by {who}", secret, who = message),
        3 => info!(
            log,
            "connect postgres://{}:{}@{host}",
            "user",
            secret,
            host = "h"
        ),
        4 => {
            let _in = context!(who = secret, a = message).enter();
            info!(log, "{a} gave secret: '{who}'");
        }
        5 => {
            let login = Login {
                api_key: Some(secret),
            };
            info!(log, "{login}", login = ?login);
        }
        _ => {
            let mut pairs = Vec::new();
            let mut values = Encoder::new(&mut pairs);
            for (key, value) in &draft.fields {
                values.key(key).owned(value);
            }
            // Some are kept by the recorder until the end.
            let level = if draft.call == 8 {
                Level::Debug
            } else {
                Level::Error
            };
            let record = log.record(level, message).arg(message);
            let record = record.error(&Told(format!("{message} secret={secret}")));
            record.encoded_fields(&pairs).unwrap().send();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_output_of_any_target_has_a_secret_in_it(
        drafts in prop::collection::vec(draft(), 1..30),
        hash in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (all, events) = (All::default(), Arc::default());
        let host = start(folder.path(), &all, &events, hash);
        let logger = host.factory().get_logger("shop");
        for draft in &drafts {
            log(&logger, draft);
        }
        critical!(logger, "what was kept goes out");
        let drafts = [&drafts[..], &drafts[..1]].concat();
        prop_assert_eq!(host.flush_blocking(DEADLINE), 0);
        let memory = host.memory("memory").unwrap().take();
        let rescued = host.memory("rescue").unwrap().take();
        let ours = |records: &[MemoryRecord]| records.iter().filter(|r| r.logger == "shop").count();
        prop_assert_eq!(ours(&memory), drafts.len());
        prop_assert_eq!(ours(&rescued), drafts.len());
        let status = format!("{:?} {:?}", host.status(), host.explain("shop", Level::Error));
        let report = host.dispose_blocking(DEADLINE);
        prop_assert!(report.ledger.balances(), "{}", report);

        let mut letters = String::new();
        let mut buried = 0;
        let file = LetterFile::open(folder.path().join("dead.jsonl")).unwrap();
        for letter in file.letters().unwrap() {
            let letter = letter.unwrap().unwrap();
            letters.extend([format!("{:?}", letter.failure)]);
            let batch = Batch::parse(&letter.batch).unwrap();
            buried += batch.len();
            for record in batch.records() {
                letters.extend([format!("{:?}", MemoryRecord::from(&record))]);
            }
        }
        prop_assert!(buried >= drafts.len());
        let file = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
        prop_assert!(file.lines().count() >= drafts.len());
        let rendered = all.0.lock().unwrap().clone();
        prop_assert!(rendered.lines().count() >= 5 * drafts.len());
        let events = events.lock().unwrap().clone();
        prop_assert!(events.contains("dead"), "{}", events);
        for (what, text) in [
            ("file", file),
            ("renderers", rendered),
            ("memory", format!("{memory:?}")),
            ("fallback", format!("{rescued:?}")),
            ("dead letters", letters),
            ("events", events),
            ("status", status),
            ("report", format!("{report} {report:?}")),
        ] {
            if let Some(at) = text.find("zq") {
                let from = text.floor_char_boundary(at.saturating_sub(300));
                let to = text.floor_char_boundary(at + 100);
                return Err(TestCaseError::fail(format!("{what}: …{}…", &text[from..to])));
            }
        }
    }
}
