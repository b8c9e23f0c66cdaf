//! Words to the terminal. A stream that nobody reads any more is no reason to fail: what it would
//! have said is in the exit status too.

use std::fmt::Display;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

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
    drop(anstream::stderr().write_all(text.as_bytes()));
}

/// Styled text that was asked for: for standard output.
pub(crate) fn answer(text: &str) {
    let mut out = anstream::stdout();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

fn line(mut out: impl Write, text: std::fmt::Arguments<'_>) {
    let written: io::Result<()> = writeln!(out, "{text}");
    drop(written);
}
