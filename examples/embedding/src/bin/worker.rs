//! A worker on a runtime of one thread: `cargo run --bin worker`.
//!
//! The pipeline has threads of its own, so that a worker whose one thread waits for it never waits for
//! itself.

use std::time::Duration;

use rolog_core::context::InContext as _;
use rolog_core::{context, info, warning};
use rolog_host::Host;
use rolog_host::config::{PipelineSpec, Route, Target};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = PipelineSpec::builder()
        .target("screen", Target::of("console"))
        .route(Route::from("**").to(["screen"]))
        .build()?;
    let host = Host::builder().pipeline(pipeline).start()?;
    let log = host.factory().get_logger("worker");

    let mut jobs = tokio::task::JoinSet::new();
    for id in 1..=3 {
        let log = log.clone();
        let job = async move {
            info!(log, "started");
            tokio::time::sleep(Duration::from_millis(10 * id)).await;
            if id == 2 {
                warning!(log, "slow");
            }
            info!(log, "done");
        };
        // Each task keeps its own, although they share a thread.
        jobs.spawn(job.in_context(context!(job = id)));
    }
    while let Some(ended) = jobs.join_next().await {
        ended?;
    }

    // What must not be lost waits for room, and can be waited for to its end.
    let delivery = info!(log.receipt(), "all jobs are done").await?.await;
    println!("{delivery:?}");
    let report = host.dispose(Duration::from_secs(10)).await;
    println!("{report}");
    assert!(report.is_complete());
    Ok(())
}
