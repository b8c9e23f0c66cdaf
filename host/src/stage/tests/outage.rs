//! Long trouble: nothing piles up, nothing is wedged, and it ends by itself.

use rolog_core::delivery::Outcome;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::super::testing::{
    Step, Witness, World, accept, append, batches_of, pass, settle_down, stage,
};
use super::super::*;
use super::{ms, s};
use rolog_core::level::Level;

fn failing(times: usize) -> std::sync::Arc<World> {
    let world = World::new();
    world.script(vec![Step::fail(); times]);
    world
}

#[tokio::test(start_paused = true)]
async fn an_outage_makes_no_tasks_and_no_timers_by_the_record() {
    let mut settings = batches_of(1);
    settings.retry = RetryPolicy::new(1000, s(1), Growth::Constant);
    let stage = stage("t", settings, &failing(100_000), &[], Services::default());
    settle_down().await;
    let before = Handle::current().metrics().num_alive_tasks();
    accept(&stage, 1..=5000);
    for _ in 0..50 {
        pass(s(1)).await;
        let now = Handle::current().metrics().num_alive_tasks();
        assert!(now <= before + 1, "{now} tasks, {before} before");
    }
    assert_eq!(stage.row().queued, 5000);
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_everything_flows_again() {
    let world = failing(5);
    let mut settings = batches_of(10);
    settings.retry = RetryPolicy::new(20, s(5), Growth::Constant);
    let stage = stage("t", settings, &world, &[], Services::default());
    for n in 0..40 {
        accept(&stage, n * 10 + 1..=n * 10 + 10);
        pass(s(1)).await;
    }
    pass(s(1)).await;
    assert_eq!(world.written(), (1..=400).collect::<Vec<_>>());
    assert_eq!(stage.status().mode, Mode::Active);
}

#[tokio::test(start_paused = true)]
async fn one_stuck_target_delays_no_other() {
    let (stuck, well) = (World::new(), World::new());
    stuck.script([Step::UntilReleased(Outcome::delivered())]);
    let mut tiny = batches_of(1);
    tiny.max_records = 2;
    let first = stage("stuck", tiny, &stuck, &[], Services::default());
    let second = stage("well", batches_of(1), &well, &[], Services::default());
    for n in 1..=100 {
        let _ = append(&first, [n], Level::Error);
        accept(&second, [n]);
        settle_down().await;
        assert_eq!(well.written().last(), Some(&n));
    }
    assert_eq!(first.row().refused.total(), 98);
}

#[tokio::test(start_paused = true)]
async fn a_flush_is_never_lost_to_a_full_queue() {
    let world = World::new();
    world.script([Step::Answer(s(1), Outcome::delivered())]);
    let mut tiny = batches_of(100);
    tiny.max_records = 3;
    let stage = stage("t", tiny, &world, &[], Services::default());
    let _ = append(&stage, 1..=50, Level::Error);
    let start = Instant::now();
    assert_eq!(stage.flush(s(60)).await, 0);
    assert_eq!(start.elapsed(), s(1));
    assert_eq!(world.written(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_target_does_not_put_off_the_end() {
    let world = World::new();
    world.script(vec![Step::Answer(s(9), Outcome::delivered()); 100]);
    let witness = Witness::new();
    let stage = stage("t", batches_of(1), &world, &[], witness.services(true));
    accept(&stage, 1..=100);
    let start = Instant::now();
    let report = stage.dispose(s(21)).await;
    assert!(start.elapsed() <= s(21), "{:?}", start.elapsed());
    assert_eq!(report.row.delivered, 2, "as many as there was time for");
    assert_eq!(report.row.dead_lettered, 98, "and nothing was deleted");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_outlasts_the_shutdown_is_not_begun() {
    let (bad, good) = (failing(100), World::new());
    let rescue = stage("rescue", batches_of(1), &good, &[], Services::default());
    let mut settings = batches_of(1);
    settings.retry = RetryPolicy::new(9, s(60), Growth::Constant);
    let app = stage("app", settings, &bad, &[&rescue], Services::default());
    accept(&app, [1]);
    settle_down().await;
    let start = Instant::now();
    let (app, _) = tokio::join!(app.dispose(s(30)), rescue.dispose(s(30)));
    assert_eq!(app.row.fell_back, 1);
    assert_eq!(start.elapsed(), s(0));
    assert_eq!(good.written(), [1]);
}

#[test]
fn a_stage_whose_runtime_is_gone_ends_and_counts_what_it_had() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let world = World::new();
    world.script([Step::UntilReleased(Outcome::delivered())]);
    let stage = {
        let _entered = runtime.enter();
        stage("t", batches_of(2), &world, &[], Services::default())
    };
    accept(&stage, 1..=5);
    runtime.shutdown_timeout(ms(1000));
    let report = stage.wait_disposed();
    assert_eq!(report.row.dropped.get(DropReason::Abandoned), 5);
    assert!(report.row.balances() && report.failure.is_some());
    let refused = Append::Refused(RefusalReason::Disposed);
    assert_eq!(append(&stage, [6], Level::Error), [refused]);
}
