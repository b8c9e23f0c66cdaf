//! PostgreSQL: what is written, and what readers find.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rolog_plugin::conformance::{Suite, Trouble};
use rolog_plugin::prelude::*;
use rolog_sql::Sql;
use rolog_tests::servers::Postgres;
use serde_json::{Value, json};

use crate::common::{
    Records, batch, deliver, every_kind, failed, rejected, start, target, until, with,
};

/// One server for all tests that do not stop it.
pub(crate) fn server() -> Option<&'static Postgres> {
    static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
    let server = SERVER.get_or_init(|| Postgres::start("the SQL target with PostgreSQL"));
    server.as_ref()
}

/// An empty database of that server.
pub(crate) struct Database {
    pub(crate) server: &'static Postgres,
    pub(crate) name: String,
}

impl Database {
    pub(crate) fn new() -> Option<Database> {
        static COUNT: AtomicU32 = AtomicU32::new(0);

        let server = server()?;
        let name = format!("db{}", COUNT.fetch_add(1, Ordering::Relaxed));
        server.sql("postgres", &format!("create database {name}"));
        Some(Database { server, name })
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
    let Some(database) = Database::new() else {
        return;
    };
    for (table, idempotent) in [("plain", false), ("keyed", true)] {
        let settings = json!({ "table": table, "idempotent": idempotent });
        let target = target(database.config(settings)).await;
        let mut records = Records::default();
        let mut expected = Value::Null;
        records.add("it's \"all\" there 😀\t\\N", |fields| {
            expected = every_kind(fields);
            fields
                .key("trace_id")
                .str("4bf92f3577b34da6a3ce929d0e0e4736");
        });
        records.add("no\0thing", |fields| fields.key("t").str("a\0b\\u0000"));
        assert!(deliver(&target, &records.batch()).await.is_delivered());
        let first = |what: &str| {
            let row = "record_id like '%0000'";
            database.sql(&format!("select {what} from {table} where {row}"))
        };
        assert_eq!(first("message"), "it's \"all\" there 😀\t\\N");
        let plain = first("level, logger, trace_id, template is null, args is null");
        assert_eq!(plain, "error|shop.db|4bf92f3577b34da6a3ce929d0e0e4736|t|t");
        let time = first("to_char(time at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')");
        assert_eq!(time, "2026-11-22 11:15:00.123456");
        let id = "00000000000000000000000000000007-0000000000000000";
        assert_eq!(first("record_id"), id);
        let fields: Value = serde_json::from_str(&first("fields")).unwrap();
        assert_eq!(fields, expected);
        assert_eq!(first("fields #>> '{list,1,0}'"), "two");
        // U+0000 cannot be stored: it becomes the symbol for it.
        let second = database.sql(&format!(
            "select message, fields ->> 't' from {table} where record_id not like '%0000'"
        ));
        assert_eq!(second, "no␀thing|a␀b\\u0000");
    }
}

#[tokio::test]
async fn every_supported_type_is_written_and_what_does_not_fit_is_told() {
    let Some(database) = Database::new() else {
        return;
    };
    database.sql(
        "create type lvl as enum ('error', 'info'); create domain short as varchar(5);
         create table logs (b bool, s int2, i int4, l int8, f real, d double precision,
           v varchar(5), c text, z timestamptz, t timestamp, n bigint, y bytea, id bytea, j json,
           u uuid, e lvl, x short, extra int default 3, o text, p numeric, q numeric(6,2))",
    );
    let columns = json!({
        "b": "fields.b", "s": "fields.s", "i": "fields.i", "l": "level_number", "f": "fields.f",
        "d": "fields.d", "v": "message", "c": "fields.d", "z": "time", "t": "fields.t", "n": "time",
        "y": "fields.y", "id": "record_id", "j": "fields.j", "u": "fields.u", "e": "level",
        "x": "logger", "o": "fields.map.a", "p": "fields.p", "q": "fields.q"
    });
    let settings = json!({ "columns": columns, "create_table": false });
    let target = target(database.config(settings)).await;
    let mut records = Records::default();
    records.add("longer than five", |fields| {
        fields.key("b").bool(true);
        fields.key("s").i64(-32768);
        fields.key("i").u64(7);
        fields.key("f").f64(0.5);
        fields.key("d").i64(3);
        fields
            .key("t")
            .timestamp(rolog_core::value::Timestamp::from_nanos(0));
        fields.key("y").bytes(&[1, 0, 255]);
        fields.key("j").str("\"");
        fields.key("u").str("4bf92f35-77b3-4da6-a3ce-929d0e0e4736");
        fields.key("map").map(|map| map.key("a").bool(false));
        fields.key("p").i128(i128::MIN);
        fields.key("q").f64(-1234.56);
    });
    for odd in [40_000, 1 << 40] {
        records.add("ok", |fields| fields.key("s").i64(odd));
    }
    records.add("ok", |fields| fields.key("u").str("no uuid"));
    records.add("ok", |fields| fields.key("b").str("true"));
    let outcome = deliver(&target, &records.batch()).await;
    assert_eq!(rejected(&outcome), [1, 2, 3, 4]);
    let told: Vec<_> = outcome
        .rejections()
        .iter()
        .map(|r| r.message.as_str())
        .collect();
    assert_eq!(told[0], "column `s` cannot hold a number out of its range");
    assert_eq!(told[2], "column `u` cannot hold a text that is no UUID");
    assert_eq!(told[3], "column `b` cannot hold a text");
    let row = database.sql("select * from logs");
    let id = "\\x00000000000000000000000000000007 0000000000000000".replace(' ', "");
    assert_eq!(
        row,
        format!(
            "t|-32768|7|40|0.5|3|long…|3|2026-11-22 11:15:00.123456+00|1970-01-01 00:00:00|\
             1795346100123456789|\\x0100ff|{id}|\"\\\"\"|4bf92f35-77b3-4da6-a3ce-929d0e0e4736|\
             error|shop…|3|false|-170141183460469231731687303715884105728|-1234.56"
        )
    );
}

#[tokio::test]
async fn numbers_in_decimal_columns_are_exact() {
    let Some(database) = Database::new() else {
        return;
    };
    database.sql("create table logs (message text, n numeric, small numeric(4,2))");
    let columns = json!({ "message": "message", "n": "fields.n", "small": "fields.small" });
    let target = target(database.config(json!({ "columns": columns }))).await;
    let floats = [
        0.0,
        -0.0,
        0.1,
        -0.5,
        1e-7,
        123_456.789,
        10_000.0,
        100_000_000.0,
        1e22,
        -1e300,
        5e-324,
        0.00012,
        f64::MAX,
    ];
    let mut records = Records::default();
    for number in floats {
        records.add(&number.to_string(), |fields| fields.key("n").f64(number));
    }
    for number in [0, 7, -9999, 10_000, i64::MIN] {
        records.add(&number.to_string(), |fields| fields.key("n").i64(number));
    }
    records.add("nan", |fields| fields.key("n").f64(f64::NAN));
    records.add("large", |fields| fields.key("small").i64(100));
    let outcome = deliver(&target, &records.batch()).await;
    assert_eq!(rejected(&outcome), [18, 19]);
    let words = &outcome.rejections()[1].message;
    assert!(words.contains("numeric field overflow"), "{words}");
    let same = "select count(*) from logs where n = message::numeric";
    assert_eq!(database.sql(same), "18");
}

#[tokio::test]
async fn only_the_rows_that_the_database_refuses_are_rejected_and_with_its_words() {
    let Some(database) = Database::new() else {
        return;
    };
    database.sql("create table logs (message text check (message <> 'bad'), n int unique)");
    let columns = json!({ "columns": { "message": "message", "n": "fields.n" } });
    let target = target(database.config(columns)).await;
    let mut words = vec!["good"; 1000];
    words[3] = "bad";
    words[777] = "bad";
    let outcome = deliver(&target, &batch(words)).await;
    assert_eq!(rejected(&outcome), [3, 777]);
    let why = &outcome.rejections()[0];
    assert_eq!(why.class, Class::Invalid);
    assert!(
        why.message.contains("violates check constraint"),
        "{}",
        why.message
    );
    assert_eq!(
        database.sql("select count(*), count(distinct n) from logs"),
        "998|998"
    );
    // One duplicate drops itself alone.
    let mut records = Records::default();
    for n in [5000, 5001, 5000] {
        records.add("good", |fields| fields.key("n").i64(n));
    }
    assert_eq!(rejected(&deliver(&target, &records.batch()).await), [2]);
    assert_eq!(database.sql("select count(*) from logs"), "1000");
}

#[tokio::test]
async fn a_batch_that_comes_twice_is_there_once_with_the_key() {
    let Some(database) = Database::new() else {
        return;
    };
    let target = target(database.config(json!({ "idempotent": true }))).await;
    let records = batch(["one", "two"]);
    for _ in 0..3 {
        assert!(deliver(&target, &records).await.is_delivered());
    }
    assert_eq!(database.sql("select count(*) from logs"), "2");

    database.sql("alter table logs drop constraint logs_pkey");
    let text = failed(
        &deliver(&target, &records).await,
        Verdict::Hold,
        Class::NotFound,
    );
    assert!(
        text.contains("needs a unique index on column `record_id`"),
        "{text}"
    );
}

#[tokio::test]
async fn columns_of_a_fixed_width_take_whole_values_with_the_key_too() {
    let Some(database) = Database::new() else {
        return;
    };
    database.sql(
        "create domain word as char(8);
         create table logs (record_id char(49) primary key, level char(8), message word)",
    );
    let columns = json!({ "record_id": "record_id", "level": "level", "message": "message" });
    let settings = json!({ "idempotent": true, "columns": columns });
    let target = target(database.config(settings)).await;
    assert!(
        deliver(&target, &batch(["one", "two"]))
            .await
            .is_delivered()
    );
    assert_eq!(
        database.sql("select level, message from logs order by record_id"),
        "error   |one     \nerror   |two     "
    );
}

#[tokio::test]
async fn a_row_that_a_trigger_refuses_is_rejected_alone() {
    let Some(database) = Database::new() else {
        return;
    };
    database.sql(
        "create table logs (message text);
         create function refuse() returns trigger language plpgsql as
           $$ begin if new.message = 'bad' then raise exception 'not here'; end if; return new; end $$;
         create trigger refuse before insert on logs for each row execute function refuse()",
    );
    let columns = json!({ "columns": { "message": "message" } });
    let target = target(database.config(columns)).await;
    let outcome = deliver(&target, &batch(["good", "bad", "good"])).await;
    assert_eq!(rejected(&outcome), [1]);
    let why = &outcome.rejections()[0].message;
    assert!(why.contains("not here"), "{why}");
    assert_eq!(database.sql("select count(*) from logs"), "2");
}

#[tokio::test]
async fn a_table_that_changes_under_way_is_followed_or_held_with_a_precise_message() {
    let Some(database) = Database::new() else {
        return;
    };
    let absent = start(database.config(json!({ "create_table": false }))).await;
    let failure = absent.err().unwrap();
    assert_eq!(failure.class, Class::NotFound);
    assert!(failure.message.contains("no table `logs`"), "{failure}");

    database.sql("create table logs (message text, n int)");
    let columns = json!({ "columns": { "message": "message", "n": "fields.n" } });
    let target = target(database.config(columns)).await;
    assert!(deliver(&target, &batch(["one"])).await.is_delivered());
    // A type that takes the same values is followed, without a failure.
    database.sql("alter table logs alter n type bigint");
    assert!(deliver(&target, &batch(["two"])).await.is_delivered());
    database.sql("alter table logs alter n type text");
    assert!(deliver(&target, &batch(["three"])).await.is_delivered());

    database.sql("alter table logs rename n to m");
    let text = failed(
        &deliver(&target, &batch(["kept"])).await,
        Verdict::Hold,
        Class::NotFound,
    );
    assert_eq!(text, "table `logs` has no column `n`");
    database.sql("alter table logs rename m to n; alter table logs alter n type point using null");
    let text = failed(
        &deliver(&target, &batch(["kept"])).await,
        Verdict::Hold,
        Class::NotFound,
    );
    assert_eq!(
        text,
        "column `n` of table `logs` is of type point, which is not supported"
    );
    database.sql("alter table logs alter n type int using null, add must int");
    database.sql("update logs set must = 1; alter table logs alter must set not null");
    let text = failed(
        &deliver(&target, &batch(["kept"])).await,
        Verdict::Hold,
        Class::NotFound,
    );
    assert!(
        text.starts_with("column `must` of table `logs` needs a value"),
        "{text}"
    );
    database.sql("alter table logs drop must");
    assert!(deliver(&target, &batch(["kept"])).await.is_delivered());
    database.sql("drop table logs");
    let text = failed(
        &deliver(&target, &batch(["lost"])).await,
        Verdict::Hold,
        Class::NotFound,
    );
    assert!(
        text.contains("no table `logs`") || text.contains("does not exist"),
        "{text}"
    );
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
    records.add_at(rolog_core::value::Timestamp::now(), "new", |_| {});
    assert!(deliver(&target, &records.batch()).await.is_delivered());
    // Taking over starts a round of deletions.
    target.activate().await.unwrap();
    until("only the new row is left", || {
        database.sql("select string_agg(message, ',') from logs") == "new"
    })
    .await;
    let index = "select count(*) from pg_indexes where indexname = 'logs_time'";
    assert_eq!(database.sql(index), "1");
}

#[test]
fn postgresql_is_conformant() {
    let Some(_server) = server() else {
        return;
    };
    let config = |n: usize| {
        with(
            json!({ "url": server().unwrap().url("postgres"), "create_table": true }),
            json!({ "table": format!("t{n}") }),
        )
    };
    let sql = |text: String| server().unwrap().sql("postgres", &text);
    let locks = std::sync::Arc::new(std::sync::Mutex::new(None::<Locked>));
    let unlock = std::sync::Arc::clone(&locks);
    let report = Suite::of::<Sql>(config)
        .arrived(move |n| {
            let there = sql(format!("select to_regclass('t{n}') is not null"));
            if there != "t" {
                return Vec::new();
            }
            let rows = sql(format!("select message from t{n} order by ctid"));
            rows.lines().map(str::to_owned).collect()
        })
        .refuses(json!({ "url": "postgres:///x" }), "url")
        .refuses(
            json!({ "url": "postgres://h/x", "tls": { "mode": "maybe" } }),
            "tls.mode",
        )
        .trouble(
            Trouble::answered("a column that is gone", Verdict::Hold)
                .class(Class::NotFound)
                .cause(move |n| {
                    sql(format!("alter table t{n} rename level to severity"));
                })
                .mend(move |n| {
                    sql(format!("alter table t{n} rename severity to level"));
                }),
        )
        .trouble(
            Trouble::hangs("a table that somebody has locked")
                .cause(move |n| *locks.lock().unwrap() = Some(Locked::new("postgres", n)))
                .mend(move |_| drop(unlock.lock().unwrap().take())),
        )
        .run();
    assert!(report.passed().contains(&"cancel and settle"), "{report:?}");
}

/// A lock on a table, held by a client of its own until it is dropped.
struct Locked(std::process::Child);

impl Locked {
    fn new(database: &str, n: usize) -> Locked {
        let server = server().unwrap();
        let holds = format!("begin; lock table t{n} in share mode; select pg_sleep(600)");
        let client = std::process::Command::new("psql")
            .args(["-X", "-q", "-d", &server.url(database), "-c", &holds])
            .spawn()
            .unwrap();
        let held = format!(
            "select count(*) from pg_locks where relation = 't{n}'::regclass \
             and mode = 'ShareLock' and granted"
        );
        while server.sql(database, &held) != "1" {
            std::thread::yield_now();
        }
        Locked(client)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let server = server().unwrap();
        server.sql(
            "postgres",
            "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)%' \
             and pid <> pg_backend_pid()",
        );
        let _ = self.0.wait();
    }
}
