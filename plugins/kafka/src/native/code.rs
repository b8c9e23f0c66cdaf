//! librdkafka's error codes.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;

use rdkafka_sys::rd_kafka_resp_err_t as Known;

/// An error code of librdkafka's own (negative) or of a broker's (positive); a newer broker's may be
/// one that nobody here knows, which is why it is a number and not the bindings' enumeration.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Code(pub(crate) i32);

unsafe extern "C" {
    // As the bindings have it, but for the argument: any number may be asked about.
    safe fn rd_kafka_err2name(code: c_int) -> *const c_char;
    safe fn rd_kafka_err2str(code: c_int) -> *const c_char;
}

impl Code {
    pub(crate) const NONE: Code = Code(0);

    pub(crate) const fn of(known: Known) -> Self {
        Code(known as i32)
    }

    /// The code as librdkafka knows it; `None` for one that it does not.
    pub(crate) fn known(self) -> Option<Known> {
        Known::try_from(self.0).ok()
    }

    pub(crate) fn name(self) -> String {
        text(rd_kafka_err2name(self.0))
    }

    /// What it means, in librdkafka's words.
    pub(crate) fn meaning(self) -> String {
        text(rd_kafka_err2str(self.0))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.meaning(), self.name())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

fn text(of: *const c_char) -> String {
    // SAFETY: both functions give a static text or one in a buffer of this thread, never null, and
    // it is copied before either is called again.
    unsafe { CStr::from_ptr(of) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_its_name_and_one_that_nobody_knows_its_number() {
        let code = Code::of(Known::RD_KAFKA_RESP_ERR__MSG_TIMED_OUT);
        assert_eq!(code.name(), "_MSG_TIMED_OUT");
        assert_eq!(code.known(), Some(Known::RD_KAFKA_RESP_ERR__MSG_TIMED_OUT));
        let unknown = Code(4711);
        assert!(unknown.name().contains("4711"), "{}", unknown.name());
        assert_eq!(unknown.known(), None);
    }
}
