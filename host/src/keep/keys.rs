//! The keys that a rule has seen, in bounded memory.

use std::collections::HashMap;

/// The states of the keys that were used last.
///
/// It holds two halves: a key that is used moves to the young half; when that is full, the old half is
/// forgotten and the young one becomes the old. So a flood of keys costs one look-up each and no memory
/// beyond the capacity, and a key that is in use stays.
#[derive(Debug)]
pub(super) struct Keys<S> {
    half: usize,
    young: HashMap<u64, S>,
    old: HashMap<u64, S>,
}

impl<S: Default> Keys<S> {
    /// For at most so many keys, at least 2.
    pub(super) fn new(capacity: usize) -> Self {
        Keys {
            half: (capacity / 2).max(1),
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// The state of a key. States that are forgotten for it are given to `forgotten`.
    pub(super) fn of(&mut self, key: u64, forgotten: impl FnMut(S)) -> &mut S {
        if !self.young.contains_key(&key) {
            let state = self.old.remove(&key).unwrap_or_default();
            if self.young.len() >= self.half {
                let old = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
                old.into_values().for_each(forgotten);
            }
            self.young.insert(key, state);
        }
        self.young.entry(key).or_default()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut S> {
        self.young.values_mut().chain(self.old.values_mut())
    }

    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_within_their_bound_and_one_in_use_is_never_forgotten() {
        let mut keys: Keys<u64> = Keys::new(8);
        let (mut forgotten, mut made) = (0, 0);
        for key in 1..1000u64 {
            *keys.of(0, |_| forgotten += 1) += 1;
            *keys.of(key, |_| forgotten += 1) += 1;
            made += 1;
            assert!(keys.len() <= 8, "{}", keys.len());
            assert_eq!(
                made + 1,
                forgotten + keys.len(),
                "each is there, or was given back"
            );
        }
        assert_eq!(*keys.of(0, |_| ()), 999);
        assert_eq!(*keys.of(1, |_| ()), 0, "it was forgotten long ago");
    }
}
