//! MariaDB and `MySQL`: what is written, and what readers find.

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rolog_plugin::conformance::{Suite, Trouble};
use rolog_plugin::prelude::*;
use rolog_sql::Sql;
use rolog_tests::servers::MariaDb;
use serde_json::{Value, json};

use crate::common::{
    Records, batch, deliver, every_kind, failed, rejected, start, target, until, with,
};
use crate::mariadb_faults::Client;

/// One server for all tests that do not stop it.
pub(crate) fn server() -> Option<&'static MariaDb> {
    static SERVER: OnceLock<Option<MariaDb>> = OnceLock::new();
    let server = SERVER.get_or_init(|| MariaDb::start("the SQL target with MariaDB"));
    server.as_ref()
}

/// One of `MySQL` itself.
fn mysql() -> Option<&'static MariaDb> {
    static SERVER: OnceLock<Option<MariaDb>> = OnceLock::new();
    let server = SERVER.get_or_init(|| MariaDb::mysql("the SQL target with MySQL"));
    server.as_ref()
}

/// An empty database of such a server.
pub(crate) struct Database {
    pub(crate) server: &'static MariaDb,
    pub(crate) name: String,
}

impl Database {
    pub(crate) fn new() -> Option<Database> {
        server().map(Database::of)
    }

    fn of(server: &'static MariaDb) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);

        let name = format!("db{}", COUNT.fetch_add(1, Ordering::Relaxed));
        server.sql(
            "mysql",
            &format!("create database {name} character set utf8mb4"),
        );
        Database { server, name }
    }

    pub(crate) fn sql(&self, statements: &str) -> String {
        self.server.sql(&self.name, statements)
    }

    pub(crate) fn config(&self, more: Value) -> Value {
        let url = self.server.url(&self.name);
        with(json!({ "url": url, "create_table": true }), more)
    }
}

#[tokio::test]
async fn every_kind_of_value_is_read_back_equal_with_and_without_the_key() {
    for server in [server(), mysql()].into_iter().flatten() {
        every_kind_is_read_back(&Database::of(server)).await;
    }
}

async fn every_kind_is_read_back(database: &Database) {
    for (table, idempotent) in [("plain", false), ("keyed", true)] {
        let settings = json!({ "table": table, "idempotent": idempotent });
        let target = target(database.config(settings)).await;
        let mut records = Records::default();
        let mut expected = Value::Null;
        records.add("it's \\ \"all\" there\0 😀", |fields| {
            expected = every_kind(fields);
        });
        let records = records.batch();
        for _ in 0..=usize::from(idempotent) {
            assert!(deliver(&target, &records).await.is_delivered());
        }
        let get = |what: &str| database.sql(&format!("select {what} from {table}"));
        let hex = |text: &str| {
            text.bytes().fold(String::new(), |mut digits, byte| {
                let _ = write!(digits, "{byte:02X}");
                digits
            })
        };
        assert_eq!(get("hex(message)"), hex("it's \\ \"all\" there\0 😀"));
        assert_eq!(
            get("level, logger, time, args"),
            "error\tshop.db\t2026-11-22 11:15:00.123456\tNULL"
        );
        assert_eq!(
            get("record_id"),
            "00000000000000000000000000000007-0000000000000000"
        );
        let fields = get("hex(convert(fields using utf8mb4))");
        let bytes: Vec<u8> = (0..fields.len() / 2)
            .map(|at| u8::from_str_radix(&fields[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), expected);
    }
}

#[tokio::test]
async fn types_are_kept_and_rows_that_are_refused_are_rejected_alone() {
    for server in [server(), mysql()].into_iter().flatten() {
        types_are_kept(&Database::of(server)).await;
        what_a_trigger_refuses_is_rejected(&Database::of(server)).await;
    }
}

async fn what_a_trigger_refuses_is_rejected(database: &Database) {
    database.sql(
        "create table logs (message text);\ndelimiter //\n\
         create trigger refuse before insert on logs for each row if new.message = 'bad' then \
         signal sqlstate '45000' set message_text = 'not here'; end if//",
    );
    let columns = json!({ "columns": { "message": "message" } });
    let target = target(database.config(columns)).await;
    let outcome = deliver(&target, &batch(["good", "bad", "good"])).await;
    assert_eq!(rejected(&outcome), [1]);
    let why = &outcome.rejections()[0].message;
    assert!(why.contains("not here"), "{why}");
    assert_eq!(database.sql("select count(*) from logs"), "2");
}

async fn types_are_kept(database: &Database) {
    database.sql(
        "create table logs (message varchar(5), n int unsigned unique, f double, id binary(24), \
         at datetime(3), raw blob, lvl enum('error'), j json, k json, word enum('good'), \
         d decimal(65,5))",
    );
    let columns = json!({ "columns": {
        "message": "message", "n": "fields.n", "f": "fields.f", "id": "record_id", "at": "time",
        "raw": "fields.raw", "lvl": "level", "j": "fields", "k": "fields.k", "word": "fields.word", "d": "fields.d"
    }});
    let target = target(database.config(columns)).await;
    let mut records = Records::default();
    records.add("longer", |fields| {
        fields.key("n").u64(u64::from(u32::MAX));
        fields.key("f").f64(-1.5e-300);
        fields.key("raw").bytes(&[0, 39, 255]);
        fields.key("k").str("it's \"text\"");
        fields.key("d").f64(1e22);
    });
    records.add("ok", |fields| fields.key("n").i64(-1));
    records.add("bad", |fields| fields.key("word").str("bad"));
    records.add("ok", |fields| fields.key("n").u64(u64::from(u32::MAX)));
    records.add("ok", |fields| fields.key("f").f64(f64::NAN));
    records.add("ok", |_| {});
    let outcome = deliver(&target, &records.batch()).await;
    assert_eq!(rejected(&outcome), [1, 2, 3, 4]);
    let told: Vec<_> = outcome
        .rejections()
        .iter()
        .map(|r| r.message.as_str())
        .collect();
    assert_eq!(told[0], "column `n` cannot hold a number out of its range");
    assert!(
        told[1].contains("Data truncated for column 'word'"),
        "{told:?}"
    );
    assert!(told[2].contains("Duplicate entry"), "{told:?}");
    assert_eq!(
        told[3],
        "column `f` cannot hold a number that is not finite"
    );
    assert_eq!(
        database
            .sql("select message, n, f, hex(id), at, hex(raw), lvl, j, k, d from logs where n > 0"),
        "long…\t4294967295\t-1.5e-300\t000000000000000000000000000000070000000000000000\t\
         2026-11-22 11:15:00.123\t0027FF\terror\t{}\t\"it's \\\\\"text\\\\\"\"\t10000000000000000000000.00000"
    );
    assert_eq!(database.sql("select count(*) from logs"), "2");
}

#[tokio::test]
async fn a_table_that_changes_under_way_is_followed_or_held_with_a_precise_message() {
    let Some(database) = Database::new() else {
        return;
    };
    let absent = start(database.config(json!({ "create_table": false }))).await;
    assert_eq!(absent.err().unwrap().class, Class::NotFound);
    let target = target(database.config(json!({}))).await;
    assert!(deliver(&target, &batch(["one"])).await.is_delivered());
    database.sql("alter table logs modify message varchar(9)");
    assert!(
        deliver(&target, &batch(["twelve bytes and more"]))
            .await
            .is_delivered()
    );
    assert_eq!(
        database.sql("select message from logs where message like 'tw%'"),
        "twelve b…"
    );
    database.sql("alter table logs change level severity varchar(16)");
    let text = failed(
        &deliver(&target, &batch(["kept"])).await,
        Verdict::Hold,
        Class::NotFound,
    );
    assert_eq!(text, "table `logs` has no column `level`");
    database.sql("alter table logs change severity level varchar(16)");
    assert!(deliver(&target, &batch(["kept"])).await.is_delivered());
}

#[tokio::test]
async fn old_rows_are_deleted_and_new_ones_stay() {
    let Some(database) = Database::new() else {
        return;
    };
    let target = target(database.config(json!({ "keep": "30d" }))).await;
    let mut records = Records::default();
    for _ in 0..2500 {
        records.add_at(rolog_core::value::Timestamp::from_nanos(0), "old", |_| {});
    }
    records.add_at(rolog_core::value::Timestamp::now(), "late", |_| {});
    assert!(deliver(&target, &records.batch()).await.is_delivered());
    target.activate().await.unwrap();
    until("only the new row is left", || {
        database.sql("select count(*), max(message) from logs") == "1\tlate"
    })
    .await;
}

#[test]
fn mariadb_is_conformant() {
    conformant(server);
}

#[test]
fn mysql_is_conformant() {
    conformant(mysql);
}

fn conformant(server: fn() -> Option<&'static MariaDb>) {
    if server().is_none() {
        return;
    }
    let config = move |n: usize| {
        let url = server().unwrap().url("test");
        json!({ "url": url, "create_table": true, "table": format!("t{n}") })
    };
    let sql = move |text: String| server().unwrap().sql("test", &text);
    let locks = std::sync::Arc::new(std::sync::Mutex::new(None::<Client<'static>>));
    let unlock = std::sync::Arc::clone(&locks);
    let report = Suite::of::<Sql>(config)
        .arrived(move |n| {
            if sql(format!("show tables like 't{n}'")).is_empty() {
                return Vec::new();
            }
            let rows = sql(format!("select message from t{n}"));
            rows.lines().map(str::to_owned).collect()
        })
        .refuses(json!({ "url": "mysql://h" }), "url")
        .trouble(
            Trouble::answered("a column that is gone", Verdict::Hold)
                .class(Class::NotFound)
                .cause(move |n| {
                    sql(format!("alter table t{n} rename column level to severity"));
                })
                .mend(move |n| {
                    sql(format!("alter table t{n} rename column severity to level"));
                }),
        )
        .trouble(
            Trouble::hangs("a table that somebody has locked")
                .cause(move |n| {
                    let held = format!("lock tables t{n} read");
                    let client = Client::holding(server().unwrap(), "test", &held);
                    *locks.lock().unwrap() = Some(client);
                })
                .mend(move |_| unlock.lock().unwrap().take().unwrap().release()),
        )
        .run();
    assert!(report.passed().contains(&"cancel and settle"), "{report:?}");
}
