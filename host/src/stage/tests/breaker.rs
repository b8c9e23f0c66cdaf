//! The breaker of a target with a fallback.

use super::super::testing::{Step, Witness, World, accept, batches_of, pass, settle_down, stage};
use super::super::*;
use super::{ms, s};
use rolog_core::delivery::Outcome;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn once_open_batches_take_the_fallback_without_waiting_and_come_back_by_themselves() {
    let (bad, good) = (World::new(), World::new());
    bad.script(vec![Step::fail(); 7]);
    let witness = Witness::new();
    let rescue = stage("rescue", batches_of(9), &good, &[], witness.services(false));
    let app = stage(
        "app",
        batches_of(1),
        &bad,
        &[&rescue],
        witness.services(false),
    );
    let start = Instant::now();
    accept(&app, [1, 2]);
    // 1 fails four times (0, 0.6, 1.8, 3.6 s), 2 fails once: the breaker opens.
    pass(ms(3601)).await;
    assert_eq!(app.status().mode, Mode::Broken);
    assert_eq!(good.written(), [1, 2]);
    for n in 3..=5 {
        accept(&app, [n]);
        settle_down().await;
    }
    assert_eq!(good.written(), [1, 2, 3, 4, 5], "at once");
    // A probe each 5 s, 10 s and 20 s after the failure before; the first two fail.
    for n in 6..=40 {
        pass(s(1)).await;
        accept(&app, [n]);
    }
    pass(s(1)).await;
    assert_eq!(bad.attempts_at(start)[4..8], [3600, 8601, 18_601, 38_601]);
    assert_eq!(app.status().breaker, BreakerState::HalfOpen);
    accept(&app, [41]);
    settle_down().await;
    assert_eq!(app.status().breaker, BreakerState::Closed, "two successes");
    let mut all = [bad.written(), good.written()].concat();
    all.sort_unstable();
    assert_eq!(all, (1..=41).collect::<Vec<_>>(), "each in one place");
    assert_eq!(
        witness.events("app"),
        [
            "failed",
            "fallback_in_use",
            "breaker_opened",
            "breaker_closed",
            "recovered"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn others_do_not_wait_for_a_slow_probe() {
    let (bad, good) = (World::new(), World::new());
    bad.script(vec![Step::fail(); 5]);
    bad.script([Step::Answer(s(20), Outcome::delivered())]);
    let rescue = stage("rescue", batches_of(9), &good, &[], Services::default());
    let app = stage("app", batches_of(1), &bad, &[&rescue], Services::default());
    accept(&app, [1, 2]);
    pass(s(9)).await;
    accept(&app, [3]);
    settle_down().await;
    assert_eq!(app.status().attempts, 1, "the probe");
    accept(&app, [4, 5]);
    settle_down().await;
    assert_eq!(good.written(), [1, 2, 4, 5]);
    pass(s(20)).await;
    assert_eq!(bad.written(), [3]);
}

#[tokio::test(start_paused = true)]
async fn without_a_fallback_every_batch_has_its_retries() {
    let bad = World::new();
    bad.script(vec![Step::fail(); 12]);
    let stage = stage("t", batches_of(1), &bad, &[], Services::default());
    let start = Instant::now();
    accept(&stage, 1..=3);
    pass(s(11)).await;
    let attempts = bad.attempts_at(start);
    assert_eq!(attempts.len(), 12);
    assert_eq!(attempts[4..8], [3600, 4200, 5400, 7200]);
    assert_eq!(stage.status().breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_cannot_start_is_failed_over_and_tried_again() {
    let (bad, good) = (World::new(), World::new());
    let down = super::super::testing::refused();
    bad.fail_creations([down.clone(), down]);
    let witness = Witness::new();
    let rescue = stage("rescue", batches_of(9), &good, &[], witness.services(false));
    let app = stage(
        "app",
        batches_of(1),
        &bad,
        &[&rescue],
        witness.services(false),
    );
    accept(&app, [1]);
    pass(ms(10)).await;
    assert_eq!(app.status().mode, Mode::StartFailed);
    assert_eq!(good.written(), [1]);
    pass(s(16)).await;
    accept(&app, [2]);
    settle_down().await;
    assert_eq!(bad.written(), [2], "after 5 s and 10 s");
    let events = witness.events("app");
    assert_eq!(
        events,
        [
            "start_failed",
            "fallback_in_use",
            "start_failed",
            "recovered"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_without_a_fallback_that_cannot_start_keeps_its_queue() {
    let world = World::new();
    world.fail_activations(vec![super::super::testing::refused(); 3]);
    let stage = stage("t", batches_of(1), &world, &[], Services::default());
    accept(&stage, 1..=3);
    pass(s(36)).await;
    assert_eq!(world.written(), [1, 2, 3]);
    assert_eq!(stage.row().attempts, 3, "a start is not an attempt");
}
