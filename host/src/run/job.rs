//! One run: a pipeline, inputs, and the time that the targets get at the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rolog_core::Level;
use rolog_core::delivery::Failure;

use super::account::{Account, TargetAccount};
use super::feed::{Fed, Feed};
use super::input::Input;
use super::output::{CLOSED_OUTPUT, Output};
use super::progress::{Pace, Progress};
use super::sink::PipelineSink;
use super::stop::{Stop, Stopper};
use crate::config::{PipelineSpec, Problem};
use crate::lines::{MAX_LOGGER, Options};
use crate::pipeline::Link;
use crate::reload::Generation;
use crate::stage::{Event, EventKind, TargetRow};
use crate::{Error, Host, HostBuilder, Ledger};

/// What a record takes beside the line: the logger's name, the lengths before the parts, the time.
const AROUND_A_LINE: usize = MAX_LOGGER + 64;

/// How long targets that write to nobody get at the end.
const FOR_NOBODY: Duration = Duration::from_secs(1);

/// What is left to other targets' rows: those of targets that a reload has taken away.
const REMOVED: &str = "(removed)";

/// One run.
#[derive(Debug)]
pub struct Job {
    /// Where the records go.
    pub pipeline: Source,
    /// Where the lines come from, in this order.
    pub inputs: Vec<Input>,
    /// Whether files are read on as they grow, all at once, until the stop.
    pub follow: bool,
    /// How lines are read.
    pub options: Options,
    /// Whether [`Notice::Progress`] is told now and then.
    pub progress: bool,
    /// How long the targets get at the end, or after a stop, to deliver what they hold.
    pub deadline: Duration,
    /// Whoever sends through this asks for the pipeline's file to be read again.
    pub reloads: Receiver<()>,
}

/// Where a run's pipeline comes from.
#[derive(Debug)]
pub enum Source {
    /// A file, which may change while the run lasts.
    File {
        /// The file.
        path: PathBuf,
        /// Whether changes are taken over as they happen, or only when that is asked for.
        watch: bool,
    },
    /// It is this one, from the start to the end.
    Fixed(Box<PipelineSpec>),
}

/// What a run says while it lasts.
#[derive(Debug)]
pub enum Notice<'a> {
    /// How far the reading is.
    Progress(&'a Progress),
    /// Something works in the pipeline and is hardly meant.
    Warning(&'a Problem),
    /// A file that is followed cannot be read for now, or can again.
    Input(&'a str),
    /// Something happened at a target.
    Event(&'a Event),
    /// The pipeline has changed.
    Changed(&'a Generation),
    /// Somebody asked for a reload, and nothing has changed.
    Unchanged(&'a Generation),
    /// The pipeline's file was read again, and this keeps it from running; the run goes on.
    NotTaken(&'a Error),
}

impl Job {
    /// Runs it to its end, or until the stop is asked for; `tell` hears what happens meanwhile.
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
        tell: impl Fn(&Notice<'_>) + Send + Sync + 'static,
    ) -> Result<Account, Error> {
        let began = Instant::now();
        let tell: Tell = Arc::new(tell);
        let failures = Arc::new(Failures::default());
        let link = Link::default();
        let output = Output::new(link.clone(), stopper.clone());
        let host = host(self.pipeline, &failures, &tell, &output).start()?;
        for warning in host.warnings() {
            tell(&Notice::Warning(warning));
        }
        link.attach(host.pipeline());
        output.watch();
        let host = Arc::new(host);
        reload_when_asked(self.reloads, Arc::downgrade(&host), Arc::clone(&tell))
            .map_err(|error| Error::system("the thread that reloads", error))?;
        let limit = max_record(&host).saturating_sub(AROUND_A_LINE);
        let mut pace = Pace::new(&self.inputs, self.follow);
        let told = Arc::clone(&tell);
        let shown = self.progress && !output.is_shown();
        let feeding = Feeding::start(
            (self.inputs, self.follow, self.options),
            limit,
            stop,
            PipelineSink::new(&host),
            Arc::clone(&tell),
        )
        .map_err(|error| Error::system("the thread that reads", error))?;
        let news = feeding.news.clone();
        stopper.on_ask(move || drop(news.send(News::Ending)));

        let left = feeding.wait(self.deadline, &mut |fed| {
            if shown {
                told(&Notice::Progress(&pace.step(fed, Instant::now())));
            }
        });
        let deadline = match stopper.reason() {
            Some(CLOSED_OUTPUT) if output.is_all() => left.min(FOR_NOBODY),
            _ => left,
        };
        let report = host.dispose_blocking(deadline);
        // Whoever still waited for room has been refused by now.
        let fed = feeding.finish();
        let ended = Ended {
            fed,
            nowhere: nowhere(&host, &report.ledger),
            stopper,
            elapsed: began.elapsed(),
        };
        Ok(ended.account(&report.ledger, |name| {
            let ended = report.targets.iter().find(|report| *report.target == *name);
            failures.of(name, ended.and_then(|report| report.failure.as_ref()))
        }))
    }
}

type Tell = Arc<dyn Fn(&Notice<'_>) + Send + Sync>;

fn host(source: Source, failures: &Arc<Failures>, tell: &Tell, output: &Output) -> HostBuilder {
    let (heard, of_events, of_reloads) = (Arc::clone(failures), Arc::clone(tell), Arc::clone(tell));
    let (output, told) = (output.clone(), AtomicU32::new(1));
    let host = match source {
        Source::File { path, watch } => Host::builder().file(path).watch(watch),
        Source::Fixed(spec) => Host::builder().pipeline(*spec),
    };
    host.min_level(Level::Information)
        .on_event(move |event| {
            heard.note(event);
            of_events(&Notice::Event(event));
        })
        .on_reload(move |reloaded| match reloaded {
            Ok(generation) => {
                // A file that was only touched makes none.
                if told.fetch_max(generation.number, Ordering::Relaxed) < generation.number {
                    of_reloads(&Notice::Changed(generation));
                    output.look();
                }
            }
            // It came with the end of the run.
            Err(error) if error.is_disposed() => {}
            Err(error) => of_reloads(&Notice::NotTaken(error)),
        })
}

fn max_record(host: &Host) -> usize {
    host.pipeline().shape().spec.max_record().get()
}

/// Records that were on their way when the routes changed, and that none of the new ones takes.
fn nowhere(host: &Host, ledger: &Ledger) -> u64 {
    let own = host.pipeline().counts.own_unrouted.get();
    ledger.source.unrouted.saturating_sub(own)
}

/// Reloads on a thread of its own, which ends with whoever may ask.
fn reload_when_asked(asked: Receiver<()>, host: Weak<Host>, tell: Tell) -> std::io::Result<()> {
    let reload = move || {
        for () in asked {
            let Some(host) = host.upgrade() else {
                return;
            };
            let number = || host.generations().last().map(|last| last.number);
            let before = number();
            // What has changed, or went wrong, is told by the host.
            if let Ok(generation) = host.reload_blocking()
                && before == Some(generation.number)
            {
                tell(&Notice::Unchanged(&generation));
            }
        }
    };
    thread::Builder::new()
        .name("rolog-reload".to_owned())
        .spawn(reload)
        .map(drop)
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
        (inputs, follow, options): (Vec<Input>, bool, Options),
        limit: usize,
        stop: Stop,
        mut sink: PipelineSink,
        tell: Tell,
    ) -> std::io::Result<Self> {
        let progress = Arc::new(Mutex::new(Fed::default()));
        let (news, arrived) = channel();
        let (theirs, told) = (Arc::clone(&progress), news.clone());
        let read = move || {
            let feed = Feed {
                inputs,
                follow,
                options: Arc::new(options),
                limit,
                stop: &stop,
                progress: &theirs,
                tell: &|text| tell(&Notice::Input(text)),
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
    /// than half of `deadline`. Returns what is left of it. Calls `tick` now and then.
    fn wait(&self, deadline: Duration, tick: &mut dyn FnMut(&Fed)) -> Duration {
        let mut ending: Option<Instant> = None;
        let mut next = Instant::now() + Pace::STEP;
        loop {
            let until = ending.map_or(next, |ending| next.min(ending + deadline / 2));
            let left = until.saturating_duration_since(Instant::now());
            match self.arrived.recv_timeout(left) {
                // A stop may follow an end.
                Ok(News::Ending) => drop(ending.get_or_insert_with(Instant::now)),
                Ok(News::Fed) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    if ending.is_some_and(|ending| ending.elapsed() >= deadline / 2) {
                        break;
                    }
                    next = Instant::now() + Pace::STEP;
                    tick(&self.fed());
                }
            }
        }
        deadline.saturating_sub(ending.map_or(Duration::ZERO, |ending| ending.elapsed()))
    }

    fn fed(&self) -> Fed {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.clone()
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
        self.fed()
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

/// What is known of a run beside the ledger.
struct Ended<'a> {
    fed: Fed,
    nowhere: u64,
    stopper: &'a Stopper,
    elapsed: Duration,
}

impl Ended<'_> {
    fn account(self, ledger: &Ledger, failure: impl Fn(&str) -> Option<String>) -> Account {
        let (fed, in_rings) = (self.fed, ledger.source.in_rings);
        let mut unread = fed.unread;
        let mut stopped_by = self.stopper.reason().filter(|_| fed.stopped);
        if stopped_by == Some(CLOSED_OUTPUT) {
            // Unlike a signal, nobody asked for it.
            unread.push(CLOSED_OUTPUT.to_owned());
            stopped_by = None;
        }
        let targets = ledger.targets.iter();
        let mut targets: Vec<TargetAccount> = targets
            .map(|(name, row)| target(name, row, failure(name)))
            .collect();
        if ledger.removed != TargetRow::default() {
            targets.push(target(REMOVED, &ledger.removed, None));
        }
        Account {
            lines: fed.lines,
            firsts: fed.firsts,
            nul_bytes: fed.nul_bytes,
            routed: fed.routed.saturating_sub(in_rings + self.nowhere),
            below_level: fed.below_level,
            no_route: fed.no_route + self.nowhere,
            refused: fed.refused + in_rings,
            targets,
            unread,
            stopped_by,
            elapsed: self.elapsed,
        }
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
        routed: (row.accepted + row.refused.total() + row.suppressed.total())
            .saturating_sub(row.taken_over),
        taken_over: row.taken_over,
        delivered: row.delivered,
        fell_back: row.fell_back,
        dead_lettered: row.dead_lettered,
        held_back: row.suppressed.total(),
        lost: lost
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason.to_owned(), count))
            .collect(),
        maybe_written: row.maybe_written,
        failure,
    }
}
