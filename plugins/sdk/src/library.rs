//! The instances of one plugin, and the runtime that they share.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use rolog_core::delivery::{Class, Failure, Outcome};
use tokio::sync::oneshot;

use crate::abi::{Buffer, Busy, WireAttempt};
use crate::attempt::Signal;
use crate::ending::Ending;
use crate::engine::{self, Engine};
use crate::guard::{Contained, guarded_for};
use crate::scope::{self, Instance};
use crate::under_way::{Answer, Blocking, Call, Strandable, Stranded, Unreturned};
use crate::{Attempt, Batch, Context, Setup, Target, config};

/// How often a library whose runtime is blocked gets a fresh one.
const MOST_RENEWALS: u32 = 4;

/// The state of one plugin in this process. Made by [`export_target!`](crate::export_target).
#[derive(Debug)]
pub struct Library<T: Target> {
    name: &'static str,
    version: &'static str,
    ending: Ending,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T: Target> {
    shared: Option<Arc<Engine>>,
    earlier: Vec<Weak<Engine>>,
    renewals: u32,
    creating: BTreeSet<Instance>,
    running: BTreeMap<Instance, Arc<Running<T>>>,
}

/// An instance, and what is under way in it.
#[derive(Debug)]
struct Running<T: Target> {
    instance: Instance,
    value: Option<Box<T>>,
    attempts: Mutex<BTreeMap<u64, Arc<Signal>>>,
    engine: Arc<Engine>,
    /// What the instance has running where it may block.
    blocking: Blocking,
    calls: Calls,
}

/// Calls under way, and some that have ended.
#[derive(Default)]
struct Calls(Mutex<Vec<Weak<dyn Strandable>>>);

impl<T: Target> Library<T> {
    /// A plugin without instances.
    pub const fn new(name: &'static str, version: &'static str) -> Self {
        Library {
            name,
            version,
            ending: Ending::new(),
            state: Mutex::new(State {
                shared: None,
                earlier: Vec::new(),
                renewals: 0,
                creating: BTreeSet::new(),
                running: BTreeMap::new(),
            }),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn version(&self) -> &'static str {
        self.version
    }

    pub(crate) fn create(
        &'static self,
        id: Instance,
        config: String,
        setup: &str,
    ) -> Result<Answer<Result<(), Failure>>, Failure> {
        let setup: Setup = serde_json::from_str(setup).map_err(|error| {
            Failure::new(
                Class::Internal,
                format!("the setup cannot be read: {error}"),
            )
        })?;
        let engine = {
            let mut state = self.state();
            if state.running.contains_key(&id) || !state.creating.insert(id) {
                return Err(Failure::new(
                    Class::Internal,
                    format!("instance {} is there already", id.0),
                ));
            }
            let engine = if setup.is_isolated() {
                Engine::start(self.name, id).map(Arc::new)
            } else {
                self.shared_engine(&mut state)
            };
            if engine.is_err() {
                state.creating.remove(&id);
            }
            engine?
        };
        let context = Context::new(id, setup, engine.handle().clone());
        let blocking = context.blocking().clone();
        let making = Contained::new(id, async move {
            let config = config::read::<T>(&config).map_err(config::refusal)?;
            T::create(config, context).await
        });
        let (answer, answered) = oneshot::channel();
        let runtime = engine.handle().clone();
        runtime.spawn(async move {
            let result = making
                .await
                .map(|made| made.map(|value| self.admit(id, engine, blocking, value)))
                .map_err(Unreturned::Panicked);
            self.state().creating.remove(&id);
            let _ = answer.send(result);
        });
        Ok(answered)
    }

    pub(crate) fn deliver(
        &self,
        id: Instance,
        buffer: Buffer,
        attempt: &WireAttempt,
    ) -> Result<Answer<Outcome>, Failure> {
        let running = self.find(id)?;
        let batch = Batch::from_host(buffer).map_err(|error| {
            Failure::new(Class::Invalid, format!("the batch cannot be read: {error}"))
        })?;
        let signal = Arc::new(Signal::default());
        running.attempts().insert(attempt.id, Arc::clone(&signal));
        let key = attempt.id;
        let attempt = Attempt::from_host(
            attempt.number,
            Duration::from_millis(attempt.deadline_ms),
            signal,
        );
        let settled = Settled(Arc::clone(&running), key);
        Ok(running.start(async move {
            let settled = settled;
            settled.0.value().deliver(&batch, &attempt).await
        }))
    }

    /// Runs one of the instance's other calls.
    pub(crate) fn run<R, F>(
        &self,
        id: Instance,
        call: impl FnOnce(Shared<T>) -> F,
    ) -> Result<Answer<R>, Failure>
    where
        R: Send + 'static,
        F: Future<Output = R> + Send + 'static,
    {
        let running = self.find(id)?;
        Ok(running.start(call(Shared(Arc::clone(&running)))))
    }

    pub(crate) fn cancel(&self, id: Instance, attempt: u64) {
        if let Ok(running) = self.find(id) {
            let signal = running.attempts().get(&attempt).cloned();
            if let Some(signal) = signal {
                signal.cancel();
            }
        }
    }

    /// Lets go of an instance.
    pub(crate) fn release(&'static self, id: Instance) {
        let running = {
            let mut state = self.state();
            state.creating.remove(&id);
            state.running.remove(&id)
        };
        if let Some(running) = running {
            self.ending.add(self.name, move || drop(running));
        }
    }

    /// Ends the runtimes of this library; the receiver learns whether they ended within `limit`.
    pub(crate) fn quiesce(&self, limit: Duration) -> oneshot::Receiver<bool> {
        let (ended, end) = oneshot::channel();
        let (running, engines) = {
            let mut state = self.state();
            state.creating.clear();
            let running = std::mem::take(&mut state.running);
            let mut engines: Vec<_> = state.shared.take().into_iter().collect();
            engines.extend(state.earlier.drain(..).filter_map(|weak| weak.upgrade()));
            engines.extend(running.values().map(|running| Arc::clone(&running.engine)));
            (running, engines)
        };
        let work = move || {
            let begun = Instant::now();
            for engine in &engines {
                engine.end(limit.saturating_sub(begun.elapsed()));
            }
            let _ = ended.send(begun.elapsed() < limit);
            drop((engines, running));
        };
        // Without a thread nothing is ended, and the receiver learns that.
        let thread = std::thread::Builder::new().name(engine::thread_name(self.name));
        drop(thread.spawn(work));
        end
    }

    /// Learns that a fresh task was polled by the runtime of an instance, or by the shared one.
    pub(crate) fn ping(&self, id: Instance) -> Option<oneshot::Receiver<bool>> {
        let engine = if id == Instance::NONE {
            self.state().shared.clone()
        } else {
            self.find(id)
                .ok()
                .map(|running| Arc::clone(&running.engine))
        }?;
        let (polled, poll) = oneshot::channel();
        engine.handle().spawn(async move {
            let _ = polled.send(true);
        });
        Some(poll)
    }

    pub(crate) fn busy(&self) -> Vec<Busy> {
        let ours: BTreeSet<u64> = {
            let state = self.state();
            let running = state.running.keys();
            running.chain(&state.creating).map(|id| id.0).collect()
        };
        scope::busy(|id| ours.contains(&id))
    }

    /// Gives instances made from now on a fresh runtime, and settles what stands still on the one
    /// before; 0 when that was done often enough.
    pub(crate) fn renew(&'static self) -> u32 {
        let mut state = self.state();
        if state.renewals == MOST_RENEWALS {
            return 0;
        }
        state.renewals += 1;
        let renewals = state.renewals;
        let Some(engine) = state.shared.take() else {
            return renewals;
        };
        engine.retire();
        state.earlier.retain(|engine| engine.strong_count() > 0);
        state.earlier.push(Arc::downgrade(&engine));
        let on_it = state.running.values();
        let on_it: Vec<_> = on_it
            .filter(|running| Arc::ptr_eq(&running.engine, &engine))
            .cloned()
            .collect();
        drop(state);
        for running in on_it {
            for (work, tell) in running.strand() {
                let (handle, blocking) = (engine.handle().clone(), running.blocking.clone());
                self.ending.add(self.name, move || {
                    let _runtime = handle.enter();
                    drop(work);
                    blocking.afterwards(tell);
                });
            }
        }
        renewals
    }

    /// The instance is made. If it was released meanwhile, it ends at once.
    fn admit(&'static self, id: Instance, engine: Arc<Engine>, blocking: Blocking, value: T) {
        let running = Arc::new(Running {
            instance: id,
            value: Some(Box::new(value)),
            attempts: Mutex::default(),
            engine,
            blocking,
            calls: Calls::default(),
        });
        let mut state = self.state();
        if state.creating.remove(&id) {
            state.running.insert(id, running);
        } else {
            drop(state);
            self.ending.add(self.name, move || drop(running));
        }
    }

    fn shared_engine(&self, state: &mut State<T>) -> Result<Arc<Engine>, Failure> {
        if let Some(engine) = &state.shared {
            return Ok(Arc::clone(engine));
        }
        let engine = Arc::new(Engine::start(self.name, Instance::NONE)?);
        state.shared = Some(Arc::clone(&engine));
        Ok(engine)
    }

    fn find(&self, id: Instance) -> Result<Arc<Running<T>>, Failure> {
        self.state().running.get(&id).cloned().ok_or_else(|| {
            Failure::new(
                Class::Internal,
                format!("the plugin has no instance {}", id.0),
            )
        })
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Target> Running<T> {
    fn value(&self) -> &T {
        self.value
            .as_deref()
            .expect("the value is taken only when the instance is dropped")
    }

    fn attempts(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Signal>>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spawned at once; nothing stops it but its own end or that of its runtime, or that the runtime
    /// polls no more and is given up.
    fn start<R: Send + 'static>(
        &self,
        work: impl Future<Output = R> + Send + 'static,
    ) -> Answer<R> {
        let (call, answered, strandable) = Call::new(Contained::new(self.instance, work));
        let mut calls = self.calls.lock();
        // Looked at under the lock under which `strand` takes what there is.
        if self.engine.is_retired() {
            drop(calls);
            if let Some((work, tell)) = strandable.upgrade().and_then(|call| call.strand()) {
                drop(work);
                tell();
            }
            return answered;
        }
        calls.retain(|call| call.strong_count() > 0);
        calls.push(strandable);
        drop(calls);
        self.engine.handle().spawn(call);
        answered
    }

    /// Takes every call that is not being polled off a runtime that is retired.
    fn strand(&self) -> Vec<Stranded> {
        let calls = std::mem::take(&mut *self.calls.lock());
        let calls = calls.iter().filter_map(Weak::upgrade);
        calls.filter_map(|call| call.strand()).collect()
    }
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<dyn Strandable>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Calls").field(&self.lock().len()).finish()
    }
}

impl<T: Target> Drop for Running<T> {
    fn drop(&mut self) {
        let _runtime = self.engine.handle().enter();
        let value = self.value.take();
        guarded_for(self.instance, "drop", move || drop(value));
    }
}

/// Keeps an instance alive for the length of a call.
pub(crate) struct Shared<T: Target>(Arc<Running<T>>);

impl<T: Target> Shared<T> {
    pub(crate) fn value(&self) -> &T {
        self.0.value()
    }
}

/// Forgets an attempt when it has settled, however it ended.
struct Settled<T: Target>(Arc<Running<T>>, u64);

impl<T: Target> Drop for Settled<T> {
    fn drop(&mut self) {
        self.0.attempts().remove(&self.1);
    }
}
