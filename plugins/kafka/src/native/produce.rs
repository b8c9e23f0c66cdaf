//! Handing messages over to librdkafka.

use std::ffi::CStr;
use std::ptr;
use std::sync::Arc;

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
    /// Comes back in the message's report.
    pub(crate) mark: usize,
}

/// Hands messages over one after the other.
pub(crate) struct Producing<'c> {
    client: &'c Client,
    /// That of the last message, which nearly always is that of the next.
    topic: Option<(String, Arc<Topic>)>,
    parts: Vec<sys::rd_kafka_vu_t>,
}

unsafe extern "C" {
    // As the bindings have it, but for the code, which may be one that the enumeration lacks.
    fn rd_kafka_error_code(error: *const sys::rd_kafka_error_t) -> i32;
}

impl<'c> Producing<'c> {
    pub(super) fn new(client: &'c Client) -> Self {
        Producing {
            client,
            topic: None,
            parts: Vec::with_capacity(16),
        }
    }

    /// Queues a message: it will be reported, by its mark.
    ///
    /// # Errors
    /// It is not queued, and will not be reported.
    pub(crate) fn send<'h>(
        &mut self,
        message: &Outgoing<'_>,
        headers: impl Iterator<Item = Header<'h>>,
    ) -> Result<(), Code> {
        let topic = match &mut self.topic {
            Some((name, topic)) if name == message.topic => topic,
            other => {
                let topic = self.client.topic(message.topic)?;
                &mut other.insert((message.topic.to_owned(), topic)).1
            }
        };
        let rkt = topic.as_ptr();
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
        for header in headers {
            add(parts, Kind::RD_KAFKA_VTYPE_HEADER, |part| {
                part.header.name = header.name.as_ptr();
                part.header.val = header.value.as_ptr().cast();
                part.header.size = header.value.len() as isize;
            });
        }
        // SAFETY: the topic is held; what the parts point to is borrowed by `message` and the headers
        // beyond this call, and copied before it returns.
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
