//! Lines of text that belong together, a stack trace above all, as one record.

use rolog_core::Level;
use rolog_core::value::Timestamp;

use super::head;
use super::options::Join;
use super::parser::{Kind, ParsedLine};

/// A record of text that may go on in the next line.
///
/// It holds one record, never more than the limit: what does not fit goes on in a record of its own.
#[derive(Debug)]
pub(super) struct Joiner {
    limit: usize,
    /// The lines so far; nothing waits when there are none.
    message: String,
    lines: u32,
    time: Option<Timestamp>,
    level: Option<Level>,
    truncated: bool,
    /// Blank lines since, which are part of it only if it goes on.
    blanks: u32,
    trace: Trace,
}

/// Where a record is in a stack trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Trace {
    #[default]
    None,
    /// Python's, of which the line that is not indented is the last.
    Python,
    /// Go's, where blank lines part goroutines, and function names are not indented.
    Go,
}

impl Joiner {
    pub(super) fn new(limit: usize) -> Self {
        Joiner {
            limit,
            message: String::new(),
            lines: 0,
            time: None,
            level: None,
            truncated: false,
            blanks: 0,
            trace: Trace::None,
        }
    }

    /// Whether a record waits for its next line.
    pub(super) fn is_waiting(&self) -> bool {
        self.lines > 0
    }

    /// A blank line came.
    pub(super) fn blank(&mut self) {
        self.blanks = self.blanks.saturating_add(1);
    }

    /// A line of text came. Says whether it belongs to what waits; if not, what waited is given out.
    pub(super) fn add(
        &mut self,
        line: &ParsedLine<'_>,
        how: &Join,
        take: &mut dyn FnMut(&ParsedLine<'_>),
    ) -> bool {
        let room = self.limit.saturating_sub(self.message.len());
        let belongs = self.is_waiting() && self.goes_on(line.message, how);
        let joins = belongs && line.message.len() + 1 + self.blanks as usize <= room;
        if joins {
            for _ in 0..=self.blanks {
                self.message.push('\n');
            }
        } else {
            self.flush(take);
            self.time = line.time;
            self.level = line.level;
        }
        self.blanks = 0;
        self.trace = trace(line.message, if joins { self.trace } else { Trace::None });
        self.message.push_str(line.message);
        self.lines += 1;
        self.truncated |= line.truncated;
        joins
    }

    /// Gives out what waits.
    pub(super) fn flush(&mut self, take: &mut dyn FnMut(&ParsedLine<'_>)) {
        if self.is_waiting() {
            take(&ParsedLine {
                time: self.time,
                level: self.level,
                logger: None,
                message: &self.message,
                fields: &[],
                kind: Kind::Text,
                truncated: self.truncated,
            });
        }
        self.message.clear();
        self.lines = 0;
        self.truncated = false;
        self.blanks = 0;
        self.trace = Trace::None;
    }

    fn goes_on(&self, line: &str, how: &Join) -> bool {
        match how {
            Join::Never => false,
            Join::Times => !head::has_time(line),
            Join::Starts(starts) => !starts.is_match(line),
            Join::Traces => self.goes_on_in_a_trace(line),
        }
    }

    fn goes_on_in_a_trace(&self, line: &str) -> bool {
        let starts = |with: &[&str]| with.iter().any(|start| line.starts_with(start));
        if self.blanks > 0 {
            // Blank lines end a record, but for those within Python's chains and Go's dumps.
            let chained = PYTHON_LINKS.iter().any(|end| self.message.ends_with(end));
            return starts(&PYTHON_CHAIN)
                || (chained && line.starts_with(PYTHON))
                || (self.trace == Trace::Go && line.starts_with("goroutine "));
        }
        let failed = self.level >= Some(Level::Error);
        let panicked = self.lines == 1
            && self.message.contains(" panicked at ")
            && self.message.ends_with(':');
        line.starts_with([' ', '\t'])
            || starts(&WORDS)
            || starts(&PYTHON_CHAIN)
            || match self.trace {
                // The exception itself.
                Trace::Python => true,
                Trace::Go => line.starts_with("goroutine ") || go_frame(line),
                Trace::None => panicked,
            }
            || (failed && (line.starts_with(PYTHON) || is_exception(line)))
    }
}

const PYTHON: &str = "Traceback (most recent call last):";
const PYTHON_CHAIN: [&str; 2] = [
    "During handling of the above exception",
    "The above exception was the direct cause",
];

const PYTHON_LINKS: [&str; 2] = [
    "another exception occurred:",
    "direct cause of the following exception:",
];

/// What begins lines that are not indented and go on all the same: Java's, .NET's and Rust's.
const WORDS: [&str; 6] = [
    "Caused by:",
    "Suppressed:",
    "stack backtrace:",
    "note: run with `RUST_BACKTRACE",
    "note: Some details are omitted",
    "--- End of ",
];

/// The state after this line.
fn trace(line: &str, before: Trace) -> Trace {
    if line.starts_with(PYTHON) {
        Trace::Python
    } else if line.starts_with("goroutine ") || line.starts_with("panic: ") {
        Trace::Go
    } else {
        match before {
            Trace::Python if !line.starts_with([' ', '\t']) => Trace::None,
            state => state,
        }
    }
}

/// `main.work(0x1)`, `created by main.main`, `exit status 2` and the indented places between them.
fn go_frame(line: &str) -> bool {
    line.starts_with('\t')
        || line.starts_with("created by ")
        || line.starts_with("[signal ")
        || (line.ends_with(')') && line.contains('(') && !line.contains(' '))
}

/// `java.lang.IllegalStateException: text` after a line that told of an error.
fn is_exception(line: &str) -> bool {
    let name = line.split([':', ' ']).next().unwrap_or_default();
    let ends = ["Exception", "Error", "Throwable"];
    name.contains('.')
        && ends.iter().any(|end| name.ends_with(end))
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'$'))
}

#[cfg(test)]
mod tests {
    use super::super::parser::Parser;
    use super::super::splitter::RawLine;
    use super::*;

    fn records(text: &str, how: &Join, limit: usize) -> Vec<String> {
        let mut joiner = Joiner::new(limit);
        let mut parser = Parser::new(limit);
        let mut out = Vec::new();
        let mut take = |record: &ParsedLine<'_>| out.push(record.message.to_owned());
        for line in text.lines() {
            let line = RawLine {
                bytes: line.as_bytes(),
                truncated: false,
                number: 1,
            };
            match parser.parse(line) {
                Some(line) => drop(joiner.add(&line, how, &mut take)),
                None => joiner.blank(),
            }
        }
        joiner.flush(&mut take);
        assert!(!joiner.is_waiting());
        out
    }

    fn joined(records: &[&str]) {
        let text = records.join("\n");
        assert_eq!(self::records(&text, &Join::Traces, 4096), records);
    }

    #[test]
    fn traces_of_well_known_languages_are_one_record_each() {
        joined(&[
            "before",
            "2026-11-22T12:00:00Z ERROR c.e.App failed\n\
             java.lang.IllegalStateException: no\n\tat c.e.App.run(App.java:7)\n\t... 3 more\n\
             Caused by: java.io.IOException: gone\n\tat c.e.Disk.read(Disk.java:1)",
            "after",
        ]);
        joined(&[
            "ERROR:root:failed\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\n\
             KeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\n\
             Traceback (most recent call last):\n  File \"a.py\", line 3\nValueError: b",
            "after",
        ]);
        joined(&[
            "served /",
            "Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'a'",
        ]);
        joined(&[
            "panic: no [recovered]\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:8 +0x1d\n\n\
             goroutine 18 [chan receive]:\nmain.work(0x1)\n\t/a.go:3\ncreated by main.main",
            "exit status 2",
        ]);
        joined(&[
            "thread 'main' panicked at src/main.rs:2:5:\nindex out of bounds\n\
             note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
            "next",
        ]);
        joined(&[
            "TypeError: x is no function\n    at f (/a.js:1:2)\n    at node:internal:3",
            "next",
        ]);
    }

    #[test]
    fn a_blank_line_ends_a_record_that_does_not_go_on() {
        let text = "a\n  b\n\n  c\nd";
        assert_eq!(records(text, &Join::Traces, 99), ["a\n  b", "  c", "d"]);
    }

    #[test]
    fn what_does_not_fit_goes_on_in_a_record_of_its_own() {
        let text = "head\n 123456\n 12345\n 1\n";
        assert_eq!(
            records(text, &Join::Traces, 12),
            ["head\n 123456", " 12345\n 1"]
        );
    }

    #[test]
    fn a_time_or_a_pattern_can_start_a_record_and_joining_can_be_off() {
        let text = "2026-11-22 12:00:00 a\nb\n2026-11-22 12:00:00 c\n  d";
        let [first, second] = ["2026-11-22 12:00:00 a\nb", "2026-11-22 12:00:00 c\n  d"];
        assert_eq!(records(text, &Join::Times, 99), [first, second]);
        let starts = "starts:^2026".parse().unwrap();
        assert_eq!(records(text, &starts, 99), [first, second]);
        assert_eq!(records(text, &Join::Never, 99).len(), 4);
    }
}
