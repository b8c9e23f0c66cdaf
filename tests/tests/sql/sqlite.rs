//! SQLite.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rolog_plugin::conformance::{Suite, Trouble};
use rolog_plugin::prelude::*;
use rolog_sql::Sql;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Records, batch, deliver, every_kind, start, target, with};

struct File {
    _folder: TempDir,
    path: PathBuf,
}

impl File {
    fn new() -> File {
        let folder = tempfile::tempdir().unwrap();
        File {
            path: folder.path().join("new/logs.db"),
            _folder: folder,
        }
    }

    fn config(&self, more: Value) -> Value {
        with(settings(&self.path), more)
    }

    fn sql(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    /// A file with a table of its own.
    fn with_table(create: &str) -> File {
        let file = File::new();
        std::fs::create_dir(file.path.parent().unwrap()).unwrap();
        file.sql().execute_batch(create).unwrap();
        file
    }

    fn messages(&self) -> Vec<String> {
        messages(&self.path)
    }
}

fn settings(path: &Path) -> Value {
    json!({ "url": format!("sqlite:{}", path.display()), "create_table": true })
}

fn messages(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let Ok(mut query) = connection.prepare("SELECT message FROM logs ORDER BY rowid") else {
        return Vec::new();
    };
    let rows = query.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn column(connection: &Connection, expression: &str) -> String {
    let query = format!("SELECT {expression} FROM logs");
    connection.query_row(&query, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn every_kind_of_value_is_read_back_equal() {
    let file = File::new();
    let target = target(file.config(json!({}))).await;
    let mut records = Records::default();
    let mut expected = Value::Null;
    records.add("it's\0 \"all\" there 😀", |fields| {
        expected = every_kind(fields);
    });
    assert!(deliver(&target, &records.batch()).await.is_delivered());
    let there = file.sql();
    assert_eq!(column(&there, "message"), "it's\0 \"all\" there 😀");
    assert_eq!(column(&there, "level || ' ' || logger"), "error shop.db");
    assert_eq!(column(&there, "time"), "2026-11-22T11:15:00.123456789Z");
    let id = "00000000000000000000000000000007-0000000000000000";
    assert_eq!(column(&there, "record_id"), id);
    let fields: Value = serde_json::from_str(&column(&there, "fields")).unwrap();
    assert_eq!(fields, expected);
    // What the documentation tells readers to ask for.
    assert_eq!(
        column(&there, "fields ->> 'text'"),
        expected["text"].as_str().unwrap()
    );
    assert_eq!(column(&there, "typeof(fields ->> 'int')"), "integer");
}

#[tokio::test]
async fn columns_are_filled_as_the_settings_map_them() {
    let file = File::with_table(
        "CREATE TABLE \"odd \"\"name\" (id INTEGER PRIMARY KEY, \"when\" INTEGER NOT NULL, body TEXT, \
         user BIGINT, deep, severity INT, rest TEXT, more TEXT DEFAULT 'x' NOT NULL)",
    );
    let target = target(file.config(json!({
        "table": "odd \"name", "create_table": false,
        "columns": {
            "when": "time", "body": "message", "user": "fields.user", "deep": "fields.order.id",
            "severity": "level_number", "rest": "fields",
        }
    })))
    .await;
    let mut records = Records::default();
    records.add("hello", |fields| {
        fields.key("user").u64(42);
        fields.key("order").map(|map| map.key("id").str("o-1"));
    });
    assert!(deliver(&target, &records.batch()).await.is_delivered());
    let row: (i64, String, i64, String, i64, String, String) = file
        .sql()
        .query_row(
            "SELECT \"when\", body, user, deep, severity, rest, more FROM \"odd \"\"name\"",
            [],
            |r| {
                Ok((
                    r.get(0)?,
                    r.get(1)?,
                    r.get(2)?,
                    r.get(3)?,
                    r.get(4)?,
                    r.get(5)?,
                    r.get(6)?,
                ))
            },
        )
        .unwrap();
    assert_eq!(row.0, crate::common::NANOS);
    assert_eq!(
        (row.1.as_str(), row.2, row.3.as_str(), row.4),
        ("hello", 42, "o-1", 40)
    );
    assert_eq!(row.5, r#"{"order":{"id":"o-1"}}"#);
}

#[tokio::test]
async fn only_the_rows_that_the_database_refuses_are_rejected_and_with_its_words() {
    let file = File::with_table(
        "CREATE TABLE logs (message TEXT CHECK (message <> 'bad'), n INT, UNIQUE (n))",
    );
    let columns = json!({ "columns": { "message": "message", "n": "fields.n" } });
    let target = target(file.config(columns)).await;
    let mut words = vec!["good"; 120];
    words[3] = "bad";
    words[77] = "bad";
    let outcome = deliver(&target, &batch(words)).await;
    assert_eq!(outcome.verdict(), Verdict::Delivered);
    let rejected: Vec<_> = outcome.rejections().iter().map(|one| one.index).collect();
    assert_eq!(rejected, [3, 77]);
    let why = &outcome.rejections()[0];
    assert_eq!(why.class, Class::Invalid);
    assert!(
        why.message.contains("CHECK constraint failed"),
        "{}",
        why.message
    );
    assert_eq!(file.messages().len(), 118);

    // A duplicate of a key drops itself alone.
    let mut records = Records::default();
    for n in [500, 500, 501] {
        records.add("good", |fields| fields.key("n").i64(n));
    }
    let outcome = deliver(&target, &records.batch()).await;
    let rejected: Vec<_> = outcome.rejections().iter().map(|one| one.index).collect();
    assert_eq!(rejected, [1]);
    assert_eq!(file.messages().len(), 120);
}

#[tokio::test]
async fn a_value_that_its_column_cannot_hold_is_rejected_or_left_out_as_the_settings_say() {
    for (unfit, count) in [("reject", 1), ("null", 2)] {
        let file = File::new();
        let target = target(file.config(json!({
            "unfit": unfit,
            "columns": { "message": "message", "n": { "from": "fields.n", "type": "integer" } }
        })))
        .await;
        let mut records = Records::default();
        records.add("number", |fields| fields.key("n").f64(3.0));
        records.add("text", |fields| fields.key("n").str("seven"));
        let outcome = deliver(&target, &records.batch()).await;
        assert_eq!(file.messages().len(), count);
        match outcome.rejections() {
            [] => assert_eq!(unfit, "null"),
            [one] => {
                assert_eq!((unfit, one.index), ("reject", 1));
                assert_eq!(one.message, "column `n` cannot hold a text");
            }
            more => panic!("{more:?}"),
        }
    }
}

#[tokio::test]
async fn a_batch_that_comes_twice_is_there_once_with_the_key() {
    let file = File::new();
    let target = target(file.config(json!({ "idempotent": true }))).await;
    let records = batch(["one", "two"]);
    for _ in 0..3 {
        assert!(deliver(&target, &records).await.is_delivered());
    }
    assert_eq!(file.messages(), ["one", "two"]);

    // Another key that is there already is no sign of the same record.
    let table = "CREATE TABLE logs (record_id TEXT UNIQUE, message TEXT, n INT UNIQUE)";
    let two = File::with_table(table);
    let columns = json!({ "record_id": "record_id", "message": "message", "n": "fields.n" });
    let settings = json!({ "idempotent": true, "columns": columns });
    let keyed = self::target(two.config(settings)).await;
    let mut records = Records::default();
    for (message, n) in [("first", 7), ("other", 7), ("last", 8)] {
        records.add(message, |fields| fields.key("n").i64(n));
    }
    let outcome = deliver(&keyed, &records.batch()).await;
    let rejected: Vec<_> = outcome.rejections().iter().map(|one| one.index).collect();
    assert_eq!(rejected, [1]);
    assert_eq!(two.messages(), ["first", "last"]);

    let without = File::with_table("CREATE TABLE logs (record_id TEXT, message TEXT)");
    let columns = json!({ "record_id": "record_id", "message": "message" });
    let refused = start(without.config(json!({ "idempotent": true, "columns": columns }))).await;
    let failure = refused.err().unwrap();
    assert!(
        failure
            .message
            .contains("needs a unique index on column `record_id`"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_table_that_does_not_agree_is_told_precisely_and_held_when_it_changes_under_way() {
    let missing = File::new();
    let failure = start(missing.config(json!({ "create_table": false })))
        .await
        .err()
        .unwrap();
    assert_eq!(failure.class, Class::NotFound);
    assert!(failure.message.contains("no table `logs`"), "{failure}");
    assert!(!missing.path.exists());

    let file = File::with_table("CREATE TABLE logs (message TEXT, must TEXT NOT NULL)");
    let columns = json!({ "columns": { "message": "message", "gone": "level" } });
    let failure = start(file.config(columns)).await.err().unwrap();
    assert_eq!(failure.message, "table `logs` has no column `gone`");
    let columns = json!({ "columns": { "message": "message" } });
    let failure = start(file.config(columns)).await.err().unwrap();
    assert!(
        failure
            .message
            .contains("column `must` of table `logs` needs a value"),
        "{failure}"
    );

    let file = File::new();
    let target = target(file.config(json!({}))).await;
    assert!(deliver(&target, &batch(["before"])).await.is_delivered());
    file.sql()
        .execute_batch("ALTER TABLE logs RENAME COLUMN error TO failure")
        .unwrap();
    let records = batch(["kept"]);
    for _ in 0..2 {
        let outcome = deliver(&target, &records).await;
        assert_eq!(outcome.verdict(), Verdict::Hold, "{outcome:?}");
        assert!(!outcome.failure().unwrap().maybe_written);
        assert!(
            outcome.failure().unwrap().message.contains("error"),
            "{outcome:?}"
        );
    }
    file.sql()
        .execute_batch("ALTER TABLE logs RENAME COLUMN failure TO error")
        .unwrap();
    assert!(deliver(&target, &records).await.is_delivered());
    assert_eq!(file.messages(), ["before", "kept"]);
}

#[tokio::test]
async fn a_full_file_is_retried_and_nothing_of_the_batch_stays() {
    let file = File::new();
    let target = target(file.config(json!({}))).await;
    assert!(deliver(&target, &batch(["before"])).await.is_delivered());
    // The quota is one of the connection: a file that cannot grow is provoked by a small disk.
    let outcome = match small_disk() {
        Some(disk) => {
            let path = disk.path().join("logs.db");
            let target = crate::common::target(settings(&path)).await;
            let text = "x".repeat(2000);
            let outcome = deliver(&target, &batch(vec![text.as_str(); 3000])).await;
            assert_eq!(messages(&path).len(), 0);
            outcome
        }
        None => return,
    };
    assert_eq!(outcome.verdict(), Verdict::Retry);
    assert_eq!(outcome.failure().unwrap().class, Class::Full);
    assert!(!outcome.failure().unwrap().maybe_written);
}

/// A disk of 2 MiB, while it lives.
struct Disk(TempDir);

impl Disk {
    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.path())
            .status();
    }
}

fn small_disk() -> Option<Disk> {
    let folder = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
        .arg(folder.path())
        .status();
    if mounted.is_ok_and(|status| status.success()) {
        return Some(Disk(folder));
    }
    rolog_tests::skip(
        "SQLite on a full disk",
        "a small disk cannot be mounted (not root)",
    );
    None
}

#[tokio::test]
async fn another_writer_is_waited_for_and_a_cancellation_ends_the_wait_at_once() {
    let file = File::new();
    let target = target(file.config(json!({ "busy_timeout": "300ms" }))).await;
    let other = file.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let outcome = deliver(&target, &batch(["late"])).await;
    assert_eq!(outcome.verdict(), Verdict::Retry);
    assert_eq!(outcome.failure().unwrap().class, Class::Unavailable);
    other.execute_batch("COMMIT").unwrap();
    assert!(deliver(&target, &batch(["late"])).await.is_delivered());
}

#[tokio::test]
async fn rows_are_deleted_when_they_are_old() {
    let file = File::new();
    let target = target(file.config(json!({ "keep": "1d" }))).await;
    let mut records = Records::default();
    for _ in 0..2500 {
        records.add("old", |_| {});
    }
    records.add_at(rolog_core::value::Timestamp::now(), "new", |_| {});
    let records = records.batch();
    // The day of the others is in the past or, seen from before it, in the future.
    let shift = "UPDATE logs SET time = '2001-01-01T00:00:00.000000000Z' WHERE message = 'old'";
    assert!(deliver(&target, &records).await.is_delivered());
    file.sql().execute_batch(shift).unwrap();
    // Taking over starts a round of deletions.
    target.activate().await.unwrap();
    let deadline = std::time::Instant::now() + crate::common::LONG;
    while file.messages() != ["new"] {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn sqlite_is_conformant() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let path = move |n: usize| root.join(format!("{n}.db"));
    let (config, arrived, busy, cause) = (path.clone(), path.clone(), path.clone(), path.clone());
    let holder = std::sync::Mutex::new(None);
    let holder = std::sync::Arc::new(holder);
    let mend = std::sync::Arc::clone(&holder);
    let renamed = path.clone();
    let back = path.clone();
    let report = Suite::of::<Sql>(move |n| settings(&config(n)))
        .arrived(move |n| match arrived(n) {
            path if path.is_file() => messages(&path),
            _ => Vec::new(),
        })
        .refuses(json!({ "url": "oracle://x" }), "url")
        .refuses(json!({ "url": "sqlite:a.db", "table": "" }), "table")
        .refuses(json!({ "url": "sqlite:a.db", "keep": "soon" }), "keep")
        .refuses(
            json!({ "url": "sqlite:a.db", "columns": { "m": "mesage" } }),
            "columns.m",
        )
        .trouble(
            Trouble::answered("a table that is gone", Verdict::Hold)
                .class(Class::NotFound)
                .config(move |n| with(settings(&path(n)), json!({ "create_table": true })))
                .cause(move |n| {
                    let sql = "ALTER TABLE logs RENAME COLUMN level TO severity";
                    Connection::open(renamed(n))
                        .unwrap()
                        .execute_batch(sql)
                        .unwrap();
                })
                .mend(move |n| {
                    let sql = "ALTER TABLE logs RENAME COLUMN severity TO level";
                    Connection::open(back(n))
                        .unwrap()
                        .execute_batch(sql)
                        .unwrap();
                }),
        )
        .trouble(
            Trouble::hangs("another writer that does not end")
                .config(move |n| with(settings(&busy(n)), json!({ "busy_timeout": "10m" })))
                .cause(move |n| {
                    let other = Connection::open(cause(n)).unwrap();
                    other.execute_batch("BEGIN IMMEDIATE").unwrap();
                    *holder.lock().unwrap() = Some(other);
                })
                .mend(move |_| drop(mend.lock().unwrap().take())),
        )
        .run();
    assert!(report.passed().contains(&"cancel and settle"), "{report:?}");
}
