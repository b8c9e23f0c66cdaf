//! Targets that live in the service: each on a thread of its own, so that one that blocks delays
//! nobody else.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use rolog_core::BoxTarget;
use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::instance::{Attempt, BoxFuture, Buffer, Instance, Maker};

/// Makes instances of a target that the service itself built. There is one such target and it cannot be
/// built again, so the instances share it: it has one thread, which lasts from the first activation to
/// the last shutdown, and begins anew with the next.
pub(crate) struct InProcessMaker {
    name: String,
    home: Arc<Mutex<Home>>,
}

/// Where the target is.
struct Home {
    /// Here, and at rest.
    target: Option<BoxTarget>,
    /// Or on its thread.
    running: Weak<InProcess>,
    /// The instances that use it there.
    tenants: usize,
}

impl InProcessMaker {
    pub(crate) fn new(name: &str, target: BoxTarget) -> Self {
        InProcessMaker {
            name: name.to_owned(),
            home: Arc::new(Mutex::new(Home {
                target: Some(target),
                running: Weak::new(),
                tenants: 0,
            })),
        }
    }
}

impl Maker for InProcessMaker {
    fn create(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, Failure>> {
        let tenant: Arc<dyn Instance> = Arc::new(Tenant {
            name: self.name.clone(),
            home: Arc::clone(&self.home),
            running: Mutex::default(),
        });
        Box::pin(std::future::ready(Ok(tenant)))
    }

    fn preferred_batch(&self) -> Option<usize> {
        None
    }

    /// Itself: a target that is named again waits until the one that was taken away has ended.
    fn resources(&self) -> Vec<String> {
        vec![format!("in-process:{}", self.name)]
    }
}

/// An instance of a target of the service's own.
struct Tenant {
    name: String,
    home: Arc<Mutex<Home>>,
    /// Between activation and shutdown.
    running: Mutex<Option<Arc<InProcess>>>,
}

impl Tenant {
    fn running(&self) -> MutexGuard<'_, Option<Arc<InProcess>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> Result<(), Failure> {
        let mut running = self.running();
        if running.is_some() {
            return Ok(());
        }
        let mut home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = match (home.running.upgrade(), home.target.take()) {
            (Some(shared), _) => shared,
            (None, Some(target)) => {
                let home = Some(Arc::clone(&self.home));
                Arc::new(InProcess::start_from(&self.name, target, home)?)
            }
            (None, None) => {
                let message = "the target has not come back from what it did last";
                return Err(Failure::new(Class::Unavailable, message));
            }
        };
        home.running = Arc::downgrade(&shared);
        home.tenants += 1;
        *running = Some(shared);
        Ok(())
    }
}

impl Tenant {
    /// The thread, where nobody else uses it.
    fn leave(&self) -> Option<Arc<InProcess>> {
        let mine = self.running().take()?;
        let mut home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        home.tenants -= 1;
        (home.tenants == 0).then_some(mine)
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        // Its thread ends with the last handle.
        drop(self.leave());
    }
}

impl Instance for Tenant {
    fn activate(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(self.start()))
    }

    fn deliver(&self, batch: Buffer, attempt: Attempt) -> BoxFuture<'_, Outcome> {
        let running = self.running().clone();
        Box::pin(async move {
            match running {
                Some(running) => running.deliver(batch, attempt).await,
                None => Outcome::fatal(Failure::new(Class::Internal, "it is not active")),
            }
        })
    }

    fn cancel(&self, attempt: u64) {
        if let Some(running) = &*self.running() {
            running.cancel(attempt);
        }
    }

    fn flush(&self, _: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn shutdown(&self, most: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        let last = self.leave();
        Box::pin(async move {
            match last {
                Some(running) => running.shutdown(most).await,
                None => Ok(()),
            }
        })
    }

    fn call<'a>(&'a self, op: &'a str, _: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
        no_operation(op)
    }
}

fn no_operation(op: &str) -> BoxFuture<'static, Result<Vec<u8>, Failure>> {
    let message = format!("a target of the service's own has no operation `{op}`");
    Box::pin(std::future::ready(Err(Failure::new(
        Class::NotFound,
        message,
    ))))
}

/// A target on its thread.
pub(crate) struct InProcess {
    jobs: mpsc::UnboundedSender<Job>,
    cancels: Arc<Cancels>,
}

enum Job {
    Deliver(Buffer, Attempt, oneshot::Sender<Outcome>),
    Shutdown(oneshot::Sender<Result<(), Failure>>),
}

#[derive(Default)]
struct Cancels {
    asked: Mutex<HashSet<u64>>,
    changed: Notify,
}

impl InProcess {
    /// Starts the target's thread; it ends when the instance is shut down or dropped.
    pub(crate) fn start(name: &str, target: BoxTarget) -> Result<Self, Failure> {
        Self::start_from(name, target, None)
    }

    /// The same for a target that goes home at the end.
    fn start_from(
        name: &str,
        target: BoxTarget,
        home: Option<Arc<Mutex<Home>>>,
    ) -> Result<Self, Failure> {
        let (jobs, inbox) = mpsc::unbounded_channel();
        let cancels = Arc::new(Cancels::default());
        let theirs = Arc::clone(&cancels);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(Class::Io, format!("no runtime: {error}")))?;
        std::thread::Builder::new()
            .name(format!("rolog {name}"))
            .spawn({
                let name = name.to_owned();
                move || {
                    rolog_core::give_way();
                    rolog_core::feedback::mark_thread(Some(&name));
                    runtime.block_on(serve(target, home, inbox, theirs));
                }
            })
            .map_err(|error| Failure::new(Class::Io, format!("no thread: {error}")))?;
        Ok(InProcess { jobs, cancels })
    }

    fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(oneshot::Sender<T>) -> Job,
    ) -> BoxFuture<'_, Result<T, Failure>> {
        let (answer, answered) = oneshot::channel();
        let sent = self.jobs.send(job(answer)).is_ok();
        Box::pin(async move {
            let gone = || Failure::new(Class::Internal, "the target's thread has ended");
            if !sent {
                return Err(gone());
            }
            answered.await.map_err(|_| gone())
        })
    }
}

impl Instance for InProcess {
    fn activate(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn deliver(&self, batch: Buffer, attempt: Attempt) -> BoxFuture<'_, Outcome> {
        let asked = self.ask(|answer| Job::Deliver(batch, attempt, answer));
        Box::pin(async move { asked.await.unwrap_or_else(Outcome::fatal) })
    }

    fn cancel(&self, attempt: u64) {
        self.cancels
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(attempt);
        self.cancels.changed.notify_one();
    }

    fn flush(&self, _: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn shutdown(&self, _: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        let asked = self.ask(Job::Shutdown);
        Box::pin(async move { asked.await? })
    }

    fn call<'a>(&'a self, op: &'a str, _: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
        no_operation(op)
    }
}

async fn serve(
    target: BoxTarget,
    home: Option<Arc<Mutex<Home>>>,
    mut inbox: mpsc::UnboundedReceiver<Job>,
    cancels: Arc<Cancels>,
) {
    let at_rest = |target| {
        if let Some(home) = &home {
            let mut home = home.lock().unwrap_or_else(PoisonError::into_inner);
            home.target = Some(target);
            home.running = Weak::new();
        }
    };
    while let Some(job) = inbox.recv().await {
        // An answer that nobody waits for any more is of no use to anyone.
        match job {
            Job::Deliver(batch, attempt, answer) => {
                drop(answer.send(deliver(&target, &batch, attempt, &cancels).await));
            }
            Job::Shutdown(answer) => {
                let ended = Guarded(target.dispose()).await;
                // Before whoever waits for it may need it again.
                at_rest(target);
                drop(answer.send(ended.unwrap_or_else(Err)));
                return;
            }
        }
    }
    at_rest(target);
}

/// Runs one attempt. Asked to cancel, it drops the target's future at the point where that waits:
/// the target does nothing more, and what it may have written is said.
async fn deliver(
    target: &BoxTarget,
    batch: &Buffer,
    attempt: Attempt,
    cancels: &Cancels,
) -> Outcome {
    let batch = match Batch::parse(batch.as_slice()) {
        Ok(batch) => batch,
        Err(error) => return Outcome::refused(Failure::new(Class::Invalid, error.to_string())),
    };
    let delivered = async {
        match Guarded(target.log(&batch)).await {
            Ok(outcome) => outcome,
            Err(panicked) => Outcome::retry(panicked.maybe_written()),
        }
    };
    let outcome = tokio::select! {
        biased;
        outcome = delivered => outcome,
        () = cancelled(cancels, attempt.id) => Outcome::retry(
            Failure::new(Class::Cancelled, "cancelled at its deadline").maybe_written(),
        ),
    };
    let mut asked = cancels.asked.lock().unwrap_or_else(PoisonError::into_inner);
    asked.retain(|id| *id > attempt.id);
    outcome
}

async fn cancelled(cancels: &Cancels, attempt: u64) {
    loop {
        // A permit that was stored between the look and the wait is not lost: there is one waiter.
        let changed = cancels.changed.notified();
        let asked = cancels
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&attempt);
        if asked {
            return;
        }
        changed.await;
    }
}

/// A future whose panic is a failure.
struct Guarded<F>(F);

impl<F: Future + Unpin> Future for Guarded<F> {
    type Output = Result<F::Output, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = Pin::new(&mut self.0);
        match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(Failure::new(Class::Panic, panic_text(&*panic)))),
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let said = &said[..said.floor_char_boundary(512)];
    format!("panicked: {said}")
}
