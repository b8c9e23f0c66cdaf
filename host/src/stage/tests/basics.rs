//! Batching, rolog's retry rule, fallback, and the end.

use rolog_core::delivery::{Class, Outcome};
use rolog_core::level::Level;
use tokio::time::Instant;

use super::super::testing::{
    Call, Step, Witness, World, accept, append, batches_of, pass, settle_down, stage,
};
use super::super::*;
use super::ms;

#[tokio::test(start_paused = true)]
async fn batches_close_by_count_and_the_last_record_never_waits_for_the_next() {
    let world = World::new();
    let stage = stage("t", batches_of(3), &world, &[], Services::default());
    accept(&stage, 1..=7);
    settle_down().await;
    assert_eq!(world.batches(), [vec![1, 2, 3], vec![4, 5, 6]]);
    pass(ms(999)).await;
    assert_eq!(world.written().len(), 6);
    pass(ms(2)).await;
    assert_eq!(world.written(), [1, 2, 3, 4, 5, 6, 7]);
    let row = stage.row();
    assert_eq!((row.accepted, row.delivered, row.queued), (7, 7, 0));
    assert_eq!((row.batches, row.attempts, row.retries), (3, 3, 0));
    let measures = stage.measures();
    let sizes = measures.of(Measure::BatchRecords);
    assert_eq!((sizes.count(), sizes.sum()), (3, 7.0));
    let waits = measures.of(Measure::QueueSeconds);
    assert_eq!((waits.count(), waits.sum()), (3, 1.0));
    assert_eq!(measures.of(Measure::DeliverySeconds).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn batches_close_by_bytes_and_by_level() {
    let world = World::new();
    let mut settings = batches_of(100);
    settings.batch.max_bytes = 400;
    settings.batch.flush_on = Some(Level::Error);
    let stage = stage("t", settings, &world, &[], Services::default());
    accept(&stage, 1..=12);
    settle_down().await;
    let batches = world.batches();
    assert!(batches.len() >= 2 && batches.iter().all(|batch| batch.len() > 1));
    let first = append(&stage, [13], Level::Error);
    assert_eq!(first, [Append::Accepted]);
    settle_down().await;
    assert_eq!(
        world.written(),
        (1..=13).collect::<Vec<_>>(),
        "with what was before it"
    );
}

#[tokio::test(start_paused = true)]
async fn rologs_retry_rule_is_one_and_three_attempts() {
    let world = World::new();
    world.script(vec![Step::fail(); 4]);
    let witness = Witness::new();
    let stage = stage("t", batches_of(1), &world, &[], witness.services(false));
    let start = Instant::now();
    accept(&stage, [1, 2]);
    pass(ms(3600)).await;
    assert_eq!(world.attempts_at(start), [0, 600, 1800, 3600, 3600]);
    assert_eq!(world.written(), [2], "the next batch starts afresh");
    let row = stage.row();
    assert_eq!(row.dropped.get(DropReason::Exhausted), 1);
    assert_eq!((row.attempts, row.retries), (5, 3));
    assert_eq!(row.failures.get(Class::Connection), 4);
    assert!(row.balances());
    assert_eq!(witness.events("t"), ["failed", "dropped", "recovered"]);
    let ends = witness.ends();
    assert_eq!(ends[0].2.state, EndState::Dropped(DropReason::Exhausted));
    assert_eq!(ends[1].2.state, EndState::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_gets_the_records_as_one_group_with_their_ids() {
    let (bad, good) = (World::new(), World::new());
    bad.script(vec![Step::fail(); 4]);
    let witness = Witness::new();
    let rescue = stage(
        "rescue",
        batches_of(500),
        &good,
        &[],
        witness.services(false),
    );
    let app = stage(
        "app",
        batches_of(3),
        &bad,
        &[&rescue],
        witness.services(false),
    );
    accept(&app, 1..=3);
    pass(ms(3600)).await;
    assert_eq!(
        good.batches(),
        [vec![1, 2, 3]],
        "at once, not after its interval"
    );
    assert_eq!((app.row().fell_back, app.row().queued), (3, 0));
    let row = rescue.row();
    assert_eq!((row.accepted, row.taken_over, row.delivered), (3, 3, 3));
    for (_, routed, end) in witness.ends() {
        assert_eq!((routed.as_str(), &*end.at), ("app", "rescue"));
        assert_eq!(end.state, EndState::Delivered);
    }
    assert_eq!(witness.ends().len(), 3, "each copy settles once");
    assert_eq!(witness.events("app"), ["failed", "fallback_in_use"]);
}

#[tokio::test(start_paused = true)]
async fn order_is_kept_while_a_batch_is_tried_again() {
    let world = World::new();
    world.script([Step::fail(), Step::fail()]);
    let stage = stage("t", batches_of(2), &world, &[], Services::default());
    accept(&stage, 1..=6);
    pass(ms(1800)).await;
    assert_eq!(world.written(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(world.most_under_way(), 1);
}

#[tokio::test(start_paused = true)]
async fn concurrency_bounds_what_is_under_way() {
    let world = World::new();
    world.script(vec![Step::Answer(ms(100), Outcome::delivered()); 10]);
    let mut settings = batches_of(1);
    settings.concurrency = 3;
    let stage = stage("t", settings, &world, &[], Services::default());
    let start = Instant::now();
    accept(&stage, 1..=7);
    pass(ms(301)).await;
    assert_eq!(world.attempts_at(start), [0, 0, 0, 100, 100, 100, 200]);
    assert_eq!(world.most_under_way(), 3);
    assert_eq!(stage.row().delivered, 7);
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_what_was_before_it_and_for_nothing_else() {
    let world = World::new();
    world.script([Step::Answer(ms(100), Outcome::delivered())]);
    let stage = stage("t", batches_of(10), &world, &[], Services::default());
    accept(&stage, 1..=3);
    let start = Instant::now();
    let (left, ()) = tokio::join!(stage.flush(ms(1000)), async {
        tokio::time::sleep(ms(50)).await;
        accept(&stage, [4]);
    });
    assert_eq!((left, start.elapsed()), (0, ms(100)));
    assert_eq!(stage.row().queued, 1);
    world.script([Step::Answer(ms(5000), Outcome::delivered())]);
    assert_eq!(
        stage.flush(ms(1000)).await,
        1,
        "the caller's deadline counts"
    );
}

#[tokio::test(start_paused = true)]
async fn disposing_delivers_what_is_open_and_lets_the_instance_go() {
    let world = World::new();
    let stage = stage("t", batches_of(10), &world, &[], Services::default());
    accept(&stage, 1..=3);
    let start = Instant::now();
    let report = stage.dispose(ms(1000)).await;
    assert_eq!(start.elapsed(), ms(0), "no longer than it takes");
    assert_eq!((report.row.delivered, report.row.queued), (3, 0));
    assert_eq!((report.fenced, report.failure), (0, None));
    assert_eq!(world.calls().last(), Some(&Call::Shutdown));
    let refused = Append::Refused(RefusalReason::Disposed);
    assert_eq!(append(&stage, [4], Level::Error), [refused]);
    assert_eq!(stage.status().mode, Mode::Disposed);
    assert_eq!(stage.wait_disposed().row.delivered, 3);
}

#[tokio::test(start_paused = true)]
async fn a_dead_target_does_not_keep_shutdown_past_its_deadline() {
    let (dead, good) = (World::new(), World::new());
    dead.script(vec![Step::fail(); 1000]);
    let witness = Witness::new();
    let rescue = stage(
        "rescue",
        batches_of(10),
        &good,
        &[],
        witness.services(false),
    );
    let app = stage(
        "app",
        batches_of(1),
        &dead,
        &[&rescue],
        witness.services(false),
    );
    accept(&app, 1..=100);
    settle_down().await;
    let start = Instant::now();
    let (app, rescue) = tokio::join!(app.dispose(ms(10_000)), rescue.dispose(ms(10_000)));
    assert!(start.elapsed() <= ms(10_000), "{:?}", start.elapsed());
    assert_eq!(app.row.fell_back, 100);
    assert_eq!(rescue.row.delivered, 100, "it waited for the one before it");
    assert_eq!(good.written(), (1..=100).collect::<Vec<_>>());
}
