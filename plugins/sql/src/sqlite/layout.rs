//! The table as SQLite has it.

use rolog_core::value::Timestamp;
use rolog_plugin::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::parts::{Nature, Part};
use crate::table::{Found, Kind, Wanted, agree, quoted};
use crate::time;
use crate::trouble::{Cause, Trouble};

/// The columns that are written, and how.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) kinds: Vec<Kind>,
    /// Up to the opening of the rows.
    insert: String,
    /// Behind the rows.
    end: String,
    time: Option<Kind>,
}

impl Layout {
    /// Reads it; the error is `None` where there is no such table.
    pub(crate) fn read(
        connection: &Connection,
        wanted: &Wanted,
    ) -> Result<Layout, Option<Trouble>> {
        let found = columns(connection, wanted).map_err(|error| {
            let message = format!("cannot read what columns `{}` has: {error}", wanted.name);
            Some(Trouble::new(Cause::Later, Class::Other, message))
        })?;
        if found.is_empty() {
            return Err(None);
        }
        let kinds: Vec<_> = agree(wanted, &found)
            .map_err(|message| Some(Trouble::new(Cause::Someone, Class::NotFound, message)))?
            .into_iter()
            .map(|(kind, ())| kind)
            .collect();
        if wanted.idempotent && !is_unique(connection, wanted).unwrap_or(true) {
            return Err(Some(wanted.not_unique()));
        }
        let time = wanted.columns.iter().position(|c| c.part == Part::Time);
        Ok(Layout {
            insert: format!(
                "INSERT INTO {} ({}) VALUES ",
                wanted.quoted('"'),
                wanted.quoted_columns('"')
            ),
            end: match wanted.column_of(&Part::RecordId) {
                Some(key) if wanted.idempotent => {
                    format!(" ON CONFLICT ({}) DO NOTHING", quoted(key, '"'))
                }
                _ => String::new(),
            },
            time: time.map(|at| kinds[at]),
            kinds,
        })
    }

    /// The statement that inserts so many rows.
    pub(crate) fn insert(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.kinds.len()].join(","));
        format!("{}{}{}", self.insert, vec![row; rows].join(","), self.end)
    }

    /// A time as the column of the record's time has it.
    pub(crate) fn time(&self, at: Timestamp) -> Value {
        if let Some(Kind::Integer(..)) = self.time {
            return Value::Integer(at.nanos());
        }
        Value::Text(time::Writer::new('T').text(at, 9, true).to_owned())
    }
}

fn columns(connection: &Connection, wanted: &Wanted) -> rusqlite::Result<Vec<Found<()>>> {
    let schema = wanted.schema.as_deref().unwrap_or("main");
    let mut statement = connection.prepare(
        "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, \
         (SELECT count(*) FROM pragma_table_info(?1, ?2) WHERE pk > 0) \
         FROM pragma_table_info(?1, ?2)",
    )?;
    let rows = statement.query_map([wanted.name.as_str(), schema], |row| {
        let told: String = row.get(1)?;
        // A single key of this type is SQLite's own number of the row.
        let counted = row.get::<_, i64>(4)? > 0
            && row.get::<_, i64>(5)? == 1
            && told.eq_ignore_ascii_case("INTEGER");
        Ok(Found {
            name: row.get(0)?,
            kind: Some((kind(&told), ())),
            needed: row.get(2)? && !row.get::<_, bool>(3)? && !counted,
            told,
        })
    })?;
    rows.collect()
}

/// SQLite's own rules of affinity.
fn kind(declared: &str) -> Kind {
    let declared = declared.to_ascii_uppercase();
    let has = |word: &str| declared.contains(word);
    if has("INT") {
        Kind::Integer(i128::from(i64::MIN), i128::from(i64::MAX))
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Kind::Text(None)
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Kind::Float
    } else {
        Kind::Any
    }
}

fn is_unique(connection: &Connection, wanted: &Wanted) -> rusqlite::Result<bool> {
    let column = wanted.column_of(&Part::RecordId).unwrap_or_default();
    let schema = wanted.schema.as_deref().unwrap_or("main");
    let sql = "SELECT EXISTS (SELECT 1 FROM pragma_index_list(?1, ?2) AS i \
               WHERE i.\"unique\" AND NOT i.partial AND \
               (SELECT group_concat(x.name, char(0)) FROM pragma_index_info(i.name, ?2) AS x) = ?3)";
    connection.query_row(sql, [wanted.name.as_str(), schema, column], |row| {
        row.get(0)
    })
}

/// The statements that make the table, where there is none.
pub(crate) fn create(wanted: &Wanted, index_time: bool) -> String {
    let kind = |part: &Part| match part.nature() {
        Nature::Integer => "INTEGER",
        Nature::Any if !part.is_trace() => "",
        _ => "TEXT",
    };
    let mut sql = wanted.definition('"', kind, None);
    if index_time {
        sql = format!(
            "{sql}; {}",
            wanted.time_index('"', &quoted(&wanted.name, '"'))
        );
    }
    sql
}
