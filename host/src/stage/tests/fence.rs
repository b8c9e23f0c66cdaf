//! Deadlines: cancel, settle, fence.

use rolog_core::delivery::{Class, Failure, Outcome};
use tokio::time::Instant;

use super::super::testing::{
    Call, Step, Witness, World, accept, batches_of, pass, refused, seat, settle_down, stage,
};
use super::super::*;
use super::{ms, s};

fn quick(size: usize) -> StageSettings {
    let mut settings = batches_of(size);
    settings.timeout = s(10);
    settings
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_cancelled_at_its_deadline_and_waited_for() {
    let world = World::new();
    let late = Outcome::retry(Failure::new(Class::Cancelled, "rolled back"));
    world.script([Step::UntilCancelled(late)]);
    let stage = stage("t", quick(1), &world, &[], Services::default());
    let start = Instant::now();
    accept(&stage, [1, 2]);
    pass(s(11)).await;
    assert_eq!(world.attempts_at(start), [0, 10_600, 10_600]);
    assert_eq!(world.written(), [1, 2]);
    let row = stage.row();
    assert_eq!(row.failures.get(Class::Timeout), 1);
    assert_eq!((row.maybe_written, row.fenced), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_attempt_that_delivered_after_all_is_not_repeated() {
    let world = World::new();
    world.script([Step::UntilCancelled(Outcome::delivered())]);
    let stage = stage("t", quick(1), &world, &[], Services::default());
    accept(&stage, [1]);
    pass(s(11)).await;
    assert_eq!(world.written(), [1]);
    let row = stage.row();
    assert_eq!((row.delivered, row.attempts, row.maybe_written), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_the_instance_is_fenced_and_nothing_else_starts() {
    let world = World::new();
    world.script([Step::UntilReleased(Outcome::delivered())]);
    let witness = Witness::new();
    let stage = stage("t", quick(1), &world, &[], witness.services(false));
    accept(&stage, [1, 2]);
    pass(s(15)).await;
    assert_eq!(stage.status().mode, Mode::Fenced);
    assert_eq!(witness.events("t"), ["fenced", "failed"]);
    pass(s(1000)).await;
    assert_eq!(world.batches(), [[1]], "two writers would tear lines");
    assert_eq!(stage.row().queued, 2, "without a fallback they queue");
    world.release();
    settle_down().await;
    assert_eq!(
        world.written(),
        [1, 2],
        "settled: not repeated, and on it goes"
    );
    assert_eq!(
        witness.events("t"),
        ["fenced", "failed", "unfenced", "recovered"]
    );
    assert_eq!((stage.row().delivered, stage.row().maybe_written), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_fenced_attempt_that_failed_is_tried_again() {
    let world = World::new();
    world.script([Step::UntilReleased(Outcome::retry(refused()))]);
    let stage = stage("t", quick(1), &world, &[], Services::default());
    accept(&stage, [1]);
    pass(s(60)).await;
    world.release();
    pass(ms(600)).await;
    assert_eq!(world.written(), [1]);
    assert_eq!((stage.row().retries, stage.row().delivered), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn while_fenced_records_take_the_fallback_and_the_pinned_buffer_counts() {
    let (hung, good) = (World::new(), World::new());
    hung.script([Step::UntilReleased(Outcome::delivered())]);
    let witness = Witness::new();
    let rescue = stage("rescue", batches_of(9), &good, &[], witness.services(false));
    let app = stage("app", quick(1), &hung, &[&rescue], witness.services(false));
    accept(&app, [1]);
    pass(s(15)).await;
    accept(&app, [2]);
    settle_down().await;
    assert_eq!(good.written(), [1, 2]);
    let row = app.row();
    assert_eq!((row.fell_back, row.queued, row.maybe_written), (2, 0, 1));
    assert!(app.queued_bytes() > 0, "the attempt still holds its buffer");
    let marks: Vec<bool> = witness
        .ends()
        .iter()
        .map(|end| end.2.maybe_written)
        .collect();
    assert_eq!(marks, [true, false], "the first may be in both places");
    hung.release();
    settle_down().await;
    assert_eq!(app.queued_bytes(), 0);
    accept(&app, [3]);
    settle_down().await;
    assert_eq!(hung.written(), [1, 3], "back at the primary");
    assert!(app.row().balances());
}

#[tokio::test(start_paused = true)]
async fn a_hung_target_does_not_keep_shutdown_and_is_reported() {
    let world = World::new();
    world.script([Step::UntilReleased(Outcome::delivered())]);
    let witness = Witness::new();
    let stage = stage("t", quick(1), &world, &[], witness.services(true));
    accept(&stage, [1, 2]);
    settle_down().await;
    let start = Instant::now();
    let report = stage.dispose(s(10)).await;
    assert!(start.elapsed() <= s(10), "{:?}", start.elapsed());
    assert_eq!(report.fenced, 1);
    assert_eq!((report.row.dead_lettered, report.row.maybe_written), (2, 1));
    let mut buried = witness.buried();
    buried.sort_unstable();
    assert_eq!(buried, [1, 2]);
    assert!(!world.calls().contains(&Call::Shutdown), "left alone");
}

#[tokio::test(start_paused = true)]
async fn no_successor_touches_the_resource_of_a_fenced_instance() {
    let (hung, next) = (World::new(), World::new());
    hung.claim("/var/log/app.jsonl");
    next.claim("/var/log/app.jsonl");
    hung.script([Step::UntilReleased(Outcome::retry(refused()))]);
    let stage = stage("t", quick(1), &hung, &[], Services::default());
    accept(&stage, [1]);
    pass(s(16)).await;
    let replace = stage.replace(seat(&next));
    tokio::pin!(replace);
    tokio::select! {
        biased;
        _ = &mut replace => panic!("it must wait"),
        () = pass(s(100)) => {}
    }
    assert!(!next.calls().contains(&Call::Activate));
    hung.release();
    assert_eq!(replace.await, Ok(()));
    pass(s(1)).await;
    assert_eq!((hung.written(), next.written()), (vec![], vec![1]));
}

#[tokio::test(start_paused = true)]
async fn a_successor_with_another_resource_need_not_wait_for_a_fenced_instance() {
    let (hung, next) = (World::new(), World::new());
    hung.claim("/var/log/a");
    next.claim("/var/log/b");
    hung.script([Step::UntilReleased(Outcome::delivered())]);
    let stage = stage("t", quick(1), &hung, &[], Services::default());
    accept(&stage, [1, 2]);
    pass(s(16)).await;
    assert_eq!(stage.replace(seat(&next)).await, Ok(()));
    settle_down().await;
    assert_eq!(next.written(), [2], "1 is still under way in the old one");
    hung.release();
    settle_down().await;
    assert_eq!((hung.written(), stage.row().delivered), (vec![1], 2));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_fenced_two_instances_ago_holds_back_a_third_that_uses_the_same() {
    let (first, second, third) = (World::new(), World::new(), World::new());
    first.claim("file:a");
    second.claim("file:b");
    third.claim("file:a");
    first.script([Step::UntilReleased(Outcome::delivered())]);
    let stage = stage("t", quick(1), &first, &[], Services::default());
    accept(&stage, [1]);
    pass(s(15)).await;
    assert_eq!(stage.status().mode, Mode::Fenced);
    assert_eq!(stage.replace(seat(&second)).await, Ok(()));
    accept(&stage, [2]);
    settle_down().await;
    assert_eq!(second.written(), [2], "it uses another file");
    let replaced = tokio::spawn(stage.begin_replace(seat(&third)));
    accept(&stage, [3]);
    pass(s(1000)).await;
    assert!(!third.calls().contains(&Call::Activate), "two writers");
    first.release();
    settle_down().await;
    assert_eq!(replaced.await.unwrap(), Ok(()));
    settle_down().await;
    assert_eq!((first.written(), third.written()), (vec![1], vec![3]));
}
