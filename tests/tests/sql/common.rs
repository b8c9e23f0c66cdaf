//! Records, instances and deliveries, and what gets in their way.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rolog_core::frame::{BatchBuilder, FrameMeta, LoggerRef, RecordId};
use rolog_core::level::Level;
use rolog_core::value::{Encoder, Timestamp};
use rolog_plugin::prelude::*;
use rolog_sql::Sql;
use rolog_tests::servers::{Folder, User};
use serde_json::Value;
use tokio::task::JoinHandle;

pub(crate) const LONG: Duration = Duration::from_mins(1);
/// 2026-11-22T11:15:00.123456789Z
pub(crate) const NANOS: i64 = 1_795_346_100_123_456_789;

/// Settings with some more or other than these.
#[allow(
    clippy::needless_pass_by_value,
    reason = "called with what `json!` has just made"
)]
pub(crate) fn with(mut config: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(more);
    config
}

/// An instance that may write, on the current runtime.
pub(crate) async fn target(config: Value) -> Sql {
    start(config).await.unwrap()
}

/// The same, or what keeps it from being one.
pub(crate) async fn start(config: Value) -> Result<Sql, Failure> {
    let context = Context::detached(Setup::new("db"));
    let config = serde_json::from_value(config).unwrap();
    let target = Sql::create(config, context).await?;
    target.activate().await?;
    Ok(target)
}

pub(crate) async fn deliver(target: &Sql, batch: &Batch) -> Outcome {
    target.deliver(batch, &Attempt::new(1, LONG)).await
}

/// A delivery that goes on beside the test.
pub(crate) fn delivering(target: &Arc<Sql>, batch: Batch) -> JoinHandle<Outcome> {
    let target = Arc::clone(target);
    tokio::spawn(async move { deliver(&target, &batch).await })
}

/// A batch of records, each with what `fill` writes behind its message.
#[derive(Default)]
pub(crate) struct Records {
    builder: Option<BatchBuilder>,
    next: u64,
}

impl Records {
    pub(crate) fn add(&mut self, message: &str, fill: impl FnOnce(&mut Encoder<'_>)) {
        self.add_at(Timestamp::from_nanos(NANOS), message, fill);
    }

    pub(crate) fn add_at(
        &mut self,
        time: Timestamp,
        message: &str,
        fill: impl FnOnce(&mut Encoder<'_>),
    ) {
        let mut payload = Vec::new();
        Encoder::new(&mut payload).key(message);
        fill(&mut Encoder::new(&mut payload));
        let meta = FrameMeta::literal(
            RecordId {
                epoch: 7,
                sequence: self.next,
            },
            time,
            Level::Error,
            LoggerRef {
                id: 1,
                name: "shop.db",
            },
        );
        self.next += 1;
        let builder = self.builder.get_or_insert_with(|| BatchBuilder::new(7));
        builder.push(&meta, &payload);
    }

    pub(crate) fn batch(mut self) -> Batch {
        Batch::parse(self.builder.take().unwrap().finish()).unwrap()
    }
}

/// Records with these messages, and a field `n` that counts them.
pub(crate) fn batch<'m>(messages: impl IntoIterator<Item = &'m str>) -> Batch {
    let mut records = Records::default();
    for (n, message) in messages.into_iter().enumerate() {
        records.add(message, |fields| fields.key("n").u64(n as u64));
    }
    records.batch()
}

/// Every kind of value, and the JSON that the documented table makes of it.
pub(crate) fn every_kind(fields: &mut Encoder<'_>) -> Value {
    fields.key("null").null();
    fields.key("yes").bool(true);
    fields.key("int").i64(-7);
    fields.key("big").u64(u64::MAX);
    fields.key("huge").i128(i128::MIN);
    fields.key("float").f64(0.1);
    fields.key("nan").f64(f64::NAN);
    fields
        .key("text")
        .str("it's \"quoted\" \\ and\nbroken \u{1}\u{7f} ü 😀");
    fields.key("bytes").bytes(&[0, 255, 39]);
    fields.key("time").timestamp(Timestamp::from_nanos(NANOS));
    fields.key("span").duration(Duration::from_millis(1500));
    fields.key("list").list(|list| {
        list.i64(1);
        list.list(|inner| inner.str("two"));
    });
    fields
        .key("map")
        .map(|map| map.key("a.b").map(|map| map.key("c").i64(3)));
    fields.key("").str("no name");
    serde_json::json!({
        "null": null, "yes": true, "int": -7, "big": u64::MAX, "huge": i128::MIN.to_string(),
        "float": 0.1, "nan": "NaN",
        "text": "it's \"quoted\" \\ and\nbroken \u{1}\u{7f} ü 😀", "bytes": "AP8n",
        "time": "2026-11-22T11:15:00.123456789Z", "span": 1.5, "list": [1, ["two"]],
        "map": { "a.b": { "c": 3 } }, "": "no name"
    })
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + LONG;
    while !holds() {
        assert!(std::time::Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The positions of the records that were rejected, where all others were delivered.
pub(crate) fn rejected(outcome: &Outcome) -> Vec<u32> {
    assert_eq!(outcome.verdict(), Verdict::Delivered, "{outcome:?}");
    outcome.rejections().iter().map(|one| one.index).collect()
}

/// A failure after which nothing of the batch is there.
pub(crate) fn failed(outcome: &Outcome, verdict: Verdict, class: Class) -> String {
    assert_eq!(outcome.verdict(), verdict, "{outcome:?}");
    let failure = outcome.failure().unwrap();
    assert_eq!(failure.class, class, "{failure}");
    assert!(!failure.maybe_written, "{failure}");
    failure.message.clone()
}

/// The server is gone under a batch, and then there is none.
pub(crate) async fn failed_without_server(
    target: &Sql,
    batch: &Batch,
    outcome: JoinHandle<Outcome>,
) {
    for outcome in [outcome.await.unwrap(), deliver(target, batch).await] {
        failed(&outcome, Verdict::Retry, Class::Connection);
    }
}

/// A disk of four megabytes, for as long as this is kept.
pub(crate) struct SmallDisk {
    pub(crate) path: PathBuf,
    _folder: Folder,
}

impl SmallDisk {
    /// One that a server can write to that runs as one of these users; `None`, and `what` skipped, for
    /// who may not mount any.
    pub(crate) fn new(users: &[&str], what: &str) -> Option<SmallDisk> {
        let folder = Folder::new(User::unprivileged(users));
        let path = folder.make("disk");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(&path)
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            rolog_tests::skip(what, "a small disk cannot be mounted (not root)");
            return None;
        }
        if let User::Other { uid, gid } = folder.user() {
            std::os::unix::fs::chown(&path, Some(uid), Some(gid)).unwrap();
        }
        Some(SmallDisk {
            path,
            _folder: folder,
        })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A server may still have files there.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
