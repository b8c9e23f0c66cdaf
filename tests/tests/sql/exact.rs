//! Many records through `rolog run` while the database goes away five times: none is lost, with the
//! key none is there twice, and without it no more than are said to be maybe written.
//!
//! `ROLOG_SQL_RECORDS` says how many for each database; 200,000 where it does not. The full size is
//! 2,000,000.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rolog_tests::artifacts::{command, library_folder};
use rolog_tests::servers::{MariaDb, Postgres};
use rusqlite::Connection;

/// How often a database goes away.
const TIMES: usize = 5;
const BATCH: usize = 2000;
/// Batches in flight at a server.
const FLYING: usize = 2;
/// In a debug build on a machine with much to do.
const LONG: Duration = Duration::from_mins(10);

fn records() -> usize {
    let asked = std::env::var("ROLOG_SQL_RECORDS").ok();
    asked.map_or(200_000, |number| number.parse().unwrap())
}

/// The command, with two targets at this URL: one table with the key and one without.
fn start(folder: &Path, url: &str, more: &str, flying: usize) -> Child {
    let plugins = library_folder();
    let target = |name: &str, key: bool| {
        format!(
            "  {name}:
    plugin: sql
    config: {{ url: '{url}', table: {name}, create_table: true, idempotent: {key}{more} }}
    flush: {{ max_size: {BATCH}, max_bytes: 16MiB, interval: 10m, concurrency: {flying},
             max_retries: 1000, retry_delay: 200ms, progressive_delay: false }}
"
        )
    };
    let pipeline = format!(
        "version: 1\nplugins: {{ search: ['{}'] }}\ntargets:\n{}{}routes: [{{ logger: shop, to: [keyed, plain] }}]\n",
        plugins.display(),
        target("keyed", true),
        target("plain", false)
    );
    std::fs::write(folder.join("pipeline.yaml"), pipeline).unwrap();
    let deadline = LONG.as_secs();
    Command::new(command())
        .args(["run", "-c", "pipeline.yaml", "--deadline"])
        .arg(format!("{deadline}s"))
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("told")).unwrap())
        .spawn()
        .unwrap()
}

/// Lines for the command, until they are all there or it is gone.
fn feed(child: &mut Child, total: usize) -> std::thread::JoinHandle<()> {
    let mut input = std::io::BufWriter::with_capacity(1 << 16, child.stdin.take().unwrap());
    std::thread::spawn(move || {
        for n in 0..total {
            let line = writeln!(
                input,
                "{{\"level\":\"info\",\"logger\":\"shop\",\"msg\":\"order {n} accepted\",\"n\":{n},\
                 \"total\":19.99,\"city\":\"Oslo\"}}"
            );
            if line.is_err() {
                return;
            }
        }
        let _ = input.flush();
    })
}

/// Waits until a table has so many rows, while the command runs.
fn reach(child: &mut Child, rows: usize, count: impl Fn() -> usize) {
    let end = Instant::now() + LONG;
    while count() < rows {
        assert!(child.try_wait().unwrap().is_none(), "the command has ended");
        assert!(Instant::now() < end, "{rows} rows are not reached");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What the command tells in the end, when nothing was lost; how many records each of its targets
/// may have written in an attempt that broke off.
fn account(mut child: Child, folder: &Path) -> impl Fn(&str) -> usize + use<> {
    let status = child.wait().unwrap();
    let told = std::fs::read_to_string(folder.join("told")).unwrap();
    assert!(status.success(), "{told}");
    assert!(told.contains("nothing lost"), "{told}");
    move |target| {
        let line = told.lines().find(|line| {
            line.starts_with(&format!("{target}: ")) && line.contains("may have been written")
        });
        let count = line.map(|line| line.split_whitespace().nth(1).unwrap());
        count.map_or(0, |count| count.parse().unwrap())
    }
}

/// Runs it while `disturb` takes the server away and brings it back.
fn exact<S>(
    mut server: S,
    url: &str,
    count: impl Fn(&S, &str) -> usize,
    mut disturb: impl FnMut(&mut S),
) {
    let total = records();
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), url, "", FLYING);
    let feeding = feed(&mut child, total);
    let rows = |server: &S, of: &str| count(server, &format!("count(*) from {of}"));
    reach(&mut child, 1, || count(&server, TABLES) / 2);
    for part in 1..=TIMES {
        reach(&mut child, total * part / (TIMES + 1), || {
            rows(&server, "plain").min(rows(&server, "keyed"))
        });
        disturb(&mut server);
    }
    feeding.join().unwrap();
    let maybe = account(child, folder.path());
    let ids = |of: &str| count(&server, &format!("count(distinct record_id) from {of}"));
    assert_eq!((rows(&server, "keyed"), ids("keyed")), (total, total));
    assert_eq!(ids("plain"), total);
    let doubled = rows(&server, "plain") - total;
    assert!(doubled <= maybe("plain"), "{doubled} of {}", maybe("plain"));
    for table in ["plain", "keyed"] {
        assert!(maybe(table) <= TIMES * FLYING * BATCH, "{}", maybe(table));
    }
}

/// The tables that there are, by both servers' own lists.
const TABLES: &str =
    "count(*) from information_schema.tables where table_name in ('plain', 'keyed')";

#[test]
fn postgresql_has_each_record_once_after_five_kills() {
    let Some(server) = Postgres::start("records while PostgreSQL is killed") else {
        return;
    };
    let url = server.url("postgres");
    let count = |server: &Postgres, what: &str| {
        let answer = server.sql("postgres", &format!("select {what}"));
        answer.parse().unwrap()
    };
    exact(server, &url, count, |server| {
        server.kill();
        server.start_again();
    });
}

#[test]
fn mariadb_has_each_record_once_after_five_kills() {
    let Some(server) = MariaDb::start("records while MariaDB is killed") else {
        return;
    };
    let url = server.url("test");
    let count = |server: &MariaDb, what: &str| {
        let answer = server.sql("test", &format!("select {what}"));
        answer.parse().unwrap()
    };
    exact(server, &url, count, |server| {
        server.kill();
        server.start_again();
    });
}

fn open(folder: &Path) -> Connection {
    let connection = Connection::open(folder.join("logs.db")).unwrap();
    connection.busy_timeout(LONG).unwrap();
    connection
}

/// The rows of a table; none where it is not there yet.
fn rows(connection: &Connection, of: &str) -> usize {
    let sql = format!("select count(*) from {of}");
    let count = connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
    count.unwrap_or(0) as usize
}

/// There is no server that could go away: another process locks the file for longer than the target
/// waits for it, with changes of its own that it gives up.
#[test]
fn sqlite_has_each_record_once_after_five_locks() {
    let total = records();
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), "sqlite:logs.db", ", busy_timeout: 20ms", 1);
    let feeding = feed(&mut child, total);
    let other = open(folder.path());
    for part in 1..=TIMES {
        reach(&mut child, total * part / (TIMES + 1), || {
            rows(&other, "plain").min(rows(&other, "keyed"))
        });
        let lock = "begin immediate; create table junk as select * from plain limit 1000";
        other.execute_batch(lock).unwrap();
        // Ten times as long as a batch waits.
        std::thread::sleep(Duration::from_millis(200));
        other.execute_batch("rollback").unwrap();
    }
    feeding.join().unwrap();
    let maybe = account(child, folder.path());
    for table in ["keyed", "plain"] {
        let sql = format!("select count(*), count(distinct record_id) from {table}");
        let counts = other.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(counts.unwrap(), (total as i64, total as i64), "{table}");
        assert_eq!(maybe(table), 0, "{table}");
    }
}

/// The process that writes is killed: whole batches are there, and the file is sound.
#[test]
fn sqlite_keeps_whole_batches_of_a_process_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let other = open(folder.path());
    let (mut before, mut all) = (0, 0);
    for _ in 0..TIMES {
        let mut child = start(folder.path(), "sqlite:logs.db", "", 1);
        let feeding = feed(&mut child, records());
        reach(&mut child, before + 3 * BATCH, || rows(&other, "plain"));
        child.kill().unwrap();
        child.wait().unwrap();
        feeding.join().unwrap();
        let sound = other.query_row("pragma integrity_check", [], |row| row.get::<_, String>(0));
        assert_eq!(sound.unwrap(), "ok");
        for table in ["keyed", "plain"] {
            assert_eq!(rows(&other, table) % BATCH, 0, "{table}");
        }
        before = rows(&other, "plain");
        assert!(before >= all + 3 * BATCH);
        all = before;
    }
}
