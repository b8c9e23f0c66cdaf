//! Every input that fuzzing has kept, replayed.

use rolog_core::frame::Batch;
use rolog_tests::fuzz::{TARGETS, corpus};

#[test]
fn no_kept_input_breaks_a_promise() {
    for (target, run) in TARGETS {
        let inputs = corpus(target);
        assert!(inputs.len() >= 10, "the corpus of {target} is missing");
        for (name, bytes) in inputs {
            // Shown by the test runner when the line below panics.
            println!("fuzz/corpus/{target}/{name}");
            run(&bytes);
        }
    }
}

#[test]
fn batches_of_every_version_so_far_are_read() {
    let seeds = corpus("frames")
        .into_iter()
        .filter(|(name, _)| name.starts_with("seed-"));
    let mut records = 0;
    for (name, bytes) in seeds {
        let batch = Batch::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        records += batch.len();
    }
    assert!(records > 10);
}
