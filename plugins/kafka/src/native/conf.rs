//! librdkafka's configuration, as it checks it itself.

use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;

use rdkafka_sys as sys;

/// Settings by librdkafka's names.
pub(crate) struct Conf(NonNull<sys::rd_kafka_conf_t>);

/// Why librdkafka does not take a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It has no setting of this name.
    Unknown,
    /// The value does not fit, or the setting needs what this build does not have; in its words.
    Invalid(String),
}

/// What an error of librdkafka's is written into.
pub(super) struct ErrorText([u8; 512]);

// SAFETY: the settings belong to this value alone, and nothing in them is bound to a thread.
unsafe impl Send for Conf {}

impl Conf {
    /// librdkafka's defaults.
    pub(crate) fn new() -> Self {
        // SAFETY: takes nothing; what it gives is freed in `drop`, or by the client made of it.
        let conf = unsafe { sys::rd_kafka_conf_new() };
        Conf(NonNull::new(conf).expect("librdkafka ends the process where it gets no memory"))
    }

    /// Sets `name`, if librdkafka knows it and takes the value.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), Refused> {
        let Ok(key) = CString::new(name) else {
            return Err(Refused::Unknown);
        };
        let Ok(value) = CString::new(value) else {
            return Err(Refused::Invalid("it contains a zero byte".to_owned()));
        };
        let mut error = ErrorText::new();
        // SAFETY: the settings live, both texts are terminated, and the length is the buffer's.
        let answer = unsafe {
            sys::rd_kafka_conf_set(
                self.0.as_ptr(),
                key.as_ptr(),
                value.as_ptr(),
                error.at(),
                error.len(),
            )
        };
        match answer {
            sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK => Ok(()),
            sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_UNKNOWN => Err(Refused::Unknown),
            sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_INVALID => Err(Refused::Invalid(error.text())),
        }
    }

    /// What `name` is set to; `None` for a name that librdkafka does not know.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let name = CString::new(name).ok()?;
        let mut value = vec![0u8; 4096];
        let mut len = value.len();
        // SAFETY: as in `set`; at most `len` bytes are written.
        let answer = unsafe {
            sys::rd_kafka_conf_get(
                self.0.as_ptr(),
                name.as_ptr(),
                value.as_mut_ptr().cast(),
                &raw mut len,
            )
        };
        if answer != sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
            return None;
        }
        let value = CStr::from_bytes_until_nul(&value).ok()?;
        Some(value.to_string_lossy().into_owned())
    }

    /// The names of all settings that have a value.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut count = 0;
        // SAFETY: the settings live; the list holds `count` texts until it is freed below.
        unsafe {
            let list = sys::rd_kafka_conf_dump(self.0.as_ptr(), &raw mut count);
            // Names and values alternate.
            let names = (0..count)
                .step_by(2)
                .map(|at| CStr::from_ptr(*list.add(at)).to_string_lossy().into_owned())
                .collect();
            sys::rd_kafka_conf_dump_free(list, count);
            names
        }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_conf_t {
        self.0.as_ptr()
    }

    /// Leaves the settings to a client that has taken them over.
    pub(super) fn taken(self) {
        std::mem::forget(self);
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        // SAFETY: made in `new`, and not taken over by a client, or this would not be called.
        unsafe { sys::rd_kafka_conf_destroy(self.0.as_ptr()) }
    }
}

impl ErrorText {
    pub(super) fn new() -> Self {
        ErrorText([0; 512])
    }

    pub(super) fn at(&mut self) -> *mut c_char {
        self.0.as_mut_ptr().cast()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn text(&self) -> String {
        CStr::from_bytes_until_nul(&self.0)
            .map(|text| text.to_string_lossy().into_owned())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn librdkafka_says_itself_what_it_takes() {
        let mut conf = Conf::new();
        assert_eq!(conf.set("linger.ms", "7"), Ok(()));
        assert_eq!(conf.get("linger.ms").as_deref(), Some("7"));
        assert_eq!(conf.set("linger.millis", "7"), Err(Refused::Unknown));
        assert_eq!(conf.set("a\0b", "7"), Err(Refused::Unknown));
        let Err(Refused::Invalid(why)) = conf.set("linger.ms", "soon") else {
            panic!("`soon` is no time");
        };
        assert!(why.contains("Invalid value"), "{why}");
        assert_eq!(conf.get("linger.millis"), None);
        let names = conf.names();
        assert!(
            names.iter().any(|name| name == "socket.timeout.ms"),
            "{names:?}"
        );
        assert!(names.iter().any(|name| name == "compression.codec"));
    }
}
