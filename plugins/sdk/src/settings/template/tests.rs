//! Holes and what fills them.

use rolog_core::frame::{Batch, BatchBuilder, FrameMeta, LoggerRef, RecordId};
use rolog_core::level::Level;
use rolog_core::value::{Encoder, Timestamp};

use super::*;

fn filled(template: &Template) -> Result<String, String> {
    let mut payload = Vec::new();
    let mut encoder = Encoder::new(&mut payload);
    encoder.key("hello");
    encoder.key("n").u64(0);
    encoder.key("user").str("Ada");
    encoder.key("level").str("high");
    encoder.key("nothing").null();
    encoder.key("empty").str("");
    encoder.key("where");
    encoder.map(|map| map.key("city").str("Oslo"));
    let id = RecordId {
        epoch: 0xab,
        sequence: 5,
    };
    let time = Timestamp::from_nanos(1_795_346_100_123_456_789);
    let logger = LoggerRef {
        id: 1,
        name: "shop.orders",
    };
    let mut batch = BatchBuilder::new(1);
    batch.push(
        &FrameMeta::literal(id, time, Level::Warning, logger),
        &payload,
    );
    let batch = batch.finish();
    let batch = Batch::parse(&batch).unwrap();
    let mut out = "before ".to_owned();
    match template.fill(&batch.get(0).unwrap(), &mut out) {
        Ok(()) => Ok(out.split_off(7)),
        Err(missing) => {
            assert_eq!(out, "before ", "what was appended is cut off again");
            Err(missing.to_owned())
        }
    }
}

fn strict(text: &str) -> Result<String, String> {
    filled(&text.parse().unwrap())
}

#[test]
fn holes_are_filled_from_the_record_its_fields_and_its_maps() {
    for (text, right) in [
        ("logs", "logs"),
        ("{{{level}}}", "{warning}"),
        (
            "/{logger}/{n}/{where.city}/{{x}}",
            "/shop.orders/0/Oslo/{x}",
        ),
        ("{user}-{data.level}-{data.where.city}", "Ada-high-Oslo"),
        ("{year}.{month}.{day}.{hour}", "2026.11.22.11"),
        (
            "{time} {unix}",
            "2026-11-22T11:15:00.123456789Z 1795346100.123456789",
        ),
        (
            "{message} {record_id}",
            "hello 000000000000000000000000000000ab-0000000000000005",
        ),
    ] {
        assert_eq!(strict(text).as_deref(), Ok(right), "{text}");
    }
}

#[test]
fn what_a_record_lacks_is_named_or_has_a_default() {
    for missing in [
        "nothing",
        "empty",
        "tenant",
        "where.street",
        "n.deeper",
        "data.tenant",
        "thread",
        "module",
    ] {
        assert_eq!(
            strict(&format!("a/{{{missing}}}")),
            Err(missing.to_owned()),
            "{missing}"
        );
        assert_eq!(
            strict(&format!("a/{{{missing}|none}}")).as_deref(),
            Ok("a/none")
        );
    }
}

#[test]
fn a_value_can_be_changed_or_refused_on_its_way() {
    let template: Template = "{user}{n}".parse().unwrap();
    let mut payload = Vec::new();
    let mut encoder = Encoder::new(&mut payload);
    encoder.key("hello");
    encoder.key("user").str("a/b");
    encoder.key("n").u64(7);
    let mut batch = BatchBuilder::new(1);
    let id = RecordId {
        epoch: 1,
        sequence: 1,
    };
    let logger = LoggerRef { id: 1, name: "l" };
    let meta = FrameMeta::literal(id, Timestamp::from_nanos(0), Level::Error, logger);
    batch.push(&meta, &payload);
    let batch = batch.finish();
    let batch = Batch::parse(&batch).unwrap();
    let record = batch.get(0).unwrap();
    let mut out = String::new();
    let spelt = |text: &str, out: &mut String| {
        out.push_str(&text.replace('/', "%2F"));
        text != "7"
    };
    assert_eq!(template.fill_by(&record, &mut out, spelt), Err("n"));
    assert_eq!(out, "");
    let user: Template = "{user}".parse().unwrap();
    assert_eq!(user.fill_by(&record, &mut out, spelt), Ok(()));
    assert_eq!(out, "a%2Fb");
}

#[test]
fn a_brace_that_opens_no_hole_is_refused_or_stands_for_itself() {
    for text in ["{", "a{", "a}", "{a b}", "{}", "{a{b}", "{a|b{c}}"] {
        assert!(text.parse::<Template>().is_err(), "{text}");
    }
    let json = Template::lenient("{\"event\":{message},\"x\":{}}");
    assert_eq!(filled(&json).unwrap(), "{\"event\":hello,\"x\":{}}");
    assert!(Template::lenient("{\"a\": {\"b\": 1}}").fixed().is_some());
    let names: Vec<_> = json
        .parts()
        .map(|(name, part)| (name.map(str::to_owned), part.fixed().is_some()))
        .collect();
    assert_eq!(
        names,
        [
            (None, true),
            (Some("message".to_owned()), false),
            (None, true)
        ]
    );
}

#[test]
fn it_is_written_as_it_was_read() {
    for text in ["plain", "{a}", "x{{{a|b}}}y", "{a.b}{c}"] {
        let template: Template = text.parse().unwrap();
        assert_eq!(template.to_string(), text);
    }
    let read = |json: &str| serde_json::from_str::<Template>(json);
    assert_eq!(read("\"{a}\"").unwrap().fixed(), None);
    assert_eq!(read("\"\"").unwrap().fixed(), Some(""));
    assert_eq!(
        read("\"a}\"").unwrap_err().to_string(),
        "`}` opens or closes no hole, expected holes such as {logger}, and {{ for a brace"
    );
}
