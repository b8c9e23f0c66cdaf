//! The table as PostgreSQL has it.

use rolog_plugin::prelude::*;
use tokio_postgres::Client;

use super::trouble::told;
use crate::parts::{Nature, Part};
use crate::table::{Found, Kind, Limit, Wanted, agree, quoted};
use crate::trouble::{Cause, Trouble};

/// How a value is written in PostgreSQL's binary form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Bool,
    /// Microseconds since 2000.
    Time,
    Bytes,
    Json,
    Jsonb,
    Uuid,
}

/// The columns that are written, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) kind: Kind,
    pub(super) form: Form,
    /// The type's number, and its name for casts.
    pub(super) oid: u32,
    pub(super) name: String,
}

/// Reads them; the error is `None` where there is no such table.
pub(super) async fn read(client: &Client, wanted: &Wanted) -> Result<Vec<Column>, Option<Trouble>> {
    let doing = format!("read what columns `{}` has", wanted.name);
    let table = wanted.quoted('"');
    let failed = |error| Some(told(&doing, &error));
    // A domain is written as the type that it stands for. The last is the name in a cast, without a
    // length: `character` would mean one character.
    let columns = "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), \
         CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, \
         CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END, \
         a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', t.typtype::text, \
         format_type(a.atttypid, -1) \
         FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
         WHERE a.attrelid = to_regclass($1::text) AND a.attnum > 0 AND NOT a.attisdropped";
    let rows = client.query(columns, &[&table]).await.map_err(failed)?;
    if rows.is_empty() {
        return Err(None);
    }
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            let (oid, modifier, class): (u32, i32, String) = (row.get(2), row.get(3), row.get(5));
            let form = if class == "e" {
                Some((Kind::Text(None), Form::Text))
            } else {
                form(oid, modifier)
            };
            let column = |(kind, form)| {
                let name = row.get(6);
                (
                    kind,
                    Column {
                        kind,
                        form,
                        oid,
                        name,
                    },
                )
            };
            Found {
                name: row.get(0),
                told: row.get(1),
                kind: form.map(column),
                needed: row.get(4),
            }
        })
        .collect();
    let columns = agree(wanted, &found)
        .map_err(|message| Some(Trouble::new(Cause::Someone, Class::NotFound, message)))?;
    if wanted.idempotent {
        let column = wanted.column_of(&Part::RecordId).unwrap_or_default();
        let unique = "SELECT EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a \
             ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
             WHERE i.indrelid = to_regclass($1::text) AND i.indisunique AND i.indpred IS NULL \
             AND i.indnkeyatts = 1 AND i.indisvalid AND a.attname::text = $2::text)";
        let row = client.query_one(unique, &[&table, &column]).await;
        if !row.map_err(failed)?.get::<_, bool>(0) {
            return Err(Some(wanted.not_unique()));
        }
    }
    Ok(columns.into_iter().map(|(_, column)| column).collect())
}

fn form(oid: u32, modifier: i32) -> Option<(Kind, Form)> {
    let limited = |modifier: i32| {
        let most = usize::try_from(modifier - 4).ok();
        Kind::Text(most.map(Limit::Chars))
    };
    let whole = |most: i64| Kind::Integer(-i128::from(most) - 1, i128::from(most));
    Some(match oid {
        16 => (Kind::Bool, Form::Bool),
        17 => (Kind::Bytes, Form::Bytes),
        20 => (whole(i64::MAX), Form::Int8),
        21 => (whole(i64::from(i16::MAX)), Form::Int2),
        23 => (whole(i64::from(i32::MAX)), Form::Int4),
        25 => (Kind::Text(None), Form::Text),
        114 => (Kind::Json, Form::Json),
        700 => (Kind::Float, Form::Float4),
        701 => (Kind::Float, Form::Float8),
        1042 | 1043 => (limited(modifier), Form::Text),
        1114 | 1184 => (Kind::Time, Form::Time),
        1700 => (Kind::Decimal, Form::Numeric),
        2950 => (Kind::Text(None), Form::Uuid),
        3802 => (Kind::Json, Form::Jsonb),
        _ => return None,
    })
}

/// The statements that make the table, where there is none.
pub(super) fn create(wanted: &Wanted, index_time: bool) -> String {
    let kind = |part: &Part| match part.nature() {
        Nature::Time => "timestamptz",
        Nature::Json => "jsonb",
        Nature::Integer => "integer",
        Nature::Text | Nature::Id | Nature::Any => "text",
    };
    let mut sql = wanted.definition('"', kind, None);
    if index_time {
        sql = format!("{sql}; {}", wanted.time_index('"', &wanted.quoted('"')));
    }
    sql
}

/// `COPY` of the columns.
pub(super) fn copy(wanted: &Wanted) -> String {
    format!(
        "COPY {} ({}) FROM STDIN (FORMAT binary)",
        wanted.quoted('"'),
        wanted.quoted_columns('"')
    )
}

/// An insert of arrays, one for each column, that leaves out what is there.
pub(super) fn insert(wanted: &Wanted, columns: &[Column]) -> String {
    let arrays: Vec<_> = columns
        .iter()
        .enumerate()
        .map(|(place, column)| format!("${}::{}[]", place + 1, column.name))
        .collect();
    let key = wanted.column_of(&Part::RecordId).unwrap_or_default();
    format!(
        "INSERT INTO {} ({}) SELECT * FROM UNNEST({}) ON CONFLICT ({}) DO NOTHING",
        wanted.quoted('"'),
        wanted.quoted_columns('"'),
        arrays.join(", "),
        quoted(key, '"')
    )
}
