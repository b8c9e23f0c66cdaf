//! Records that a bridge brings: read into parts first, and then published.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};

use super::{Encode, Logger, builder, with_scratch};
use crate::call_site::CallSite;
#[cfg(feature = "tracing")]
use crate::capture;
use crate::capture::{Captured as _, ErrorArg};
#[cfg(feature = "tracing")]
use crate::context;
use crate::frame::flags;
use crate::level::Level;
use crate::value::Encoder;

/// The parts of a record under way. The buffers are used again.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) message: String,
    error: Vec<u8>,
    fields: Vec<u8>,
    has_error: bool,
    /// Whether an error is a field, whatever it is called.
    fields_only: bool,
    /// Whether the error is to have a backtrace.
    #[cfg(feature = "backtrace")]
    traced: bool,
}

impl Parts {
    /// A record without anything yet.
    pub(crate) fn clear(&mut self) {
        self.message.clear();
        self.error.clear();
        self.fields.clear();
        self.has_error = false;
        self.fields_only = false;
    }

    /// Keeps all but the message among the [`pairs`](Self::pairs).
    pub(crate) fn keep_in_fields(&mut self) {
        self.fields_only = true;
    }

    /// How many bytes the buffers hold.
    pub(crate) fn capacity(&self) -> usize {
        self.message.capacity() + self.error.capacity() + self.fields.capacity()
    }

    /// Room for the value of this key.
    pub(crate) fn field(&mut self, key: &str) -> Encoder<'_> {
        let mut out = Encoder::new(&mut self.fields);
        out.key(key);
        out
    }

    /// Text by this key.
    #[cfg(feature = "tracing")]
    pub(crate) fn text(&mut self, key: &str, text: fmt::Arguments<'_>) {
        capture::format(&mut self.field(key), text);
    }

    /// An error by this key. The first that is called what errors are called is the one that the
    /// record tells of.
    pub(crate) fn error(&mut self, key: &str, error: &(dyn StdError + 'static)) {
        let tells = matches!(key, "error" | "err" | "exception") && !self.fields_only;
        if tells && !self.has_error {
            self.has_error = true;
            #[cfg(feature = "backtrace")]
            crate::backtrace::want(self.traced);
            ErrorArg(error).encode(&mut Encoder::new(&mut self.error));
        } else {
            ErrorArg(error).encode(&mut self.field(key));
        }
    }

    /// Adds to the message.
    pub(crate) fn message(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a buffer fails only where a value's own code gives up, and then it says so.
        if self.message.write_fmt(text).is_err() {
            self.message.push_str("[the message failed to format]");
        }
    }

    /// The pairs of key and value, for whoever takes them as they are.
    pub(crate) fn pairs(&self) -> &[u8] {
        &self.fields
    }
}

/// Parts, and the context that they are in.
struct Bridged<'a> {
    parts: &'a Parts,
    #[cfg(feature = "tracing")]
    within: Within<'a>,
}

/// Whose context a record has.
#[cfg(feature = "tracing")]
enum Within<'a> {
    /// The thread's.
    #[cfg(feature = "log")]
    Thread,
    /// That of this span, or of none, and of the thread for the rest.
    Span(Option<&'a context::Span>),
}

impl Encode for Bridged<'_> {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.key(&self.parts.message);
        out.buffer().extend_from_slice(&self.parts.error);
        out.buffer().extend_from_slice(&self.parts.fields);
    }

    fn has_key(&self, key: &str) -> bool {
        builder::has_key(&self.parts.fields, key)
    }

    #[cfg(feature = "tracing")]
    fn encode_context(&self, out: &mut Vec<u8>, own: &dyn Fn(&str) -> bool) {
        match self.within {
            Within::Span(span) => context::append_with_span(span, out, own),
            #[cfg(feature = "log")]
            Within::Thread => context::append_current(out, own),
        }
    }
}

impl Logger {
    /// Says of a record of this level under way whether its error is to have a backtrace.
    pub(crate) fn prepare(&self, level: Level, parts: &mut Parts) {
        #[cfg(feature = "backtrace")]
        {
            parts.traced = self.backtraces_from(level.code());
        }
        #[cfg(not(feature = "backtrace"))]
        let _ = (self, level, parts);
    }

    /// Publishes a record of the `log` crate.
    #[cfg(feature = "log")]
    pub(crate) fn publish_parts(
        &self,
        site: Option<&'static CallSite>,
        level: Level,
        parts: &Parts,
    ) {
        self.publish_bridged(
            site,
            level,
            &Bridged {
                parts,
                #[cfg(feature = "tracing")]
                within: Within::Thread,
            },
        );
    }

    /// Publishes an event of `tracing`, of this span or of none.
    #[cfg(feature = "tracing")]
    pub(crate) fn publish_event(
        &self,
        site: Option<&'static CallSite>,
        level: Level,
        parts: &Parts,
        span: Option<&context::Span>,
    ) {
        let within = Within::Span(span);
        self.publish_bridged(site, level, &Bridged { parts, within });
    }

    fn publish_bridged(
        &self,
        site: Option<&'static CallSite>,
        level: Level,
        bridged: &Bridged<'_>,
    ) {
        let mut bits = flags::MESSAGE;
        if bridged.parts.has_error {
            bits |= flags::ERROR;
            #[cfg(feature = "backtrace")]
            if bridged.parts.traced {
                bits |= flags::BACKTRACE;
            }
        }
        let mut header = self.header(site.map_or(0, CallSite::register), level, bits);
        with_scratch(|scratch| {
            if self.encode(site, &mut header, None, scratch, bridged) {
                self.publish(header, scratch);
            }
        });
    }
}
