//! What the README tells readers of the table: each index can be made, and each query then finds the
//! record that it is about.

use rolog_core::value::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write as _;

use crate::common::{Records, deliver, target};
use crate::{mariadb, postgres};

/// The statements of the block of this name.
fn block(name: &str) -> Vec<&'static str> {
    let readme = include_str!("../../../plugins/sql/README.md");
    let opening = format!("```sql {name}\n");
    let block = readme.split(&opening).nth(1).unwrap();
    let statements = block.split("```").next().unwrap().split(";\n");
    let found: Vec<_> = statements.filter(|text| !text.trim().is_empty()).collect();
    assert!(found.len() >= 3, "{found:?}");
    found
}

/// Writes the record that the queries are about, among others.
async fn write(config: Value) {
    let target = target(config).await;
    let mut records = Records::default();
    for n in 0..9 {
        records.add_at(Timestamp::from_nanos(n), "long ago", |fields| {
            fields.key("order").u64(100);
        });
    }
    records.add_at(Timestamp::now(), "late", |fields| {
        fields.key("order").u64(42);
        fields
            .key("trace_id")
            .str("4bf92f3577b34da6a3ce929d0e0e4736");
    });
    assert!(deliver(&target, &records.batch()).await.is_delivered());
}

/// Makes the indexes and asks the queries.
fn read(name: &str, run: impl Fn(&str) -> String) {
    for index in block(&format!("{name} indexes")) {
        run(index);
    }
    let queries = block(name);
    for query in &queries {
        let answer = run(query);
        assert_eq!(answer.lines().count(), 1, "{query}: {answer}");
        assert!(!answer.contains("long ago"), "{query}: {answer}");
        let found = ["shop.db", "late", "error"];
        assert!(found.iter().any(|word| answer.contains(word)), "{answer}");
    }
    assert_eq!(queries.len(), 4);
}

#[tokio::test]
async fn the_queries_of_the_documentation_work_with_postgresql() {
    let Some(database) = postgres::Database::new() else {
        return;
    };
    write(database.config(json!({}))).await;
    read("postgresql", |text| database.sql(text));
}

#[tokio::test]
async fn the_queries_of_the_documentation_work_with_mariadb() {
    let Some(database) = mariadb::Database::new() else {
        return;
    };
    write(database.config(json!({}))).await;
    read("mysql", |text| database.sql(text));
}

#[tokio::test]
async fn the_queries_of_the_documentation_work_with_sqlite_and_use_the_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    let url = format!("sqlite:{}", path.display());
    write(json!({ "url": url, "create_table": true })).await;
    let connection = rusqlite::Connection::open(&path).unwrap();
    let lines = |text: &str| {
        let mut statement = connection.prepare(text).unwrap();
        let width = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut lines = String::new();
        while let Some(row) = rows.next().unwrap() {
            for at in 0..width {
                let value: rusqlite::types::Value = row.get(at).unwrap();
                let _ = write!(lines, "{value:?} ");
            }
            lines.push('\n');
        }
        lines
    };
    read("sqlite", lines);
    for (query, index) in
        block("sqlite")
            .iter()
            .zip(["logs_time", "logs_trace", "logs_order", "logs_time"])
    {
        let plan = lines(&format!("explain query plan {query}"));
        assert!(plan.contains(index), "{query}: {plan}");
    }
}
