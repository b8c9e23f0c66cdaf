//! Words to the terminal. A stream that nobody reads any more is no reason to fail: what it would
//! have said is in the exit status too.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Whether the last line of the terminal is one that the next words take the place of.
static PASSING: Mutex<bool> = Mutex::new(false);

/// Takes the place of what was shown so before; for a terminal only.
pub(crate) fn passing(text: impl Display) {
    let mut passing = PASSING.lock().unwrap_or_else(PoisonError::into_inner);
    *passing = true;
    let mut err = anstream::stderr();
    drop(write!(err, "\r{ERASE}rolog: {text}").and_then(|()| err.flush()));
}

/// Makes room for words that stay.
fn clear() {
    let mut passing = PASSING.lock().unwrap_or_else(PoisonError::into_inner);
    if std::mem::take(&mut *passing) {
        drop(write!(anstream::stderr(), "\r{ERASE}"));
    }
}

/// Erases the line, to its end.
const ERASE: &str = "\u{1b}[K";

/// Something that is wrong.
pub(crate) fn error(text: impl Display) {
    line(
        anstream::stderr(),
        format_args!("{ERROR}error:{ERROR:#} {text}"),
    );
}

/// Something that works, and is hardly what was meant.
pub(crate) fn warning(text: impl Display) {
    line(
        anstream::stderr(),
        format_args!("{WARNING}warning:{WARNING:#} {text}"),
    );
}

/// Something to know while it runs.
pub(crate) fn note(text: impl Display) {
    line(anstream::stderr(), format_args!("rolog: {text}"));
}

/// Styled text for standard error, without colours where that is no terminal.
pub(crate) fn aside(text: &str) {
    clear();
    drop(anstream::stderr().write_all(text.as_bytes()));
}

/// Styled text that was asked for: for standard output.
pub(crate) fn answer(text: &str) {
    let mut out = anstream::stdout();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

fn line(mut out: impl Write, text: std::fmt::Arguments<'_>) {
    clear();
    let written: io::Result<()> = writeln!(out, "{text}");
    drop(written);
}
