//! Handing messages over to librdkafka.

use std::collections::HashMap;
use std::ffi::CStr;
use std::ptr;
use std::sync::MutexGuard;

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_vtype_t as Kind;

use super::client::Topic;
use super::{Client, Code};

/// A header of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'a> {
    pub(crate) name: &'a CStr,
    pub(crate) value: &'a [u8],
}

/// A message to be sent. librdkafka copies all of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) topic: &'a str,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) payload: &'a [u8],
    /// Milliseconds since 1970.
    pub(crate) time: i64,
    pub(crate) headers: &'a [Header<'a>],
    /// Comes back in the message's report.
    pub(crate) mark: usize,
}

/// Hands messages over one after the other.
pub(crate) struct Producing<'c> {
    client: &'c Client,
    topics: MutexGuard<'c, HashMap<Box<str>, Topic>>,
    parts: Vec<sys::rd_kafka_vu_t>,
}

unsafe extern "C" {
    // As the bindings have it, but for the code, which may be one that the enumeration lacks.
    fn rd_kafka_error_code(error: *const sys::rd_kafka_error_t) -> i32;
}

impl<'c> Producing<'c> {
    pub(super) fn new(
        client: &'c Client,
        topics: MutexGuard<'c, HashMap<Box<str>, Topic>>,
    ) -> Self {
        Producing {
            client,
            topics,
            parts: Vec::with_capacity(16),
        }
    }

    /// Queues a message: it will be reported, by its mark.
    ///
    /// # Errors
    /// It is not queued, and will not be reported.
    pub(crate) fn send(&mut self, message: &Outgoing<'_>) -> Result<(), Code> {
        let rkt = self.client.topic(&mut self.topics, message.topic)?;
        let parts = &mut self.parts;
        parts.clear();
        add(parts, Kind::RD_KAFKA_VTYPE_RKT, |part| part.rkt = rkt);
        add(parts, Kind::RD_KAFKA_VTYPE_MSGFLAGS, |part| {
            part.i = sys::RD_KAFKA_MSG_F_COPY;
        });
        add(parts, Kind::RD_KAFKA_VTYPE_VALUE, |part| {
            part.mem = bytes(message.payload);
        });
        if let Some(key) = message.key {
            add(parts, Kind::RD_KAFKA_VTYPE_KEY, |part| {
                part.mem = bytes(key);
            });
        }
        add(parts, Kind::RD_KAFKA_VTYPE_OPAQUE, |part| {
            part.ptr = ptr::without_provenance_mut(message.mark);
        });
        add(parts, Kind::RD_KAFKA_VTYPE_TIMESTAMP, |part| {
            part.i64_ = message.time;
        });
        for header in message.headers {
            add(parts, Kind::RD_KAFKA_VTYPE_HEADER, |part| {
                part.header.name = header.name.as_ptr();
                part.header.val = header.value.as_ptr().cast();
                part.header.size = header.value.len() as isize;
            });
        }
        // SAFETY: the topic is kept by the lock; what the parts point to is borrowed by `message`,
        // and copied before the call returns.
        unsafe {
            let error =
                sys::rd_kafka_produceva(self.client.rk(), self.parts.as_ptr(), self.parts.len());
            if error.is_null() {
                return Ok(());
            }
            let code = Code(rd_kafka_error_code(error));
            sys::rd_kafka_error_destroy(error);
            Err(code)
        }
    }
}

fn add(
    parts: &mut Vec<sys::rd_kafka_vu_t>,
    kind: Kind,
    fill: impl FnOnce(&mut sys::rd_kafka_vu_s__bindgen_ty_1),
) {
    let mut part = sys::rd_kafka_vu_s__bindgen_ty_1 {
        headers: ptr::null_mut(),
    };
    fill(&mut part);
    parts.push(sys::rd_kafka_vu_t {
        vtype: kind,
        u: part,
    });
}

fn bytes(of: &[u8]) -> sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
    sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
        // librdkafka takes what it copies by an address that it could write to.
        ptr: of.as_ptr().cast_mut().cast(),
        size: of.len(),
    }
}
