//! Standard output that nobody reads any more.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::stop::Stopper;
use crate::config::{PipelineSpec, TargetSpec};
use crate::pipeline::Link;

/// The reason of a stop because whoever read standard output is gone: `rolog run | head -1`.
pub(super) const CLOSED_OUTPUT: &str = "nobody reads standard output any more";

/// Asks for a stop when standard output has lost its reader and the pipeline writes there.
#[derive(Clone)]
pub(super) struct Output {
    pipeline: Link,
    stopper: Stopper,
    closed: Arc<AtomicBool>,
}

impl Output {
    pub(super) fn new(pipeline: Link, stopper: Stopper) -> Self {
        Output {
            pipeline,
            stopper,
            closed: Arc::default(),
        }
    }

    /// Looks out for it from now on.
    pub(super) fn watch(&self) {
        wait_elsewhere(self.clone());
    }

    /// To be called when the pipeline has changed: it may write there now, and did not before.
    pub(super) fn look(&self) {
        if self.closed.load(Ordering::SeqCst)
            && self.asks(|pipeline| pipeline.targets().values().any(is_stdout))
        {
            self.stopper.ask(CLOSED_OUTPUT);
        }
    }

    /// Whether the pipeline writes there and nowhere else.
    pub(super) fn is_all(&self) -> bool {
        self.asks(|pipeline| pipeline.targets().values().all(is_stdout))
    }

    /// Whether records are shown on a terminal.
    pub(super) fn is_shown(&self) -> bool {
        std::io::stdout().is_terminal()
            && self.asks(|pipeline| pipeline.targets().values().any(is_stdout))
    }

    fn asks(&self, what: impl Fn(&PipelineSpec) -> bool) -> bool {
        let pipeline = self.pipeline.pipeline();
        pipeline.is_some_and(|pipeline| what(&pipeline.shape().spec))
    }
}

fn is_stdout(target: &TargetSpec) -> bool {
    let stream = target.config.value().get("stream");
    target.plugin.as_str() == "console" && stream.is_none_or(|stream| stream == "stdout")
}

#[cfg(unix)]
fn wait_elsewhere(output: Output) {
    use rustix::event::{PollFd, PollFlags, poll};
    let wait = move || {
        let stdout = std::io::stdout();
        // No flag is asked for: poll returns for an error or a hang-up only.
        let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
        loop {
            match poll(&mut ends, None) {
                Ok(_) => {
                    output.closed.store(true, Ordering::SeqCst);
                    break output.look();
                }
                Err(rustix::io::Errno::INTR) => {}
                // Then the target finds out with its next write.
                Err(_) => break,
            }
        }
    };
    let started = std::thread::Builder::new()
        .name("rolog-output".to_owned())
        .spawn(wait);
    // Without the thread, too, the target finds out.
    drop(started);
}

#[cfg(not(unix))]
fn wait_elsewhere(_: Output) {}
