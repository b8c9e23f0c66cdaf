//! The table as `MySQL` and MariaDB have it.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rolog_plugin::prelude::*;

use super::trouble::told;
use crate::parts::{Nature, Part};
use crate::table::{Found, Kind, Limit, Wanted, agree, quoted};
use crate::trouble::{Cause, Trouble};

/// Name, whole type, its name alone, characters, bytes, whether a value is needed.
type Row = (String, String, String, Option<u64>, Option<u64>, bool);

/// Reads the columns; the error is `None` where there is no such table.
pub(super) async fn read(
    conn: &mut Conn,
    wanted: &Wanted,
    is_mariadb: bool,
) -> Result<Vec<Kind>, Option<Trouble>> {
    let doing = format!("read what columns `{}` has", wanted.name);
    let failed = |error| Some(told(&doing, &error));
    let columns = "SELECT COLUMN_NAME, COLUMN_TYPE, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, \
         CHARACTER_OCTET_LENGTH, IS_NULLABLE = 'NO' AND COLUMN_DEFAULT IS NULL \
         AND EXTRA NOT LIKE '%auto_increment%' AND EXTRA NOT LIKE '%GENERATED%' \
         FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ?";
    let table = (&wanted.schema, &wanted.name);
    let rows: Vec<Row> = conn.exec(columns, table).await.map_err(failed)?;
    if rows.is_empty() {
        return Err(None);
    }
    // MariaDB keeps JSON as text that is checked.
    let mut checked: Vec<String> = Vec::new();
    if is_mariadb {
        let json = "SELECT CONSTRAINT_NAME FROM information_schema.CHECK_CONSTRAINTS \
             WHERE CONSTRAINT_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ? \
             AND LEVEL = 'Column' AND CHECK_CLAUSE LIKE 'json_valid(%'";
        checked = conn.exec(json, table).await.map_err(failed)?;
    }
    let found: Vec<_> = rows
        .into_iter()
        .map(|(name, told, data, characters, bytes, needed)| {
            let kind = if checked.contains(&name) {
                Some(Kind::Json)
            } else {
                kind(&data, &told, characters, bytes)
            };
            Found {
                kind: kind.map(|kind| (kind, ())),
                name,
                told,
                needed,
            }
        })
        .collect();
    let held = |message| Some(Trouble::new(Cause::Someone, Class::NotFound, message));
    let columns = agree(wanted, &found).map_err(held)?;
    let engine = "SELECT t.ENGINE FROM information_schema.TABLES t \
         JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE \
         WHERE t.TABLE_SCHEMA = COALESCE(?, DATABASE()) AND t.TABLE_NAME = ? \
         AND COALESCE(e.TRANSACTIONS, 'NO') <> 'YES'";
    let engine: Option<String> = conn.exec_first(engine, table).await.map_err(failed)?;
    if let Some(engine) = engine {
        return Err(held(format!(
            "table `{}` is kept by {engine}, which has no transactions: half a batch could stay",
            wanted.name
        )));
    }
    if wanted.idempotent {
        let column = wanted.column_of(&Part::RecordId).unwrap_or_default();
        // Not one of the column's beginning only, which is the same for many records.
        let unique = "SELECT COUNT(*) FROM (SELECT INDEX_NAME FROM information_schema.STATISTICS \
             WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ? AND NON_UNIQUE = 0 \
             GROUP BY INDEX_NAME HAVING GROUP_CONCAT(COLUMN_NAME) = ? AND COUNT(SUB_PART) = 0) \
             AS keys_of_it";
        let count: Option<u64> = conn
            .exec_first(unique, (&wanted.schema, &wanted.name, column))
            .await
            .map_err(failed)?;
        if count == Some(0) {
            return Err(Some(wanted.not_unique()));
        }
    }
    Ok(columns.into_iter().map(|(kind, ())| kind).collect())
}

fn kind(data: &str, told: &str, characters: Option<u64>, bytes: Option<u64>) -> Option<Kind> {
    let whole = |bits: u32| {
        if told.contains("unsigned") {
            Kind::Integer(0, (1 << bits) - 1)
        } else {
            Kind::Integer(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        }
    };
    let limit = |most: Option<u64>| most.and_then(|most| usize::try_from(most).ok());
    Some(match data {
        "tinyint" => whole(8),
        "smallint" => whole(16),
        "mediumint" => whole(24),
        "int" => whole(32),
        "bigint" => whole(64),
        "float" | "double" => Kind::Float,
        "decimal" => Kind::Decimal,
        "char" | "varchar" => Kind::Text(limit(characters).map(Limit::Chars)),
        "tinytext" | "text" | "mediumtext" | "longtext" => {
            Kind::Text(limit(bytes).map(Limit::Bytes))
        }
        // What is none of theirs is refused by the server, for the row alone.
        "enum" | "set" | "uuid" => Kind::Text(None),
        "json" => Kind::Json,
        "datetime" | "timestamp" => Kind::Time,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Kind::Bytes,
        _ => return None,
    })
}

/// The statement that makes the table, where there is none.
pub(super) fn create(wanted: &Wanted, index_time: bool) -> String {
    let kind = |part: &Part| match (part, part.nature()) {
        (_, Nature::Time) => "DATETIME(6)",
        (_, Nature::Json) => "JSON",
        (_, Nature::Integer) => "INT",
        (_, Nature::Id) => "CHAR(49) CHARACTER SET ascii",
        (Part::Level, _) => "VARCHAR(16)",
        (Part::Logger | Part::Thread | Part::Module | Part::File, _) => "VARCHAR(255)",
        (part, _) if part.is_trace() => "VARCHAR(64)",
        (_, Nature::Text | Nature::Any) => "MEDIUMTEXT",
    };
    // MySQL cannot make an index only where there is none.
    let index = wanted.column_of(&Part::Time).filter(|_| index_time);
    let index = index.map(|column| {
        let name = quoted(&format!("{}_time", wanted.name), '`');
        format!("INDEX {name} ({})", quoted(column, '`'))
    });
    format!(
        "{} ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        wanted.definition('`', kind, index)
    )
}
