//! One run: a pipeline, inputs, and the time that the targets get at the end.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rolog_core::Level;
use rolog_core::delivery::Failure;

use super::account::{Account, TargetAccount};
use super::feed::{Fed, Feed};
use super::input::Input;
use super::output::{self, CLOSED_OUTPUT};
use super::sink::PipelineSink;
use super::stop::{Stop, Stopper};
use crate::config::PipelineSpec;
use crate::lines::MAX_LOGGER;
use crate::stage::{Event, EventKind, TargetRow};
use crate::{Error, Host, Report};

/// What a record takes beside the line: the logger's name, the lengths before the parts, the time.
const AROUND_A_LINE: usize = MAX_LOGGER + 64;

/// How long targets that write to nobody get at the end.
const FOR_NOBODY: Duration = Duration::from_secs(1);

/// One run.
#[derive(Debug)]
pub struct Job {
    /// Where the records go.
    pub pipeline: PipelineSpec,
    /// Where the lines come from, in this order.
    pub inputs: Vec<Input>,
    /// How long the targets get at the end, or after a stop, to deliver what they hold.
    pub deadline: Duration,
}

impl Job {
    /// Runs it to its end, or until the stop is asked for; `on_event` hears what happens at targets.
    ///
    /// While there is more to read, a target without room is waited for without a bound. Once the
    /// inputs have ended, or a stop was asked for, what has been read and waits for room gets half of
    /// the deadline, and what is queued the rest. So a run ends, whatever its targets do.
    ///
    /// # Errors
    /// A pipeline that cannot be started; nothing was read then.
    pub fn run(
        self,
        stop: Stop,
        stopper: &Stopper,
        on_event: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Result<Account, Error> {
        let began = Instant::now();
        let failures = Arc::new(Failures::default());
        let heard = Arc::clone(&failures);
        let host = Host::builder()
            .pipeline(self.pipeline.clone())
            .min_level(Level::Information)
            .on_event(move |event| {
                heard.note(event);
                on_event(event);
            })
            .start()?;
        let for_nobody = output::watch(&self.pipeline, stopper);
        let sink = PipelineSink::new(&self.pipeline, host.factory().clone());
        let limit = self
            .pipeline
            .max_record()
            .get()
            .saturating_sub(AROUND_A_LINE);
        let feeding = Feeding::start(self.inputs, limit, stop, sink)
            .map_err(|error| Error::system("the thread that reads", error))?;
        let news = feeding.news.clone();
        stopper.on_ask(move || drop(news.send(News::Ending)));

        let left = feeding.wait(self.deadline);
        let deadline = match stopper.reason() {
            Some(CLOSED_OUTPUT) if for_nobody => left.min(FOR_NOBODY),
            _ => left,
        };
        let report = host.dispose_blocking(deadline);
        // Whoever still waited for room has been refused by now.
        let fed = feeding.finish();
        Ok(account(fed, &report, &failures, stopper, began.elapsed()))
    }
}

/// What the waiting thread is told.
enum News {
    /// The inputs have ended, or the stop was asked for.
    Ending,
    /// Everything that was read is on its way.
    Fed,
}

/// The thread that reads.
struct Feeding {
    progress: Arc<Mutex<Fed>>,
    news: Sender<News>,
    arrived: Receiver<News>,
    thread: thread::JoinHandle<()>,
}

impl Feeding {
    fn start(
        inputs: Vec<Input>,
        limit: usize,
        stop: Stop,
        mut sink: PipelineSink,
    ) -> std::io::Result<Self> {
        let progress = Arc::new(Mutex::new(Fed::default()));
        let (news, arrived) = channel();
        let (theirs, told) = (Arc::clone(&progress), news.clone());
        let read = move || {
            let feed = Feed {
                inputs,
                limit,
                stop: &stop,
                progress: &theirs,
                at_end: &|| drop(told.send(News::Ending)),
            };
            feed.run(&mut sink);
            drop(told.send(News::Fed));
        };
        let thread = thread::Builder::new()
            .name("rolog-input".to_owned())
            .spawn(read)?;
        Ok(Feeding {
            progress,
            news,
            arrived,
            thread,
        })
    }

    /// Waits until everything that was read is on its way; once that is all there will be, no longer
    /// than half of `deadline`. Returns what is left of it.
    fn wait(&self, deadline: Duration) -> Duration {
        if let Ok(News::Fed) | Err(_) = self.arrived.recv() {
            return deadline;
        }
        let ending = Instant::now();
        let until = ending + deadline / 2;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.arrived.recv_timeout(left) {
                // An end that is followed by a stop.
                Ok(News::Ending) => {}
                Ok(News::Fed) | Err(_) => return deadline.saturating_sub(ending.elapsed()),
            }
        }
    }

    /// What was read. A thread that hangs in the operating system, opening a pipe that nobody writes
    /// to, is left alone.
    fn finish(self) -> Fed {
        const PATIENCE: Duration = Duration::from_secs(2);
        let until = Instant::now() + PATIENCE;
        while !self.thread.is_finished() {
            let left = until.saturating_duration_since(Instant::now());
            match self.arrived.recv_timeout(left) {
                Ok(News::Ending) => {}
                Ok(News::Fed) | Err(_) => break,
            }
        }
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.clone()
    }
}

/// Why targets failed last.
#[derive(Default)]
struct Failures(Mutex<BTreeMap<String, String>>);

impl Failures {
    fn note(&self, event: &Event) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &event.kind {
            EventKind::Failed { failure }
            | EventKind::StartFailed { failure }
            | EventKind::Held { failure }
            | EventKind::DeadLettersFailed { failure, .. }
            | EventKind::Quarantined { failure } => {
                failures.insert(event.target.to_string(), failure.to_string());
            }
            EventKind::Recovered => drop(failures.remove(&*event.target)),
            _ => {}
        }
    }

    fn of(&self, target: &str, ended: Option<&Failure>) -> Option<String> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ended
            .map(ToString::to_string)
            .or_else(|| failures.get(target).cloned())
    }
}

fn account(
    fed: Fed,
    report: &Report,
    failures: &Failures,
    stopper: &Stopper,
    elapsed: Duration,
) -> Account {
    let in_rings = report.ledger.source.in_rings;
    let mut unread = fed.unread;
    let mut stopped_by = stopper.reason().filter(|_| fed.stopped);
    if stopped_by == Some(CLOSED_OUTPUT) {
        // Unlike a signal, nobody asked for it.
        unread.push(CLOSED_OUTPUT.to_owned());
        stopped_by = None;
    }
    let targets = report.ledger.targets.iter().map(|(name, row)| {
        let ended = report
            .targets
            .iter()
            .find(|target| *target.target == **name);
        let failure = failures.of(name, ended.and_then(|target| target.failure.as_ref()));
        target(name, row, failure)
    });
    Account {
        lines: fed.lines,
        nul_bytes: fed.nul_bytes,
        routed: fed.routed.saturating_sub(in_rings),
        below_level: fed.below_level,
        no_route: fed.no_route,
        refused: fed.refused + in_rings,
        targets: targets.collect(),
        unread,
        stopped_by,
        elapsed,
    }
}

fn target(name: &str, row: &TargetRow, failure: Option<String>) -> TargetAccount {
    let refused = row
        .refused
        .iter()
        .map(|(reason, count)| (reason.name(), count));
    let dropped = row
        .dropped
        .iter()
        .map(|(reason, count)| (reason.name(), count));
    let queued = std::iter::once(("still queued at the deadline", row.queued));
    let lost = refused.chain(dropped).chain(queued);
    TargetAccount {
        name: name.to_owned(),
        routed: (row.accepted + row.refused.total()).saturating_sub(row.taken_over),
        taken_over: row.taken_over,
        delivered: row.delivered,
        fell_back: row.fell_back,
        dead_lettered: row.dead_lettered,
        lost: lost
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason.to_owned(), count))
            .collect(),
        maybe_written: row.maybe_written,
        failure,
    }
}
