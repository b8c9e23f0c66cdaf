//! Batches from outside: what is written is read back equal, and no bytes can make a reader panic.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

use std::time::Duration;

use proptest::prelude::*;
use rolog_core::Level;
use rolog_core::call_site::CallSite;
use rolog_core::delivery::Class;
use rolog_core::frame::{
    Batch, BatchBuilder, Form, FrameMeta, LoggerRef, Moment, Origin, OriginKind, Record, RecordId,
    ThreadRef, flags, select,
};
use rolog_core::value::{Encoder, OwnedError, OwnedValue, Timestamp};

static ORDER: CallSite = CallSite::new(
    "order {id} for {0}, {missing}",
    2,
    &["id", "total"],
    "shop::orders",
    "src/orders.rs",
    7,
);

const EPOCH: u128 = 0xfeed;

fn meta(sequence: u64) -> FrameMeta<'static> {
    ORDER.register();
    FrameMeta {
        id: RecordId {
            epoch: EPOCH,
            sequence,
        },
        time: Timestamp::from_nanos(1_700_000_000_123_456_789),
        observed: None,
        level: Level::Warning,
        generation: 3,
        flags: 0,
        call_site: Some(&ORDER),
        logger: LoggerRef {
            id: 1,
            name: "shop.orders",
        },
        thread: ThreadRef {
            id: 4,
            name: "worker",
        },
        origin: Origin::SERVICE,
    }
}

fn order(id: u64) -> Vec<u8> {
    let mut payload = Vec::new();
    let mut values = Encoder::new(&mut payload);
    values.str("alice");
    values.bool(true);
    values.u64(id);
    values.f64(19.99);
    values.key("late").null();
    payload
}

fn three() -> Vec<u8> {
    let mut builder = BatchBuilder::new(EPOCH);
    for sequence in 0..3 {
        builder.push(&meta(sequence), &order(sequence * 10));
    }
    builder.finish()
}

fn fields(record: &Record<'_>) -> Vec<(String, OwnedValue)> {
    record
        .fields()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn a_record_comes_out_as_it_went_in() {
    let bytes = three();
    let batch = Batch::parse(&bytes).unwrap();
    assert_eq!(batch.len(), 3);
    let record = batch.get(1).unwrap();
    assert_eq!(record.id(), meta(1).id);
    assert_eq!(record.time(), meta(1).time);
    assert_eq!(record.level(), Level::Warning);
    assert_eq!(record.logger(), "shop.orders");
    assert_eq!(record.thread(), Some("worker"));
    assert_eq!(record.generation(), 3);
    assert_eq!(record.module(), Some("shop::orders"));
    assert_eq!(record.source(), Some(("src/orders.rs", 7)));
    assert_eq!(record.call_site_key(), Some((EPOCH, ORDER.id())));
    assert_eq!(record.origin(), Origin::SERVICE);
    assert_eq!(
        record.args().map(|v| v.to_owned()).collect::<Vec<_>>(),
        [OwnedValue::from("alice"), OwnedValue::Bool(true)]
    );
    assert_eq!(
        fields(&record),
        [
            ("id".to_owned(), OwnedValue::U64(10)),
            ("total".to_owned(), OwnedValue::F64(19.99)),
            ("late".to_owned(), OwnedValue::Null),
        ]
    );
    assert_eq!(
        record.message().to_string(),
        "order 10 for alice, alice",
        "a named hole without data takes the next argument"
    );
}

#[test]
fn a_hole_that_nothing_fills_stays_visible() {
    static LONELY: CallSite = CallSite::new("{a} {{b}} {}", 0, &[], "m", "f", 1);
    LONELY.register();
    let mut builder = BatchBuilder::new(EPOCH);
    builder.push(
        &FrameMeta {
            call_site: Some(&LONELY),
            ..meta(1)
        },
        &[],
    );
    let bytes = builder.finish();
    let batch = Batch::parse(&bytes).unwrap();
    assert_eq!(batch.get(0).unwrap().message().to_string(), "{a} {b} {}");
}

#[test]
fn sections_in_the_payload_take_the_place_of_the_call_sites() {
    let mut payload = Vec::new();
    let mut out = Encoder::new(&mut payload);
    out.key("run.time");
    out.key("no {holes} here");
    out.list(|args| args.i64(-5));
    out.error("io::Error", "no route", ["refused", "down"], None);
    out.key("extra").str("x");
    let mut builder = BatchBuilder::new(EPOCH);
    let dynamic = FrameMeta {
        flags: flags::LOGGER | flags::MESSAGE | flags::ARGS | flags::ERROR | flags::TRUNCATED,
        call_site: None,
        logger: LoggerRef { id: 0, name: "" },
        observed: Some(Timestamp::from_nanos(5)),
        origin: Origin::given_up(OriginKind::Service, "app", Class::Timeout, 4),
        ..meta(9)
    };
    builder.push(&dynamic, &payload);
    let bytes = builder.finish();
    let batch = Batch::parse(&bytes).unwrap();
    let record = batch.get(0).unwrap();
    assert_eq!(record.logger(), "run.time");
    assert_eq!(record.message().to_string(), "no {holes} here");
    assert_eq!(record.template(), None);
    assert_eq!(record.args().count(), 1);
    assert_eq!(record.observed(), Some(Timestamp::from_nanos(5)));
    assert_eq!(record.origin(), dynamic.origin);
    assert!(record.is_truncated());
    let error = record.error().unwrap();
    assert_eq!(error.to_string(), "no route: refused: down");
    assert_eq!(error.type_name(), "io::Error");
    assert_eq!(fields(&record), [("extra".to_owned(), "x".into())]);
    assert_eq!(record.payload(), payload);
}

#[test]
fn a_copied_record_keeps_its_id_and_gains_its_origin() {
    let bytes = three();
    let batch = Batch::parse(&bytes).unwrap();
    let origin = Origin::given_up(OriginKind::Service, "app", Class::Full, 4);
    let mut builder = BatchBuilder::new(EPOCH);
    builder.push(&meta(77), &order(1));
    for record in batch.records().skip(1) {
        builder.push_record(&record, Some(origin));
    }
    let copy = builder.finish();
    let copy = Batch::parse(&copy).unwrap();
    let ids: Vec<u64> = copy.records().map(|record| record.id().sequence).collect();
    assert_eq!(ids, [77, 1, 2]);
    let record = copy.get(2).unwrap();
    assert_eq!(record.origin(), origin);
    assert_eq!(record.logger(), "shop.orders");
    assert_eq!(record.thread(), Some("worker"));
    assert_eq!(record.payload(), order(20));
    assert_eq!(fields(&record), fields(&batch.get(2).unwrap()));
}

#[test]
fn a_selection_keeps_frames_untouched_and_refuses_what_is_not_there() {
    let bytes = three();
    let part = select(&bytes, [2, 0]).unwrap();
    let part = Batch::parse(&part).unwrap();
    let ids: Vec<u64> = part.records().map(|record| record.id().sequence).collect();
    assert_eq!(ids, [2, 0]);
    assert_eq!(part.get(0).unwrap().payload(), order(20));
    assert!(select(&bytes, [3]).unwrap_err().is_frame());
}

#[test]
fn a_value_of_a_newer_kind_is_stepped_over_inside_lists_too() {
    let mut payload = Vec::new();
    Encoder::new(&mut payload).key("list").list(|list| {
        list.value(rolog_core::value::Value::Unknown(0x7f, &[1; 8]));
        list.value(rolog_core::value::Value::Unknown(0xdf, &[1; 3]));
        list.value(rolog_core::value::Value::Unknown(0xe1, &[1; 9]));
        list.u64(1);
    });
    let mut builder = BatchBuilder::new(EPOCH);
    let plain = FrameMeta {
        call_site: None,
        ..meta(1)
    };
    builder.push(&plain, &payload);
    let bytes = builder.finish();
    let batch = Batch::parse(&bytes).unwrap();
    let (_, value) = batch.get(0).unwrap().fields().next().unwrap();
    let OwnedValue::List(items) = value.to_owned() else {
        panic!("{value:?} is no list");
    };
    assert_eq!(items.len(), 4);
    assert_eq!(items[3], OwnedValue::U64(1));
}

#[test]
fn a_kind_made_by_hand_harms_no_frame() {
    use rolog_core::value::{Value, tag};
    for made in 0..=u8::MAX {
        for length in (0..20).chain([255, 256]) {
            // Neither text nor values.
            let junk = vec![0xff; length];
            let shown = OwnedValue::Unknown(made, junk.clone()).to_string();
            assert_eq!(shown, OwnedValue::Bytes(junk.clone()).to_string());
            let mut payload = Vec::new();
            Encoder::new(&mut payload)
                .key("made")
                .value(Value::Unknown(made, &junk));
            Encoder::new(&mut payload).key("n").u64(7);
            let mut builder = BatchBuilder::new(EPOCH);
            let plain = FrameMeta {
                call_site: None,
                ..meta(1)
            };
            builder.push(&plain, &payload);
            let bytes = builder.finish();
            let batch = Batch::parse(&bytes).unwrap();
            let fields: Vec<_> = batch.get(0).unwrap().fields().collect();
            let is_free = (made >> 5 == 6 && made > tag::ERROR) || made >> 5 == 7 && length < 256;
            let is_sized = [0, 1, 4, 8, 12, 16].get(usize::from(made >> 5)) == Some(&length);
            let is_known = matches!(made, 0..=2 | 0x60..=0x63 | 0x80 | 0xa0 | 0xa1);
            let expected = if is_free || is_sized && !is_known {
                OwnedValue::Unknown(made, junk)
            } else {
                OwnedValue::Bytes(junk)
            };
            assert_eq!(fields[0].1.to_owned(), expected, "{made:#x}, {length}");
            assert_eq!(fields[1].1.to_owned(), OwnedValue::U64(7));
        }
    }
}

#[test]
fn an_id_reads_back_from_its_text() {
    let id = meta(42).id;
    assert_eq!(id.to_string().parse::<RecordId>().unwrap(), id);
    for wrong in [
        "",
        "1-2",
        "g".repeat(49).as_str(),
        "+0000000000000000000000000000001-0000000000000002",
    ] {
        assert!(wrong.parse::<RecordId>().is_err(), "{wrong}");
    }
}

fn any_value() -> impl Strategy<Value = OwnedValue> {
    let scalar = prop_oneof![
        Just(OwnedValue::Null),
        any::<bool>().prop_map(OwnedValue::Bool),
        any::<i64>().prop_map(OwnedValue::I64),
        any::<u64>().prop_map(OwnedValue::U64),
        any::<i128>().prop_map(OwnedValue::I128),
        any::<u128>().prop_map(OwnedValue::U128),
        any::<f64>().prop_map(OwnedValue::F64),
        any::<String>().prop_map(OwnedValue::Str),
        any::<Vec<u8>>().prop_map(OwnedValue::Bytes),
        any::<i64>().prop_map(|n| OwnedValue::Timestamp(Timestamp::from_nanos(n))),
        (any::<u64>(), 0..1_000_000_000u32)
            .prop_map(|(s, n)| OwnedValue::Duration(Duration::new(s, n))),
        (
            any::<String>(),
            any::<String>(),
            any::<Vec<String>>(),
            any::<Option<String>>()
        )
            .prop_map(|(type_name, text, sources, backtrace)| OwnedValue::Error(
                OwnedError {
                    type_name,
                    text,
                    sources,
                    backtrace
                }
            )),
    ];
    scalar.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(OwnedValue::List),
            prop::collection::vec((any::<String>(), inner), 0..6).prop_map(OwnedValue::Map),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_reads_back_equal(data in prop::collection::vec((any::<String>(), any_value()), 0..8)) {
        let mut payload = Vec::new();
        let mut out = Encoder::new(&mut payload);
        for (key, value) in &data {
            out.key(key).owned(value);
        }
        let mut builder = BatchBuilder::new(EPOCH);
        builder.push(&FrameMeta { call_site: None, ..meta(1) }, &payload);
        let bytes = builder.finish();
        let batch = Batch::parse(&bytes).unwrap();
        prop_assert_eq!(fields(&batch.get(0).unwrap()), data);
    }

    #[test]
    fn damaged_bytes_are_refused_or_read_but_never_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = three();
        for (index, byte) in flips {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() * 2).max(1));
        if let Ok(batch) = Batch::parse(&bytes) {
            for record in batch.records() {
                let _ = (record.message().to_string(), fields(&record), record.args().count());
            }
        }
        let _ = select(&bytes, [0, 1]);
    }
}

#[test]
fn nesting_ends_at_its_bound() {
    fn deep(out: &mut Encoder<'_>, depth: usize) {
        if depth > 0 {
            out.list(|list| deep(list, depth - 1));
        }
    }
    let mut payload = Vec::new();
    deep(Encoder::new(&mut payload).key("deep"), 200);
    let plain = FrameMeta {
        call_site: None,
        ..meta(1)
    };
    let mut builder = BatchBuilder::new(EPOCH);
    builder.push(&plain, &payload);
    let bytes = builder.finish();
    let batch = Batch::parse(&bytes).unwrap();
    let (_, value) = batch.get(0).unwrap().fields().next().unwrap();
    assert!(value.to_string().contains("nested too deep"));

    let mut hostile = b"\x01\0\0\0k".to_vec();
    for depth in (0..200u32).rev() {
        hostile.push(0xc2);
        hostile.extend_from_slice(&(depth * 5).to_le_bytes());
    }
    builder.push(&plain, &hostile);
    let bytes = builder.finish();
    assert!(
        Batch::parse(&bytes)
            .unwrap_err()
            .to_string()
            .contains("deeper")
    );
}

#[test]
fn a_form_makes_the_frames_that_its_records_would_have() {
    let (mut careful, mut formed) = (BatchBuilder::new(EPOCH), BatchBuilder::new(EPOCH));
    for call_site in [Some(&ORDER), None] {
        let like = FrameMeta {
            call_site,
            flags: if call_site.is_none() {
                flags::MESSAGE
            } else {
                0
            },
            ..meta(0)
        };
        let form = Form::new(&like, call_site);
        for sequence in 1..10 {
            let one = Moment {
                sequence,
                time: Timestamp::from_nanos(sequence.cast_signed()),
                thread: ThreadRef {
                    id: sequence as u32 / 3,
                    name: "worker",
                },
            };
            let payload = order(sequence);
            let added = formed.push_formed(&form, &one, &payload);
            assert_eq!(added, careful.push(&form.meta(&one), &payload));
            assert_eq!(formed.bytes(), careful.bytes());
        }
    }
    assert_eq!(formed.finish(), careful.finish());
}
