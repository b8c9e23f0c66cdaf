//! Which keys of a record, or of a map, were there before, and which names a line has.

use std::collections::HashSet;

/// Up to this many keys, a suspicion is checked by looking at the earlier ones again.
const FEW: usize = 32;

/// Finds keys that are given twice, without memory while they are few.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    /// A bit for each key seen: while none meets a bit that is set, no key has come twice.
    bits: u64,
    count: usize,
    /// All keys, once they are many; hashed with a random key, as they may be an attacker's.
    many: Option<HashSet<&'a str>>,
}

impl<'a> Keys<'a> {
    pub(super) fn new() -> Self {
        Keys {
            bits: 0,
            count: 0,
            many: None,
        }
    }

    /// Goes on behind `count` keys whose bits are known.
    pub(super) fn behind(count: usize, bits: u64) -> Self {
        Keys {
            bits,
            count,
            many: None,
        }
    }

    pub(super) fn bits(&self) -> u64 {
        self.bits
    }

    /// Whether `key`, the next one, has not come before; `all` are the keys from the first on.
    #[inline]
    pub(super) fn is_new<I>(&mut self, key: &'a str, all: impl FnOnce() -> I) -> bool
    where
        I: Iterator<Item = &'a str>,
    {
        let bit = bit_of(key);
        let suspicious = self.bits & bit != 0 || self.many.is_some();
        self.bits |= bit;
        self.count += 1;
        !suspicious || self.look(key, all())
    }

    #[cold]
    fn look(&mut self, key: &'a str, all: impl Iterator<Item = &'a str>) -> bool {
        let mut earlier = all.take(self.count - 1);
        match &mut self.many {
            Some(seen) => seen.insert(key),
            None if self.count <= FEW => !earlier.any(|other| other == key),
            None => self.many.insert(earlier.collect()).insert(key),
        }
    }
}

/// The names that stand in a line, where they are not the keys that data came by.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// As in [`Keys`].
    bits: u64,
    /// One name behind the other, and where each ends.
    names: String,
    ends: Vec<usize>,
    /// All of them, once they are many.
    many: HashSet<Box<str>>,
}

impl Taken {
    /// A line without any.
    pub(super) fn clear(&mut self) {
        self.bits = 0;
        self.names.clear();
        self.ends.clear();
        if !self.many.is_empty() {
            self.many = HashSet::new();
        }
    }

    /// Takes names of the line's own.
    pub(super) fn take_all(&mut self, names: &[&str]) {
        for name in names {
            self.take(name);
        }
    }

    /// Takes a name; whether it was free.
    #[inline]
    pub(super) fn take(&mut self, name: &str) -> bool {
        let bit = bit_of(name);
        if self.bits & bit != 0 && self.has(name) {
            return false;
        }
        self.bits |= bit;
        self.names.push_str(name);
        self.ends.push(self.names.len());
        if !self.many.is_empty() {
            self.many.insert(name.into());
        }
        true
    }

    #[cold]
    fn has(&mut self, name: &str) -> bool {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let mut earlier = starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.names[start..end]);
        if self.ends.len() <= FEW {
            return earlier.any(|other| other == name);
        }
        if self.many.is_empty() {
            self.many = earlier.map(Box::from).collect();
        }
        self.many.contains(name)
    }
}

#[inline]
fn bit_of(key: &str) -> u64 {
    let bytes = key.as_bytes();
    let first = bytes.first().copied().unwrap_or_default();
    let last = bytes.last().copied().unwrap_or_default();
    let mix = usize::from(first) * 7 + usize::from(last) * 13 + bytes.len() * 5;
    1 << (mix % 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_attackers_keys_cost_a_set_and_not_a_square() {
        let keys: Vec<String> = (0..100_000).map(|n| format!("k{n:08}k")).collect();
        let looked_at = std::cell::Cell::new(0);
        let mut seen = Keys::new();
        for key in &keys {
            let all = || {
                keys.iter()
                    .map(String::as_str)
                    .inspect(|_| looked_at.update(|n| n + 1))
            };
            assert!(seen.is_new(key, all));
        }
        assert!(looked_at.get() < FEW * FEW, "{looked_at:?}");
    }

    proptest! {
        #[test]
        fn only_the_first_of_each_key_is_new(keys in proptest::collection::vec("[a-c]{0,3}", 0..80)) {
            let mut seen = Keys::new();
            for (at, key) in keys.iter().enumerate() {
                let new = seen.is_new(key, || keys.iter().map(String::as_str));
                prop_assert_eq!(new, !keys[..at].contains(key));
            }
        }
    }
}
