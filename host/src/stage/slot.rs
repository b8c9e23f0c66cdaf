//! The place that an instance fills, and how one follows another.
//!
//! A target's name owns its queue and its order; an instance only fills the slot. A successor is
//! created beside the one that serves, and activated once that has settled; if it cannot be, the old
//! one is activated again. Nothing is moved, and nothing is cut short.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rolog_core::delivery::{Class, Failure};
use rolog_core::frame::RecordId;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::find::Queued;
use super::latch::{Latch, Opener};
use crate::instance::{Instance, Maker};

/// An instance for a slot, and how to build another like it.
pub struct Seat {
    /// Builds instances from the target's configuration.
    pub maker: Arc<dyn Maker>,
    /// One that has been created and not yet activated; without it the stage creates one.
    pub instance: Option<Arc<dyn Instance>>,
    /// Opened once the predecessor has settled, if other stages wait for what it used. It is not
    /// activated again then.
    pub(crate) yields: Vec<Opener>,
    /// Waited for before the activation: what it uses is still another stage's.
    pub(crate) waits: Vec<Arc<Latch>>,
}

impl Seat {
    /// A seat whose instance the stage is to create.
    pub fn vacant(maker: Arc<dyn Maker>) -> Self {
        Seat {
            maker,
            instance: None,
            yields: Vec::new(),
            waits: Vec::new(),
        }
    }

    /// A seat with an instance that has been created.
    pub fn with(maker: Arc<dyn Maker>, instance: Arc<dyn Instance>) -> Self {
        Seat {
            maker,
            instance: Some(instance),
            yields: Vec::new(),
            waits: Vec::new(),
        }
    }
}

impl Clone for Seat {
    /// The same seat; what others wait for stays with the first.
    fn clone(&self) -> Self {
        Seat {
            maker: Arc::clone(&self.maker),
            instance: self.instance.clone(),
            yields: Vec::new(),
            waits: self.waits.clone(),
        }
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat")
            .field("resources", &self.maker.resources())
            .field("created", &self.instance.is_some())
            .finish_non_exhaustive()
    }
}

/// What the task is asked to do.
pub(super) enum Command {
    /// Puts a successor into the slot, and says whether it serves.
    Replace(Seat, Reply),
    /// Opens the latch once the successor serves that is on its way, or at once if there is none.
    Yield(Opener),
    /// Tries a quarantined or held target again at once.
    Retry,
    /// Uses the instance no more, whatever it is doing.
    Quarantine(Failure),
    /// Says where in the queue a record is.
    Find(RecordId, oneshot::Sender<Option<Queued>>),
}

/// The slot as the task sees it.
pub(super) struct Slot {
    pub maker: Arc<dyn Maker>,
    pub instance: Option<Arc<dyn Instance>>,
    pub phase: SlotPhase,
    /// Counts the instances that have served.
    pub generation: u64,
    /// How often it could not be started in a row.
    pub rounds: u32,
    /// Why what comes of the change under way is not to be used.
    pub condemned: Option<Failure>,
    /// A successor that waits for its turn.
    pub successor: Option<(Seat, Reply)>,
    /// The one whose turn it is.
    pub swapping: Option<Swapping>,
    /// Opened when the instance has settled and its successor's turn has come.
    pub yields: Vec<Opener>,
    /// Opened when a successor serves.
    pub settles: Vec<Opener>,
}

/// Tells whoever asked for a successor whether it serves.
pub(super) type Reply = oneshot::Sender<Result<(), Failure>>;

/// A successor that is being put into the slot.
pub(super) struct Swapping {
    pub seat: Seat,
    pub reply: Reply,
    /// What went on in the slot before, and does again if nothing comes of it.
    pub was: SlotPhase,
}

/// What is going on in the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotPhase {
    /// The instance must be created or activated.
    Vacant,
    /// It is being created, activated, rebuilt or replaced.
    Changing,
    /// That failed; it is tried again then.
    Failed { again: Instant },
    /// It serves.
    Active,
    /// It is beyond repair: a new one must be built.
    Broken,
    /// It is used no more.
    Quarantined,
}

impl Slot {
    pub(super) fn new(seat: Seat) -> Self {
        Slot {
            maker: seat.maker,
            instance: seat.instance,
            phase: SlotPhase::Vacant,
            generation: 0,
            rounds: 0,
            condemned: None,
            successor: None,
            swapping: None,
            yields: Vec::new(),
            settles: Vec::new(),
        }
    }

    /// Whether the slot waits for nothing but the end of what the instance is doing.
    pub(super) fn wants_change(&self, now: Instant) -> bool {
        match self.phase {
            SlotPhase::Changing => false,
            SlotPhase::Vacant | SlotPhase::Broken => true,
            SlotPhase::Failed { again } => now >= again || self.successor.is_some(),
            SlotPhase::Active | SlotPhase::Quarantined => self.successor.is_some(),
        }
    }
}

/// How long each step of a change may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// To create or activate.
    pub start: Duration,
    /// To flush or shut down.
    pub end: Duration,
}

/// Runs a call that has a deadline.
pub(super) async fn bounded<T>(
    what: &str,
    most: Duration,
    call: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    timeout(most, call).await.unwrap_or_else(|_| {
        let message = format!("{what} did not end within {most:?}");
        Err(Failure::new(Class::Timeout, message))
    })
}

/// Creates an instance where there is none, lets its predecessor go, and activates it.
pub(super) async fn start(
    seat: Seat,
    predecessor: Option<Arc<dyn Instance>>,
    patience: Patience,
) -> Result<Arc<dyn Instance>, Failure> {
    let instance = match seat.instance {
        Some(instance) => instance,
        None => bounded("create", patience.start, seat.maker.create()).await?,
    };
    if let Some(predecessor) = predecessor {
        // It is beyond repair: that it does not end well is no news.
        drop(bounded("shutdown", patience.end, predecessor.shutdown(patience.end)).await);
    }
    match bounded("activate", patience.start, instance.activate()).await {
        Ok(()) => Ok(instance),
        Err(failure) => {
            drop(bounded("shutdown", patience.end, instance.shutdown(patience.end)).await);
            Err(failure)
        }
    }
}

/// What came of a replacement.
pub(super) enum Swapped {
    /// The successor serves.
    Done(Arc<dyn Instance>),
    /// It does not; the old instance was activated again, or that failed as well.
    Undone(Failure, Option<Failure>),
    /// It does not, and there is no way back: what the old one used is another stage's by now.
    Onward(Failure),
}

/// Puts a successor in the place of an instance that has settled. Only one that `serves` is flushed
/// before, and activated again if nothing comes of it; unless others wait for what it used (`yields`).
/// Each of two that exchange what they use lets go first, and then waits for the other.
pub(super) async fn swap(
    seat: Seat,
    old: Option<Arc<dyn Instance>>,
    serves: bool,
    patience: Patience,
    yields: Vec<Opener>,
) -> Swapped {
    let created = match seat.instance {
        Some(instance) => Ok(instance),
        None => bounded("create", patience.start, seat.maker.create()).await,
    };
    let successor = match created {
        Ok(instance) => instance,
        Err(failure) => return Swapped::Undone(failure, None),
    };
    if let Some(old) = old.as_ref().filter(|_| serves) {
        // What it has delivered is delivered; that it cannot be made durable shows at its end.
        drop(bounded("flush", patience.end, old.flush(patience.end)).await);
    }
    let no_return = !yields.is_empty();
    drop(yields);
    for latch in &seat.waits {
        latch.wait().await;
    }
    let failure = match bounded("activate", patience.start, successor.activate()).await {
        Ok(()) => {
            if let Some(old) = old {
                drop(bounded("shutdown", patience.end, old.shutdown(patience.end)).await);
            }
            return Swapped::Done(successor);
        }
        Err(failure) => failure,
    };
    drop(bounded("shutdown", patience.end, successor.shutdown(patience.end)).await);
    if no_return {
        if let Some(old) = old {
            drop(bounded("shutdown", patience.end, old.shutdown(patience.end)).await);
        }
        return Swapped::Onward(failure);
    }
    let back = match old.filter(|_| serves) {
        Some(old) => bounded("activate", patience.start, old.activate())
            .await
            .err(),
        None => None,
    };
    Swapped::Undone(failure, back)
}
