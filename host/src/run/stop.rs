//! Ending a wait for input from elsewhere: from a signal, or from a target that is gone for good.

use std::io::{self, PipeReader, PipeWriter, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Waits for input, unless it is told to stop.
#[derive(Debug)]
pub struct Stop {
    shared: Arc<Shared>,
    /// Readable once the stop has been asked for.
    #[cfg_attr(
        not(unix),
        expect(dead_code, reason = "there is no poll to hand it to")
    )]
    bell: PipeReader,
}

/// Asks for a [`Stop`]. The first reason is kept, and asking again changes nothing.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    asked: AtomicBool,
    reason: OnceLock<&'static str>,
    bell: Mutex<PipeWriter>,
}

impl Stop {
    /// A stop that nobody has asked for, and what asks for it.
    ///
    /// # Errors
    /// When the process has no file descriptors left.
    pub fn new() -> io::Result<(Stop, Stopper)> {
        let (bell, ringer) = io::pipe()?;
        let shared = Arc::new(Shared {
            asked: AtomicBool::new(false),
            reason: OnceLock::new(),
            bell: Mutex::new(ringer),
        });
        let stopper = Stopper(Arc::clone(&shared));
        Ok((Stop { shared, bell }, stopper))
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.shared.asked.load(Ordering::Acquire)
    }

    /// Why, if it was asked for.
    pub fn reason(&self) -> Option<&'static str> {
        self.shared.reason.get().copied()
    }

    /// Waits until `input` can be read without blocking; `false` when the stop comes first.
    #[cfg(unix)]
    pub(super) fn wait_for(&self, input: &impl std::os::fd::AsFd) -> io::Result<bool> {
        use rustix::event::{PollFd, PollFlags, poll};
        if self.is_asked() {
            return Ok(false);
        }
        let mut ready = [
            PollFd::new(input, PollFlags::IN),
            PollFd::new(&self.bell, PollFlags::IN),
        ];
        loop {
            match poll(&mut ready, None) {
                Ok(_) => return Ok(!self.is_asked()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Where there is no poll, a read that has begun is waited for.
    #[cfg(not(unix))]
    pub(super) fn wait_for<T>(&self, _: &T) -> io::Result<bool> {
        Ok(!self.is_asked())
    }
}

impl Stopper {
    /// Asks for the stop; says whether this was the first time.
    pub fn ask(&self, reason: &'static str) -> bool {
        if self.0.reason.set(reason).is_err() {
            return false;
        }
        self.0.asked.store(true, Ordering::Release);
        let mut bell = self.0.bell.lock().unwrap_or_else(PoisonError::into_inner);
        // A byte that cannot be written means that the reader is gone, and waits for nothing.
        bell.write_all(b"!").is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_input_or_with_the_stop() {
        let (input, mut output) = io::pipe().unwrap();
        let (stop, stopper) = Stop::new().unwrap();
        output.write_all(b"x").unwrap();
        assert!(stop.wait_for(&input).unwrap());

        let (idle, _keep) = io::pipe().unwrap();
        let asking = std::thread::spawn(move || {
            let first = stopper.ask("SIGTERM");
            (first, stopper.ask("SIGINT"))
        });
        assert!(!stop.wait_for(&idle).unwrap());
        assert_eq!(asking.join().unwrap(), (true, false));
        assert_eq!(stop.reason(), Some("SIGTERM"));
        assert!(!stop.wait_for(&input).unwrap(), "input that came too late");
    }

    #[test]
    fn a_closed_input_is_ready_to_say_so() {
        let (input, output) = io::pipe().unwrap();
        drop(output);
        let (stop, _stopper) = Stop::new().unwrap();
        assert!(stop.wait_for(&input).unwrap());
    }
}
