//! Each rule of the module's documentation, by example.

use rolog_core::Level;
use rolog_core::value::{OwnedValue, Timestamp};
use serde_json::json;

use super::check::{self, Parsed};
use super::{Format, Kind, LineCounts, MAX_LOGGER, MAX_NESTING, Options, Parser, RawLine, Role};

mod schemas;

const LIMIT: usize = 4096;

fn parse(line: &str) -> Parsed {
    check::parse(line.as_bytes(), LIMIT)
}

fn field(line: &str) -> OwnedValue {
    let (_, value) = parse(line).fields.pop().unwrap();
    value
}

#[test]
fn a_line_of_the_usual_shape_is_taken_apart() {
    let line = parse(
        r#"{"ts":"2026-11-22T12:00:00.5Z","user":{"id":7,"tags":["a",null]},"level":"warn","logger":"shop.db","msg":"slow \"query\"","ms":81.5}"#,
    );
    assert_eq!(line.time, Some(1_795_348_800_500_000_000));
    assert_eq!(line.level, Some(Level::Warning));
    assert_eq!(line.logger.as_deref(), Some("shop.db"));
    assert_eq!(line.message, "slow \"query\"");
    assert_eq!(line.kind, Kind::Json);
    assert_eq!(
        line.json(),
        json!({"user": {"id": 7, "tags": ["a", null]}, "ms": 81.5})
    );
    assert_eq!(
        line.counts,
        LineCounts {
            json: 1,
            ..LineCounts::default()
        }
    );
}

#[test]
fn the_preferred_name_wins_wherever_it_stands_and_the_other_stays_a_field() {
    for line in [
        r#"{"event":"login","message":"user came","msg":"best","name":"n","logger":"l"}"#,
        r#"{"logger":"l","msg":"best","name":"n","event":"login","message":"user came"}"#,
    ] {
        let line = parse(line);
        assert_eq!(line.message, "best");
        assert_eq!(line.logger.as_deref(), Some("l"));
        assert_eq!(
            line.json(),
            json!({"event": "login", "message": "user came", "name": "n"})
        );
    }
}

#[test]
fn a_duplicate_key_is_two_fields_and_the_first_usable_one_is_the_part() {
    let line = parse(r#"{"a":1,"msg":7,"a":{"b":1,"b":2},"msg":"one","msg":"two"}"#);
    assert_eq!(line.message, "one");
    let keys: Vec<_> = line.fields.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["a", "msg", "a", "msg"]);
    let pair = |number| ("b".to_owned(), OwnedValue::I64(number));
    assert_eq!(line.fields[2].1, OwnedValue::Map(vec![pair(1), pair(2)]));
    assert_eq!(line.fields[3].1, OwnedValue::from("two"));
}

#[test]
fn an_unusable_part_stays_a_field_and_times_and_levels_are_counted() {
    let line = parse(r#"{"time":"yesterday","level":"loud","logger":"","message":{"a":[1]}}"#);
    assert_eq!(
        (line.time, line.level, line.logger.as_deref()),
        (None, None, None)
    );
    assert_eq!(line.message, "");
    assert_eq!(
        line.json(),
        json!({"time": "yesterday", "level": "loud", "logger": "", "message": {"a": [1]}})
    );
    assert_eq!((line.counts.time_unread, line.counts.level_unread), (1, 1));
    assert_eq!(line.counts.json, 1);

    let line = parse(r#"{"time":0.25,"timestamp":1795348800,"msg":42,"event":"e","level":null}"#);
    assert_eq!(line.time, Some(1_795_348_800_000_000_000));
    assert_eq!(line.message, "e");
    assert_eq!(line.json(), json!({"time": 0.25, "msg": 42, "level": null}));
    assert_eq!((line.counts.time_unread, line.counts.level_unread), (0, 0));

    let long = "n".repeat(MAX_LOGGER + 1);
    assert_eq!(parse(&format!(r#"{{"logger":"{long}"}}"#)).logger, None);
    let named = parse(&format!(r#"{{"logger":"{}"}}"#, &long[1..]));
    assert_eq!(named.logger.as_deref(), Some(&long[1..]));
}

#[test]
fn numbers_are_kept_exactly_as_far_as_128_bits_reach() {
    for (text, value) in [
        ("0", OwnedValue::I64(0)),
        ("-9223372036854775808", OwnedValue::I64(i64::MIN)),
        ("9223372036854775807", OwnedValue::I64(i64::MAX)),
        ("9223372036854775808", OwnedValue::U64(1 << 63)),
        ("18446744073709551615", OwnedValue::U64(u64::MAX)),
        ("18446744073709551616", OwnedValue::I128(1 << 64)),
        (
            "-9223372036854775809",
            OwnedValue::I128(i128::from(i64::MIN) - 1),
        ),
        (&i128::MIN.to_string(), OwnedValue::I128(i128::MIN)),
        (&u128::MAX.to_string(), OwnedValue::U128(u128::MAX)),
        (
            "340282366920938463463374607431768211456",
            OwnedValue::F64(340_282_366_920_938_463_463_374_607_431_768_211_456.0),
        ),
        ("1e30", OwnedValue::F64(1e30)),
        ("-0.0", OwnedValue::F64(-0.0)),
        (
            "0.1234567890123456789",
            OwnedValue::F64(0.123_456_789_012_345_68),
        ),
        ("5e-324", OwnedValue::F64(5e-324)),
    ] {
        assert_eq!(
            field(&format!(r#"{{"msg":"m","n":{text}}}"#)),
            value,
            "{text}"
        );
        let nested = field(&format!(
            r#"{{"level":30,"n":[{{"deep":[{text}]}}],"msg":"m"}}"#
        ));
        let list = OwnedValue::List(vec![value]);
        let map = OwnedValue::Map(vec![("deep".to_owned(), list)]);
        assert_eq!(nested, OwnedValue::List(vec![map]), "{text}");
    }
}

#[test]
fn a_number_that_no_float_holds_keeps_its_line_as_text() {
    let line = parse(r#"{"level":"error","n":1e999}"#);
    assert_eq!(line.message, r#"{"level":"error","n":1e999}"#);
    assert_eq!((line.kind, line.level), (Kind::Text, None));
    assert_eq!((line.counts.text, line.counts.broken_json), (1, 1));
}

#[test]
fn what_is_not_an_object_is_text_and_never_lost() {
    for text in [
        "GET / 200",
        "42",
        "\"text\"",
        "[1,2]",
        "null",
        "{",
        "{} {}",
        "{\"a\":1",
        "{\"a\":1},",
        "{'a':1}",
        "{\"a\":\"\u{1}\"}",
        "{\"a\":\"\0\"}",
        "a\0b",
        " indented",
    ] {
        let line = parse(text);
        assert_eq!((line.kind, line.message.as_str()), (Kind::Text, text));
        assert_eq!((line.counts.text, line.counts.json), (1, 0));
        assert_eq!(line.counts.broken_json, u64::from(text.starts_with('{')));
        assert!(line.fields.is_empty());
    }
}

#[test]
fn blank_lines_make_no_record_and_a_byte_order_mark_is_dropped() {
    for blank in ["", " \t", "\u{feff}"] {
        let mut parser = Parser::new(LIMIT);
        let line = RawLine {
            bytes: blank.as_bytes(),
            truncated: false,
            number: 1,
        };
        assert!(parser.parse(line).is_none());
        assert_eq!(
            parser.counts(),
            LineCounts {
                empty: 1,
                ..LineCounts::default()
            }
        );
    }
    assert_eq!(parse("\u{feff}{\"msg\":\"m\"}").message, "m");
    assert_eq!(parse("\u{feff}text").message, "text");
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced_and_counted() {
    let line = check::parse(b"{\"msg\":\"caf\xe9\",\"n\":1}", LIMIT);
    assert_eq!(line.message, "caf\u{fffd}");
    assert_eq!(line.json(), json!({"n": 1}));
    assert_eq!(
        (
            line.counts.not_utf8,
            line.counts.json,
            line.counts.truncated
        ),
        (1, 1, 0)
    );
}

#[test]
fn nesting_ends_at_its_bound_and_beyond_it_the_line_is_text() {
    let nested = |levels: usize| {
        format!(
            r#"{{"msg":"m","a":{}{}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    let line = parse(&nested(MAX_NESTING));
    assert_eq!((line.kind, line.fields.len()), (Kind::Json, 1));
    for levels in [MAX_NESTING + 1, 200, 2000] {
        let line = parse(&nested(levels));
        assert_eq!((line.kind, line.message), (Kind::Text, nested(levels)));
        assert_eq!((line.counts.too_deep, line.counts.broken_json), (1, 0));
    }
}

#[test]
fn an_object_that_grows_beyond_the_limit_is_kept_as_text() {
    let line = format!(
        r#"{{"level":"error","logger":"l","a":[{}0]}}"#,
        "0,".repeat(LIMIT / 4)
    );
    let parsed = parse(&line);
    assert_eq!((parsed.kind, parsed.message), (Kind::Text, line));
    assert_eq!(
        (parsed.level, parsed.logger.as_deref()),
        (Some(Level::Error), Some("l"))
    );
    assert_eq!((parsed.counts.too_large, parsed.counts.text), (1, 1));
}

#[test]
fn a_line_that_was_cut_keeps_the_level_logger_and_time_of_its_head() {
    let mut parser = Parser::new(LIMIT);
    let head = r#"{"time":1795348800,"level":"error","name":"a\u002eb","message":"žžž"#;
    for cut in head.len() - 2..=head.len() {
        let line = RawLine {
            bytes: &head.as_bytes()[..cut],
            truncated: true,
            number: 1,
        };
        let record = parser.parse(line).unwrap();
        assert!(record.truncated);
        assert_eq!(record.kind, Kind::Text);
        assert_eq!(record.level, Some(Level::Error));
        assert_eq!(record.logger, Some("a.b"));
        assert_eq!(
            record.time,
            Some(Timestamp::from_nanos(1_795_348_800_000_000_000))
        );
        assert!(head.starts_with(record.message) && record.message.len() + 2 > cut);
    }
    let counts = parser.counts();
    assert_eq!(
        (counts.truncated, counts.text, counts.broken_json),
        (3, 3, 0)
    );
    assert_eq!(counts.not_utf8, 0);
}

#[test]
fn a_line_of_logfmt_is_taken_apart_and_its_numbers_are_numbers() {
    let line = parse(
        r#"time=2026-11-22T12:00:00Z level=WARN logger=shop.db msg="slow \"query\"" ms=81.5 n=-7 id=007 big=1e3 ok=true q="5" path=/a/b"#,
    );
    assert_eq!(line.kind, Kind::Logfmt);
    assert_eq!(line.time, Some(1_795_348_800_000_000_000));
    assert_eq!(line.level, Some(Level::Warning));
    assert_eq!(line.logger.as_deref(), Some("shop.db"));
    assert_eq!(line.message, "slow \"query\"");
    assert_eq!(
        line.json(),
        json!({"ms": 81.5, "n": -7, "id": "007", "big": "1e3", "ok": true, "q": "5", "path": "/a/b"})
    );
    assert_eq!((line.counts.logfmt, line.counts.text), (1, 0));
    let asked = Options {
        format: Format::Logfmt,
        ..Options::default()
    };
    let line = check::parse_with(b"a=1 flag msg=42", LIMIT, asked);
    assert_eq!(line.json(), json!({"a": 1, "flag": true}));
    assert_eq!(line.message, "42");
}

#[test]
fn options_name_keys_and_levels() {
    let mut options = Options::default();
    for (role, key) in [
        (Role::Time, "when"),
        (Role::Level, "how"),
        (Role::Logger, "who"),
        (Role::Message, "what"),
    ] {
        options.keys.give(role, key);
    }
    options.levels.give("loud=error".parse().unwrap());
    options.zone = Some("+01:00".parse().unwrap());
    let line = br#"{"when":"2026-11-22 13:00:00","how":"Loud","who":"svc","what":"it","msg":"m","level":"info"}"#;
    let line = check::parse_with(line, LIMIT, options);
    assert_eq!(line.time, Some(1_795_348_800_000_000_000));
    assert_eq!(line.level, Some(Level::Error));
    assert_eq!(line.logger.as_deref(), Some("svc"));
    assert_eq!(line.message, "it");
    assert_eq!(line.json(), json!({"msg": "m", "level": "info"}));
}

#[test]
fn a_line_of_text_stays_whole_and_tells_its_time_and_level() {
    let text = "2026-11-22T12:00:00.5Z ERROR svc: it broke";
    let line = parse(text);
    assert_eq!((line.kind, line.message.as_str()), (Kind::Text, text));
    assert_eq!(line.time, Some(1_795_348_800_500_000_000));
    assert_eq!(line.level, Some(Level::Error));
    let asked = Options {
        format: Format::Json,
        ..Options::default()
    };
    let line = check::parse_with(text.as_bytes(), LIMIT, asked);
    assert_eq!((line.counts.other_format, line.counts.text), (1, 1));
    let asked = Options {
        format: Format::Text,
        ..Options::default()
    };
    let line = check::parse_with(br#"{"msg":"m"}"#, LIMIT, asked);
    assert_eq!(line.message, r#"{"msg":"m"}"#);
    assert_eq!((line.counts.other_format, line.kind), (0, Kind::Text));
}
