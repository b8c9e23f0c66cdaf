//! Values whose own code logs, fails or panics: they harm nobody but themselves.

use std::fmt;

use rolog_core::frame::Batch;
use rolog_core::intake::DropReason;
use rolog_core::logger::is_capturing;
use rolog_core::{Logger, info};

use crate::bench::Bench;

struct LogsItselfTwice(Logger);

impl fmt::Display for LogsItselfTwice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(self.0, "first", value = %self);
        assert!(is_capturing(), "a refusal inside is not the end of it");
        info!(self.0, "second", value = %self);
        f.write_str("said")
    }
}

#[test]
fn a_value_that_logs_itself_twice_comes_to_an_end() {
    let mut bench = Bench::new();
    info!(bench.log(), "outer", value = %LogsItselfTwice(bench.log()));
    assert!(!is_capturing());
    let bytes = bench.batch();
    // Each of eight depths has two records for each of the one above, and those of the ninth are refused.
    assert_eq!(Batch::parse(&bytes).unwrap().len(), (1 << 8) - 1);
    let counts = bench.intake.counts();
    assert_eq!(counts.dropped(DropReason::Reentrant), 1 << 8);
    assert!(counts.is_balanced());
}
