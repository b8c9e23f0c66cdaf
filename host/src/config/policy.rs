//! What happens when there is no room: a word, or a map of the word and its parameter.

use rolog_core::Level;

use super::problem::quoted;
use super::read::{Cursor, Keys, Section, Setting};
use super::spec::{DEFAULT_MAX_WAIT, MaxWait, Overflow, RingsOverflow};
use super::tree::ItemKind;

const MAX_WAIT_FORM: &str = "`block`, or `{ block: { max_wait: 1s } }`";

struct Block {
    max_wait: MaxWait,
}

impl Keys for Block {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key(
            "max_wait",
            "how long a caller waits at most",
            &mut self.max_wait,
        );
    }
}

fn block(cursor: &Cursor<'_>) -> MaxWait {
    let mut block = Block {
        max_wait: DEFAULT_MAX_WAIT,
    };
    block.fill(cursor);
    block.max_wait
}

/// A policy as a word, or as a map of the word and its parameter.
fn policy<'a>(
    cursor: &Cursor<'a>,
    words: &[&str],
    expected: &str,
) -> Option<(&'a str, Option<Cursor<'a>>)> {
    let (word, parameter) = match &cursor.item.kind {
        ItemKind::Text(text) => (text.as_str(), None),
        ItemKind::Map(entries) if entries.len() == 1 => {
            (entries[0].key.as_str(), Some(cursor.entry(&entries[0])))
        }
        ItemKind::Map(_) => {
            cursor.refuse("is not one policy", expected);
            return None;
        }
        _ => {
            cursor.wrong_kind(expected);
            return None;
        }
    };
    if words.contains(&word) {
        return Some((word, parameter));
    }
    let problem = cursor
        .problem(format!("{} is not a policy", quoted(word)))
        .expected(expected)
        .nearest_of(
            word.split(':').next().unwrap_or(word),
            words.iter().copied(),
        );
    cursor.sink.push(problem);
    None
}

impl Setting for Overflow {
    fn expected() -> String {
        format!("`drop_newest`, `drop_oldest`, `{{ drop_below: <level> }}`, {MAX_WAIT_FORM}")
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        let words = ["drop_newest", "drop_oldest", "drop_below", "block"];
        let expected = Self::expected();
        match policy(cursor, &words, &expected)? {
            ("drop_newest", None) => Some(Overflow::DropNewest),
            ("drop_oldest", None) => Some(Overflow::DropOldest),
            ("drop_below", Some(level)) => Level::read(&level).map(Overflow::DropBelow),
            ("drop_below", None) => {
                cursor.refuse("`drop_below` states no level", "`{ drop_below: warning }`");
                None
            }
            ("block", None) => Some(Overflow::Block {
                max_wait: DEFAULT_MAX_WAIT,
            }),
            ("block", Some(settings)) => Some(Overflow::Block {
                max_wait: block(&settings),
            }),
            (word, _) => {
                cursor.refuse(format!("`{word}` takes no parameter"), format!("`{word}`"));
                None
            }
        }
    }

    fn show(&self) -> String {
        match self {
            Overflow::DropNewest => "drop_newest".to_owned(),
            Overflow::DropOldest => "drop_oldest".to_owned(),
            Overflow::DropBelow(level) => format!("{{ drop_below: {level} }}"),
            Overflow::Block { max_wait } => format!("{{ block: {{ max_wait: {max_wait} }} }}"),
        }
    }
}

impl Setting for RingsOverflow {
    fn expected() -> String {
        format!("`drop_newest`, {MAX_WAIT_FORM}")
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        let expected = Self::expected();
        match policy(cursor, &["drop_newest", "block"], &expected)? {
            ("block", None) => Some(RingsOverflow::Block {
                max_wait: DEFAULT_MAX_WAIT,
            }),
            ("block", Some(settings)) => Some(RingsOverflow::Block {
                max_wait: block(&settings),
            }),
            (_, None) => Some(RingsOverflow::DropNewest),
            (word, Some(_)) => {
                cursor.refuse(format!("`{word}` takes no parameter"), format!("`{word}`"));
                None
            }
        }
    }

    fn show(&self) -> String {
        match self {
            RingsOverflow::DropNewest => "drop_newest".to_owned(),
            RingsOverflow::Block { max_wait } => format!("{{ block: {{ max_wait: {max_wait} }} }}"),
        }
    }
}
