//! Sending dead letters again.
//!
//! Every letter goes to the target that it was once routed to, whole and under its own id, with the
//! backpressure of callers that wait; retries and fallbacks are as for any record. What arrives is
//! taken out of the file, and so is what was buried anew elsewhere. Whatever happens meanwhile, a
//! record is in the file or has arrived; where the process is killed between the two it is in both,
//! and its id tells.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rolog_core::frame::{Batch, RecordId};
use rolog_core::receipt::{Delivery, End};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::dead_letters::{Letter, LetterFile, Unreadable};
use crate::error::Error;
use crate::pipeline::Pipeline;
use crate::stage::Stage;

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
    /// Lines that are not dead letters; they stay in the file.
    pub unreadable: Vec<Unreadable>,
}

impl Replay {
    /// Whether nothing is left in the file.
    pub fn is_complete(&self) -> bool {
        self.left == 0 && self.unreadable.is_empty()
    }
}

/// What the reading thread hands over.
type Read = Result<Letter, Unreadable>;

impl Pipeline {
    /// Sends the letters of a file again, to `to` or to where each was routed; what has not arrived
    /// by the deadline stays in the file.
    pub(crate) async fn replay(
        self: Arc<Self>,
        path: PathBuf,
        to: Option<String>,
        deadline: Duration,
    ) -> Result<Replay, Error> {
        let until = Instant::now() + deadline;
        let system = |error| Error::system("the replay", error);
        let file = LetterFile::open(path).map_err(system)?;
        let (sender, mut letters) = mpsc::channel::<Read>(WINDOW);
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
        let mut under_way = FuturesUnordered::new();
        while let Ok(Some(letter)) = timeout_at(until, letters.recv()).await {
            replay.read += 1;
            let letter = match letter {
                Ok(letter) => letter,
                Err(line) => {
                    replay.read -= 1;
                    replay.unreadable.push(line);
                    continue;
                }
            };
            let name = to.as_deref().unwrap_or(&letter.routed);
            let Some(stage) = self.stage(name) else {
                *replay.unknown.entry(name.to_owned()).or_default() += 1;
                replay.left += 1;
                continue;
            };
            match timeout_at(until, self.send_again(&stage, &letter)).await {
                Ok(Some(delivery)) => under_way.push(async move { (letter.id, delivery.await) }),
                Ok(None) | Err(_) => replay.left += 1,
            }
            while under_way.len() >= WINDOW {
                match timeout_at(until, under_way.next()).await {
                    Ok(Some((id, delivery))) => replay.note(id, &delivery, &mut gone),
                    Ok(None) | Err(_) => break,
                }
            }
        }
        drop(letters);
        while let Ok(Some((id, delivery))) = timeout_at(until, under_way.next()).await {
            replay.note(id, &delivery, &mut gone);
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

    /// Appends a letter's record where there is room for it; resolves to what will become of it.
    async fn send_again(
        &self,
        stage: &Stage,
        letter: &Letter,
    ) -> Option<impl Future<Output = Delivery> + use<>> {
        let mut room = stage.reserve(1, letter.batch.len()).await.ok()?;
        let slot = self.slots.add(Vec::new(), true);
        // One copy, and its room is in hand.
        let _ = self.slots.routed(slot, 1);
        let delivery = self.slots.delivery(slot);
        // Checked when the letter was read.
        let batch = Batch::parse(&letter.batch).ok()?;
        let record = batch.get(0)?;
        // A refusal is told to the slot.
        let _ = stage.open().append_again(&record, slot, &mut room);
        Some(delivery)
    }
}

impl Replay {
    fn note(&mut self, id: RecordId, delivery: &Delivery, gone: &mut HashSet<RecordId>) {
        match delivery.targets.first().map(|end| end.end) {
            Some(End::Delivered) => self.delivered += 1,
            Some(End::DeadLettered) => self.buried_again += 1,
            Some(End::Dropped(_)) | None => {
                self.left += 1;
                return;
            }
        }
        gone.insert(id);
    }
}
