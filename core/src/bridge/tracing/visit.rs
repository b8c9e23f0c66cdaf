//! Reading the fields of events and spans.

use std::error::Error as StdError;
use std::fmt::Debug;

use tracing_core::field::{Field, Visit};

use crate::capture::{self, Captured as _, ErrorArg};
use crate::logger::Parts;
use crate::value::Encoder;

/// The fields of an event.
pub(super) struct Fields<'p>(pub(super) &'p mut Parts);

/// The fields of a span, as pairs of key and value.
#[derive(Default)]
pub(super) struct Pairs(Vec<u8>);

impl Pairs {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

trait Take {
    fn field(&mut self, key: &str) -> Encoder<'_>;
}

impl Take for Fields<'_> {
    fn field(&mut self, key: &str) -> Encoder<'_> {
        self.0.field(key)
    }
}

impl Take for Pairs {
    fn field(&mut self, key: &str) -> Encoder<'_> {
        let mut out = Encoder::new(&mut self.0);
        out.key(key);
        out
    }
}

/// The kinds that both read alike.
macro_rules! plain {
    () => {
        plain! {
            record_f64 f64 f64;
            record_i64 i64 i64;
            record_u64 u64 u64;
            record_i128 i128 i128;
            record_u128 u128 u128;
            record_bool bool bool;
            record_bytes bytes &[u8];
        }
    };
    ($($method:ident $as:ident $type:ty;)*) => {$(
        fn $method(&mut self, field: &Field, value: $type) {
            self.field(name(field)).$as(value);
        }
    )*};
}

impl Visit for Fields<'_> {
    plain!();

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0.message.push_str(value);
        } else {
            self.field(name(field)).str(value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn StdError + 'static)) {
        self.0.error(name(field), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.message(format_args!("{value:?}"));
        } else {
            self.0.text(name(field), format_args!("{value:?}"));
        }
    }
}

impl Visit for Pairs {
    plain!();

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(name(field)).str(value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn StdError + 'static)) {
        ErrorArg(value).encode(&mut self.field(name(field)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        capture::format(&mut self.field(name(field)), format_args!("{value:?}"));
    }
}

/// A field's name, without the `r#` of a raw identifier.
fn name(field: &Field) -> &'static str {
    crate::call_site::bare_key(field.name())
}
