//! A producer of librdkafka's.

use std::collections::HashMap;
use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka_sys as sys;
use tokio::sync::Notify;

use super::conf::ErrorText;
use super::{Code, Conf, Event, Producing};

/// So many topics are kept ready; with more than that in use, all are looked up anew.
const TOPICS: usize = 1000;

/// A producer of librdkafka's, with its threads and connections.
pub(crate) struct Client {
    rk: NonNull<sys::rd_kafka_t>,
    queue: NonNull<sys::rd_kafka_queue_t>,
    topics: Mutex<HashMap<Box<str>, Arc<Topic>>>,
    /// librdkafka's threads have its address, so it stays where it is until they have ended.
    hooks: Box<Hooks>,
}

/// A topic, as librdkafka wants it named. Whoever holds one borrows its client, which ends after it.
pub(super) struct Topic(NonNull<sys::rd_kafka_topic_t>);

/// What librdkafka calls.
#[derive(Default)]
struct Hooks {
    events: Notify,
    throttled: Mutex<Vec<Throttle>>,
}

/// What a broker asks for: to wait so long before the next request; zero when it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Throttle {
    pub(crate) broker: i32,
    pub(crate) delay: Duration,
}

unsafe extern "C" {
    // As the bindings have them, but for the codes, which may be ones that the enumeration lacks.
    fn rd_kafka_metadata(
        rk: *mut sys::rd_kafka_t,
        all_topics: c_int,
        only: *mut sys::rd_kafka_topic_t,
        found: *mut *const sys::rd_kafka_metadata,
        timeout_ms: c_int,
    ) -> c_int;
    fn rd_kafka_flush(rk: *mut sys::rd_kafka_t, timeout_ms: c_int) -> c_int;
    fn rd_kafka_purge(rk: *mut sys::rd_kafka_t, flags: c_int) -> c_int;
    fn rd_kafka_fatal_error(rk: *mut sys::rd_kafka_t, text: *mut c_char, len: usize) -> c_int;
    fn rd_kafka_last_error() -> c_int;
    fn rd_kafka_oauthbearer_set_token(
        rk: *mut sys::rd_kafka_t,
        token: *const c_char,
        until_ms: i64,
        subject: *const c_char,
        extensions: *mut *const c_char,
        extensions_len: usize,
        error: *mut c_char,
        error_len: usize,
    ) -> c_int;
    fn rd_kafka_oauthbearer_set_token_failure(
        rk: *mut sys::rd_kafka_t,
        why: *const c_char,
    ) -> c_int;
}

// SAFETY: librdkafka's functions on a client, a queue and a topic may be called from any thread, and
// the rest is behind locks.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

// SAFETY: a topic may be used and released from any thread.
unsafe impl Send for Topic {}
// SAFETY: as above; librdkafka locks what it has to.
unsafe impl Sync for Topic {}

impl Client {
    /// A producer with these settings. It begins to connect, and has no effect beyond that.
    ///
    /// # Errors
    /// Settings that do not go together, in librdkafka's words.
    pub(crate) fn new(mut conf: Conf) -> Result<Self, String> {
        // What it logs comes as events, in our threads.
        conf.set("log.queue", "true").map_err(|_| "no log queue")?;
        let hooks = Box::new(Hooks::default());
        let here = ptr::from_ref::<Hooks>(&hooks).cast_mut().cast::<c_void>();
        let events = sys::RD_KAFKA_EVENT_DR
            | sys::RD_KAFKA_EVENT_ERROR
            | sys::RD_KAFKA_EVENT_STATS
            | sys::RD_KAFKA_EVENT_LOG
            | sys::RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH;
        let mut error = ErrorText::new();
        // SAFETY: the settings live; the hooks outlive the client, see `drop`.
        let rk = unsafe {
            sys::rd_kafka_conf_set_events(conf.as_ptr(), events);
            sys::rd_kafka_conf_set_opaque(conf.as_ptr(), here);
            sys::rd_kafka_conf_set_throttle_cb(conf.as_ptr(), Some(on_throttle));
            sys::rd_kafka_new(
                sys::rd_kafka_type_t::RD_KAFKA_PRODUCER,
                conf.as_ptr(),
                error.at(),
                error.len(),
            )
        };
        let Some(rk) = NonNull::new(rk) else {
            return Err(error.text());
        };
        conf.taken();
        // SAFETY: the client was just made. The queue is its own main queue, of which this takes
        // one reference; the callback's argument outlives the queue, see `drop`.
        let queue = unsafe {
            let queue = sys::rd_kafka_queue_get_main(rk.as_ptr());
            sys::rd_kafka_set_log_queue(rk.as_ptr(), queue);
            sys::rd_kafka_queue_cb_event_enable(queue, Some(on_event), here);
            NonNull::new(queue).expect("a producer has a main queue")
        };
        hooks.events.notify_one();
        Ok(Client {
            rk,
            queue,
            topics: Mutex::default(),
            hooks,
        })
    }

    /// Resolves when there may be events.
    pub(crate) async fn has_events(&self) {
        self.hooks.events.notified().await;
    }

    /// The next event, if there is one.
    pub(crate) fn next_event(&self) -> Option<Event> {
        // SAFETY: the queue lives as long as the client.
        let event = unsafe { sys::rd_kafka_queue_poll(self.queue.as_ptr(), 0) };
        NonNull::new(event).map(Event::new)
    }

    /// What brokers have asked for since the last look.
    pub(crate) fn throttled(&self) -> Vec<Throttle> {
        std::mem::take(&mut *self.hooks.throttled())
    }

    /// Hands messages over, as many as there are, without waiting.
    pub(crate) fn producing(&self) -> Producing<'_> {
        Producing::new(self)
    }

    /// Asks a broker for what it knows of the cluster, or of `topic`, and blocks until it answers.
    pub(crate) fn ask(&self, topic: Option<&str>, limit: Duration) -> Result<(), Code> {
        let topic = topic.map(|name| self.look_up(name)).transpose()?;
        let only = topic
            .as_ref()
            .map_or(ptr::null_mut(), |topic| topic.0.as_ptr());
        let mut found = ptr::null();
        // SAFETY: the client and the topic live; what is found is freed at once.
        let code = unsafe {
            let limit = millis(limit);
            let code = rd_kafka_metadata(self.rk.as_ptr(), 0, only, &raw mut found, limit);
            if !found.is_null() {
                sys::rd_kafka_metadata_destroy(found);
            }
            code
        };
        match code {
            0 => Ok(()),
            code => Err(Code(code)),
        }
    }

    /// Sends what is queued without lingering, and blocks until all of it is settled; says whether
    /// it is.
    pub(crate) fn flush(&self, limit: Duration) -> bool {
        // SAFETY: the client lives.
        unsafe { rd_kafka_flush(self.rk.as_ptr(), millis(limit)) == 0 }
    }

    /// Gives up everything that is queued or on its way; each message is reported as such.
    pub(crate) fn purge(&self) {
        let all = sys::RD_KAFKA_PURGE_F_QUEUE
            | sys::RD_KAFKA_PURGE_F_INFLIGHT
            | sys::RD_KAFKA_PURGE_F_NON_BLOCKING;
        // SAFETY: the client lives. It refuses flags that it does not know and nothing else.
        unsafe { rd_kafka_purge(self.rk.as_ptr(), all) };
    }

    /// Why the producer is beyond repair, if it is.
    pub(crate) fn fatal(&self) -> Option<(Code, String)> {
        let mut text = ErrorText::new();
        // SAFETY: the client lives, and the length is the buffer's.
        match unsafe { rd_kafka_fatal_error(self.rk.as_ptr(), text.at(), text.len()) } {
            0 => None,
            code => Some((Code(code), text.text())),
        }
    }

    /// Gives a token for SASL's OAUTHBEARER, good until then: milliseconds since 1970.
    ///
    /// # Errors
    /// librdkafka does not take it, in its words.
    pub(crate) fn set_token(&self, token: &str, until: i64, subject: &str) -> Result<(), String> {
        let terminated = |text| CString::new(text).map_err(|_| "it contains a zero byte");
        let (token, subject) = (terminated(token)?, terminated(subject)?);
        let mut error = ErrorText::new();
        // SAFETY: the client lives, the texts are terminated and copied, there are no extensions,
        // and the length is the buffer's.
        let code = unsafe {
            rd_kafka_oauthbearer_set_token(
                self.rk.as_ptr(),
                token.as_ptr(),
                until,
                subject.as_ptr(),
                ptr::null_mut(),
                0,
                error.at(),
                error.len(),
            )
        };
        match code {
            0 => Ok(()),
            _ => Err(error.text()),
        }
    }

    /// Says why there is no token; it will ask again.
    pub(crate) fn has_no_token(&self, why: &str) {
        let why = CString::new(why.replace('\0', "")).unwrap_or_default();
        // SAFETY: the client lives, and the text is terminated and copied.
        unsafe { rd_kafka_oauthbearer_set_token_failure(self.rk.as_ptr(), why.as_ptr()) };
    }

    pub(super) fn rk(&self) -> *mut sys::rd_kafka_t {
        self.rk.as_ptr()
    }

    /// The topic of this name.
    pub(super) fn topic(&self, name: &str) -> Result<Arc<Topic>, Code> {
        let mut topics = self.topics();
        if let Some(topic) = topics.get(name) {
            return Ok(Arc::clone(topic));
        }
        let topic = Arc::new(self.look_up(name)?);
        if topics.len() >= TOPICS {
            topics.clear();
        }
        topics.insert(name.into(), Arc::clone(&topic));
        Ok(topic)
    }

    fn look_up(&self, name: &str) -> Result<Topic, Code> {
        let invalid = Code::of(sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__INVALID_ARG);
        let name = CString::new(name).map_err(|_| invalid)?;
        // SAFETY: the client lives and the name is terminated; without settings of its own a topic
        // has the client's.
        let topic =
            unsafe { sys::rd_kafka_topic_new(self.rk.as_ptr(), name.as_ptr(), ptr::null_mut()) };
        match NonNull::new(topic) {
            Some(topic) => Ok(Topic(topic)),
            // SAFETY: reads a number of this thread, which the call above has set.
            None => Err(Code(unsafe { rd_kafka_last_error() })),
        }
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Topic>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Client {
    /// Ends librdkafka's threads, and blocks until they have.
    fn drop(&mut self) {
        self.topics
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        // SAFETY: everything that refers to the client is released before it. The callback is taken
        // back under the queue's lock, and the threads that may call another end with the client;
        // only then are the hooks dropped.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
            sys::rd_kafka_destroy(self.rk.as_ptr());
        }
    }
}

impl Topic {
    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_topic_t {
        self.0.as_ptr()
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: made by `Client::look_up`, and released once, before its client.
        unsafe { sys::rd_kafka_topic_destroy(self.0.as_ptr()) }
    }
}

impl Hooks {
    fn throttled(&self) -> MutexGuard<'_, Vec<Throttle>> {
        self.throttled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// librdkafka's timeouts are milliseconds in an `int`.
fn millis(limit: Duration) -> c_int {
    c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX)
}

/// Called by any of librdkafka's threads when the queue of events is no longer empty.
unsafe extern "C" fn on_event(_: *mut sys::rd_kafka_t, hooks: *mut c_void) {
    // SAFETY: the address was given with the callback, and is valid until that is taken back.
    let hooks = unsafe { &*hooks.cast::<Hooks>() };
    hooks.events.notify_one();
}

/// Called from within `next_event`.
unsafe extern "C" fn on_throttle(
    _: *mut sys::rd_kafka_t,
    _: *const c_char,
    broker: i32,
    millis: c_int,
    hooks: *mut c_void,
) {
    // SAFETY: as in `on_event`.
    let hooks = unsafe { &*hooks.cast::<Hooks>() };
    hooks.throttled().push(Throttle {
        broker,
        delay: Duration::from_millis(u64::try_from(millis).unwrap_or(0)),
    });
}
