//! The table: what the settings ask of it, and what the database has.

use crate::config::{ColumnSetting, Config, TooLong, Unfit};
use crate::parts::{Cell, DEFAULT, Nature, Part};
use crate::time;
use crate::trouble::{Cause, Trouble};
use rolog_plugin::prelude::*;

/// A table as the settings want it.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
    pub(crate) columns: Vec<WantedColumn>,
    pub(crate) idempotent: bool,
    pub(crate) unfit: Unfit,
    pub(crate) too_long: TooLong,
}

/// A column as the settings want it.
#[derive(Clone, Debug)]
pub(crate) struct WantedColumn {
    pub(crate) name: String,
    pub(crate) part: Part,
    /// The type for a table that is made.
    pub(crate) declared: Option<String>,
}

/// The longest name that each of the databases takes.
const LONGEST_NAME: usize = 63;

impl Wanted {
    /// From settings.
    ///
    /// # Errors
    /// What is wrong with them, by its path.
    pub(crate) fn read(config: &Config) -> Result<Wanted, ConfigError> {
        let (schema, name) = match config.table.split_once('.') {
            Some((schema, name)) => (Some(schema.to_owned()), name),
            None => (None, config.table.as_str()),
        };
        for part in schema.iter().map(String::as_str).chain([name]) {
            check_name("table", part)?;
        }
        let columns = match &config.columns {
            None => DEFAULT
                .iter()
                .map(|(name, part)| column(name, part, None))
                .collect::<Result<Vec<_>, _>>()?,
            Some(columns) if columns.is_empty() => {
                return Err(ConfigError::at("columns", "there is no column")
                    .expected("at least one, or no `columns` at all"));
            }
            Some(columns) => columns
                .iter()
                .map(|(name, setting)| match setting {
                    ColumnSetting::Part(part) => column(name, part, None),
                    ColumnSetting::Typed(typed) => column(name, &typed.from, Some(&typed.kind)),
                })
                .collect::<Result<Vec<_>, _>>()?,
        };
        let wanted = Wanted {
            schema,
            name: name.to_owned(),
            columns,
            idempotent: config.idempotent,
            unfit: config.unfit,
            too_long: config.too_long,
        };
        if wanted.idempotent && wanted.column_of(&Part::RecordId).is_none() {
            return Err(
                ConfigError::at("idempotent", "no column holds the record's id")
                    .expected("a column that is `record_id`"),
            );
        }
        if config.keep.is_some() && wanted.column_of(&Part::Time).is_none() {
            return Err(ConfigError::at("keep", "no column holds the record's time")
                .expected("a column that is `time`"));
        }
        Ok(wanted)
    }

    /// The name of the column that holds this part.
    pub(crate) fn column_of(&self, part: &Part) -> Option<&str> {
        let column = self.columns.iter().find(|column| column.part == *part);
        column.map(|column| column.name.as_str())
    }

    /// There is no such table.
    pub(crate) fn missing(&self) -> Trouble {
        let message = format!(
            "there is no table `{}`; `create_table: true` makes it",
            self.name
        );
        Trouble::new(Cause::Someone, Class::NotFound, message)
    }

    /// A record that comes twice would be there twice.
    pub(crate) fn not_unique(&self) -> Trouble {
        let column = self.column_of(&Part::RecordId).unwrap_or_default();
        let message = format!(
            "`idempotent` needs a unique index on column `{column}` of table `{}` alone",
            self.name
        );
        Trouble::new(Cause::Someone, Class::NotFound, message)
    }

    /// The table's name, quoted.
    pub(crate) fn quoted(&self, quote: char) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quoted(schema, quote), quoted(&self.name, quote)),
            None => quoted(&self.name, quote),
        }
    }

    /// The statement that makes the table, where there is none, with the type of each column where
    /// the settings leave it open, and with what else stands between its brackets.
    pub(crate) fn definition(
        &self,
        quote: char,
        open: impl Fn(&Part) -> &'static str,
        more: Option<String>,
    ) -> String {
        let columns = self.columns.iter().map(|column| {
            let kind = column.declared.as_deref();
            let kind = kind.unwrap_or_else(|| open(&column.part));
            let rest = match column.part.is_always_there() {
                _ if self.idempotent && column.part == Part::RecordId => " NOT NULL PRIMARY KEY",
                true => " NOT NULL",
                false => "",
            };
            format!("{} {kind}{rest}", quoted(&column.name, quote))
        });
        let inner: Vec<_> = columns.chain(more).collect();
        let table = self.quoted(quote);
        format!("CREATE TABLE IF NOT EXISTS {table} ({})", inner.join(", "))
    }

    /// The statement that makes the index for the time, by which old rows are found.
    pub(crate) fn time_index(&self, quote: char, on: &str) -> String {
        let name = quoted(&format!("{}_time", self.name), quote);
        let time = self.column_of(&Part::Time).unwrap_or_default();
        let time = quoted(time, quote);
        format!("CREATE INDEX IF NOT EXISTS {name} ON {on} ({time})")
    }

    /// The columns' names, quoted and separated by commas.
    pub(crate) fn quoted_columns(&self, quote: char) -> String {
        let names: Vec<_> = self
            .columns
            .iter()
            .map(|column| quoted(&column.name, quote))
            .collect();
        names.join(", ")
    }
}

fn column(name: &str, part: &str, declared: Option<&str>) -> Result<WantedColumn, ConfigError> {
    let path = format!("columns.{name}");
    check_name(&path, name)?;
    let Some(part) = Part::parse(part) else {
        let problem = ConfigError::at(&path, format!("`{part}` is no part of a record"));
        return Err(problem.expected(Part::names()));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || " (),_'".contains(c);
    if let Some(odd) = declared.filter(|text| text.trim().is_empty() || !text.chars().all(plain)) {
        let problem = ConfigError::at(format!("{path}.type"), format!("`{odd}` is no type"));
        return Err(problem.expected("a name such as `bigint` or `varchar(200)`"));
    }
    Ok(WantedColumn {
        name: name.to_owned(),
        part,
        declared: declared.map(str::to_owned),
    })
}

fn check_name(path: &str, name: &str) -> Result<(), ConfigError> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains('\0') {
        return Err(ConfigError::at(path, format!("`{name}` cannot be a name"))
            .expected(format!("1 to {LONGEST_NAME} bytes")));
    }
    Ok(())
}

/// A name as SQL takes it, whatever it contains.
pub(crate) fn quoted(name: &str, quote: char) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    out.push(quote);
    for c in name.chars() {
        if c == quote {
            out.push(quote);
        }
        out.push(c);
    }
    out.push(quote);
    out
}

/// What a column of a database can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, of so many characters or bytes at most.
    Text(Option<Limit>),
    /// Whole numbers from one to another.
    Integer(i128, i128),
    Float,
    /// Decimal digits, exact, as many as the database takes.
    Decimal,
    Bool,
    Time,
    Bytes,
    Json,
    /// Whatever comes.
    Any,
}

/// How long a text may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Chars(usize),
    Bytes(usize),
}

impl Kind {
    /// Whether a part of this nature can stand in it.
    pub(crate) fn takes(self, nature: Nature) -> bool {
        match self {
            Kind::Any | Kind::Text(_) => true,
            Kind::Json => matches!(nature, Nature::Json | Nature::Any),
            Kind::Integer(..) => matches!(nature, Nature::Integer | Nature::Time | Nature::Any),
            Kind::Float | Kind::Decimal => matches!(nature, Nature::Integer | Nature::Any),
            Kind::Time => matches!(nature, Nature::Time | Nature::Any),
            Kind::Bytes => matches!(nature, Nature::Id | Nature::Any),
            Kind::Bool => nature == Nature::Any,
        }
    }

    /// The cell as this column takes it.
    ///
    /// # Errors
    /// What it is that does not fit.
    pub(crate) fn fit<'s>(
        self,
        cell: Cell<'s>,
        too_long: TooLong,
        room: &'s mut String,
    ) -> Result<Cell<'s>, &'static str> {
        match (self, cell) {
            (_, Cell::Null)
            | (Kind::Any, _)
            | (Kind::Float, Cell::Float(_))
            | (Kind::Bool, Cell::Bool(_))
            | (Kind::Time, Cell::Time(_))
            | (Kind::Bytes, Cell::Bytes(_) | Cell::Id(_))
            | (Kind::Json, Cell::Json(_))
            | (Kind::Decimal, Cell::Integer(_)) => Ok(cell),
            (Kind::Text(limit), cell) => fit_text(limit, cell, too_long, room),
            (Kind::Integer(least, most), cell) => {
                let number = match cell {
                    Cell::Integer(number) => number,
                    Cell::Bool(value) => i128::from(value),
                    Cell::Time(time) => i128::from(time.nanos()),
                    // What was a whole number somewhere on its way.
                    Cell::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                        number as i128
                    }
                    other => return Err(other.name()),
                };
                if (least..=most).contains(&number) {
                    return Ok(Cell::Integer(number));
                }
                Err("a number out of its range")
            }
            (Kind::Decimal, Cell::Float(number)) if number.is_finite() => Ok(cell),
            (Kind::Float, Cell::Integer(number)) => Ok(Cell::Float(number as f64)),
            (Kind::Json, Cell::Integer(number))
                if i64::try_from(number).is_ok() || u64::try_from(number).is_ok() =>
            {
                Ok(json(room, &number.to_string()))
            }
            (Kind::Json, Cell::Bool(value)) => Ok(json(room, if value { "true" } else { "false" })),
            (Kind::Json, Cell::Float(number)) if number.is_finite() => {
                Ok(json(room, &serde_json::Value::from(number).to_string()))
            }
            (Kind::Json, cell) => {
                let mut text = String::new();
                put_text(cell, &mut text);
                Ok(json(room, &serde_json::Value::from(text).to_string()))
            }
            (_, other) => Err(other.name()),
        }
    }
}

fn json<'s>(room: &'s mut String, text: &str) -> Cell<'s> {
    room.clear();
    room.push_str(text);
    Cell::Json(room)
}

fn fit_text<'s>(
    limit: Option<Limit>,
    cell: Cell<'s>,
    too_long: TooLong,
    room: &'s mut String,
) -> Result<Cell<'s>, &'static str> {
    let text = match cell {
        Cell::Text(text) | Cell::Json(text) | Cell::Id(text) => text,
        other => {
            room.clear();
            put_text(other, room);
            return match limit {
                Some(limit) if !limit.takes(room) => Err("a text longer than it takes"),
                _ => Ok(Cell::Text(room)),
            };
        }
    };
    let Some(limit) = limit.filter(|limit| !limit.takes(text)) else {
        return Ok(Cell::Text(text));
    };
    // Half an id or half a JSON text is neither.
    if too_long == TooLong::Reject || !matches!(cell, Cell::Text(_)) {
        return Err("a text longer than it takes");
    }
    room.clear();
    room.push_str(limit.cut(text));
    if limit.takes("…") {
        room.push('…');
    }
    Ok(Cell::Text(room))
}

impl Limit {
    fn takes(self, text: &str) -> bool {
        match self {
            Limit::Chars(most) => text.len() <= most || text.chars().count() <= most,
            Limit::Bytes(most) => text.len() <= most,
        }
    }

    /// As much of the text as leaves room for the mark.
    fn cut(self, text: &str) -> &str {
        let end = match self {
            Limit::Chars(most) => text
                .char_indices()
                .nth(most.saturating_sub(1))
                .map_or(text.len(), |(at, _)| at),
            Limit::Bytes(most) => text.floor_char_boundary(most.saturating_sub('…'.len_utf8())),
        };
        &text[..end]
    }
}

/// Appends what people would read.
pub(crate) fn put_text(cell: Cell<'_>, out: &mut String) {
    use std::fmt::Write as _;

    let written = match cell {
        Cell::Null => Ok(()),
        Cell::Text(text) | Cell::Json(text) | Cell::Id(text) => out.write_str(text),
        Cell::Bool(value) => write!(out, "{value}"),
        Cell::Integer(number) => write!(out, "{number}"),
        Cell::Float(number) => write!(out, "{}", rolog_core::value::Value::F64(number)),
        Cell::Time(time) => {
            out.push_str(time::Writer::new('T').text(time, 9, true));
            Ok(())
        }
        Cell::Bytes(bytes) => write!(out, "{}", rolog_core::value::Value::Bytes(bytes)),
    };
    written.expect("writing into memory does not fail");
}

impl Cell<'_> {
    /// What it is, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Cell::Null => "nothing",
            Cell::Text(_) => "a text",
            Cell::Id(_) => "a record's id",
            Cell::Json(_) => "a list or a map",
            Cell::Bool(_) => "true or false",
            Cell::Integer(_) => "a whole number",
            Cell::Float(_) => "a number with a fraction",
            Cell::Time(_) => "a time",
            Cell::Bytes(_) => "bytes",
        }
    }
}

/// A column as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found<T> {
    pub(crate) name: String,
    /// The database's own name for its type.
    pub(crate) told: String,
    /// What it can hold, and what more this database's writer wants to know; nothing for a type that
    /// is not supported.
    pub(crate) kind: Option<(Kind, T)>,
    /// A row must have a value for it, and nothing else gives one.
    pub(crate) needed: bool,
}

/// Checks that what the settings want can be written into what the database has, and gives the
/// columns in the wanted order.
///
/// # Errors
/// What someone has to change, as one sentence.
pub(crate) fn agree<T: Clone>(
    wanted: &Wanted,
    found: &[Found<T>],
) -> Result<Vec<(Kind, T)>, String> {
    let table = &wanted.name;
    let columns = wanted
        .columns
        .iter()
        .map(|column| {
            let name = &column.name;
            let Some(there) = found.iter().find(|there| there.name == *name) else {
                return Err(format!("table `{table}` has no column `{name}`"));
            };
            let told = &there.told;
            match &there.kind {
                None => Err(format!(
                    "column `{name}` of table `{table}` is of type {told}, which is not supported"
                )),
                Some((kind, _)) if !kind.takes(column.part.nature()) => Err(format!(
                    "column `{name}` of table `{table}` is of type {told}, which cannot hold {}",
                    match column.part.nature() {
                        Nature::Text => "text",
                        Nature::Id => "a record's id",
                        Nature::Time => "a time",
                        Nature::Integer => "a whole number",
                        Nature::Json => "JSON",
                        Nature::Any => "any value",
                    }
                )),
                Some(kind) => Ok(kind.clone()),
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    let unfilled = found
        .iter()
        .find(|there| there.needed && wanted.columns.iter().all(|c| c.name != there.name));
    match unfilled {
        Some(there) => Err(format!(
            "column `{}` of table `{table}` needs a value, has no default, and `columns` does not \
             fill it",
            there.name
        )),
        None => Ok(columns),
    }
}
