//! Loggers with an intake that a test drains itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rolog_core::backend::{Backend, BoxFuture, DisposeError, RoomRequest, TargetInfo};
use rolog_core::call_site::CallSite;
use rolog_core::frame::{
    Batch, BatchBuilder, FrameMeta, LoggerRef, Origin, Record, RecordId, flags,
};
use rolog_core::intake::{Consumer, Intake, IntakeConfig};
use rolog_core::receipt::Delivery;
use rolog_core::value::Timestamp;
use rolog_core::{BoxTarget, Error, Level, Logger, LoggerFactory, Threshold};

/// A pipeline that lets everything through from a level on, and gives out slots.
struct Open(Mutex<Level>);

impl Backend for Open {
    fn gate(&self, logger: &str) -> Option<Level> {
        (logger != "mute").then_some(*self.0.lock().unwrap())
    }
    fn is_pressed(&self, _: &str) -> bool {
        false
    }
    fn wait_for_room(&self, _: u32, _: Level) {}
    fn reserve(&self, _: RoomRequest) -> BoxFuture<'static, Result<u64, Error>> {
        Box::pin(std::future::ready(Ok(7)))
    }
    fn reserve_blocking(&self, _: RoomRequest) -> Result<u64, Error> {
        Ok(7)
    }
    fn release(&self, _: u64) {}
    fn delivery(&self, _: u64) -> BoxFuture<'static, Delivery> {
        Box::pin(std::future::ready(Delivery::default()))
    }
    fn add_target(&self, _: BoxTarget, _: Threshold) -> Result<(), Error> {
        Ok(())
    }
    fn targets(&self) -> Vec<TargetInfo> {
        Vec::new()
    }
    fn min_level(&self) -> Level {
        *self.0.lock().unwrap()
    }
    fn set_min_level(&self, level: Level) {
        *self.0.lock().unwrap() = level;
    }
    fn dispose(&self, _: Duration) -> BoxFuture<'static, Vec<DisposeError>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

pub(crate) struct Bench {
    pub(crate) factory: LoggerFactory,
    pub(crate) intake: Arc<Intake>,
    pub(crate) consumer: Consumer,
    _backend: Arc<dyn Backend>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(IntakeConfig::default())
    }

    pub(crate) fn with(config: IntakeConfig) -> Self {
        let intake = Intake::new(config).unwrap();
        let consumer = intake.consumer().unwrap();
        let factory = LoggerFactory::new(Arc::clone(&intake));
        let backend: Arc<dyn Backend> = Arc::new(Open(Mutex::new(Level::Trace)));
        factory.attach(Arc::downgrade(&backend));
        Bench {
            factory,
            intake,
            consumer,
            _backend: backend,
        }
    }

    pub(crate) fn log(&self) -> Logger {
        self.factory.get_logger("shop.orders")
    }

    /// Everything that was logged, as one batch.
    pub(crate) fn batch(&mut self) -> Vec<u8> {
        let sites = CallSite::since(0);
        let loggers = self.factory.registry().since(0);
        let mut builder = BatchBuilder::new(1);
        let mut sequence = 0;
        self.consumer.drain(u64::MAX, usize::MAX, &mut |entry| {
            let header = entry.header;
            let (mut payload, mut time) = (entry.payload, header.ticks as i64);
            if header.flags & flags::OBSERVED != 0 {
                let (own, rest) = payload.split_first_chunk().unwrap();
                time = i64::from_le_bytes(*own);
                payload = rest;
            }
            sequence += 1;
            let logger = (header.logger as usize)
                .checked_sub(1)
                .map(|at| &loggers[at]);
            builder.push(
                &FrameMeta {
                    id: RecordId { epoch: 1, sequence },
                    time: Timestamp::from_nanos(time),
                    observed: None,
                    level: Level::from_code(header.level).unwrap(),
                    generation: 1,
                    flags: header.flags & !flags::OBSERVED,
                    call_site: (header.call_site as usize)
                        .checked_sub(1)
                        .map(|at| sites[at]),
                    logger: LoggerRef {
                        id: header.logger,
                        name: logger.map_or("", |logger| logger.name()),
                    },
                    thread: entry.thread,
                    origin: Origin::SERVICE,
                },
                payload,
            );
        });
        builder.finish()
    }

    /// The one record that was logged.
    pub(crate) fn one<T>(&mut self, look: impl FnOnce(Record<'_>) -> T) -> T {
        let bytes = self.batch();
        let batch = Batch::parse(&bytes).unwrap();
        assert_eq!(batch.len(), 1);
        look(batch.get(0).unwrap())
    }
}
