//! The text line.

use std::time::Duration;

use super::super::TextLine;
use super::{Draft, order};

#[test]
fn a_text_line() {
    assert_eq!(
        order().text(),
        "2026-11-22T11:15:00.123456789Z  INFO shop.db  order 42 of Ada \"L.\" accepted  \
         args=[\"Ada \\\"L.\\\"\"] id=42 total=19.99"
    );
    let words = Draft::saying("line one\nline two", |values| {
        values.key("empty").str("");
        values.key("a b").str("c=d");
        values.key("plain").str("ä/b");
        values.key("span").duration(Duration::from_millis(1500));
    });
    assert!(
        words
            .text()
            .ends_with("  line one\\nline two  empty=\"\" \"a b\"=\"c=d\" plain=ä/b span=1.5s")
    );
    assert!(
        Draft::saying("nothing more", |_| {})
            .text()
            .ends_with("  nothing more")
    );
}

#[test]
fn colours_are_the_renderers_own_and_never_the_records() {
    let hostile = "\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\r";
    let draft = Draft::saying(hostile, |values| {
        values.key(hostile).str(hostile);
        values.key("list").list(|list| list.str(hostile));
    });
    let line = draft.text_line(&mut TextLine::new().with_colors(true));
    let mut rest = line.as_str();
    while let Some((_, sequence)) = rest.split_once('\u{1b}') {
        let end = sequence.find('m').expect("a colour ends with m");
        assert!(
            sequence[1..end]
                .chars()
                .all(|c| c.is_ascii_digit() || c == ';')
        );
        rest = &sequence[end..];
    }
    assert!(!line.contains(|c: char| c.is_control() && c != '\u{1b}' || c == '\u{202e}'));
    assert_eq!(
        line.matches("\\u001b[2J\\u009b31m\\u007f\\u202e\\r")
            .count(),
        4
    );
    assert!(!draft.text().contains('\u{1b}'));
}
