//! A program without any async runtime: `cargo run --bin synchronous`.

use std::time::Duration;

use rolog_core::{context, info};
use rolog_example_library::Counter;
use rolog_host::Host;
use rolog_host::config::{PipelineSpec, Route, Target};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = PipelineSpec::builder()
        .level("words", rolog_core::Level::Debug)
        .target("screen", Target::of("console"))
        .route(Route::from("**").to(["screen"]))
        .build()?;
    let host = Host::builder().pipeline(pipeline).start()?;
    let log = host.factory().get_logger("main");
    let counter = Counter::new(host.factory());

    let threads: Vec<_> = ["to be or not to be", "", "that is the question"]
        .into_iter()
        .enumerate()
        .map(|(n, text)| {
            let (log, count) = (log.clone(), Counter::new(host.factory()));
            std::thread::spawn(move || {
                // Of all records of this thread, those of the library included.
                let _entered = context!(job = n).enter();
                info!(log, "started");
                count.count(text)
            })
        })
        .collect();
    let words: usize = threads
        .into_iter()
        .filter_map(|thread| thread.join().ok())
        .sum();
    // A record that must have arrived before the program goes on: the call waits for room, and the
    // flush for the delivery.
    info!(log.blocking(), "{words} words in all", words = words)?;
    assert_eq!(host.flush_blocking(Duration::from_secs(10)), 0);
    counter.count("done");

    let report = host.dispose_blocking(Duration::from_secs(10));
    println!("{report}");
    assert!(report.is_complete());
    Ok(())
}
