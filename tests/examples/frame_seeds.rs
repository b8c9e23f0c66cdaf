//! Writes the inputs from which the fuzzing of the frame reader starts:
//!
//!     cargo run -p rolog-tests --example frame_seeds
//!
//! To be run again when the format gains a version: the old inputs stay, the new ones join them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rolog_core::Level;
use rolog_core::call_site::CallSite;
use rolog_core::delivery::Class;
use rolog_core::frame::{
    BatchBuilder, FRAME_VERSION, FrameMeta, LoggerRef, Origin, OriginKind, RecordId, ThreadRef,
    flags, select,
};
use rolog_core::value::{Encoder, Timestamp, Value};

static PLAIN: CallSite = CallSite::new("ready", 0, &[], "shop", "shop.rs", 1);
static FULL: CallSite = CallSite::new(
    "{} of {id} {{}} {0} {none}",
    2,
    &["id", "total"],
    "m",
    "m.rs",
    7,
);

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/frames");
    fs::create_dir_all(&folder).expect("the corpus can be made");
    PLAIN.register();
    FULL.register();
    for (name, bytes) in seeds() {
        let path = folder.join(format!("seed-v{FRAME_VERSION}-{name}"));
        fs::write(&path, bytes).expect("the corpus can be written");
    }
}

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let none = |_: &mut Encoder<'_>| {};
    let meta = meta();
    let literal = |bits| FrameMeta {
        flags: bits,
        ..meta
    };
    let mut seeds = vec![
        ("empty", BatchBuilder::new(1).finish()),
        (
            "plain",
            one(
                &FrameMeta {
                    call_site: Some(&PLAIN),
                    ..meta
                },
                none,
            ),
        ),
        (
            "call-site",
            one(
                &FrameMeta {
                    call_site: Some(&FULL),
                    ..meta
                },
                |e| {
                    e.str("first");
                    e.null();
                    e.u64(42);
                    e.f64(19.99);
                    e.key("cool").bool(true);
                },
            ),
        ),
        (
            "literal",
            one(&literal(flags::LOGGER | flags::MESSAGE), |e| {
                e.key("run.time").key("text {as} it is");
            }),
        ),
        (
            "args",
            one(&literal(flags::ARGS), |e| e.list(|list| list.i64(-1))),
        ),
        (
            "error",
            one(&literal(flags::ERROR), |e| {
                e.error(
                    "std::io::Error",
                    "refused",
                    ["no route", "unplugged"],
                    Some("0: main"),
                );
            }),
        ),
        (
            "origin",
            one(
                &FrameMeta {
                    observed: Some(Timestamp::from_nanos(2)),
                    origin: Origin::given_up(OriginKind::Instance, "app", Class::Timeout, 4),
                    flags: flags::TRUNCATED | flags::RESERVED,
                    ..meta
                },
                none,
            ),
        ),
        ("values", one(&meta, values)),
        ("nested", one(&meta, |e| nest(e.key("deep"), 60))),
    ];
    let many = many();
    seeds.push(("part", select(&many, [2, 0]).expect("positions that exist")));
    seeds.push(("many", many));
    seeds
}

fn one(meta: &FrameMeta<'_>, fill: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
    let mut payload = Vec::new();
    fill(&mut Encoder::new(&mut payload));
    let mut batch = BatchBuilder::new(1);
    batch.push(meta, &payload);
    batch.finish()
}

fn many() -> Vec<u8> {
    let mut batch = BatchBuilder::new(1);
    for (level, id) in Level::ALL.into_iter().zip(1..) {
        let mut meta = meta();
        meta.level = level;
        meta.call_site = (id % 2 == 0).then_some(&PLAIN);
        meta.logger = LoggerRef {
            id: id % 3 + 1,
            name: ["a", "b.c", "d::e"][id as usize % 3],
        };
        meta.thread = ThreadRef { id, name: "worker" };
        batch.push(&meta, &[]);
    }
    batch.finish()
}

fn values(e: &mut Encoder<'_>) {
    e.key("null").null();
    e.key("false").bool(false);
    e.key("i64").i64(i64::MIN);
    e.key("u64").u64(u64::MAX);
    e.key("i128").i128(i128::MIN);
    e.key("u128").u128(u128::MAX);
    e.key("nan").f64(f64::NAN);
    e.key("str").str("žluťoučký");
    e.key("bytes").bytes(&[0, 255]);
    e.key("time").timestamp(Timestamp::from_nanos(-1));
    e.key("span").duration(Duration::new(1, 999_999_999));
    e.key("error").error("E", "text", [], None);
    e.key("map").map(|map| {
        map.key("").list(|list| list.str(""));
        map.key("").null();
    });
    // Kinds that a later version may bring, one of each class of lengths.
    for (tag, length) in [
        (0x1f, 0),
        (0x3f, 1),
        (0x5f, 4),
        (0x7f, 8),
        (0x9f, 12),
        (0xbf, 16),
        (0xdf, 5),
        (0xff, 5),
    ] {
        e.key("unknown")
            .value(Value::Unknown(tag, &[7; 16][..length]));
    }
}

fn nest(e: &mut Encoder<'_>, levels: usize) {
    match levels {
        0 => e.null(),
        _ => e.list(|list| nest(list, levels - 1)),
    }
}

fn meta() -> FrameMeta<'static> {
    FrameMeta {
        id: RecordId {
            epoch: 1,
            sequence: 1,
        },
        time: Timestamp::from_nanos(1_795_348_800_000_000_000),
        observed: None,
        level: Level::Information,
        generation: 1,
        flags: 0,
        call_site: None,
        logger: LoggerRef {
            id: 1,
            name: "shop.db",
        },
        thread: ThreadRef {
            id: 1,
            name: "main",
        },
        origin: Origin::SERVICE,
    }
}
