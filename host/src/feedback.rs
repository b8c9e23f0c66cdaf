//! Records that the pipeline and its plugins make themselves.
//!
//! They must never wait, nor fill what the service's records need, nor run in circles: they go
//! through a small queue of their own that drops the newest when it is full, at a bounded rate, and a
//! record never goes to the target it tells of.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rolog_core::Level;
use rolog_core::frame::OriginKind;
use rolog_core::value::Timestamp;

/// How many records wait at most.
const ROOM: usize = 1024;
/// How many are taken in a window, by target; the rest is counted and said.
const BURST: u32 = 200;
const WINDOW: Duration = Duration::from_secs(10);

/// A record of the pipeline's own.
#[derive(Debug)]
pub(crate) struct OwnRecord {
    pub(crate) kind: OriginKind,
    /// The target that it comes from or tells of.
    pub(crate) target: Option<String>,
    pub(crate) logger: String,
    pub(crate) level: Level,
    pub(crate) time: Timestamp,
    /// Those of [`rolog_core::frame::flags`] that the payload was written with.
    pub(crate) flags: u16,
    /// The id of its call site, 0 for none.
    pub(crate) call_site: u32,
    pub(crate) payload: Vec<u8>,
}

/// The queue between whoever makes such records and the pump.
#[derive(Debug, Default)]
pub(crate) struct Feedback {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<OwnRecord>,
    rates: std::collections::HashMap<Option<String>, Rate>,
}

#[derive(Debug)]
struct Rate {
    began: Instant,
    taken: u32,
}

impl Feedback {
    /// Takes a record in; says whether it had room and rate.
    pub(crate) fn put(&self, record: OwnRecord) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.queue.len() >= ROOM {
            return false;
        }
        let now = Instant::now();
        let rate = state.rates.entry(record.target.clone()).or_insert(Rate {
            began: now,
            taken: 0,
        });
        if now.duration_since(rate.began) >= WINDOW {
            *rate = Rate {
                began: now,
                taken: 0,
            };
        }
        if rate.taken == BURST {
            return false;
        }
        rate.taken += 1;
        state.queue.push_back(record);
        true
    }

    /// Everything that waits.
    pub(crate) fn take(&self) -> VecDeque<OwnRecord> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.queue)
    }
}
