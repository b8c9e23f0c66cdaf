//! Targets that take over, within one reload, what others used until then.
//!
//! Two targets that swap their files must not write to one file together, not for a moment. So a
//! successor that uses what another target's instance used is activated only when that has settled and
//! is used no more; and of two that exchange what they use, each lets go before it waits for the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::make::Made;
use crate::config::{TargetChange, TargetName};
use crate::pipeline::Shape;
use crate::resources::any_shared;
use crate::stage::{Latch, Opener};

/// Who waits for whom.
#[derive(Default)]
pub(super) struct Moves {
    waits: BTreeMap<TargetName, Vec<Arc<Latch>>>,
    yields: BTreeMap<TargetName, Vec<Opener>>,
}

impl Moves {
    /// Between the targets that are named before and after. Those that go are waited for to their end.
    pub(super) fn between(
        shape: &Shape,
        changes: &BTreeMap<TargetName, TargetChange>,
        made: &BTreeMap<TargetName, Made>,
    ) -> Self {
        let mut moves = Moves::default();
        for (taker, new) in made {
            for giver in shape.stages.keys() {
                let goes = matches!(changes.get(giver), Some(TargetChange::Removed));
                let used = shape.used_by(giver);
                let shares = any_shared(&used, &new.traits.resources);
                if giver == taker || goes || !shares {
                    continue;
                }
                let (latch, opener) = Latch::new();
                moves.waits.entry(taker.clone()).or_default().push(latch);
                moves.yields.entry(giver.clone()).or_default().push(opener);
            }
        }
        moves
    }

    /// What this target has to wait for.
    pub(super) fn waits(&mut self, name: &TargetName) -> Vec<Arc<Latch>> {
        self.waits.remove(name).unwrap_or_default()
    }

    /// What this target has to open, as it gets a successor.
    pub(super) fn yields(&mut self, name: &TargetName) -> Vec<Opener> {
        self.yields.remove(name).unwrap_or_default()
    }

    /// What is left to be opened, by targets that get no successor now.
    pub(super) fn rest(self) -> impl Iterator<Item = (TargetName, Opener)> {
        let rest = self.yields.into_iter();
        rest.flat_map(|(name, openers)| {
            openers
                .into_iter()
                .map(move |opener| (name.clone(), opener))
        })
    }
}
