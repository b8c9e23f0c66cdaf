//! The JSON log of a real PostgreSQL.

use std::process::{Command, Stdio};

use rolog_tests::servers::Postgres;
use serde_json::Value;

use crate::support::{field, lines, nanos, records};

const WHAT: &str = "the JSON log of PostgreSQL";

#[test]
fn the_json_log_of_postgresql_comes_out_with_its_levels_times_and_fields() {
    let settings = [
        "logging_collector=on",
        "log_destination=jsonlog",
        "log_directory=log",
        "log_filename=pg.log",
        "log_timezone=UTC",
        "log_statement=all",
        "log_min_messages=debug1",
    ];
    let Some(mut server) = Postgres::start_with(WHAT, &settings) else {
        return;
    };
    server.sql(
        "postgres",
        "create table t (a int); insert into t values (1)",
    );
    server.sql(
        "postgres",
        "do $$ begin raise warning 'care: \"%\"', E'a\\nb'; end $$",
    );
    // The server's answer to this is the error that its log is to have.
    let failed = Command::new("psql")
        .args(["-X", "-d", &server.url("postgres"), "-c", "select 1/0"])
        .stderr(Stdio::null())
        .status();
    assert!(!failed.unwrap().success());
    server.stop();

    let log = server.folder().join("data/log/pg.json");
    let expected: Vec<Value> = lines(&log)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (records, told) = records(&[log.to_str().unwrap()]);
    assert!(expected.len() > 5);
    assert_eq!(records.len(), expected.len(), "{told}");
    for (record, line) in records.iter().zip(&expected) {
        let fields = line.as_object().unwrap();
        for (key, value) in fields {
            match key.as_str() {
                "timestamp" => {
                    let time = value
                        .as_str()
                        .unwrap()
                        .replace(' ', "T")
                        .replace("TUTC", "Z");
                    let time: jiff::Timestamp = time.parse().unwrap();
                    assert_eq!(nanos(record), time.as_nanosecond());
                }
                "error_severity" => assert_eq!(record["level"], level(value)),
                "message" => assert_eq!(record["message"], *value),
                key => assert_eq!(field(record, key), value, "{key} of {line}"),
            }
        }
    }
    for (level, message) in [
        (
            "info",
            "statement: create table t (a int); insert into t values (1)",
        ),
        ("warning", "care: \"a\nb\""),
        ("error", "division by zero"),
    ] {
        let found = records
            .iter()
            .any(|record| record["level"] == level && record["message"] == message);
        assert!(found, "{level} {message}");
    }
}

fn level(severity: &Value) -> &'static str {
    match severity.as_str().unwrap() {
        "PANIC" | "FATAL" => "critical",
        "ERROR" => "error",
        "WARNING" => "warning",
        "NOTICE" | "INFO" | "LOG" => "info",
        debug if debug.starts_with("DEBUG") => "debug",
        other => panic!("{other}"),
    }
}
