//! Sending dead letters again.
//!
//! Every letter goes to the target that it was once routed to, whole and under its own id, in the
//! batch that it was given up in (so that the key stays the same by which a service tells that it has
//! a batch already), with the backpressure of callers that wait; retries and fallbacks are as for any record. What arrives is
//! taken out of the file, and so is what was buried anew elsewhere. Whatever happens meanwhile, a
//! record is in the file or has arrived; where the process is killed between the two it is in both,
//! and its id tells.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rolog_core::frame::Batch;
use rolog_core::receipt::{Delivery, End};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::dead_letters::{Letter, LetterFile, Unreadable};
use crate::error::Error;
use crate::instance::BoxFuture;
use crate::pipeline::Pipeline;
use crate::stage::{AGES, NoRoom, Reservation, Stage};

/// Records that are under way at once.
const WINDOW: usize = 1000;

/// What became of the dead letters of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// Letters in the file.
    pub read: u64,
    /// Records that a target, or a fallback in its place, has confirmed.
    pub delivered: u64,
    /// Records that were given up again, and are in the pipeline's own dead letters now.
    pub buried_again: u64,
    /// Records that have not arrived and stay in the file.
    pub left: u64,
    /// Of those: how many are for a target that the pipeline does not have, by its name.
    pub unknown: BTreeMap<String, u64>,
    /// Of those: how many are larger than the whole queue of their target, by its name.
    pub too_large: BTreeMap<String, u64>,
    /// Lines that are not dead letters; they stay in the file.
    pub unreadable: Vec<Unreadable>,
}

impl Replay {
    /// Whether nothing is left in the file.
    pub fn is_complete(&self) -> bool {
        self.left == 0 && self.unreadable.is_empty()
    }
}

/// Records that are sent again as one batch; a batch that had more was made with other settings.
const LARGEST: usize = 100_000;

/// What the reading thread hands over.
type Read = Result<Letter, Unreadable>;

/// Records on their way, by the lines of their letters.
type UnderWay = FuturesUnordered<BoxFuture<'static, (u64, Delivery)>>;

/// The letters of a file, batch by batch.
struct Reading {
    letters: mpsc::Receiver<Read>,
    /// The batch that is being put together.
    held: Vec<Letter>,
    /// The first letter of the one after it.
    next: Option<Letter>,
}

impl Reading {
    /// Holds all letters of the next batch; says whether there was one.
    async fn batch(&mut self, unreadable: &mut Vec<Unreadable>) -> bool {
        self.held.extend(self.next.take());
        while let Some(read) = self.letters.recv().await {
            match read {
                Err(line) => unreadable.push(line),
                Ok(letter) if self.continues(&letter) => self.held.push(letter),
                Ok(letter) => {
                    self.next = Some(letter);
                    break;
                }
            }
        }
        !self.held.is_empty()
    }

    fn continues(&self, letter: &Letter) -> bool {
        let last = self.held.last();
        last.is_none_or(|last| letter.follows(last) && self.held.len() < LARGEST)
    }
}

impl Pipeline {
    /// Sends the letters of a file again, to `to` or to where each was routed; what has not arrived
    /// by the deadline stays in the file.
    pub(crate) async fn replay(
        self: Arc<Self>,
        path: PathBuf,
        to: Option<String>,
        deadline: Duration,
    ) -> Result<Replay, Error> {
        let until = Instant::now() + deadline.min(AGES);
        let system = |error| Error::system("the replay", error);
        let file = LetterFile::open(path).map_err(system)?;
        let (sender, letters) = mpsc::channel::<Read>(WINDOW);
        let reader = tokio::task::spawn_blocking(move || {
            for letter in file.letters()? {
                // Nobody takes more once the deadline is over.
                if sender.blocking_send(letter?).is_err() {
                    break;
                }
            }
            Ok(file)
        });
        let mut replay = Replay::default();
        let mut gone = HashSet::new();
        let mut under_way = UnderWay::new();
        let mut reading = Reading {
            letters,
            held: Vec::new(),
            next: None,
        };
        while let Ok(true) = timeout_at(until, reading.batch(&mut replay.unreadable)).await {
            let batch = std::mem::take(&mut reading.held);
            replay.read += batch.len() as u64;
            let name = to.as_deref().unwrap_or(&batch[0].routed);
            let before = under_way.len();
            match self.stage(name) {
                Some(stage) => {
                    let sending = self.send_again(&stage, &batch, &mut under_way, &mut replay);
                    // What is not under way then is left.
                    let _ = timeout_at(until, sending).await;
                }
                None => *replay.unknown.entry(name.to_owned()).or_default() += batch.len() as u64,
            }
            replay.left += (batch.len() - (under_way.len() - before)) as u64;
            while under_way.len() >= WINDOW {
                match timeout_at(until, under_way.next()).await {
                    Ok(Some((line, delivery))) => replay.note(line, &delivery, &mut gone),
                    Ok(None) | Err(_) => break,
                }
            }
        }
        let unsent = reading.held.len() + usize::from(reading.next.is_some());
        replay.read += unsent as u64;
        replay.left += unsent as u64;
        drop(reading);
        while let Ok(Some((line, delivery))) = timeout_at(until, under_way.next()).await {
            replay.note(line, &delivery, &mut gone);
        }
        replay.left += under_way.len() as u64;
        let file: LetterFile = reader
            .await
            .map_err(|error| system(std::io::Error::other(error)))?
            .map_err(system)?;
        if !gone.is_empty() {
            tokio::task::spawn_blocking(move || file.take_out(&gone))
                .await
                .map_err(|error| system(std::io::Error::other(error)))?
                .map_err(system)?;
        }
        Ok(replay)
    }

    fn stage(&self, name: &str) -> Option<Stage> {
        let shape = self.shape();
        let found = shape.stages.iter().find(|(own, _)| own.as_str() == name);
        found.map(|(_, stage)| stage.clone())
    }

    /// Appends the records of a batch when there is room for them, if there ever is.
    async fn send_again(
        &self,
        stage: &Stage,
        batch: &[Letter],
        under_way: &mut UnderWay,
        replay: &mut Replay,
    ) {
        let bytes = batch.iter().map(|one| one.batch.len()).sum();
        match stage.reserve(batch.len(), bytes).await {
            Ok(room) => self.append(stage, batch, room, under_way),
            // The queue was larger when they were given up.
            Err(NoRoom::TooLarge) if batch.len() > 1 => {
                for half in batch.chunks(batch.len().div_ceil(2)) {
                    Box::pin(self.send_again(stage, half, under_way, replay)).await;
                }
            }
            Err(NoRoom::TooLarge) => {
                let name = stage.name().to_string();
                *replay.too_large.entry(name).or_default() += 1;
            }
            // The pipeline ends, and what is left with it.
            Err(NoRoom::Disposed | NoRoom::TimedOut) => {}
        }
    }

    fn append(
        &self,
        stage: &Stage,
        batch: &[Letter],
        mut room: Reservation,
        under_way: &mut UnderWay,
    ) {
        // Checked when the letters were read.
        let views: Vec<_> = batch
            .iter()
            .filter_map(|one| Some((one.line, Batch::parse(&one.batch).ok()?)))
            .collect();
        let views = views.iter();
        let records = views.filter_map(|(line, view)| Some((*line, view.get(0)?)));
        let records = records.map(|(line, record)| {
            let slot = self.slots.add(Vec::new(), true);
            // One copy, and its room is in hand.
            let _ = self.slots.routed(slot, 1);
            let delivery = self.slots.delivery(slot);
            under_way.push(Box::pin(async move { (line, delivery.await) }));
            (record, slot)
        });
        let records: Vec<_> = records.collect();
        // A refusal is told to the slots.
        stage.open().append_again(&records, &mut room);
    }
}

impl Replay {
    fn note(&mut self, line: u64, delivery: &Delivery, gone: &mut HashSet<u64>) {
        match delivery.targets.first().map(|end| end.end) {
            Some(End::Delivered) => self.delivered += 1,
            Some(End::DeadLettered) => self.buried_again += 1,
            Some(End::Dropped(_)) | None => {
                self.left += 1;
                return;
            }
        }
        gone.insert(line);
    }
}
