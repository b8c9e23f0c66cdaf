//! Ending a wait for input from elsewhere: from a signal, or because nobody reads the output.

use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Waits for input, unless it is told to stop.
#[derive(Clone)]
pub struct Stop {
    shared: Arc<Shared>,
    /// Readable once the stop has been asked for.
    #[cfg_attr(
        not(unix),
        expect(dead_code, reason = "there is no poll to hand it to")
    )]
    bell: Arc<PipeReader>,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// There is input, or its end.
    Ready,
    /// The time was over.
    Idle,
    /// The stop was asked for.
    Stopped,
}

/// Asks for a [`Stop`]. The first reason is kept, and asking again changes nothing.
#[derive(Clone)]
pub struct Stopper(Arc<Shared>);

struct Shared {
    reason: OnceLock<&'static str>,
    rung: Mutex<Rung>,
}

struct Rung {
    bell: PipeWriter,
    calls: Vec<Box<dyn FnOnce() + Send>>,
}

impl Shared {
    fn rung(&self) -> MutexGuard<'_, Rung> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stop {
    /// A stop that nobody has asked for, and what asks for it.
    ///
    /// # Errors
    /// When the process has no file descriptors left.
    pub fn new() -> io::Result<(Stop, Stopper)> {
        let (bell, ringer) = io::pipe()?;
        let shared = Arc::new(Shared {
            reason: OnceLock::new(),
            rung: Mutex::new(Rung {
                bell: ringer,
                calls: Vec::new(),
            }),
        });
        let stopper = Stopper(Arc::clone(&shared));
        let bell = Arc::new(bell);
        Ok((Stop { shared, bell }, stopper))
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.shared.reason.get().is_some()
    }

    /// Waits until `input` can be read without blocking, the stop is asked for, or `most` is over.
    #[cfg(unix)]
    pub(super) fn wait_for(
        &self,
        input: &impl std::os::fd::AsFd,
        most: Option<Duration>,
    ) -> io::Result<Waited> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut ready = [
            PollFd::new(input, PollFlags::IN),
            PollFd::new(&*self.bell, PollFlags::IN),
        ];
        let most = most.and_then(|most| Timespec::try_from(most).ok());
        loop {
            if self.is_asked() {
                return Ok(Waited::Stopped);
            }
            match poll(&mut ready, most.as_ref()) {
                Ok(_) if self.is_asked() => return Ok(Waited::Stopped),
                Ok(0) => return Ok(Waited::Idle),
                Ok(_) => return Ok(Waited::Ready),
                // A signal; whoever waits for a time waits it anew.
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Where there is no poll, a read that has begun is waited for.
    #[cfg(not(unix))]
    pub(super) fn wait_for<T>(&self, _: &T, _: Option<Duration>) -> io::Result<Waited> {
        Ok(if self.is_asked() {
            Waited::Stopped
        } else {
            Waited::Ready
        })
    }
}

impl Stopper {
    /// Asks for the stop; says whether this was the first time.
    pub fn ask(&self, reason: &'static str) -> bool {
        if self.0.reason.set(reason).is_err() {
            return false;
        }
        let mut rung = self.0.rung();
        // If the reader of the bell is gone, nobody waits.
        drop(rung.bell.write_all(b"!"));
        let calls = std::mem::take(&mut rung.calls);
        drop(rung);
        for call in calls {
            call();
        }
        true
    }

    /// Why, if it was asked for.
    pub fn reason(&self) -> Option<&'static str> {
        self.0.reason.get().copied()
    }

    /// Calls this once the stop is asked for; at once if it has been.
    pub fn on_ask(&self, call: impl FnOnce() + Send + 'static) {
        let mut rung = self.0.rung();
        if self.0.reason.get().is_none() {
            rung.calls.push(Box::new(call));
        } else {
            drop(rung);
            call();
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").field(&self.shared.reason).finish()
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stopper").field(&self.0.reason).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_wait_ends_with_input_or_with_the_stop() {
        let (input, mut output) = io::pipe().unwrap();
        let (stop, stopper) = Stop::new().unwrap();
        output.write_all(b"x").unwrap();
        assert_eq!(stop.wait_for(&input, None).unwrap(), Waited::Ready);

        let (idle, _keep) = io::pipe().unwrap();
        let moment = Some(Duration::from_millis(1));
        assert_eq!(stop.wait_for(&idle, moment).unwrap(), Waited::Idle);
        let theirs = stopper.clone();
        let asking = std::thread::spawn(move || {
            let first = theirs.ask("SIGTERM");
            (first, theirs.ask("SIGINT"))
        });
        assert_eq!(stop.wait_for(&idle, None).unwrap(), Waited::Stopped);
        assert_eq!(asking.join().unwrap(), (true, false));
        assert_eq!(stopper.reason(), Some("SIGTERM"));
        let late = stop.wait_for(&input, None).unwrap();
        assert_eq!(late, Waited::Stopped, "input that came too late");
    }

    #[test]
    fn a_closed_input_is_ready_to_say_so() {
        let (input, output) = io::pipe().unwrap();
        drop(output);
        let (stop, _stopper) = Stop::new().unwrap();
        assert_eq!(stop.wait_for(&input, None).unwrap(), Waited::Ready);
    }

    #[test]
    fn whoever_wants_to_know_of_the_stop_is_told_once_before_or_after() {
        let (_stop, stopper) = Stop::new().unwrap();
        let (told, heard) = channel();
        let early = told.clone();
        stopper.on_ask(move || early.send("early").unwrap());
        assert!(heard.try_recv().is_err());
        stopper.ask("test");
        stopper.on_ask(move || told.send("late").unwrap());
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["early", "late"]);
    }
}
