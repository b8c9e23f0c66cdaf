//! Loggers with an intake that a test drains itself.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rolog_core::backend::{Backend, BoxFuture, DisposeError, RoomRequest, TargetInfo};
use rolog_core::call_site::CallSite;
use rolog_core::feedback::OwnVoice;
use rolog_core::frame::{
    Batch, BatchBuilder, FrameMeta, LoggerRef, Origin, Record, RecordId, flags,
};
use rolog_core::intake::{Consumer, Intake, IntakeConfig};
use rolog_core::receipt::Delivery;
use rolog_core::value::Timestamp;
use rolog_core::{BoxTarget, Error, Level, Logger, LoggerFactory, Threshold};

/// A pipeline that lets everything through from a level on, gives out slots, and notes what it is asked.
struct Open {
    least: Mutex<Level>,
    /// How often a caller wanted to wait.
    asked: AtomicUsize,
    spoken: Mutex<Vec<OwnVoice>>,
}

impl Open {
    fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }
}

impl Backend for Open {
    fn gate(&self, logger: &str) -> Option<Level> {
        (logger != "mute").then_some(*self.least.lock().unwrap())
    }
    fn is_pressed(&self, _: &str) -> bool {
        false
    }
    fn feed_back(&self, record: OwnVoice) {
        self.spoken.lock().unwrap().push(record);
    }
    fn wait_for_room(&self, _: u32, _: Level) {
        self.ask();
    }
    fn reserve(&self, _: RoomRequest) -> BoxFuture<'static, Result<u64, Error>> {
        self.ask();
        Box::pin(std::future::ready(Ok(7)))
    }
    fn reserve_blocking(&self, _: RoomRequest) -> Result<u64, Error> {
        self.ask();
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
        *self.least.lock().unwrap()
    }
    fn set_min_level(&self, level: Level) {
        *self.least.lock().unwrap() = level;
    }
    fn dispose(&self, _: Duration) -> BoxFuture<'static, Vec<DisposeError>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

pub(crate) struct Bench {
    pub(crate) factory: LoggerFactory,
    pub(crate) intake: Arc<Intake>,
    pub(crate) consumer: Consumer,
    backend: Option<Arc<Open>>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(IntakeConfig::default())
    }

    pub(crate) fn with(config: IntakeConfig) -> Self {
        let intake = Intake::new(config).unwrap();
        let consumer = intake.consumer().unwrap();
        let factory = LoggerFactory::new(Arc::clone(&intake));
        let backend = Arc::new(Open {
            least: Mutex::new(Level::Trace),
            asked: AtomicUsize::new(0),
            spoken: Mutex::default(),
        });
        let shared: Arc<dyn Backend> = Arc::clone(&backend) as _;
        factory.attach(Arc::downgrade(&shared));
        Bench {
            factory,
            intake,
            consumer,
            backend: Some(backend),
        }
    }

    pub(crate) fn log(&self) -> Logger {
        self.factory.get_logger("shop.orders")
    }

    /// How often a caller wanted to wait for room.
    pub(crate) fn asked(&self) -> usize {
        let backend = self.backend.as_ref().unwrap();
        backend.asked.load(Ordering::Relaxed)
    }

    /// What came as the pipeline's own records.
    pub(crate) fn spoken(&self) -> Vec<OwnVoice> {
        std::mem::take(&mut *self.backend.as_ref().unwrap().spoken.lock().unwrap())
    }

    /// The pipeline is gone, and its loggers are still there.
    pub(crate) fn dispose(&mut self) {
        self.backend = None;
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

/// What a future has that is not to wait.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("there is room"),
    }
}
