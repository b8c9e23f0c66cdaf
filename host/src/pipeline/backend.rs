//! What loggers ask of the pipeline beyond their rings.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rolog_core::backend::{Backend, BoxFuture, DisposeError, RoomRequest, TargetInfo};
use rolog_core::feedback::OwnVoice;
use rolog_core::frame::OriginKind;
use rolog_core::receipt::Delivery;
use rolog_core::{BoxTarget, Error, Level, Threshold};
use tokio::runtime::Handle;

use crate::config::TargetName;
use crate::feedback::OwnRecord;
use crate::in_process::InProcessMaker;
use crate::masked::masked;
use crate::stage::{NoRoom, Reservation, Seat, Stage, StageSettings};

use super::Pipeline;

/// Room in every stage, or in none: whoever holds room in one queue while it waits for another
/// would let one target's trouble delay the other.
fn try_all(stages: &[Stage], bytes: usize) -> Result<Vec<Reservation>, Blocked> {
    let mut room = Vec::with_capacity(stages.len());
    for (index, stage) in stages.iter().enumerate() {
        match stage.try_reserve(1, bytes) {
            Ok(Some(reservation)) => room.push(reservation),
            Ok(None) => return Err(Blocked::By(index)),
            Err(why) => return Err(Blocked::For(index, why)),
        }
    }
    Ok(room)
}

enum Blocked {
    /// This stage has no room now.
    By(usize),
    /// This stage never will.
    For(usize, NoRoom),
}

impl Backend for Pipeline {
    fn gate(&self, logger: &str) -> Option<Level> {
        self.routes.get().gate(logger)
    }

    fn least(&self) -> Option<Level> {
        self.routes.get().router.least()
    }

    fn feed_back(&self, record: OwnVoice) {
        self.put_own(OwnRecord {
            kind: match record.target {
                Some(_) => OriginKind::Instance,
                None => OriginKind::Pipeline,
            },
            target: record.target.as_deref().map(str::to_owned),
            logger: (*record.logger).to_owned(),
            level: record.level,
            time: record.time,
            flags: record.flags,
            call_site: record.call_site,
            payload: record.payload,
        });
    }

    fn is_pressed(&self, logger: &str) -> bool {
        let pressed = self
            .pressed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if pressed.is_empty() {
            return false;
        }
        let routes = self.routes.get();
        Level::ALL.into_iter().any(|level| {
            let stages = routes.stages_of(logger, level);
            stages
                .iter()
                .any(|stage| pressed.contains_key(&**stage.name()))
        })
    }

    fn wait_for_room(&self, logger: u32, level: Level) {
        // Relaxed: a hint, which each stage looks at again. Between its mark and its bound a queue
        // costs its callers no more than this.
        if self.full.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.intake.count_slow_path();
        // A thread that drives an async runtime must not sleep; the awaitable form waits there.
        if Handle::try_current().is_ok() {
            return;
        }
        let Some(logger) = self.factory.registry().by_id(logger) else {
            return;
        };
        for stage in self.routes.get().stages_of(logger.name(), level) {
            // Room, or its bound is over: the stage decides about the record either way.
            stage.wait_while_full();
        }
    }

    fn reserve(&self, request: RoomRequest) -> BoxFuture<'static, Result<u64, Error>> {
        let this = self.this.upgrade();
        Box::pin(async move {
            let this = this.ok_or_else(Self::disposed)?;
            loop {
                if this.closing.load(Ordering::Acquire) {
                    return Err(Self::disposed());
                }
                // A reload may take away what this record waits for.
                let replaced = this.routes.replaced();
                let stages = this.routes.get().stages_of(&request.logger, request.level);
                if stages.is_empty() && !request.receipt {
                    return Ok(0);
                }
                let blocked = match try_all(&stages, request.bytes) {
                    Ok(room) => return Ok(this.slots.add(room, request.receipt)),
                    Err(blocked) => blocked,
                };
                let (stage, why) = match blocked {
                    Blocked::By(index) => {
                        let stage = &stages[index];
                        tokio::select! {
                            () = replaced => continue,
                            room = stage.reserve(1, request.bytes) => match room {
                                Ok(_) => continue,
                                Err(why) => (stage, why),
                            },
                        }
                    }
                    Blocked::For(index, why) => (&stages[index], why),
                };
                if !this.has_left(stage, why) {
                    return Err(Self::no_room(stage.name(), why));
                }
            }
        })
    }

    fn reserve_blocking(&self, request: RoomRequest) -> Result<u64, Error> {
        /// One wait; then the look is repeated.
        const TURN: Duration = Duration::from_secs(1);
        loop {
            if self.closing.load(Ordering::Acquire) {
                return Err(Self::disposed());
            }
            // Each time anew: a reload may take away what this record waits for.
            let stages = self.routes.get().stages_of(&request.logger, request.level);
            if stages.is_empty() && !request.receipt {
                return Ok(0);
            }
            match try_all(&stages, request.bytes) {
                Ok(room) => return Ok(self.slots.add(room, request.receipt)),
                Err(Blocked::By(index)) => {
                    drop(stages[index].reserve_blocking(1, request.bytes, TURN));
                }
                Err(Blocked::For(index, why)) if self.has_left(&stages[index], why) => {}
                Err(Blocked::For(index, why)) => {
                    return Err(Self::no_room(stages[index].name(), why));
                }
            }
        }
    }

    fn release(&self, slot: u64) {
        self.slots.release(slot);
    }

    fn delivery(&self, slot: u64) -> BoxFuture<'static, Delivery> {
        Box::pin(self.slots.delivery(slot))
    }

    fn add_target(&self, target: BoxTarget, minimum: Threshold) -> Result<(), Error> {
        if self.closing.load(Ordering::Acquire) {
            return Err(Self::disposed());
        }
        let mut shape = self.shape();
        let wish = target.name();
        let mut name: TargetName = wish
            .parse()
            .map_err(|error| Error::setting(format!("a target is named `{wish}`: {error}")))?;
        let mut n = 1;
        while shape.stages.contains_key(&name) {
            n += 1;
            name = format!("{wish}-{n}")
                .parse()
                .map_err(|error| Error::setting(format!("a target is named `{wish}`: {error}")))?;
        }
        let stage = Stage::start(
            name.shared(),
            StageSettings {
                remembered: shape.spec.explain().drops.get(),
                ..StageSettings::default()
            },
            Seat::vacant(masked(
                Arc::new(InProcessMaker::new(name.as_str(), target)),
                shape.spec.secrets(),
                &self.catalog.hidden,
            )),
            Vec::new(),
            self.services.clone(),
            self.epoch,
            &self.runtime,
        )
        .map_err(|error| Error::setting(error.to_string()))?;
        shape.stages.insert(name.clone(), stage);
        // rolog's rule: NONE stands for the factory's own minimum.
        let minimum = match minimum {
            Threshold::Inherit => Threshold::At(shape.min_level),
            stated => stated,
        };
        shape.attached.push((name, minimum));
        self.put_in_force(&shape);
        Ok(())
    }

    fn targets(&self) -> Vec<TargetInfo> {
        let shape = self.shape();
        shape
            .stages
            .keys()
            .map(|name| {
                let attached = shape.attached.iter().find(|(own, _)| own == name);
                TargetInfo {
                    name: name.to_string(),
                    kind: match shape.spec.target(name.as_str()) {
                        Some(target) => target.plugin.as_str().to_owned(),
                        None => crate::catalog::IN_PROCESS.to_owned(),
                    },
                    minimum: attached.map_or(Threshold::Inherit, |(_, minimum)| *minimum),
                }
            })
            .collect()
    }

    fn min_level(&self) -> Level {
        self.shape().min_level
    }

    fn set_min_level(&self, level: Level) {
        let mut shape = self.shape();
        shape.min_level = level;
        self.put_in_force(&shape);
    }

    fn dispose(&self, deadline: Duration) -> BoxFuture<'static, Vec<DisposeError>> {
        let Some(pipeline) = self.this.upgrade() else {
            return Box::pin(std::future::ready(Vec::new()));
        };
        let runtime = self.runtime.clone();
        Box::pin(async move {
            // On the pipeline's own runtime: the caller may have another, or none.
            let report = runtime.spawn(pipeline.dispose(deadline)).await;
            report.map_or_else(|_| Vec::new(), |report| report.errors())
        })
    }
}
