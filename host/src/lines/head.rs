//! What a line of text says of itself at its head: when, and how severe.

use jiff::Timestamp;
use memchr::memchr;
use rolog_core::Level;

use super::level;
use super::options::Options;
use super::stamp::{self, Stamp};

/// How many words after the time may stand before the level.
const WORDS: usize = 4;

/// What was found at the head of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) time: Option<i64>,
    /// There is a time, and it is none for certain.
    pub(super) time_refused: bool,
    pub(super) level: Option<Level>,
}

impl Head {
    /// Reads the head of a line. The line itself stays as it is.
    ///
    /// The time is the first thing in the line, or stands in brackets, first or as in access logs.
    /// The level is one of the next words after it, in capitals or in brackets; in a line without a
    /// time it is the first word, where a colon may take the place of capitals (`error: no route`).
    pub(super) fn of(text: &str, options: &Options) -> Self {
        if text.starts_with([' ', '\t']) {
            // The rest of something.
            return Head::default();
        }
        let Some((stamp, rest)) = time(text) else {
            return Head {
                level: first_word(text, options),
                ..Head::default()
            };
        };
        let time = stamp.nanos(options.zone.as_ref(), Timestamp::now());
        Head {
            time,
            time_refused: time.is_none(),
            level: rest.and_then(|rest| near(rest, options)),
        }
    }
}

/// Whether a line begins with a time.
pub(super) fn has_time(text: &str) -> bool {
    time(text).is_some()
}

/// The time at the head of a line, and what follows it unless it is an access log's, which has no
/// levels.
fn time(text: &str) -> Option<(Stamp, Option<&str>)> {
    if let Some(inner) = text.strip_prefix('[') {
        let (stamp, length) = stamp::at_start(inner.as_bytes())?;
        let rest = inner.get(length..)?.strip_prefix(']')?;
        return Some((stamp, Some(rest)));
    }
    if let Some((stamp, length)) = stamp::at_start(text.as_bytes()) {
        return Some((stamp, text.get(length..)));
    }
    // `client identity user [22/Nov/2026:12:00:00 +0000] "request" …`
    let open = memchr(b'[', &text.as_bytes()[..text.len().min(512)])?;
    let inner = &text.as_bytes()[open + 1..];
    if inner.get(2) != Some(&b'/') || inner.get(6) != Some(&b'/') {
        return None;
    }
    let (stamp, length) = stamp::at_start(inner)?;
    (inner.get(length) == Some(&b']')).then_some((stamp, None))
}

/// The level among the first words after a time.
fn near(rest: &str, options: &Options) -> Option<Level> {
    let words = rest.split_ascii_whitespace();
    words
        .filter(|word| word.bytes().any(|byte| byte.is_ascii_alphanumeric()))
        .take(WORDS)
        .find_map(|word| marked(word, options))
}

fn first_word(text: &str, options: &Options) -> Option<Level> {
    let word = text.split_ascii_whitespace().next()?;
    if let Some(level) = marked(word, options) {
        return Some(level);
    }
    let word = word.split_once(':')?.0;
    let told = matches!(
        word,
        "error" | "warning" | "warn" | "fatal" | "critical" | "panic" | "info" | "debug"
    );
    told.then(|| level::word(word)).flatten()
}

/// The level that a word means when it is written so that it can hardly mean anything else.
fn marked(word: &str, options: &Options) -> Option<Level> {
    let inner = word.trim_matches(['[', ']', '<', '>', '(', ')', '|', ':', ',']);
    let bracketed = word.starts_with(['[', '<', '(', '|']);
    // Python writes `ERROR:root:text`, Apache `[core:error]`, nginx `[error]`.
    let mut parts = inner.split(':');
    let first = parts.next()?;
    let candidate = match parts.next() {
        Some(second) if bracketed => second,
        _ => first,
    };
    let letters = |text: &str| text.bytes().any(|byte| byte.is_ascii_alphabetic());
    let capitals = !candidate.bytes().any(|byte| byte.is_ascii_lowercase());
    if !letters(candidate) || !(capitals || bracketed) {
        return None;
    }
    options.levels.word(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_795_348_800_000_000_000; // 2026-11-22T12:00:00Z

    #[test]
    fn heads_of_well_known_logs_are_read() {
        use Level::{Critical, Error, Information, Warning};
        let options = Options {
            zone: Some("UTC".parse().unwrap()),
            ..Options::default()
        };
        for (line, level) in [
            (
                "2026/11/22 12:00:00 [error] 7#7: *1 open() failed",
                Some(Error),
            ),
            (
                "2026/11/22 12:00:00 [emerg] 7#7: bind() failed",
                Some(Critical),
            ),
            (
                "2026-11-22 12:00:00.000 UTC [7] FATAL:  no such role",
                Some(Critical),
            ),
            ("2026-11-22 12:00:00 UTC [7] LOG:  ready", Some(Information)),
            (
                "2026-11-22 12:00:00,000 - app.db - WARNING - slow",
                Some(Warning),
            ),
            (
                "2026-11-22T12:00:00.000000Z  INFO svc::http: up",
                Some(Information),
            ),
            (
                "2026-11-22T12:00:00.000Z  WARN 1 --- [main] c.e.App : hm",
                Some(Warning),
            ),
            ("[2026-11-22 12:00:00] production.ERROR: no", None),
            (
                "[Sun Nov 22 12:00:00.000000 2026] [core:error] [pid 1] no",
                Some(Error),
            ),
            (
                "::1 - bob [22/Nov/2026:12:00:00 +0000] \"GET /ERROR HTTP/1.1\" 200",
                None,
            ),
            ("2026-11-22 12:00:00 status installed bash:amd64 5.2", None),
            ("2026-11-22 12:00:00 a b c d ERROR", None),
        ] {
            let head = Head::of(line, &options);
            assert_eq!(head.time, Some(NOON), "{line}");
            assert_eq!(head.level, level, "{line}");
        }
    }

    #[test]
    fn without_a_time_the_first_word_may_be_a_level() {
        for (line, level) in [
            ("ERROR:root:it broke", Some(Level::Error)),
            ("[warn] hm", Some(Level::Warning)),
            ("WARNING hm", Some(Level::Warning)),
            ("error: no such file", Some(Level::Error)),
            ("Error on the way", None),
            ("fine: all of it", None),
            ("info", None),
            ("an ERROR", None),
            ("  ERROR", None),
            ("(1) first", None),
        ] {
            let head = Head::of(line, &Options::default());
            assert_eq!((head.time, head.level), (None, level), "{line}");
            assert!(!head.time_refused);
        }
    }

    #[test]
    fn a_time_that_is_not_certain_is_said_to_be_there() {
        let head = Head::of("2026-11-22 12:00:00 startup archives", &Options::default());
        assert_eq!((head.time, head.time_refused), (None, true));
        assert!(has_time("[22/Nov/2026:12:00:00 +0000] x") && !has_time("x"));
    }
}
