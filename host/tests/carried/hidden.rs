//! What is hidden: by name, in texts of every kind, and as hashes.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;

use rolog_core::value::OwnedValue;
use rolog_core::{Level, context, exception, info};
use rolog_host::Host;
use rolog_host::config::{self, Env};

use crate::{LONG, host, one, taken, text};

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
