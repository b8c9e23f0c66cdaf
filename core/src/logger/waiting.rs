//! The forms of a log call that wait for room, and the one that waits for the end.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Emit, Encode, Logger};
use crate::backend::{Backend, BoxFuture};
use crate::call_site::CallSite;
use crate::capture::Values;
use crate::error::Error;
use crate::feedback::{self, Voice};
use crate::frame::flags;
use crate::intake::EntryHeader;
use crate::level::Level;
use crate::receipt::Delivery;
use crate::value::Timestamp;

/// A logger whose calls are futures that wait for room. See [`Logger::wait`].
#[derive(Clone, Debug)]
pub struct Waiting(pub(super) Logger);

/// A logger whose calls are futures that resolve to a [`Receipt`]. See [`Logger::receipt`].
#[derive(Clone, Debug)]
pub struct Receipted(pub(super) Logger);

/// A logger whose calls block until there is room. See [`Logger::blocking`].
#[derive(Clone, Debug)]
pub struct Blocking(pub(super) Logger);

/// A record that waits for room. Dropping it before it resolves takes the record back.
#[must_use = "a waiting log call does nothing until it is awaited"]
pub struct Accepted<T>(BoxFuture<'static, Result<T, Error>>);

impl<T> Future for Accepted<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Accepted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accepted")
    }
}

/// Resolves, exactly once, when a record has reached an end at each of its targets: delivered, in
/// the dead letters, or dropped; a fallback's end counts for the target that it stood in for. That of
/// a record of the pipeline's [own](crate::feedback) resolves at once, and names no target.
///
/// Dropping it cancels the wait, never the record.
#[must_use = "a receipt says nothing until it is awaited"]
pub struct Receipt(BoxFuture<'static, Delivery>);

impl Future for Receipt {
    type Output = Delivery;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Delivery> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt")
    }
}

/// A record, encoded on the thread that logged it, on its way to room.
pub(super) struct Pending {
    logger: Logger,
    header: EntryHeader,
    payload: Vec<u8>,
    /// For whom the thread spoke that logged it, if not for the service: such a record waits for
    /// nothing, since a target that waited for its own queue would do so for ever.
    voice: Option<Voice>,
}

impl Pending {
    pub(super) fn new(
        logger: &Logger,
        site: Option<&'static CallSite>,
        level: Level,
        bits: u16,
        time: Option<Timestamp>,
        values: &dyn Encode,
    ) -> Option<Pending> {
        let mut payload = Vec::new();
        let id = site.map_or(0, CallSite::register);
        let mut header = logger.header(id, level, bits);
        logger
            .encode(site, &mut header, time, &mut payload, values)
            .then(|| Pending {
                logger: logger.clone(),
                header,
                payload,
                voice: feedback::voice(),
            })
    }

    pub(super) fn accept(mut self) -> Accepted<()> {
        Accepted(Box::pin(async move { self.publish(false).await.map(drop) }))
    }

    pub(super) fn receipt(mut self) -> Accepted<Receipt> {
        Accepted(Box::pin(async move {
            let slot = self.publish(true).await?;
            Ok(Receipt(match slot {
                0 => Box::pin(std::future::ready(Delivery::default())),
                slot => self.logger.inner.shared.backend()?.delivery(slot),
            }))
        }))
    }

    pub(super) fn block(mut self) -> Result<(), Error> {
        if let Some(voice) = self.voice.take() {
            return self.logger.feed_back(voice, self.header, &self.payload);
        }
        self.logger.refuse_forked()?;
        let shared = Arc::clone(&self.logger.inner.shared);
        let backend = shared.backend()?;
        let request = self
            .logger
            .room_request(&self.header, self.payload.len(), false);
        let slot = Slot::new(backend.reserve_blocking(request)?, backend);
        self.header.slot = slot.id;
        self.header.flags |= reserved(slot.id);
        shared
            .intake
            .publish_blocking(self.header, &self.payload, None)
            .map_err(|refused| Error::disposed(refused.to_string()))?;
        slot.published();
        Ok(())
    }

    async fn publish(&mut self, receipt: bool) -> Result<u64, Error> {
        if let Some(voice) = self.voice.take() {
            self.logger.feed_back(voice, self.header, &self.payload)?;
            return Ok(0);
        }
        self.logger.refuse_forked()?;
        let shared = &self.logger.inner.shared;
        let backend = shared.backend()?;
        let request = self
            .logger
            .room_request(&self.header, self.payload.len(), receipt);
        let slot = Slot::new(backend.reserve(request).await?, backend);
        let id = slot.id;
        let header = EntryHeader {
            slot: id,
            flags: self.header.flags | reserved(id),
            ..self.header
        };
        shared
            .intake
            .publish_waiting(header, &self.payload)
            .await
            .map_err(|dropped| Error::disposed(dropped.to_string()))?;
        slot.published();
        Ok(id)
    }
}

fn reserved(slot: u64) -> u16 {
    if slot == 0 { 0 } else { flags::RESERVED }
}

/// Reserved room that goes back unless the record is published.
struct Slot {
    id: u64,
    backend: Option<Arc<dyn Backend>>,
}

impl Slot {
    fn new(id: u64, backend: Arc<dyn Backend>) -> Self {
        Slot {
            id,
            backend: Some(backend),
        }
    }

    fn published(mut self) {
        self.backend = None;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(backend) = self.backend.take()
            && self.id != 0
        {
            backend.release(self.id);
        }
    }
}

pub(super) fn ready<T: Send + 'static>(result: Result<T, Error>) -> Accepted<T> {
    Accepted(Box::pin(std::future::ready(result)))
}

pub(super) fn nowhere() -> Receipt {
    Receipt(Box::pin(std::future::ready(Delivery::default())))
}

pub(super) fn panicked() -> Error {
    Error::value("a value of the record panicked or logs itself without end; the record is dropped")
}

impl Emit for Waiting {
    type Output = Accepted<()>;

    fn enabled(&self, level: Level) -> bool {
        self.0.is_enabled(level)
    }

    fn skip(&self) -> Accepted<()> {
        ready(Ok(()))
    }

    fn emit<V: Values>(
        &self,
        site: &'static CallSite,
        level: Level,
        bits: u16,
        values: &V,
    ) -> Accepted<()> {
        match Pending::new(&self.0, Some(site), level, bits, None, values) {
            Some(pending) => pending.accept(),
            None => ready(Err(panicked())),
        }
    }
}

impl Emit for Receipted {
    type Output = Accepted<Receipt>;

    fn enabled(&self, level: Level) -> bool {
        self.0.is_enabled(level)
    }

    fn skip(&self) -> Accepted<Receipt> {
        ready(Ok(nowhere()))
    }

    fn emit<V: Values>(
        &self,
        site: &'static CallSite,
        level: Level,
        bits: u16,
        values: &V,
    ) -> Accepted<Receipt> {
        match Pending::new(&self.0, Some(site), level, bits, None, values) {
            Some(pending) => pending.receipt(),
            None => ready(Err(panicked())),
        }
    }
}

impl Emit for Blocking {
    type Output = Result<(), Error>;

    fn enabled(&self, level: Level) -> bool {
        self.0.is_enabled(level)
    }

    fn skip(&self) -> Result<(), Error> {
        Ok(())
    }

    fn emit<V: Values>(
        &self,
        site: &'static CallSite,
        level: Level,
        bits: u16,
        values: &V,
    ) -> Result<(), Error> {
        match Pending::new(&self.0, Some(site), level, bits, None, values) {
            Some(pending) => pending.block(),
            None => Err(panicked()),
        }
    }
}
