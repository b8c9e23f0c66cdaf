//! The SQL target beside the bare ceiling of each database, with the same rows, in one run.
//!
//!     cargo bench -p rolog-tests --bench sql [-- ROWS]
//!
//! The ceilings have nothing to encode, and send what they have prepared: one single `COPY BINARY` of
//! all rows (PostgreSQL), a prepared insert of fifty rows in a transaction for each batch (SQLite),
//! an insert of many rows in a transaction for each batch (MariaDB). The target gets batches of records,
//! one after the other, decodes, renders and writes them. What the ceilings write was read from what the
//! target has written. Rounds of the two alternate, and a pair gives a ratio; the rows are counted after
//! each round, and a round with another number ends the run.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, TryStreamExt};
use mysql_async::prelude::Queryable;
use rolog_core::frame::{BatchBuilder, FrameMeta, LoggerRef, RecordId};
use rolog_core::level::Level;
use rolog_core::value::{Encoder, Timestamp};
use rolog_host::instance::{Buffer, Instance};
use rolog_host::loader::LoaderSettings;
use rolog_plugin::linked;
use rolog_tests::plugins::{attempt, instance, loader};
use rolog_tests::servers::{MariaDb, Postgres};
use rusqlite::Connection;
use serde_json::json;
use tokio::runtime::Runtime;

const PAIRS: usize = 5;
const LONG: Duration = Duration::from_mins(1);
const COLUMNS: &str = "record_id, time, level, logger, message, template, args, fields, error, \
                       trace_id, span_id";

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse().ok());
    let rows: usize = numbers.next().unwrap_or(200_000);
    let rows = rows.div_ceil(5000) * 5000;
    let runtime = Runtime::new().expect("a runtime");
    if let Some(server) = Postgres::start("the SQL benchmark with PostgreSQL") {
        postgresql(&server, rows, &runtime);
    }
    sqlite(rows, &runtime);
    if let Some(server) = MariaDb::start("the SQL benchmark with MariaDB") {
        mariadb(&server, rows, &runtime);
    }
}

/// A batch of records such as services log.
fn batch(size: usize) -> Buffer {
    let mut builder = BatchBuilder::new(7);
    for n in 0..size as u64 {
        let mut payload = Vec::new();
        Encoder::new(&mut payload).key(&format!("order {n} accepted, it's paid by card, in 12 ms"));
        let mut fields = Encoder::new(&mut payload);
        fields.key("order").u64(n);
        fields.key("total").f64(19.99);
        fields.key("city").str("Oslo");
        let meta = FrameMeta::literal(
            RecordId {
                epoch: 7,
                sequence: n,
            },
            Timestamp::from_nanos(1_795_346_100_123_456_789 + n as i64),
            Level::Information,
            LoggerRef {
                id: 1,
                name: "shop.orders",
            },
        );
        builder.push(&meta, &payload);
    }
    Buffer::new(builder.finish().into())
}

/// The target, as the host calls it, that writes to the table `ours`.
struct Target {
    instance: Arc<dyn Instance>,
    buffer: Buffer,
    size: usize,
}

impl Target {
    fn new(url: &str, size: usize, runtime: &Runtime) -> Target {
        let (loader, _) = loader(LoaderSettings::default());
        let library = loader.link(linked::<rolog_sql::Sql>());
        let settings = json!({ "url": url, "table": "ours", "create_table": true });
        let instance = runtime.block_on(async {
            let target = instance(&library, "sql", &settings)
                .await
                .expect("an instance");
            target.activate().await.expect("an instance that is active");
            target
        });
        Target {
            instance,
            buffer: batch(size),
            size,
        }
    }

    async fn write(&self, rows: usize) {
        for number in 0..rows / self.size {
            let attempt = attempt(number as u64);
            let outcome = self.instance.deliver(self.buffer.clone(), attempt).await;
            assert!(outcome.is_delivered(), "{outcome:?}");
        }
    }

    fn end(&self, runtime: &Runtime) {
        runtime
            .block_on(self.instance.shutdown(LONG))
            .expect("an end");
    }
}

/// Runs the two in turn, and prints what comes out; the first pair is not counted.
fn compare(
    what: &str,
    rows: usize,
    least: f64,
    clear: &dyn Fn(),
    count: &dyn Fn(&str) -> usize,
    ours: &dyn Fn(),
    ceiling: &dyn Fn(),
) {
    let round = |table: &str, run: &dyn Fn()| {
        clear();
        let start = Instant::now();
        run();
        let pace = rows as f64 / start.elapsed().as_secs_f64();
        assert_eq!(count(table), rows, "{what}: the round is void");
        pace
    };
    println!("{what}: {rows} rows a round");
    let mut ratios = Vec::new();
    for pair in 0..=PAIRS {
        let own = round("ours", ours);
        let bare = round("bare", ceiling);
        if pair > 0 {
            let ratio = own / bare;
            println!("  target {own:>9.0}/s   bare {bare:>9.0}/s   {ratio:.2}");
            ratios.push(ratio);
        }
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    let word = if median >= least { "reached" } else { "MISSED" };
    println!("  median ratio {median:.2}, {least} {word}");
}

fn postgresql(server: &Postgres, rows: usize, runtime: &Runtime) {
    let url = server.url("postgres");
    let client = runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .expect("a connection");
        tokio::spawn(connection);
        client
    });
    for (size, least) in [(5000, 0.8), (500, 0.5)] {
        let target = Target::new(&url, size, runtime);
        let prepared = runtime.block_on(async {
            target.write(rows).await;
            let make = "drop table if exists bare; create table bare (like ours including all)";
            client.batch_execute(make).await.expect("a table");
            let copy = client.copy_out("copy ours to stdout (format binary)").await;
            let all: Vec<_> = copy.expect("a copy").try_collect().await.expect("all rows");
            // In pieces as large as those of the target.
            let all = bytes::Bytes::from(all.concat());
            let pieces = all.chunks(64 << 10).map(|piece| all.slice_ref(piece));
            pieces.collect::<Vec<_>>()
        });
        compare(
            &format!("PostgreSQL, batches of {size}"),
            rows,
            least,
            &|| {
                server.sql("postgres", "truncate ours, bare; checkpoint");
            },
            &|table| {
                let count = server.sql("postgres", &format!("select count(*) from {table}"));
                count.parse().expect("a number")
            },
            &|| runtime.block_on(target.write(rows)),
            &|| {
                runtime.block_on(async {
                    let copy = client.copy_in("copy bare from stdin (format binary)").await;
                    let mut copy = std::pin::pin!(copy.expect("a copy"));
                    for piece in &prepared {
                        copy.feed(piece.clone()).await.expect("room for a piece");
                    }
                    copy.finish().await.expect("all rows");
                });
            },
        );
        target.end(runtime);
    }
}

fn sqlite(rows: usize, runtime: &Runtime) {
    const SIZE: usize = 5000;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("logs.db");
    let target = Target::new(&format!("sqlite:{}", path.display()), SIZE, runtime);
    runtime.block_on(target.write(SIZE));
    let own = Connection::open(&path).expect("the file");
    own.set_prepared_statement_cache_capacity(8);
    let made: String = own
        .query_row(
            "select sql from sqlite_schema where name = 'ours'",
            [],
            |row| row.get(0),
        )
        .expect("a table");
    let make = made.replace("\"ours\"", "bare");
    let set = "pragma journal_mode = wal; pragma synchronous = normal";
    own.execute_batch(&format!("{set}; {make}"))
        .expect("another like it");
    let prepared: Vec<rusqlite::types::Value> = {
        let select = format!("select {COLUMNS} from ours");
        let mut select = own.prepare(&select).expect("a query");
        let width = select.column_count();
        let mut rows = select.query([]).expect("rows");
        let mut all = Vec::new();
        while let Some(row) = rows.next().expect("a row") {
            all.extend((0..width).map(|at| row.get_unwrap::<_, rusqlite::types::Value>(at)));
        }
        all
    };
    let width = prepared.len() / SIZE;
    let row = format!("({})", vec!["?"; width].join(","));
    let insert = format!(
        "insert into bare ({COLUMNS}) values {}",
        vec![row; 50].join(",")
    );
    compare(
        "SQLite, batches of 5000",
        rows,
        0.9,
        &|| {
            own.execute_batch(
                "delete from ours; delete from bare; pragma wal_checkpoint(truncate)",
            )
            .expect("empty tables");
        },
        &|table| {
            let sql = format!("select count(*) from {table}");
            let count = own.query_row(&sql, [], |row| row.get::<_, i64>(0));
            count.expect("a number") as usize
        },
        &|| runtime.block_on(target.write(rows)),
        &|| {
            for _ in 0..rows / SIZE {
                own.execute_batch("begin immediate").expect("a transaction");
                let mut statement = own.prepare_cached(&insert).expect("an insert");
                for some in prepared.chunks(50 * width) {
                    for (at, value) in some.iter().enumerate() {
                        statement
                            .raw_bind_parameter(at + 1, value)
                            .expect("a parameter");
                    }
                    statement.raw_execute().expect("rows");
                }
                drop(statement);
                own.execute_batch("commit").expect("a commit");
            }
        },
    );
    target.end(runtime);
}

fn mariadb(server: &MariaDb, rows: usize, runtime: &Runtime) {
    const SIZE: usize = 5000;
    const PIECE: usize = 1 << 20;
    let url = server.url("test");
    let target = Target::new(&url, SIZE, runtime);
    let (prepared, connection) = runtime.block_on(async {
        target.write(SIZE).await;
        let mut own = mysql_async::Conn::from_url(format!("{url}?prefer_socket=false"))
            .await
            .expect("a connection");
        own.query_drop("create table bare like ours")
            .await
            .expect("a table");
        own.query_drop("set names utf8mb4").await.expect("UTF-8");
        let quoted = COLUMNS
            .split(", ")
            .map(|name| format!("coalesce(quote({name}), 'NULL')"))
            .collect::<Vec<_>>();
        let literals = format!("select concat_ws(',', {}) from ours", quoted.join(", "));
        let literals: Vec<String> = own.query(literals).await.expect("rows");
        let start = format!("insert into bare ({COLUMNS}) values ");
        let mut pieces = vec![start.clone()];
        for literal in literals {
            let last = pieces.last_mut().expect("there is one");
            if last.len() > start.len() {
                last.push(',');
            }
            last.push('(');
            last.push_str(&literal);
            last.push(')');
            if last.len() >= PIECE {
                pieces.push(start.clone());
            }
        }
        pieces.retain(|piece| piece.len() > start.len());
        (pieces, own)
    });
    let connection = std::cell::RefCell::new(connection);
    compare(
        "MariaDB, batches of 5000",
        rows,
        0.85,
        &|| {
            server.sql("test", "truncate ours; truncate bare");
        },
        &|table| {
            let count = server.sql("test", &format!("select count(*) from {table}"));
            count.parse().expect("a number")
        },
        &|| runtime.block_on(target.write(rows)),
        &|| {
            let mut own = connection.borrow_mut();
            runtime.block_on(async {
                for _ in 0..rows / SIZE {
                    own.query_drop("start transaction").await.expect("a begin");
                    for piece in &prepared {
                        own.query_drop(piece).await.expect("rows");
                    }
                    own.query_drop("commit").await.expect("a commit");
                }
            });
        },
    );
    target.end(runtime);
}
