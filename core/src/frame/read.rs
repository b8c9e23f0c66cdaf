//! Reading a batch: nothing is copied, and nothing in the bytes can make it panic.

use super::flags;
use super::record::{Record, behind_sections, word};
use super::{FIXED_LEN, FRAME_VERSION, HEADER_LEN, MAGIC};
use crate::error::Error;
use crate::level::Level;
use crate::value;

/// A batch of records, borrowed from its bytes.
#[derive(Debug)]
pub struct Batch<'a> {
    frames: &'a [u8],
    dictionary: &'a [u8],
    count: u32,
    sites: Vec<Site<'a>>,
    loggers: Vec<&'a str>,
    threads: Vec<(u64, &'a str)>,
}

/// A call site as a batch tells of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'a> {
    pub(super) raw: &'a [u8],
    epoch: u128,
    id: u32,
    pub(super) arguments: u16,
    pub(super) line: u32,
    pub(super) template: &'a str,
    pub(super) module: &'a str,
    pub(super) file: &'a str,
    pub(super) keys: &'a [u8],
}

impl Site<'_> {
    pub(super) fn key(&self) -> (u128, u32) {
        (self.epoch, self.id)
    }
}

impl<'a> Batch<'a> {
    /// Reads a batch from bytes of any origin, every frame and value checked.
    ///
    /// # Errors
    /// Bytes that are not a batch of a version that this crate reads, or that are cut or damaged.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let batch = Self::open(bytes)?;
        let mut seen = 0;
        for frame in batch.raw_frames() {
            batch.check_frame(frame)?;
            seen += 1;
        }
        if seen != batch.count || batch.frames_len() != batch.frames.len() {
            return Err(Error::frame(format!(
                "the batch says that it has {} records, and has {seen}",
                batch.count
            )));
        }
        Ok(batch)
    }

    /// Reads a batch that a [`BatchBuilder`](super::BatchBuilder) of this process wrote. Bounds are
    /// checked as records are read, texts are taken as UTF-8 without another look.
    ///
    /// # Safety
    /// `bytes` must be what [`BatchBuilder::finish`](super::BatchBuilder::finish) or
    /// [`select`](super::select) returned, or what [`Batch::parse`] has accepted. A builder does not
    /// look into the payloads that it is given, so whoever calls this also vouches for those: each is
    /// what an [`Encoder`](crate::value::Encoder) wrote by the layout of a record of its flags, every
    /// key with its value, as the log calls of this crate write it; or it comes from a record of a
    /// batch on these terms.
    ///
    /// # Errors
    /// A header or a dictionary that cannot be read.
    #[allow(
        unsafe_code,
        reason = "texts are read without a second check of their UTF-8"
    )]
    pub unsafe fn from_trusted(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::open(bytes)
    }

    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        let (frames, dictionary, count) = layout(bytes)?;
        let mut batch = Batch {
            frames,
            dictionary,
            count,
            sites: Vec::new(),
            loggers: Vec::new(),
            threads: Vec::new(),
        };
        batch
            .read_dictionary()
            .ok_or_else(|| Error::frame("the dictionary of the batch is cut or damaged"))?;
        Ok(batch)
    }

    fn read_dictionary(&mut self) -> Option<()> {
        let mut rest = self.dictionary;
        let [sites, loggers, threads] = counts(&mut rest)?;
        for _ in 0..sites {
            self.sites.push(read_site(sized(&mut rest)?)?);
        }
        for _ in 0..loggers {
            self.loggers.push(whole_text(sized(&mut rest)?)?);
        }
        for _ in 0..threads {
            let mut entry = sized(&mut rest)?;
            let id = u64::from_le_bytes(array(&mut entry)?);
            self.threads.push((id, whole_text(entry)?));
        }
        rest.is_empty().then_some(())
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The records, in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        Records {
            batch: self,
            rest: self.frames,
            left: self.count,
        }
    }

    /// The record at this position, from 0. Steps over those before it.
    pub fn get(&self, index: usize) -> Option<Record<'_>> {
        self.record(self.raw_frames().nth(index)?)
    }

    pub(super) fn raw_frames(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.frames;
        (0..self.count).map_while(move |_| sized(&mut rest))
    }

    pub(super) fn raw_dictionary(&self) -> &'a [u8] {
        self.dictionary
    }

    fn frames_len(&self) -> usize {
        self.raw_frames().map(|frame| frame.len() + 4).sum()
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "as for `Records::next`")]
    fn record<'b>(&'b self, frame: &'a [u8]) -> Option<Record<'b>>
    where
        'a: 'b,
    {
        let (fixed, sections) = frame.split_first_chunk::<FIXED_LEN>()?;
        let word = |at| word(fixed, at);
        let bits = u16::from_le_bytes([fixed[0], fixed[1]]);
        let (values, own) = match bits & flags::SECTIONS {
            0 => (sections, None),
            _ => behind_sections(bits, sections)?,
        };
        let logger = match own {
            Some(name) => name,
            None => at(&self.loggers, word(8)).copied().unwrap_or_default(),
        };
        Some(Record {
            fixed,
            level: Level::from_code(fixed[2])?,
            site: at(&self.sites, word(4)),
            logger,
            thread: at(&self.threads, word(12)),
            sections,
            values,
        })
    }

    /// Makes sure that [`Batch::record`] and everything that a [`Record`] gives out may read `frame`.
    fn check_frame(&self, frame: &'a [u8]) -> Result<(), Error> {
        let damaged = || Error::frame("a frame is cut or damaged");
        let fixed = frame.first_chunk::<FIXED_LEN>().ok_or_else(damaged)?;
        let mut rest = &frame[FIXED_LEN..];
        let bits = u16::from_le_bytes([fixed[0], fixed[1]]);
        let reference = |at: usize, count: usize| {
            let value = word(fixed, at);
            if value as usize > count {
                return Err(Error::frame("a frame refers to what the dictionary lacks"));
            }
            Ok(value)
        };
        let site = reference(4, self.sites.len())?;
        reference(8, self.loggers.len())?;
        reference(12, self.threads.len())?;
        if bits & flags::OBSERVED != 0 {
            array::<8>(&mut rest).ok_or_else(damaged)?;
        }
        if bits & flags::ORIGIN != 0 {
            value::check_text(&mut rest)?;
            array::<5>(&mut rest).ok_or_else(damaged)?;
        }
        for bit in [flags::LOGGER, flags::MESSAGE] {
            if bits & bit != 0 {
                value::check_text(&mut rest)?;
            }
        }
        for bit in [flags::ARGS, flags::ERROR] {
            if bits & bit != 0 {
                value::check(&mut rest, 0)?;
            }
        }
        for _ in 0..at(&self.sites, site).map_or(0, static_values) {
            value::check(&mut rest, 0)?;
        }
        while !rest.is_empty() {
            value::check_text(&mut rest)?;
            value::check(&mut rest, 0)?;
        }
        self.record(frame).map(drop).ok_or_else(damaged)
    }
}

struct Records<'b, 'a> {
    batch: &'b Batch<'a>,
    rest: &'a [u8],
    left: u32,
}

impl<'b> Iterator for Records<'b, '_> {
    type Item = Record<'b>;

    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "a record is read in few instructions, to hand it over takes as many"
    )]
    fn next(&mut self) -> Option<Record<'b>> {
        while self.left > 0 {
            self.left -= 1;
            // A frame that cannot be read is passed over.
            let record = self.batch.record(sized(&mut self.rest)?);
            if record.is_some() {
                return record;
            }
        }
        None
    }
}

/// The parts of a batch: its frames, its dictionary, and how many records it says it has.
fn layout(bytes: &[u8]) -> Result<(&[u8], &[u8], u32), Error> {
    let header = bytes
        .first_chunk::<HEADER_LEN>()
        .ok_or_else(|| Error::frame("a batch is at least 16 bytes long"))?;
    if header[..4] != MAGIC {
        return Err(Error::frame("the bytes do not begin as a batch does"));
    }
    let version = u16::from_le_bytes([header[4], header[5]]);
    if version == 0 || version > FRAME_VERSION {
        return Err(Error::frame(format!(
            "the batch has format version {version}; this library reads 1 to {FRAME_VERSION}"
        )));
    }
    let word = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let dictionary_at = word(12) as usize;
    if dictionary_at < HEADER_LEN || dictionary_at > bytes.len() {
        return Err(Error::frame("the batch is cut"));
    }
    let (head, dictionary) = bytes.split_at(dictionary_at);
    Ok((&head[HEADER_LEN..], dictionary, word(8)))
}

fn read_site(entry: &[u8]) -> Option<Site<'_>> {
    let mut rest = entry;
    let site = Site {
        raw: entry,
        epoch: u128::from_le_bytes(array(&mut rest)?),
        id: u32::from_le_bytes(array(&mut rest)?),
        arguments: u16::from_le_bytes(array(&mut rest)?),
        line: u32::from_le_bytes(array(&mut rest)?),
        template: whole_text(sized(&mut rest)?)?,
        module: whole_text(sized(&mut rest)?)?,
        file: whole_text(sized(&mut rest)?)?,
        keys: rest,
    };
    while !rest.is_empty() {
        whole_text(sized(&mut rest)?)?;
    }
    Some(site)
}

fn static_values(site: &Site<'_>) -> usize {
    let mut keys = site.keys;
    let named = std::iter::from_fn(|| value::take_text(&mut keys)).count();
    usize::from(site.arguments) + named
}

fn counts(rest: &mut &[u8]) -> Option<[u32; 3]> {
    Some([
        u32::from_le_bytes(array(rest)?),
        u32::from_le_bytes(array(rest)?),
        u32::from_le_bytes(array(rest)?),
    ])
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[inline]
fn sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = u32::from_le_bytes(array(rest)?) as usize;
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}

/// A text of the dictionary: those are few, so each is checked whenever a batch is opened.
fn whole_text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// What a reference, counted from 1, stands for.
#[inline]
fn at<T>(items: &[T], reference: u32) -> Option<&T> {
    items.get((reference as usize).checked_sub(1)?)
}
