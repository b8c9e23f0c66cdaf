//! Standard output that nobody reads any more.

use super::stop::Stopper;
use crate::config::{PipelineSpec, TargetSpec};

/// The reason of a stop because whoever read standard output is gone: `rolog run | head -1`.
pub(super) const CLOSED_OUTPUT: &str = "nobody reads standard output any more";

/// Asks for a stop when standard output loses its reader, if the pipeline writes there at all.
/// Returns whether it writes nowhere else.
pub(super) fn watch(pipeline: &PipelineSpec, stopper: &Stopper) -> bool {
    let mut targets = pipeline.targets().values();
    if !targets.clone().any(writes_to_stdout) {
        return false;
    }
    wait_elsewhere(stopper.clone());
    targets.all(writes_to_stdout)
}

fn writes_to_stdout(target: &TargetSpec) -> bool {
    let stream = target.config.value().get("stream");
    target.plugin.as_str() == "console" && stream.is_none_or(|stream| stream == "stdout")
}

#[cfg(unix)]
fn wait_elsewhere(stopper: Stopper) {
    use rustix::event::{PollFd, PollFlags, poll};
    let wait = move || {
        let stdout = std::io::stdout();
        // No flag is asked for: poll returns for an error or a hang-up only.
        let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
        loop {
            match poll(&mut ends, None) {
                Ok(_) => break stopper.ask(CLOSED_OUTPUT),
                Err(rustix::io::Errno::INTR) => {}
                // Then the target finds out with its next write.
                Err(_) => break false,
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
fn wait_elsewhere(_: Stopper) {}
