//! What every record carries beside what was logged: `fields`.

use rolog_plugin::settings::Size;

use super::path::SettingPath;
use super::places::Places;
use super::problem::{Problem, quoted};
use super::read::{Cursor, Setting};
use super::sections::Draft;
use super::tree::ItemKind;
use crate::dress::Fields;

/// How many fields all records can get.
pub const MAX_FIELDS: usize = 64;

/// The longest name of a field, in bytes.
const MAX_FIELD_NAME: usize = 200;

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FieldValue {
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// Text.
    Text(String),
}

impl From<bool> for FieldValue {
    fn from(value: bool) -> Self {
        FieldValue::Bool(value)
    }
}

impl From<&str> for FieldValue {
    fn from(text: &str) -> Self {
        FieldValue::Text(text.to_owned())
    }
}

impl From<String> for FieldValue {
    fn from(text: String) -> Self {
        FieldValue::Text(text)
    }
}

impl From<i64> for FieldValue {
    fn from(number: i64) -> Self {
        FieldValue::Number(number.into())
    }
}

/// Fields that every record gets, in their order. A record's own field of the same name stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldsSpec(Vec<(String, FieldValue)>);

impl FieldsSpec {
    /// Each field with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &FieldValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// # Errors
    /// A name that cannot be one, or one too many.
    pub(super) fn add(&mut self, key: &str, value: FieldValue) -> Result<(), String> {
        if key.is_empty() || key.len() > MAX_FIELD_NAME || key.contains(char::is_control) {
            return Err(format!("{} is no name of a field", quoted(key)));
        }
        if self.0.iter().any(|(known, _)| known == key) {
            return Err(format!("{} is there already", quoted(key)));
        }
        if self.0.len() == MAX_FIELDS {
            return Err(format!("there are more than {MAX_FIELDS} fields"));
        }
        self.0.push((key.to_owned(), value));
        Ok(())
    }
}

impl Setting for FieldsSpec {
    fn expected() -> String {
        format!("a map of at most {MAX_FIELDS} names, each with text, a number, true or false")
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        let mut fields = FieldsSpec::default();
        for entry in cursor.entries(&Self::expected())? {
            let value = match &entry.item.kind {
                ItemKind::Bool(value) => FieldValue::Bool(*value),
                ItemKind::Number(number) => FieldValue::Number(number.clone()),
                ItemKind::Text(text) => FieldValue::Text(text.clone()),
                _ => {
                    cursor
                        .entry(entry)
                        .wrong_kind("text, a number, true or false");
                    continue;
                }
            };
            if let Err(what) = fields.add(&entry.key, value) {
                cursor.refuse_key(
                    entry,
                    what,
                    "1 to 200 bytes of printable text, each name once",
                );
            }
        }
        Some(fields)
    }

    fn show(&self) -> String {
        if self.is_empty() {
            return "none".to_owned();
        }
        let shown = self.iter().map(|(key, value)| match value {
            FieldValue::Bool(value) => format!("{key}: {value}"),
            FieldValue::Number(number) => format!("{key}: {number}"),
            FieldValue::Text(text) => format!("{key}: {text:?}"),
        });
        format!("{{ {} }}", shown.collect::<Vec<_>>().join(", "))
    }
}

/// Checks that there is room for them in a record. The problem has its place.
pub(super) fn check(draft: &Draft, places: &Places) -> Option<Problem> {
    let fields = Fields::new(&draft.fields, None);
    let most = draft.max_record.get() / 4;
    if fields.len() <= most {
        return None;
    }
    let what = format!(
        "the fields take {} bytes of each record, and a record has {} in all",
        fields.len(),
        Size(draft.max_record.get())
    );
    let path = SettingPath::root().key("fields");
    let place = places.value(&path);
    let problem = Problem::new(places.shared_file(), path, what).at(place);
    let expected = format!("at most a quarter of that, {most} bytes; or a larger `max_record`");
    Some(problem.expected(expected))
}
