//! Finds the rows that a database refuses, by halves.
//!
//! A database that refuses a statement seldom says for which row. The halves are tried one after the
//! other, each between savepoints of one transaction, so that in the end the good rows of a batch
//! are committed together, in their order, and the others are known with the database's words.

use std::ops::Range;

use rolog_plugin::prelude::*;

use crate::trouble::Trouble;

/// The parts of a batch that are still to be tried.
#[derive(Debug)]
pub(crate) struct Bisect {
    parts: Vec<Range<usize>>,
    rejected: Vec<(usize, Trouble)>,
}

impl Bisect {
    /// For this many rows, of which it is known that they are refused together.
    pub(crate) fn refused(rows: usize, why: Trouble) -> Self {
        let mut bisect = Bisect {
            parts: Vec::new(),
            rejected: Vec::new(),
        };
        bisect.failed(0..rows, why);
        bisect
    }

    /// The next part to try.
    pub(crate) fn next(&mut self) -> Option<Range<usize>> {
        self.parts.pop()
    }

    /// A part was refused.
    pub(crate) fn failed(&mut self, part: Range<usize>, why: Trouble) {
        match part.len() {
            0 => {}
            1 => self.rejected.push((part.start, why)),
            len => {
                let middle = part.start + len / 2;
                self.parts.push(middle..part.end);
                self.parts.push(part.start..middle);
            }
        }
    }

    /// The rows that were refused.
    pub(crate) fn rejected(self) -> Vec<(usize, Trouble)> {
        self.rejected
    }
}

/// A record that the database refuses.
pub(crate) fn rejection(index: u32, why: Trouble) -> Rejection {
    Rejection {
        index,
        class: why.class,
        message: why.message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::Cause;
    use proptest::prelude::*;

    fn why(message: String) -> Trouble {
        Trouble::new(Cause::Row, Class::Invalid, message)
    }

    proptest! {
        #[test]
        fn exactly_the_bad_rows_are_rejected_and_the_good_ones_written_in_order(
            bad in prop::collection::btree_set(0..200_usize, 1..20), rows in 1..200_usize,
        ) {
            let bad: Vec<usize> = bad.into_iter().filter(|row| *row < rows).collect();
            let mut bisect = Bisect::refused(rows, why("together".into()));
            let mut written = Vec::new();
            while let Some(part) = bisect.next() {
                match bad.iter().find(|row| part.contains(row)) {
                    Some(row) => bisect.failed(part, why(row.to_string())),
                    None => written.extend(part),
                }
            }
            let rejected = bisect.rejected();
            if rows > 1 {
                prop_assert_eq!(rejected.iter().map(|(row, _)| *row).collect::<Vec<_>>(), bad.clone());
                prop_assert_eq!(&written, &(0..rows).filter(|row| !bad.contains(row)).collect::<Vec<_>>());
                prop_assert!(rejected.iter().all(|(row, why)| why.message == row.to_string()));
            }
        }
    }
}
