//! What is kept across batches of the call sites that were seen last.

/// How many call sites are kept; a power of two.
const SLOTS: usize = 4096;

/// By call site, what all its records have in common.
#[derive(Debug)]
pub(super) struct Kept<T> {
    slots: Vec<Option<(Key, Box<T>)>>,
}

/// What [`Record::call_site_key`](crate::frame::Record::call_site_key) returns.
type Key = (u128, u32);

impl<T> Kept<T> {
    /// That of the call site of this name, as `make` has made it of this or an earlier record; `None`
    /// where it makes nothing that is to be kept.
    #[inline]
    pub(super) fn of(&mut self, key: Key, make: impl FnOnce() -> Option<T>) -> Option<&mut T> {
        // Ids are counted from 1 within a process, so the sites of one process never meet here
        // before there are more of them than slots.
        let at = key.1 as usize % SLOTS;
        let is_known = match self.slots.get(at) {
            Some(Some((known, _))) => *known == key,
            _ => false,
        };
        if !is_known && !self.add(at, key, make) {
            return None;
        }
        self.slots[at].as_mut().map(|(_, kept)| &mut **kept)
    }

    /// Says whether there is something in the slot now.
    #[cold]
    #[inline(never)]
    fn add(&mut self, at: usize, key: Key, make: impl FnOnce() -> Option<T>) -> bool {
        let Some(made) = make() else { return false };
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
        self.slots[at] = Some((key, Box::new(made)));
        true
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept { slots: Vec::new() }
    }
}
