//! A destination, and instances that do what a script says.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rolog_core::delivery::{Class, Failure, Outcome};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::numbers;
use crate::instance::{Attempt, BoxFuture, Buffer, Instance, Maker};
use crate::stage::Seat;
use crate::stage::outcome::settle;

/// What a scripted instance does with one attempt.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Answers after this long, or at once when it is cancelled before.
    Answer(Duration, Outcome),
    /// Answers this only once it is cancelled.
    UntilCancelled(Outcome),
    /// Answers when the test says so, cancelled or not.
    UntilReleased(Outcome),
    /// Panics.
    Panic,
    /// Writes so many of the records, and then does this; what that answers writes nothing more
    /// unless it says that it delivered.
    Torn(usize, Box<Step>),
}

impl Step {
    pub(crate) fn now(outcome: Outcome) -> Self {
        Step::Answer(Duration::ZERO, outcome)
    }

    pub(crate) fn fail() -> Self {
        Step::now(Outcome::retry(refused()))
    }
}

pub(crate) fn refused() -> Failure {
    Failure::new(Class::Connection, "connection refused")
}

/// What a scripted instance saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Create,
    Activate,
    Deliver { attempt: u32, records: Vec<u64> },
    Cancel,
    Flush,
    Shutdown,
}

/// A destination and the scripts of the instances that write to it.
#[derive(Default)]
pub(crate) struct World {
    script: Mutex<VecDeque<Step>>,
    starts: Mutex<VecDeque<Failure>>,
    activations: Mutex<VecDeque<Failure>>,
    calls: Mutex<Vec<(Instant, Call)>>,
    written: Mutex<Vec<u64>>,
    cancels: Mutex<HashMap<u64, Arc<Notify>>>,
    release: Notify,
    under_way: Mutex<(usize, usize)>,
    resources: Mutex<Vec<String>>,
    start_takes: Mutex<Duration>,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What the next attempts do; after them, every one delivers at once.
    pub(crate) fn script(&self, steps: impl IntoIterator<Item = Step>) {
        self.script.lock().unwrap().extend(steps);
    }

    /// The next creations fail.
    pub(crate) fn fail_creations(&self, failures: impl IntoIterator<Item = Failure>) {
        self.starts.lock().unwrap().extend(failures);
    }

    /// The next activations fail.
    pub(crate) fn fail_activations(&self, failures: impl IntoIterator<Item = Failure>) {
        self.activations.lock().unwrap().extend(failures);
    }

    /// How long creations take from now on.
    pub(crate) fn take_to_start(&self, time: Duration) {
        *self.start_takes.lock().unwrap() = time;
    }

    pub(crate) fn claim(&self, resource: &str) {
        self.resources.lock().unwrap().push(resource.to_owned());
    }

    /// Lets attempts that wait for it answer.
    pub(crate) fn release(&self) {
        self.release.notify_waiters();
    }

    /// Every record that was written, in order.
    pub(crate) fn written(&self) -> Vec<u64> {
        self.written.lock().unwrap().clone()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        let calls = self.calls.lock().unwrap();
        calls.iter().map(|(_, call)| call.clone()).collect()
    }

    /// When the attempts started, since `start`, in milliseconds.
    pub(crate) fn attempts_at(&self, start: Instant) -> Vec<u128> {
        let calls = self.calls.lock().unwrap();
        calls
            .iter()
            .filter(|(_, call)| matches!(call, Call::Deliver { .. }))
            .map(|(at, _)| at.duration_since(start).as_millis())
            .collect()
    }

    /// The records of each attempt.
    pub(crate) fn batches(&self) -> Vec<Vec<u64>> {
        let deliveries = self.calls().into_iter().filter_map(|call| match call {
            Call::Deliver { records, .. } => Some(records),
            _ => None,
        });
        deliveries.collect()
    }

    /// How many attempts were interrupted, by the world's own log: cancelled, or said to be torn.
    pub(crate) fn cancels(&self) -> usize {
        let calls = self.calls();
        calls.iter().filter(|call| **call == Call::Cancel).count()
    }

    /// The most attempts that were under way at once.
    pub(crate) fn most_under_way(&self) -> usize {
        self.under_way.lock().unwrap().1
    }

    fn note(&self, call: Call) {
        self.calls.lock().unwrap().push((Instant::now(), call));
    }

    fn expect_cancel(&self, attempt: u64, cancelled: &Arc<Notify>) {
        let mut cancels = self.cancels.lock().unwrap();
        cancels.insert(attempt, Arc::clone(cancelled));
    }

    fn answer(&self, records: &[u64], outcome: &Outcome) {
        let settled = settle(outcome, records.len() as u32);
        let there = (0..records.len() as u32).filter(|index| settled.is_delivered(*index));
        let there = there.map(|index| records[index as usize]);
        self.written.lock().unwrap().extend(there);
    }
}

/// Counts an attempt as under way until it is dropped.
struct UnderWay<'a>(&'a World);

impl<'a> UnderWay<'a> {
    fn enter(world: &'a World) -> Self {
        let mut count = world.under_way.lock().unwrap();
        count.0 += 1;
        count.1 = count.1.max(count.0);
        UnderWay(world)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.lock().unwrap().0 -= 1;
    }
}

/// An instance that follows its world's script.
pub(crate) struct Scripted(pub(crate) Arc<World>);

impl Instance for Scripted {
    fn activate(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            self.0.note(Call::Activate);
            let failure = self.0.activations.lock().unwrap().pop_front();
            failure.map_or(Ok(()), Err)
        })
    }

    fn deliver(&self, batch: Buffer, attempt: Attempt) -> BoxFuture<'_, Outcome> {
        let world = &self.0;
        Box::pin(async move {
            let records = numbers(&batch);
            let cancelled = Arc::new(Notify::new());
            world.expect_cancel(attempt.id, &cancelled);
            world.note(Call::Deliver {
                attempt: attempt.number,
                records: records.clone(),
            });
            let _under_way = UnderWay::enter(world);
            let step = world.script.lock().unwrap().pop_front();
            let mut step = step.unwrap_or(Step::now(Outcome::delivered()));
            if let Step::Torn(n, then) = step {
                let torn = &records[..n.min(records.len())];
                world.written.lock().unwrap().extend(torn);
                step = *then;
            }
            let outcome = match step {
                Step::Answer(Duration::ZERO, outcome) => outcome,
                Step::Answer(wait, outcome) => {
                    tokio::select! {
                        () = tokio::time::sleep(wait) => outcome,
                        () = cancelled.notified() => Outcome::retry(
                            Failure::new(Class::Cancelled, "cancelled"),
                        ),
                    }
                }
                Step::UntilCancelled(outcome) => {
                    cancelled.notified().await;
                    outcome
                }
                Step::UntilReleased(outcome) => {
                    world.release.notified().await;
                    outcome
                }
                // Without the hook's message on standard error.
                Step::Panic => std::panic::resume_unwind(Box::new("scripted")),
                Step::Torn(..) => panic!("torn once only"),
            };
            world.answer(&records, &outcome);
            outcome
        })
    }

    fn cancel(&self, attempt: u64) {
        self.0.note(Call::Cancel);
        if let Some(cancelled) = self.0.cancels.lock().unwrap().get(&attempt) {
            cancelled.notify_one();
        }
    }

    fn flush(&self, _: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            self.0.note(Call::Flush);
            Ok(())
        })
    }

    fn shutdown(&self, _: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            self.0.note(Call::Shutdown);
            Ok(())
        })
    }

    fn call<'a>(&'a self, op: &'a str, _: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
        Box::pin(async move { Err(Failure::new(Class::NotFound, format!("no {op} here"))) })
    }
}

/// Makes instances that share a world.
pub(crate) struct ScriptedMaker(pub(crate) Arc<World>);

impl Maker for ScriptedMaker {
    fn create(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, Failure>> {
        Box::pin(async move {
            self.0.note(Call::Create);
            let takes = *self.0.start_takes.lock().unwrap();
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            match self.0.starts.lock().unwrap().pop_front() {
                Some(failure) => Err(failure),
                None => Ok(Arc::new(Scripted(Arc::clone(&self.0))) as Arc<dyn Instance>),
            }
        })
    }

    fn preferred_batch(&self) -> Option<usize> {
        None
    }

    fn resources(&self) -> Vec<String> {
        self.0.resources.lock().unwrap().clone()
    }
}

pub(crate) fn seat(world: &Arc<World>) -> Seat {
    Seat::vacant(Arc::new(ScriptedMaker(Arc::clone(world))))
}
