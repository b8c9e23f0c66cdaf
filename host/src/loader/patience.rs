//! Calls into foreign code that may never come back.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// It did not come back in time. The thread is left to it.
    Late,
    /// There is no thread to be had, or it ended without an answer.
    Lost,
}

/// Runs `work` on a thread of its own, and waits for it no longer than `deadline`.
pub(super) fn within<R: Send + 'static>(
    deadline: Duration,
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, NoAnswer> {
    let (answer, answers) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("rolog-loader".to_owned())
        .spawn(move || {
            // Nobody listens any more when it was too late.
            let _ = answer.send(work());
        })
        .map_err(|_| NoAnswer::Lost)?;
    answers.recv_timeout(deadline).map_err(|error| match error {
        RecvTimeoutError::Timeout => NoAnswer::Late,
        RecvTimeoutError::Disconnected => NoAnswer::Lost,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_time_is_given_and_a_hang_or_a_panic_is_not_waited_for() {
        let long = Duration::from_mins(1);
        assert_eq!(within(long, || 7), Ok(7));
        assert_eq!(
            within(long, || -> u8 { std::panic::resume_unwind(Box::new(())) }),
            Err(NoAnswer::Lost)
        );
        let (release, released) = mpsc::channel::<()>();
        let hanging = within(Duration::from_millis(1), move || released.recv());
        assert!(matches!(hanging, Err(NoAnswer::Late)));
        drop(release);
    }
}
