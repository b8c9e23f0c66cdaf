//! Messages and single values as people read them, written as bytes.
//!
//! What comes out is, but for the escapes, what [`Message`](crate::frame::Message)'s `Display`
//! writes: short cuts for what fills most holes, and `Display` itself for the rest.

use std::fmt::Write as _;

use super::escape::{Escaping, escape};
use super::number;
use crate::frame::{Part, Record};
use crate::value::{Value, float};

/// Appends the message of `record`, its holes filled.
pub(super) fn message(quoted: bool, record: &Record<'_>, out: &mut Vec<u8>) {
    let parts = record.message().parts(|part| {
        match part {
            Part::Text(text) => escape(quoted, text, out),
            Part::Value(value) => filled(quoted, &value, out),
            Part::Unfilled(name) => unfilled(quoted, name, out),
        }
        Ok::<_, std::convert::Infallible>(())
    });
    match parts {
        Ok(()) => {}
        Err(never) => match never {},
    }
}

/// Appends a value that fills a hole.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "where the kind is known, one arm is left"
)]
pub(super) fn filled(quoted: bool, value: &Value<'_>, out: &mut Vec<u8>) {
    match *value {
        Value::Str(text) => escape(quoted, text, out),
        Value::I64(value) => number::integer(value, out),
        Value::U64(value) => number::integer(value, out),
        Value::F64(number) if number::put_few_decimals(number, false, out) => {}
        _ => rarer(quoted, value, out),
    }
}

#[inline(never)]
fn rarer(quoted: bool, value: &Value<'_>, out: &mut Vec<u8>) {
    match *value {
        Value::Bytes(bytes) => number::base64(bytes, out),
        Value::F64(number) => match float(number, &mut zmij::Buffer::new()) {
            Some(digits) => out.extend_from_slice(digits.as_bytes()),
            None => display(quoted, value, out),
        },
        _ => display(quoted, value, out),
    }
}

fn display(quoted: bool, value: &Value<'_>, out: &mut Vec<u8>) {
    write!(Escaping { quoted, out }, "{value}")
        .expect("writing into memory does not fail, and no value's Display does");
}

/// Appends a hole that nothing fills, as it stands in the template.
pub(super) fn unfilled(quoted: bool, name: &str, out: &mut Vec<u8>) {
    out.push(b'{');
    escape(quoted, name, out);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_filled_number_reads_as_display_has_it(bits: u64, near in -1e16..1e16_f64, n: i64) {
            for value in [Value::F64(f64::from_bits(bits)), Value::F64(near), Value::F64(n as f64),
                          Value::F64(near / 1e16), Value::F64((n % 5_000_000) as f64 / 1000.0), Value::I64(n), Value::U64(bits)] {
                let mut out = Vec::new();
                filled(true, &value, &mut out);
                prop_assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
            }
        }
    }
}
