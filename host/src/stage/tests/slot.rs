//! One instance after another.

use std::sync::Arc;

use rolog_core::delivery::{Failure, Outcome};
use tokio::time::Instant;

use super::super::testing::{
    Call, EPOCH, ScriptedMaker, Step, Witness, World, accept, batches_of, pass, refused, seat,
    settle_down, stage,
};
use super::super::*;
use super::s;
use crate::instance::{BoxFuture, Instance, Maker};

#[tokio::test(start_paused = true)]
async fn a_successor_waits_for_the_attempt_and_cuts_nothing_short() {
    let (old, new) = (World::new(), World::new());
    old.script([Step::Answer(s(8), Outcome::delivered())]);
    let witness = Witness::new();
    let stage = stage("t", batches_of(1), &old, &[], witness.services(false));
    accept(&stage, 1..=3);
    settle_down().await;
    let start = Instant::now();
    assert_eq!(stage.replace(seat(&new)).await, Ok(()));
    assert_eq!(start.elapsed(), s(8));
    settle_down().await;
    assert_eq!((old.written(), new.written()), (vec![1], vec![2, 3]));
    assert_eq!(old.calls()[3..], [Call::Flush, Call::Shutdown]);
    assert!(!old.calls().contains(&Call::Cancel));
    assert_eq!(stage.status().generation, 2);
    assert_eq!(witness.events("t"), ["replaced"]);
}

#[tokio::test(start_paused = true)]
async fn if_the_successor_cannot_be_activated_the_old_one_goes_on() {
    let (old, new) = (World::new(), World::new());
    new.fail_activations([refused()]);
    let stage = stage("t", batches_of(1), &old, &[], Services::default());
    accept(&stage, [1]);
    settle_down().await;
    assert_eq!(stage.replace(seat(&new)).await, Err(refused()));
    accept(&stage, [2]);
    settle_down().await;
    assert_eq!(old.written(), [1, 2]);
    assert_eq!(old.calls()[3..5], [Call::Flush, Call::Activate]);
    assert_eq!(stage.status().generation, 1);
}

#[tokio::test(start_paused = true)]
async fn a_successor_frees_a_target_from_hold_and_quarantine() {
    let (old, new) = (World::new(), World::new());
    old.script([Step::now(Outcome::hold(refused()))]);
    let witness = Witness::new();
    let held = stage("held", batches_of(1), &old, &[], witness.services(false));
    accept(&held, [1]);
    settle_down().await;
    assert_eq!(held.replace(seat(&new)).await, Ok(()));
    settle_down().await;
    assert_eq!(new.written(), [1], "a reload does not hang on what is held");

    let mut settings = batches_of(1);
    settings.quarantine_after = 1;
    let panics = World::new();
    panics.script([Step::Panic]);
    let stage = stage("q", settings, &panics, &[], witness.services(false));
    accept(&stage, [2]);
    pass(s(1)).await;
    assert_eq!(stage.status().mode, Mode::Quarantined);
    assert_eq!(stage.row().queued, 1);
    assert_eq!(stage.replace(seat(&new)).await, Ok(()));
    settle_down().await;
    assert_eq!(new.written(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_second_successor_takes_the_place_of_one_that_still_waits() {
    let (old, second, third) = (World::new(), World::new(), World::new());
    old.script([Step::Answer(s(5), Outcome::delivered())]);
    let stage = stage("t", batches_of(1), &old, &[], Services::default());
    accept(&stage, [1]);
    settle_down().await;
    let (first, last) = tokio::join!(stage.replace(seat(&second)), stage.replace(seat(&third)));
    assert!(first.is_err() && last.is_ok());
    assert!(second.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn retuning_keeps_what_is_queued_and_counts_for_what_comes() {
    let world = World::new();
    let stage = stage("t", batches_of(100), &world, &[], Services::default());
    accept(&stage, 1..=3);
    let mut settings = batches_of(2);
    settings.max_records = 5;
    stage.retune(settings, Vec::new()).unwrap();
    accept(&stage, [4]);
    settle_down().await;
    assert_eq!(world.batches(), [[1, 2, 3, 4]]);
    accept(&stage, [5, 6]);
    settle_down().await;
    assert_eq!(world.batches()[1], [5, 6]);
    let mut wrong = batches_of(2);
    wrong.concurrency = 0;
    assert_eq!(
        stage.retune(wrong, Vec::new()).unwrap_err().setting(),
        "concurrency"
    );
    assert_eq!(stage.settings().max_records, 5, "nothing has changed");
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_is_replaced_after_its_end_says_so() {
    let world = World::new();
    let stage = stage("t", batches_of(1), &world, &[], Services::default());
    stage.dispose(s(1)).await;
    assert!(stage.replace(seat(&world)).await.is_err());
    assert_eq!(stage.flush(s(1)).await, 0);
}

/// Takes a second for each instance.
struct Slow(Arc<World>);

impl Maker for Slow {
    fn create(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, Failure>> {
        Box::pin(async {
            tokio::time::sleep(s(1)).await;
            ScriptedMaker(Arc::clone(&self.0)).create().await
        })
    }

    fn preferred_batch(&self) -> Option<usize> {
        None
    }

    fn resources(&self) -> Vec<String> {
        Vec::new()
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_an_instance_is_doing_it_can_be_put_away_and_given_another_chance() {
    let (bad, good) = (World::new(), World::new());
    let witness = Witness::new();
    let rescue = stage("rescue", batches_of(9), &good, &[], witness.services(false));
    let app = Stage::start(
        "app",
        batches_of(1),
        Seat::vacant(Arc::new(Slow(Arc::clone(&bad)))),
        vec![rescue.as_fallback()],
        witness.services(false),
        EPOCH,
        &tokio::runtime::Handle::current(),
    )
    .unwrap();
    settle_down().await;
    // It is being created just now: what comes of that must not serve.
    app.quarantine(refused());
    accept(&app, [1]);
    pass(s(2)).await;
    assert_eq!(app.status().mode, Mode::Quarantined);
    app.retry_now();
    pass(s(2)).await;
    accept(&app, [2]);
    settle_down().await;
    bad.script([Step::fail()]);
    app.quarantine(refused());
    accept(&app, [3]);
    settle_down().await;
    assert_eq!((bad.written(), good.written()), (vec![2], vec![1, 3]));
    assert_eq!(app.row().quarantines, 2);
}

#[tokio::test(start_paused = true)]
async fn a_successor_that_comes_during_a_change_waits_for_it() {
    let (old, second, third) = (World::new(), World::new(), World::new());
    second.take_to_start(s(3));
    let stage = stage("t", batches_of(1), &old, &[], Services::default());
    settle_down().await;
    let start = Instant::now();
    let (first, last) = tokio::join!(stage.replace(seat(&second)), async {
        pass(s(1)).await;
        assert_eq!(stage.status().mode, Mode::Replacing);
        stage.replace(seat(&third)).await
    });
    assert_eq!((first, last), (Ok(()), Ok(())));
    assert_eq!(start.elapsed(), s(3));
    accept(&stage, [1]);
    settle_down().await;
    assert_eq!(third.written(), [1]);
    assert_eq!(second.calls().last(), Some(&Call::Shutdown), "each let go");
    assert_eq!(stage.status().generation, 3);
}

#[tokio::test(start_paused = true)]
async fn a_failed_successor_does_not_free_a_quarantined_instance() {
    let (panics, new) = (World::new(), World::new());
    panics.script([Step::Panic]);
    new.fail_activations([refused()]);
    let mut settings = batches_of(1);
    settings.quarantine_after = 1;
    let stage = stage("t", settings, &panics, &[], Services::default());
    accept(&stage, [1]);
    pass(s(1)).await;
    assert_eq!(stage.replace(seat(&new)).await, Err(refused()));
    assert_eq!(stage.status().mode, Mode::Quarantined);
    let calls = panics.calls();
    assert!(
        !calls.contains(&Call::Flush),
        "nothing is asked of it: {calls:?}"
    );
    pass(s(100)).await;
    assert_eq!(panics.batches(), [[1]]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_being_made_at_the_end_is_let_go_of() {
    let world = World::new();
    world.take_to_start(s(3));
    let stage = stage("t", batches_of(1), &world, &[], Services::default());
    settle_down().await;
    stage.dispose(s(10)).await;
    assert_eq!(
        world.calls(),
        [Call::Create, Call::Activate, Call::Shutdown]
    );
    let late = World::new();
    late.take_to_start(s(20));
    let stage = super::super::testing::stage("l", batches_of(1), &late, &[], Services::default());
    settle_down().await;
    stage.dispose(s(10)).await;
    pass(s(20)).await;
    assert_eq!(
        late.calls().last(),
        Some(&Call::Shutdown),
        "although too late"
    );
}

#[tokio::test(start_paused = true)]
async fn of_two_that_exchange_what_they_use_neither_begins_before_the_other_has_settled() {
    let (old_a, old_b, new_a, new_b) = (World::new(), World::new(), World::new(), World::new());
    old_b.script([Step::Answer(s(8), Outcome::delivered())]);
    let a = stage("a", batches_of(1), &old_a, &[], Services::default());
    let b = stage("b", batches_of(1), &old_b, &[], Services::default());
    accept(&b, [1]);
    settle_down().await;
    let ((a_moved, a_opens), (b_moved, b_opens)) = (Latch::new(), Latch::new());
    let (mut to_a, mut to_b) = (seat(&new_a), seat(&new_b));
    (to_a.yields, to_a.waits) = (vec![a_opens], vec![b_moved]);
    (to_b.yields, to_b.waits) = (vec![b_opens], vec![a_moved]);
    let (a_done, b_done) = (a.begin_replace(to_a), b.begin_replace(to_b));
    accept(&a, [2]);
    pass(s(7)).await;
    assert_eq!(
        new_a.calls(),
        [Call::Create],
        "the file of b is still written to"
    );
    assert!(old_a.written().is_empty(), "its own is not any more");
    let start = Instant::now();
    assert_eq!((a_done.await, b_done.await), (Ok(()), Ok(())));
    assert_eq!(start.elapsed(), s(1));
    settle_down().await;
    assert_eq!((old_b.written(), new_a.written()), (vec![1], vec![2]));
}

#[tokio::test(start_paused = true)]
async fn one_whose_place_is_taken_goes_on_to_the_new_one_and_never_back() {
    let (old, new) = (World::new(), World::new());
    new.fail_activations([refused()]);
    let stage = stage("t", batches_of(1), &old, &[], Services::default());
    accept(&stage, [1]);
    settle_down().await;
    let (moved, opens) = Latch::new();
    let mut successor = seat(&new);
    successor.yields = vec![opens];
    assert_eq!(stage.replace(successor).await, Err(refused()));
    moved.wait().await;
    accept(&stage, [2]);
    pass(s(60)).await;
    assert_eq!((old.written(), new.written()), (vec![1], vec![2]));
    let calls = old.calls();
    assert_eq!(calls[calls.len() - 2..], [Call::Flush, Call::Shutdown]);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_stage_that_ends_first_does_not_wait_for_ever() {
    let (old, new) = (World::new(), World::new());
    old.script([Step::UntilReleased(Outcome::delivered())]);
    let stage = stage("t", batches_of(1), &old, &[], Services::default());
    accept(&stage, [1]);
    settle_down().await;
    let (moved, opens) = Latch::new();
    let mut successor = seat(&new);
    successor.yields = vec![opens];
    let replaced = tokio::spawn(stage.begin_replace(successor));
    settle_down().await;
    stage.dispose(s(5)).await;
    moved.wait().await;
    assert!(replaced.await.unwrap().is_err());
    let (late, opens) = Latch::new();
    stage.yields(opens);
    late.wait().await;
}
