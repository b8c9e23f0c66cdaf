//! The flight recorder's memory.
//!
//! Each record stands in one table by its number, which grows, and its number in a row for its thread
//! or trace. So the oldest of all and the oldest of each are found at once, and what is kept never
//! takes more than its bounds, whatever becomes of threads.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use rolog_core::Level;
use rolog_core::call_site::CallSite;
use rolog_core::frame::{FrameMeta, LoggerRef, Origin, RecordId, ThreadRef, flags};
use rolog_core::value::{Encoder, Timestamp};

use super::seen::Seen;
use crate::config::RecorderSpec;

/// What a record takes beside its payload: itself, and its places in the tables.
const OVERHEAD: usize = size_of::<Kept>() + 64;

/// A record that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    key: u64,
    pub(crate) id: RecordId,
    pub(crate) time: Timestamp,
    pub(crate) observed: Option<Timestamp>,
    pub(crate) level: Level,
    pub(crate) generation: u32,
    pub(crate) flags: u16,
    pub(crate) call_site: Option<&'static CallSite>,
    /// The logger's id, and its name where it has none.
    pub(crate) logger: (u32, Option<Box<str>>),
    pub(crate) thread: (u32, Arc<str>),
    pub(crate) payload: Box<[u8]>,
}

impl Kept {
    /// As it was when it came; `logger` is the name of the logger with its id.
    pub(crate) fn meta<'a>(&'a self, logger: &'a str) -> FrameMeta<'a> {
        FrameMeta {
            id: self.id,
            time: self.time,
            observed: self.observed,
            level: self.level,
            generation: self.generation,
            flags: self.flags,
            call_site: self.call_site,
            logger: LoggerRef {
                id: self.logger.0,
                name: self.logger.1.as_deref().unwrap_or(logger),
            },
            thread: ThreadRef {
                id: self.thread.0,
                name: &self.thread.1,
            },
            origin: Origin::SERVICE,
        }
    }

    /// What it says, and that it comes from the recorder.
    pub(crate) fn marked(&self) -> Vec<u8> {
        let mut payload = self.payload.to_vec();
        Encoder::new(&mut payload).key("recorded").bool(true);
        payload
    }

    fn bytes(&self) -> usize {
        let name = self.logger.1.as_ref().map_or(0, |name| name.len());
        OVERHEAD + self.payload.len() + name + self.thread.1.len()
    }
}

pub(super) struct Recorder {
    pub(super) spec: RecorderSpec,
    rows: HashMap<u64, VecDeque<u64>>,
    all: BTreeMap<u64, Kept>,
    next: u64,
    bytes: usize,
    /// The name of the thread that logged last, which is mostly the one that logs next.
    last_thread: (u32, Arc<str>),
}

impl Recorder {
    pub(super) fn new(spec: RecorderSpec) -> Self {
        Recorder {
            spec,
            rows: HashMap::new(),
            all: BTreeMap::new(),
            next: 0,
            bytes: 0,
            last_thread: (0, "".into()),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a record; returns how many were forgotten for it.
    pub(super) fn keep(&mut self, key: u64, seen: &Seen<'_>) -> u64 {
        let meta = seen.meta;
        let (id, name) = (meta.thread.id, meta.thread.name);
        if self.last_thread.0 != id || &*self.last_thread.1 != name {
            self.last_thread = (id, name.into());
        }
        let logger = meta.logger;
        let kept = Kept {
            key,
            id: meta.id,
            time: meta.time,
            observed: meta.observed,
            level: meta.level,
            generation: meta.generation,
            // Its room is not kept.
            flags: meta.flags & !flags::RESERVED,
            call_site: seen.call_site,
            logger: (logger.id, (logger.id == 0).then(|| logger.name.into())),
            thread: self.last_thread.clone(),
            payload: seen.payload.into(),
        };
        self.bytes += kept.bytes();
        let number = self.next;
        self.next += 1;
        self.all.insert(number, kept);
        let row = self.rows.entry(key).or_default();
        row.push_back(number);
        let mut forgotten = 0;
        if row.len() > self.spec.keep.get()
            && let Some(oldest) = row.pop_front()
        {
            self.drop_one(oldest);
            forgotten += 1;
        }
        forgotten + self.shrink()
    }

    /// Everything of one thread or trace, oldest first.
    pub(super) fn take(&mut self, key: u64) -> Vec<Kept> {
        let row = self.rows.remove(&key).unwrap_or_default();
        let kept: Vec<Kept> = row
            .iter()
            .filter_map(|number| self.all.remove(number))
            .collect();
        self.bytes -= kept.iter().map(Kept::bytes).sum::<usize>();
        kept
    }

    /// Takes up other bounds; returns how many records were forgotten for them.
    pub(super) fn retune(&mut self, spec: RecorderSpec) -> u64 {
        self.spec = spec;
        let most = self.spec.keep.get();
        let surplus: Vec<u64> = self
            .rows
            .values_mut()
            .flat_map(|row| {
                let beyond = row.len().saturating_sub(most);
                row.drain(..beyond)
            })
            .collect();
        let forgotten = surplus.len() as u64;
        for number in surplus {
            self.drop_one(number);
        }
        forgotten + self.shrink()
    }

    /// Forgets everything; returns how many records that were.
    pub(super) fn clear(&mut self) -> u64 {
        let forgotten = self.all.len() as u64;
        self.all.clear();
        self.rows.clear();
        self.bytes = 0;
        forgotten
    }

    /// Forgets the oldest until the rest is within the bound.
    fn shrink(&mut self) -> u64 {
        let mut forgotten = 0;
        while self.bytes > self.spec.max_bytes.get()
            && let Some((_, kept)) = self.all.pop_first()
        {
            self.bytes -= kept.bytes();
            forgotten += 1;
            // The oldest of all is the oldest of its row.
            if let Some(row) = self.rows.get_mut(&kept.key) {
                row.pop_front();
                if row.is_empty() {
                    self.rows.remove(&kept.key);
                }
            }
        }
        forgotten
    }

    /// Forgets one whose number has been taken out of its row.
    fn drop_one(&mut self, number: u64) {
        if let Some(kept) = self.all.remove(&number) {
            self.bytes -= kept.bytes();
        }
    }
}
