//! The flush stage: what makes any target dependable.
//!
//! Between the route and a target stands one [`Stage`]. It collects records into batches, delivers
//! them with a deadline, tries again with growing delays, falls back, and counts every record. It
//! belongs to the target's *name*: the instance that does the work only fills its slot, and may be
//! built anew or replaced while the queue, the order and the account go on.
//!
//! It promises
//! - that whoever appends never waits for the target ([`Stage::open`] takes a lock that is only ever
//!   held for moments);
//! - that its row of the ledger is exact at any moment: accepted = delivered + fell back +
//!   dead-lettered + dropped + queued, each counted where it happens ([`TargetRow`]);
//! - that every record is delivered by at most one attempt at a time, and that an attempt which was
//!   cancelled is waited for: as long as it has not settled, nothing else touches the destination;
//! - that it keeps no more than its settings allow, whatever the target does;
//! - that it ends by the deadline it is given, and tells what became of everything.
//!
//! It never blocks a thread, never starts a task or a timer for a record, and never calls a
//! receipt, an event sink or another stage under its lock.
//!
//! ```text
//!   StageGuard::append ─▶ open batch ─▶ sealed batches ─▶ lanes ─▶ Instance::deliver
//!                        (count, bytes,  (overflow)       (retry,        │
//!                         level, age)                      halving)      ▼ outcome
//!                                             breaker, hold, fence ─▶ line out ─▶ fallback
//!                                                                          └────▶ dead letters
//! ```
//!
//! Policy is apart from mechanism: [`backoff`], [`batching`], [`breaker`], [`overflow`], `outcome`
//! and [`ledger`] hold no task and no lock, and are tested alone.

#![forbid(unsafe_code)]

mod answers;
mod append;
mod attempts;
pub mod backoff;
pub mod batching;
pub mod breaker;
pub mod deadletter;
mod driver;
mod ease;
pub mod event;
mod fallback;
mod find;
mod group;
mod guard;
mod handle;
mod handover;
mod lanes;
mod latch;
pub mod ledger;
mod measures;
mod outcome;
pub mod overflow;
mod phase;
pub mod receipt;
mod recent;
mod relief;
mod reserve;
mod resting;
mod settings;
mod shared;
mod slot;
mod state;
mod status;
mod tenure;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use self::append::Append;
pub use self::backoff::{Growth, RetryPolicy};
pub use self::batching::BatchRules;
pub use self::breaker::{BreakerRules, BreakerState, Pace};
pub use self::deadletter::{DeadLetters, Letters};
pub use self::event::{Event, EventKind, EventSink, RateLimited};
pub use self::fallback::Feeder;
pub use self::find::{QueueStep, Queued};
pub use self::guard::StageGuard;
pub use self::handle::{Stage, TargetReport};
pub use self::ledger::{Counts, DropReason, Label, RefusalReason, Suppression, TargetRow};
pub use self::measures::{Histogram, Measure, Measures, Meter};
pub use self::overflow::Overflow;
pub use self::receipt::{End, EndState, NoReceipts, ReceiptSink};
pub(crate) use self::recent::Recent;
pub use self::recent::{Fate, Loss};
pub use self::reserve::{NoRoom, Reservation};
pub use self::settings::{SettingError, StageSettings};
pub use self::shared::{PressureSink, Services};
pub use self::slot::Seat;
pub use self::status::{Mode, StageSnapshot, Status};
pub(crate) use latch::{Latch, Opener};
pub(crate) use phase::AGES;
