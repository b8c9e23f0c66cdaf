//! What a database's errors mean for the records of a batch.

use rolog_plugin::prelude::*;

/// An error of a database, told apart by what helps against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) cause: Cause,
    pub(crate) class: Class,
    /// One sentence, without secrets.
    pub(crate) message: String,
}

/// What helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Leaving out the rows that the database refuses.
    Row,
    /// Time.
    Later,
    /// Another connection, and time.
    Connection,
    /// Someone who acts.
    Someone,
}

impl Trouble {
    pub(crate) fn new(cause: Cause, class: Class, message: impl Into<String>) -> Self {
        Trouble {
            cause,
            class,
            message: message.into(),
        }
    }

    /// What the target answers when nothing of the batch was committed.
    pub(crate) fn outcome(self) -> Outcome {
        let verdict = match self.cause {
            Cause::Row => Verdict::Reject,
            Cause::Later | Cause::Connection => Verdict::Retry,
            Cause::Someone => Verdict::Hold,
        };
        Outcome::failed(verdict, self.into())
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        Failure::new(trouble.class, trouble.message)
    }
}

/// How a round ended that wrote nothing.
pub(crate) struct End {
    pub(crate) trouble: Trouble,
    /// The table is not what it was when the connection was made.
    pub(crate) is_changed: bool,
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> End {
        End {
            trouble,
            is_changed: false,
        }
    }
}

/// What an attempt that was ended from outside answers.
pub(crate) fn stopped(why: &str, maybe_written: bool) -> Outcome {
    let failure = Failure::new(Class::Cancelled, why);
    Outcome::retry(if maybe_written {
        failure.maybe_written()
    } else {
        failure
    })
}
