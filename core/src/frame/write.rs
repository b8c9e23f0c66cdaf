//! Appending frames to a batch.

use std::collections::HashMap;

use super::form::{Form, Moment};
use super::{FIXED_LEN, FRAME_VERSION, HEADER_LEN, MAGIC, Origin, Record, RecordId, flags};
use crate::call_site::CallSite;
use crate::level::Level;
use crate::value::Timestamp;

/// A logger: its id in the pipeline (from 1; 0 where the name stands in the payload) and its name.
#[derive(Clone, Copy, Debug)]
pub struct LoggerRef<'a> {
    /// From 1; the same id means the same name for the life of a builder.
    pub id: u32,
    /// The name.
    pub name: &'a str,
}

/// A thread: an id that is unique in the process (from 1; 0 where it is not known) and its name.
#[derive(Clone, Copy, Debug)]
pub struct ThreadRef<'a> {
    /// From 1.
    pub id: u32,
    /// Empty for a thread without a name.
    pub name: &'a str,
}

/// What a frame says of its record beside the payload.
#[derive(Clone, Copy, Debug)]
pub struct FrameMeta<'a> {
    /// The record's identity.
    pub id: RecordId,
    /// When it was logged.
    pub time: Timestamp,
    /// When it was read, for a record that comes from elsewhere.
    pub observed: Option<Timestamp>,
    /// Its severity.
    pub level: Level,
    /// The generation of the configuration that routed it.
    pub generation: u32,
    /// Those of [`flags`] that the payload was written with.
    pub flags: u16,
    /// Where in the code it was logged.
    pub call_site: Option<&'a CallSite>,
    /// By which logger.
    pub logger: LoggerRef<'a>,
    /// On which thread.
    pub thread: ThreadRef<'a>,
    /// Who made it.
    pub origin: Origin<'a>,
}

impl<'a> FrameMeta<'a> {
    /// That of a service's record with a literal message, from a thread that is not known: what most
    /// batches that are made by hand begin with.
    pub const fn literal(
        id: RecordId,
        time: Timestamp,
        level: Level,
        logger: LoggerRef<'a>,
    ) -> Self {
        FrameMeta {
            id,
            time,
            observed: None,
            level,
            generation: 1,
            flags: flags::MESSAGE,
            call_site: None,
            logger,
            thread: ThreadRef { id: 0, name: "" },
            origin: Origin::SERVICE,
        }
    }
}

/// Collects records into a batch.
///
/// Appending copies the payload once and nothing else; strings of call sites, loggers and threads
/// go into the dictionary once a batch.
#[derive(Debug)]
pub struct BatchBuilder {
    epoch: u128,
    out: Vec<u8>,
    count: u32,
    dictionary: Dictionary,
}

#[derive(Debug, Default)]
struct Dictionary {
    /// What the entries of all sections have together.
    entries: usize,
    sites: Section,
    loggers: Section,
    threads: Section,
    /// Local call site and logger ids are small and dense: tables, emptied by remembering who wrote.
    site_refs: Vec<u32>,
    logger_refs: Vec<u32>,
    thread_refs: HashMap<u32, u32>,
    last_thread: (u32, u32),
    foreign_sites: HashMap<(u128, u32), u32>,
    foreign_loggers: HashMap<String, u32>,
    foreign_threads: HashMap<(u64, String), u32>,
}

#[derive(Debug, Default)]
struct Section {
    bytes: Vec<u8>,
    count: u32,
}

impl Section {
    /// Appends an entry, counts its bytes, and returns its reference.
    fn add(&mut self, entries: &mut usize, fill: impl FnOnce(&mut Vec<u8>)) -> u32 {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        fill(&mut self.bytes);
        let len = (self.bytes.len() - start - 4) as u32;
        self.bytes[start..start + 4].copy_from_slice(&len.to_le_bytes());
        *entries += 4 + len as usize;
        self.count += 1;
        self.count
    }
}

/// How many bytes [`put_more`] appends.
fn more_bytes(meta: &FrameMeta<'_>) -> usize {
    let observed = meta.observed.map_or(0, |_| 8);
    let origin = if meta.origin.has_details() {
        4 + meta.origin.target.unwrap_or_default().len() + 5
    } else {
        0
    };
    observed + origin
}

/// Appends the sections that the batch writer itself makes.
fn put_more(out: &mut Vec<u8>, meta: &FrameMeta<'_>) {
    if let Some(observed) = meta.observed {
        out.extend_from_slice(&observed.nanos().to_le_bytes());
    }
    if meta.origin.has_details() {
        put_text(out, meta.origin.target.unwrap_or_default());
        let class = meta.origin.class;
        out.push(class.map_or(u8::MAX, crate::delivery::Class::code));
        out.extend_from_slice(&meta.origin.attempts.to_le_bytes());
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

impl BatchBuilder {
    /// An empty batch of a process with this epoch: the epoch goes with the ids of its call sites,
    /// so that what renderers keep of them is never mistaken for another process'.
    pub fn new(epoch: u128) -> Self {
        let mut builder = BatchBuilder {
            epoch,
            out: Vec::new(),
            count: 0,
            dictionary: Dictionary::default(),
        };
        builder.start();
        builder
    }

    fn start(&mut self) {
        self.out.extend_from_slice(&[0; HEADER_LEN]);
        self.count = 0;
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a record of this id is in it.
    pub fn contains(&self, id: RecordId) -> bool {
        let mut at = HEADER_LEN;
        for _ in 0..self.count {
            match super::id_at(&self.out, at) {
                Some((found, _)) if found == id => return true,
                Some((_, next)) => at = next,
                None => return false,
            }
        }
        false
    }

    /// How many bytes the finished batch would have.
    pub fn bytes(&self) -> usize {
        self.out.len() + self.dictionary.bytes()
    }

    /// Appends a record whose payload a logging thread wrote; returns the bytes that it added. The
    /// payload is not looked into: one that is none makes a batch that [`Batch::parse`] refuses.
    ///
    /// [`Batch::parse`]: super::Batch::parse
    #[inline]
    pub fn push(&mut self, meta: &FrameMeta<'_>, payload: &[u8]) -> usize {
        let before = self.bytes();
        let site = match meta.call_site {
            Some(site) => self.dictionary.site(self.epoch, site),
            None => 0,
        };
        let logger = match meta.logger.id {
            0 => 0,
            id => self.dictionary.logger(id, meta.logger.name),
        };
        let thread = self.dictionary.thread(meta.thread);
        self.frame(meta, site, logger, thread, payload);
        self.bytes() - before
    }

    /// [`push`](Self::push) of `form.meta(one)`, in fewer steps.
    #[inline]
    pub fn push_formed(&mut self, form: &Form, one: &Moment<'_>, payload: &[u8]) -> usize {
        let before = self.dictionary.entries;
        let site = match form.site_id {
            0 => 0,
            id => self.dictionary.formed_site(id, self.epoch, form),
        };
        let logger = match form.logger() {
            LoggerRef { id: 0, .. } => 0,
            LoggerRef { id, name } => self.dictionary.logger(id, name),
        };
        let thread = self.dictionary.thread(one.thread);
        let len = FIXED_LEN + payload.len();
        let mut fixed = form.fixed;
        fixed[..4].copy_from_slice(&(len as u32).to_le_bytes());
        fixed[8..12].copy_from_slice(&site.to_le_bytes());
        fixed[12..16].copy_from_slice(&logger.to_le_bytes());
        fixed[16..20].copy_from_slice(&thread.to_le_bytes());
        fixed[24..32].copy_from_slice(&one.time.nanos().to_le_bytes());
        fixed[48..56].copy_from_slice(&one.sequence.to_le_bytes());
        self.out.reserve(4 + len);
        self.out.extend_from_slice(&fixed);
        self.out.extend_from_slice(payload);
        self.count += 1;
        4 + len + self.dictionary.entries - before
    }

    /// Appends a record of another batch, whole and under its own id; with an `origin` it gains (or
    /// changes) that. Returns the bytes that it added.
    pub fn push_record(&mut self, record: &Record<'_>, origin: Option<Origin<'_>>) -> usize {
        let before = self.bytes();
        let site = record.site().map_or(0, |site| {
            let dictionary = &mut self.dictionary;
            *dictionary
                .foreign_sites
                .entry(site.key())
                .or_insert_with(|| {
                    let add = |out: &mut Vec<u8>| out.extend_from_slice(site.raw);
                    dictionary.sites.add(&mut dictionary.entries, add)
                })
        });
        let logger = if record.flags() & flags::LOGGER != 0 {
            0
        } else {
            self.dictionary.foreign_logger(record.logger())
        };
        let thread = record
            .thread_parts()
            .map_or(0, |(id, name)| self.dictionary.foreign_thread(id, name));
        let meta = FrameMeta {
            id: record.id(),
            time: record.time(),
            observed: record.observed(),
            level: record.level(),
            generation: record.generation(),
            flags: record.flags() & !(flags::OBSERVED | flags::ORIGIN),
            call_site: None,
            logger: LoggerRef { id: 0, name: "" },
            thread: ThreadRef { id: 0, name: "" },
            origin: origin.unwrap_or_else(|| record.origin()),
        };
        self.frame(&meta, site, logger, thread, record.payload());
        self.bytes() - before
    }

    #[inline]
    fn frame(&mut self, meta: &FrameMeta<'_>, site: u32, logger: u32, thread: u32, payload: &[u8]) {
        let mut bits = meta.flags;
        if meta.observed.is_some() {
            bits |= flags::OBSERVED;
        }
        if meta.origin.has_details() {
            bits |= flags::ORIGIN;
        }
        let has_more = bits & (flags::OBSERVED | flags::ORIGIN) != 0;
        let more = if has_more { more_bytes(meta) } else { 0 };
        let len = (FIXED_LEN + more + payload.len()) as u32;
        let mut fixed = [0; 4 + FIXED_LEN];
        fixed[..4].copy_from_slice(&len.to_le_bytes());
        fixed[4..6].copy_from_slice(&bits.to_le_bytes());
        fixed[6] = meta.level.code();
        fixed[7] = meta.origin.kind as u8;
        fixed[8..12].copy_from_slice(&site.to_le_bytes());
        fixed[12..16].copy_from_slice(&logger.to_le_bytes());
        fixed[16..20].copy_from_slice(&thread.to_le_bytes());
        fixed[20..24].copy_from_slice(&meta.generation.to_le_bytes());
        fixed[24..32].copy_from_slice(&meta.time.nanos().to_le_bytes());
        fixed[32..48].copy_from_slice(&meta.id.epoch.to_le_bytes());
        fixed[48..56].copy_from_slice(&meta.id.sequence.to_le_bytes());
        self.out.reserve(4 + len as usize);
        self.out.extend_from_slice(&fixed);
        if has_more {
            put_more(&mut self.out, meta);
        }
        self.out.extend_from_slice(payload);
        self.count += 1;
    }

    /// The batch; the builder is empty again, and as large as before.
    pub fn finish(&mut self) -> Vec<u8> {
        self.finish_into(None)
    }

    /// [`finish`](Self::finish), the next batch being written into this buffer, if there is one.
    pub fn finish_into(&mut self, next: Option<Vec<u8>>) -> Vec<u8> {
        let dictionary_at = self.out.len() as u32;
        self.out[..4].copy_from_slice(&MAGIC);
        self.out[4..6].copy_from_slice(&FRAME_VERSION.to_le_bytes());
        self.out[8..12].copy_from_slice(&self.count.to_le_bytes());
        self.out[12..16].copy_from_slice(&dictionary_at.to_le_bytes());
        self.dictionary.finish(&mut self.out);
        let mut next = next.unwrap_or_else(|| Vec::with_capacity(self.out.len()));
        next.clear();
        let batch = std::mem::replace(&mut self.out, next);
        self.start();
        batch
    }
}

impl Dictionary {
    #[inline]
    fn bytes(&self) -> usize {
        12 + self.entries
    }

    #[inline]
    fn site(&mut self, epoch: u128, site: &CallSite) -> u32 {
        match self.site_refs.get(site.id() as usize) {
            Some(reference) if *reference != 0 => *reference,
            _ => self.add_site(epoch, site),
        }
    }

    #[inline]
    fn formed_site(&mut self, id: u32, epoch: u128, form: &Form) -> u32 {
        match self.site_refs.get(id as usize) {
            Some(reference) if *reference != 0 => *reference,
            _ => form
                .call_site()
                .map_or(0, |site| self.add_site(epoch, site)),
        }
    }

    #[cold]
    fn add_site(&mut self, epoch: u128, site: &CallSite) -> u32 {
        let id = site.id() as usize;
        if self.site_refs.len() <= id {
            self.site_refs.resize(id + 1, 0);
        }
        let reference = self.sites.add(&mut self.entries, |out| {
            out.extend_from_slice(&epoch.to_le_bytes());
            out.extend_from_slice(&site.id().to_le_bytes());
            out.extend_from_slice(&site.arguments().to_le_bytes());
            out.extend_from_slice(&site.line().to_le_bytes());
            put_text(out, site.template());
            put_text(out, site.module());
            put_text(out, site.file());
            site.keys().iter().for_each(|key| put_text(out, key));
        });
        self.site_refs[id] = reference;
        self.foreign_sites.insert((epoch, site.id()), reference);
        reference
    }

    #[inline]
    fn logger(&mut self, id: u32, name: &str) -> u32 {
        match self.logger_refs.get(id as usize) {
            Some(reference) if *reference != 0 => *reference,
            _ => self.add_logger(id, name),
        }
    }

    #[cold]
    fn add_logger(&mut self, id: u32, name: &str) -> u32 {
        let slot = id as usize;
        if self.logger_refs.len() <= slot {
            self.logger_refs.resize(slot + 1, 0);
        }
        let add = |out: &mut Vec<u8>| out.extend_from_slice(name.as_bytes());
        self.logger_refs[slot] = self.loggers.add(&mut self.entries, add);
        self.logger_refs[slot]
    }

    #[inline]
    fn thread(&mut self, thread: ThreadRef<'_>) -> u32 {
        if thread.id == 0 {
            return 0;
        }
        if self.last_thread.0 == thread.id {
            return self.last_thread.1;
        }
        self.other_thread(thread)
    }

    fn other_thread(&mut self, thread: ThreadRef<'_>) -> u32 {
        let (threads, entries) = (&mut self.threads, &mut self.entries);
        let reference = *self.thread_refs.entry(thread.id).or_insert_with(|| {
            threads.add(entries, |out| {
                out.extend_from_slice(&u64::from(thread.id).to_le_bytes());
                out.extend_from_slice(thread.name.as_bytes());
            })
        });
        self.last_thread = (thread.id, reference);
        reference
    }

    fn foreign_logger(&mut self, name: &str) -> u32 {
        if let Some(reference) = self.foreign_loggers.get(name) {
            return *reference;
        }
        let reference = self.loggers.add(&mut self.entries, |out| {
            out.extend_from_slice(name.as_bytes());
        });
        self.foreign_loggers.insert(name.to_owned(), reference);
        reference
    }

    fn foreign_thread(&mut self, id: u64, name: &str) -> u32 {
        let key = (id, name.to_owned());
        let (threads, entries) = (&mut self.threads, &mut self.entries);
        *self.foreign_threads.entry(key).or_insert_with(|| {
            threads.add(entries, |out| {
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(name.as_bytes());
            })
        })
    }

    /// Appends the dictionary and empties it.
    fn finish(&mut self, out: &mut Vec<u8>) {
        let sections = [&mut self.sites, &mut self.loggers, &mut self.threads];
        for section in &sections {
            out.extend_from_slice(&section.count.to_le_bytes());
        }
        for section in sections {
            out.extend_from_slice(&section.bytes);
            section.bytes.clear();
            section.count = 0;
        }
        self.entries = 0;
        self.site_refs.fill(0);
        self.logger_refs.fill(0);
        self.thread_refs.clear();
        self.last_thread = (0, 0);
        self.foreign_sites.clear();
        self.foreign_loggers.clear();
        self.foreign_threads.clear();
    }
}
