//! Where a record is, or how it was lost.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rolog_core::frame::RecordId;

use crate::Host;
use crate::pipeline::Pipeline;
use crate::stage::{Loss, QueueStep, Queued, Stage};

/// How long the targets have to say what they have, when it is waited for on a thread.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known of a record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordExplanation {
    /// Its id.
    pub id: RecordId,
    /// Whether this process made it, and where not, that it may only have come here to be sent again.
    pub ours: bool,
    /// Whether an id like this has been given out yet, if it is this process' own.
    pub made: bool,
    /// What became of it before it was routed, if it was lost there.
    pub lost: Option<Loss>,
    /// The targets that know of it. Those that have delivered it, or lost it longer ago than they
    /// remember, do not.
    pub copies: Vec<ExplainedCopy>,
    /// How many losses each target remembers.
    pub remembered: usize,
}

/// What a target knows of a record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExplainedCopy {
    /// The target's name.
    pub target: String,
    /// Where in its queue the record is.
    pub queued: Option<Queued>,
    /// How it was lost there.
    pub lost: Option<Loss>,
}

impl RecordExplanation {
    /// Whether anything is known of it.
    pub fn is_known(&self) -> bool {
        self.lost.is_some() || !self.copies.is_empty()
    }
}

impl Host {
    /// Where a record is, by its id: in which target's queue, or how and when it was lost.
    ///
    /// Only losses are remembered, as many as `explain.drops` says; what is queued is looked for when
    /// this is called, which takes the longer the more there is.
    pub async fn explain_record(&self, id: RecordId) -> RecordExplanation {
        self.pipeline().explain_record(id).await
    }

    /// The same on a thread that may wait for it. `None` where the targets did not say in ten seconds.
    pub fn explain_record_blocking(&self, id: RecordId) -> Option<RecordExplanation> {
        let pipeline = std::sync::Arc::clone(self.pipeline());
        let asked = async move { pipeline.explain_record(id).await };
        self.pipeline().wait_for(PATIENCE, asked)
    }
}

impl Pipeline {
    pub(crate) async fn explain_record(&self, id: RecordId) -> RecordExplanation {
        let (stages, remembered): (Vec<Stage>, usize) = {
            let shape = self.shape();
            let going = shape.retiring.iter().map(|going| &going.stage);
            let stages = shape.stages.values().chain(going).cloned();
            (stages.collect(), shape.spec.explain().drops.get())
        };
        let mut copies = Vec::new();
        for stage in stages {
            let queued = stage.find(id).await;
            let lost = stage.lost(id);
            if queued.is_some() || lost.is_some() {
                copies.push(ExplainedCopy {
                    target: stage.name().to_string(),
                    queued,
                    lost,
                });
            }
        }
        RecordExplanation {
            id,
            ours: id.epoch == self.epoch,
            made: id.sequence <= self.counts.numbered.load(Ordering::Relaxed),
            lost: self.lost(id),
            copies,
            remembered,
        }
    }
}

impl fmt::Display for RecordExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "record {}", self.id)?;
        if let Some(lost) = &self.lost {
            writeln!(f, "  {lost}")?;
        }
        for copy in &self.copies {
            writeln!(f, "  {copy}")?;
        }
        if self.is_known() {
            return Ok(());
        }
        match (self.ours, self.made) {
            (true, false) => writeln!(f, "  not known: this process has not given out this id yet"),
            (true, true) => writeln!(
                f,
                "  not known: delivered, or lost before the last {} losses of each target",
                self.remembered
            ),
            (false, _) => writeln!(
                f,
                "  not known: another process made it, and nothing here has it now"
            ),
        }
    }
}

impl fmt::Display for ExplainedCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.target)?;
        if let Some(queued) = &self.queued {
            queued.fmt(f)?;
        }
        if let Some(lost) = &self.lost {
            let before = if self.queued.is_some() {
                "; before that "
            } else {
                ""
            };
            write!(f, "{before}{lost}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            QueueStep::Filling => f.write_str("queued, in the batch that is being filled")?,
            QueueStep::Waiting { behind } => write!(f, "queued, behind {behind} batches")?,
            QueueStep::Next => f.write_str("queued, next to be delivered")?,
            QueueStep::Delivering => {
                write!(f, "being delivered, attempt {}", self.attempts + 1)?;
            }
            QueueStep::BackingOff { left } => write!(
                f,
                "queued, attempt {} in {:.1}s",
                self.attempts + 1,
                left.as_secs_f64()
            )?,
            QueueStep::Settling => {
                f.write_str("being delivered by an attempt that has to settle")?;
            }
            QueueStep::Leaving => {
                f.write_str("given up, on its way to a fallback or the dead letters")?;
            }
        }
        let (batch, age) = (self.batch, self.age.as_secs_f64());
        write!(f, ", in a batch of {batch}, for {age:.1}s")?;
        if let Some(failure) = &self.failure {
            write!(f, "; last failure: {failure}")?;
        }
        Ok(())
    }
}
