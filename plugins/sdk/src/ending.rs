//! Where instances end: away from the host's threads and from the runtime's, since the code of an
//! author's `Drop` may block or hang.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::thread_name;

/// Threads at a time. A `Drop` that hangs keeps one for good; when all are kept, later instances
/// are leaked rather than waited for.
const MOST_THREADS: usize = 2;

type Job = Box<dyn FnOnce() + Send>;

/// The instances of a library that are to end.
#[derive(Default)]
pub(crate) struct Ending {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    threads: usize,
    jobs: VecDeque<Job>,
}

impl Ending {
    pub(crate) const fn new() -> Self {
        Ending {
            state: Mutex::new(State {
                threads: 0,
                jobs: VecDeque::new(),
            }),
        }
    }

    /// Lets `job` run on a thread that lives as long as there are any.
    pub(crate) fn add(&'static self, plugin: &str, job: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        state.jobs.push_back(Box::new(job));
        if state.threads == MOST_THREADS {
            return;
        }
        let thread = std::thread::Builder::new().name(thread_name(plugin));
        if thread.spawn(|| self.run()).is_ok() {
            state.threads += 1;
        }
    }

    fn run(&self) {
        loop {
            let mut state = self.state();
            let Some(job) = state.jobs.pop_front() else {
                state.threads -= 1;
                return;
            };
            drop(state);
            job();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ending").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn jobs_run_beside_one_that_hangs_and_wait_behind_two() {
        static ENDING: Ending = Ending::new();
        let (release, released) = mpsc::channel::<()>();
        let released = std::sync::Arc::new(Mutex::new(released));
        let (done, ended) = mpsc::channel();
        let hang = |name: &'static str| {
            let (released, done) = (std::sync::Arc::clone(&released), done.clone());
            ENDING.add("x", move || {
                let _ = released.lock().unwrap().recv();
                done.send(name).unwrap();
            });
        };
        let quick = |name: &'static str| {
            let done = done.clone();
            ENDING.add("x", move || done.send(name).unwrap());
        };
        hang("first");
        quick("beside");
        assert_eq!(ended.recv().unwrap(), "beside");
        hang("second");
        quick("behind");
        assert!(ended.try_recv().is_err());
        drop(release);
        let mut rest: Vec<_> = ended.iter().take(3).collect();
        rest.sort_unstable();
        assert_eq!(rest, ["behind", "first", "second"]);
    }
}
