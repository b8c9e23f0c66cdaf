//! Backtraces of errors: addresses on the thread that logs, their names off it.
//!
//! Off unless [`LoggerFactory::set_backtraces`](crate::LoggerFactory::set_backtraces) names a level.
//! A record of that level or above that tells of an error then says how its thread came to log it.
//! The thread walks its stack and writes down up to 64 addresses, which takes microseconds; what
//! functions they lie in, and at which lines, is looked up by the pump, once for each address of the
//! process. It is the place that logs the error, not the one that made it: that is lost by then.
//!
//! Names and lines come from the symbols and debug information of the program's file; one without
//! them gives addresses, which a tool can look up in a file that has them.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::frame::flags;
use crate::value::{self, Encoder, Value};

/// How many frames are kept, the innermost first.
const FRAMES: usize = 64;

/// How many addresses are kept with their names.
const KNOWN: usize = 8192;

/// What a backtrace becomes at most, in bytes.
pub(crate) const TEXT: usize = 16 * 1024;

/// Before addresses that have no names yet. No text of a backtrace begins with it.
const MARK: char = '\u{1}';

thread_local! {
    static WANTED: Cell<bool> = const { Cell::new(false) };
}

/// Whether the next error that this thread captures is to have a backtrace.
pub(crate) fn want(wanted: bool) {
    let _ = WANTED.try_with(|cell| cell.set(wanted));
}

/// The backtrace of the error that is being captured, if it is to have one.
pub(crate) fn take() -> Option<String> {
    let wanted = WANTED.try_with(|cell| cell.replace(false));
    wanted.unwrap_or(false).then(capture)
}

fn capture() -> String {
    let mut text = String::with_capacity(FRAMES * 13);
    text.push(MARK);
    let mut count = 0;
    backtrace::trace(|frame| {
        // Writing to a string does not fail.
        let _ = write!(text, "{:x} ", frame.ip().addr());
        count += 1;
        count < FRAMES
    });
    text
}

/// The folder of this crate's code, as debug information has it.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");

/// The names of addresses, for whoever drains the rings.
#[derive(Debug, Default)]
pub struct Symbols {
    known: HashMap<usize, Arc<[Line]>>,
}

/// What is known of an address: several lines where calls were inlined into each other.
#[derive(Debug)]
struct Line {
    name: Option<String>,
    place: Option<(String, u32)>,
}

impl Symbols {
    /// Has the debug information of the program read ahead: the first look-up takes the longest.
    pub fn warm() {
        backtrace::resolve((Symbols::warm as fn()) as *mut _, |_| {});
    }

    /// Writes a payload to `out` with names in the place of addresses. `bits` are its
    /// [`flags`]; false where there are no addresses, and nothing is written.
    pub fn resolve(&mut self, payload: &[u8], bits: u16, max: usize, out: &mut Vec<u8>) -> bool {
        let mut rest = payload;
        for bit in [flags::LOGGER, flags::MESSAGE] {
            if bits & bit != 0 && value::take_text(&mut rest).is_none() {
                return false;
            }
        }
        if bits & flags::ARGS != 0 && value::take(&mut rest).is_none() {
            return false;
        }
        let before = payload.len() - rest.len();
        let Some(Value::Error(error)) = value::take(&mut rest) else {
            return false;
        };
        let Some(addresses) = error.backtrace().and_then(|raw| raw.strip_prefix(MARK)) else {
            return false;
        };
        let mut text = self.text(addresses);
        let mut write = |text: &str| {
            out.clear();
            out.extend_from_slice(&payload[..before]);
            Encoder::new(out).error(error.type_name(), error.text(), error.sources(), Some(text));
            out.extend_from_slice(rest);
            out.len().saturating_sub(max)
        };
        match write(&text) {
            0 => {}
            // The record is at its bound by itself.
            beyond => {
                text.truncate(text.floor_char_boundary(text.len().saturating_sub(beyond)));
                write(&text);
            }
        }
        true
    }

    fn text(&mut self, addresses: &str) -> String {
        let frames: Vec<Arc<[Line]>> = addresses
            .split(' ')
            .map_while(|address| usize::from_str_radix(address, 16).ok())
            .map(|address| self.lines(address))
            .collect();
        let lines: Vec<&Line> = frames.iter().flat_map(|frame| frame.iter()).collect();
        // The innermost are those of the call itself, the outermost those that start a thread.
        let first = lines.iter().rposition(|line| line.is_of_the_call());
        let first = first.map_or(0, |last| last + 1);
        let last = lines.iter().position(|line| line.starts_a_thread());
        let last = last.filter(|last| *last > first).unwrap_or(lines.len());
        let mut text = String::new();
        for (number, line) in lines[first..last].iter().enumerate() {
            if text.len() > TEXT - 1024 {
                text.push_str("…\n");
                break;
            }
            let name = line.name.as_deref().unwrap_or("<unknown>");
            // Writing to a string does not fail.
            let _ = writeln!(text, "{number}: {}", &name[..name.floor_char_boundary(512)]);
            if let Some((file, line)) = &line.place {
                let _ = writeln!(text, "   at {file}:{line}");
            }
        }
        text.truncate(text.floor_char_boundary(TEXT));
        text.truncate(text.trim_end().len());
        text
    }

    fn lines(&mut self, address: usize) -> Arc<[Line]> {
        if let Some(known) = self.known.get(&address) {
            return Arc::clone(known);
        }
        let mut lines = Vec::new();
        backtrace::resolve(address as *mut _, |symbol| {
            lines.push(Line {
                // Without the hash that the compiler gives it.
                name: symbol.name().map(|name| format!("{name:#}")),
                place: symbol
                    .filename()
                    .zip(symbol.lineno())
                    .map(|(file, line)| (file.display().to_string(), line)),
            });
        });
        if lines.is_empty() {
            lines.push(Line {
                name: Some(format!("{address:#x}")),
                place: None,
            });
        }
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        let lines: Arc<[Line]> = lines.into();
        self.known.insert(address, Arc::clone(&lines));
        lines
    }
}

impl Line {
    /// By its name; or by its file, for what was inlined and has its bare name only.
    fn is_of_the_call(&self) -> bool {
        let name = self.name.as_deref().unwrap_or_default();
        let name = name.trim_start_matches(['<', '&']);
        let here = |(file, _): &(String, u32)| file.starts_with(SOURCES);
        name.starts_with("rolog_core::")
            || name.starts_with("backtrace::")
            || self.place.as_ref().is_some_and(here)
    }

    fn starts_a_thread(&self) -> bool {
        let name = self.name.as_deref().unwrap_or_default();
        name.contains("__rust_begin_short_backtrace")
    }
}
