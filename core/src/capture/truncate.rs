//! Cutting a record that is larger than the bound to that bound, with a mark.

use crate::call_site::CallSite;
use crate::frame::flags;
use crate::value::{self, Encoder, OwnedValue, Value};

/// What a piece costs beside its content, at most: a tag, a length, and the mark.
const MARK_ROOM: usize = 64;

/// The payload cut to `max` bytes: what is longer than its share is cut, with a mark that
/// tells how long it was; shares are equal, so that one large value does not cost the others.
/// Fields that would find no room at all are left out, and the last field says how many.
pub fn truncate(payload: &[u8], site: Option<&CallSite>, bits: u16, max: usize) -> Vec<u8> {
    let mut goal = max;
    loop {
        let cut = cut_to(payload, site, bits, goal);
        // Marks and many small pieces can take more than their share; a smaller goal leaves less of
        // the rest. What is no text, and bound to stay, is at most a few bytes a piece.
        if cut.len() <= max || goal < MARK_ROOM {
            return cut;
        }
        goal /= 2;
    }
}

fn cut_to(payload: &[u8], site: Option<&CallSite>, bits: u16, max: usize) -> Vec<u8> {
    let fixed = site.map_or(0, |site| usize::from(site.arguments()) + site.keys().len());
    let sections = bits.count_ones() as usize;
    let pairs = count_pairs(payload, bits, fixed);
    let least = MARK_ROOM * 2;
    let kept = pairs.min((max / least).saturating_sub(fixed + sections));
    let share = (max / (fixed + sections + kept).max(1)).max(MARK_ROOM + 1) - MARK_ROOM;

    let mut rest = payload;
    let mut bytes = Vec::with_capacity(max);
    let mut out = Encoder::new(&mut bytes);
    for bit in [flags::LOGGER, flags::MESSAGE] {
        if bits & bit != 0 {
            let text = value::take_text(&mut rest).unwrap_or_default();
            out.key(&cut_text(text, share));
        }
    }
    for bit in [flags::ARGS, flags::ERROR] {
        if bits & bit != 0
            && let Some(value) = value::take(&mut rest)
        {
            section(&mut out, value, share);
        }
    }
    for _ in 0..fixed {
        if let Some(value) = value::take(&mut rest) {
            cut(&mut out, value, share);
        }
    }
    for _ in 0..kept {
        if let Some(key) = value::take_text(&mut rest)
            && let Some(value) = value::take(&mut rest)
        {
            out.key(&cut_text(key, share / 2));
            cut(&mut out, value, share / 2);
        }
    }
    if pairs > kept {
        out.key("fields_left_out").u64((pairs - kept) as u64);
    }
    bytes
}

fn count_pairs(payload: &[u8], bits: u16, fixed: usize) -> usize {
    let mut rest = payload;
    for bit in [flags::LOGGER, flags::MESSAGE] {
        if bits & bit != 0 {
            value::take_text(&mut rest);
        }
    }
    for bit in [flags::ARGS, flags::ERROR] {
        if bits & bit != 0 {
            value::take(&mut rest);
        }
    }
    for _ in 0..fixed {
        value::take(&mut rest);
    }
    let mut pairs = 0;
    while value::take_text(&mut rest).is_some() && value::take(&mut rest).is_some() {
        pairs += 1;
    }
    pairs
}

/// A section must stay what it is: a list of arguments a list, an error an error.
fn section(out: &mut Encoder<'_>, value: Value<'_>, share: usize) {
    match value {
        Value::List(list) => out.list(|out| {
            let count = list.iter().count();
            let each = share / count.max(1);
            for item in list.iter().take(share / MARK_ROOM) {
                cut(out, item, each);
            }
        }),
        Value::Error(error) => {
            let sources: Vec<String> = error
                .sources()
                .take(4)
                .map(|source| cut_text(source, share / 8))
                .collect();
            out.error(
                &cut_text(error.type_name(), share / 8),
                &cut_text(error.text(), share / 4),
                sources.iter().map(String::as_str),
                error
                    .backtrace()
                    .map(|trace| cut_text(trace, share / 8))
                    .as_deref(),
            );
        }
        other => out.value(other),
    }
}

fn cut(out: &mut Encoder<'_>, value: Value<'_>, share: usize) {
    let mut whole = Vec::new();
    match value {
        Value::Str(text) => return out.str(&cut_text(text, share)),
        Value::Bytes(bytes) if bytes.len() > share => {
            return out.str(&format!("[{} bytes left out]", bytes.len()));
        }
        _ => Encoder::new(&mut whole).owned(&OwnedValue::from(value)),
    }
    if whole.len() <= share + MARK_ROOM {
        out.value(value);
    } else {
        let kind = match value {
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Error(_) => "error",
            _ => "value",
        };
        out.str(&format!("[a {kind} of {} bytes left out]", whole.len()));
    }
}

fn cut_text(text: &str, share: usize) -> String {
    if text.len() <= share {
        return text.to_owned();
    }
    let head = &text[..text.floor_char_boundary(share)];
    format!("{head}[… {} bytes in all]", text.len())
}
