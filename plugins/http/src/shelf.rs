//! Memory of bodies, used again: a large body is dearer to get memory for than to send.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// As many are kept as are in use at a time; more than this are not.
const MOST: usize = 8;

/// Where memory waits for the next body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf(Arc<Mutex<Vec<Vec<u8>>>>);

/// A body that goes back to the shelf when it is no longer needed.
struct Lent {
    body: Vec<u8>,
    shelf: Shelf,
}

impl Shelf {
    /// Empty memory for a body.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.kept().pop().unwrap_or_default()
    }

    /// What is in it is no longer needed.
    pub(crate) fn give_back(&self, mut body: Vec<u8>) {
        body.clear();
        let mut kept = self.kept();
        if kept.len() < MOST && body.capacity() > 0 {
            kept.push(body);
        }
    }

    /// A body to be sent, which begins at `start`. Its memory comes back once that is over.
    pub(crate) fn lend(&self, body: Vec<u8>, start: usize) -> Bytes {
        let shelf = self.clone();
        Bytes::from_owner(Lent { body, shelf }).slice(start..)
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.shelf.give_back(std::mem::take(&mut self.body));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_empty_when_the_last_part_of_a_body_is_gone() {
        let shelf = Shelf::default();
        let body = shelf.lend(b"no, a body".to_vec(), 4);
        let part = body.slice(2..);
        drop(body);
        assert_eq!((part.as_ref(), shelf.take().capacity()), (&b"body"[..], 0));
        drop(part);
        let again = shelf.take();
        assert!(again.is_empty() && again.capacity() >= 6);
        for size in 0..2 * MOST {
            shelf.give_back(vec![0; size]);
        }
        assert_eq!(shelf.kept().len(), MOST);
    }
}
