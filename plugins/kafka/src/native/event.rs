//! What librdkafka tells.

use std::ffi::{CStr, c_char, c_int};
use std::ptr::{self, NonNull};

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_msg_status_t as Status;

use super::Code;

/// Something that librdkafka tells.
pub(crate) enum Event {
    /// What became of messages.
    Reports(Reports),
    /// Trouble that is not of a single message: with a broker, with the whole cluster.
    Error {
        code: Code,
        text: String,
        fatal: bool,
    },
    /// Its figures, as JSON.
    Statistics(String),
    /// A line of its log, with the severity that syslog gives it.
    Log { severity: i32, text: String },
    /// It wants a token for SASL's OAUTHBEARER, or a fresh one.
    TokenWanted,
    /// Nothing that is of use here.
    Other,
}

/// What became of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// As it was handed over.
    pub(crate) mark: usize,
    pub(crate) code: Code,
    /// Whether a message that failed may be there all the same.
    pub(crate) maybe_written: bool,
}

/// Reports of messages, to be looked through once.
pub(crate) struct Reports(Raw);

struct Raw(NonNull<sys::rd_kafka_event_t>);

// SAFETY: an event belongs to whoever took it from its queue, on whatever thread.
unsafe impl Send for Raw {}

unsafe extern "C" {
    // As the bindings have it, but for the code, which may be one that the enumeration lacks.
    fn rd_kafka_event_error(event: *mut sys::rd_kafka_event_t) -> c_int;
}

impl Event {
    pub(super) fn new(event: NonNull<sys::rd_kafka_event_t>) -> Self {
        let raw = Raw(event);
        let event = event.as_ptr();
        // SAFETY: the event lives until `raw` is dropped, and each function is called on an event
        // of the type that it is for; texts are copied before.
        unsafe {
            match sys::rd_kafka_event_type(event) {
                sys::RD_KAFKA_EVENT_DR => Event::Reports(Reports(raw)),
                sys::RD_KAFKA_EVENT_ERROR => Event::Error {
                    code: Code(rd_kafka_event_error(event)),
                    text: text(sys::rd_kafka_event_error_string(event)),
                    fatal: sys::rd_kafka_event_error_is_fatal(event) != 0,
                },
                sys::RD_KAFKA_EVENT_STATS => {
                    Event::Statistics(text(sys::rd_kafka_event_stats(event)))
                }
                sys::RD_KAFKA_EVENT_LOG => log(event),
                sys::RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH => Event::TokenWanted,
                _ => Event::Other,
            }
        }
    }
}

impl Reports {
    /// Calls `each` with every report.
    pub(crate) fn each(self, mut each: impl FnMut(Report)) {
        let event = self.0.0.as_ptr();
        // SAFETY: the event lives until the end of this function and holds the messages that it
        // gives, each once. The code is read as the number that it is, since a broker's may be one
        // that the enumeration lacks.
        unsafe {
            loop {
                let message = sys::rd_kafka_event_message_next(event);
                if message.is_null() {
                    return;
                }
                let code = Code((&raw const (*message).err).cast::<i32>().read());
                each(Report {
                    mark: (*message)._private.addr(),
                    code,
                    maybe_written: code != Code::NONE
                        && sys::rd_kafka_message_status(message)
                            != Status::RD_KAFKA_MSG_STATUS_NOT_PERSISTED,
                });
            }
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: taken from a queue, and released once.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

/// # Safety
/// An event that is a line of the log.
unsafe fn log(event: *mut sys::rd_kafka_event_t) -> Event {
    let (mut facility, mut line, mut severity) = (ptr::null(), ptr::null(), 0);
    // SAFETY: as the caller promises; the texts live as long as the event.
    unsafe {
        let answer =
            sys::rd_kafka_event_log(event, &raw mut facility, &raw mut line, &raw mut severity);
        if answer != 0 {
            return Event::Other;
        }
        Event::Log {
            severity,
            text: format!("{}: {}", text(facility), text(line)),
        }
    }
}

/// # Safety
/// Null, or a terminated text.
unsafe fn text(of: *const c_char) -> String {
    if of.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(of) }.to_string_lossy().into_owned()
}
