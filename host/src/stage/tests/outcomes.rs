//! What each answer of a target leads to.

use std::time::Duration;

use rolog_core::delivery::{Class, Failure, Outcome, Rejection};
use tokio::time::Instant;

use super::super::testing::{
    Call, Step, Witness, World, accept, batches_of, pass, refused, settle_down, stage,
};
use super::super::*;
use super::{ms, s};

fn invalid(index: u32) -> Rejection {
    Rejection {
        index,
        class: Class::Invalid,
        message: "a column too many".into(),
    }
}

fn missing_table() -> Failure {
    Failure::new(Class::NotFound, "there is no table `logs`")
}

#[tokio::test(start_paused = true)]
async fn only_what_is_left_is_tried_again() {
    let world = World::new();
    world.script([Step::now(Outcome::retry(refused()).only([1, 3]))]);
    let stage = stage("t", batches_of(4), &world, &[], Services::default());
    accept(&stage, 1..=4);
    pass(ms(600)).await;
    assert_eq!(world.batches(), [vec![1, 2, 3, 4], vec![2, 4]]);
    assert_eq!(world.written(), [1, 3, 2, 4]);
    assert_eq!(stage.row().delivered, 4);
}

#[tokio::test(start_paused = true)]
async fn rejected_records_go_to_the_dead_letters_at_once_and_the_others_are_delivered_once() {
    let world = World::new();
    let outcome = Outcome::retry(refused()).and_rejected(vec![invalid(0), invalid(2)]);
    world.script([Step::now(outcome)]);
    let witness = Witness::new();
    let stage = stage("t", batches_of(4), &world, &[], witness.services(true));
    accept(&stage, 1..=4);
    settle_down().await;
    assert_eq!(witness.buried(), [1, 3], "before the rest is tried again");
    pass(ms(600)).await;
    assert_eq!(world.written(), [2, 4]);
    let row = stage.row();
    assert_eq!((row.delivered, row.dead_lettered, row.rejected), (2, 2, 2));
    let letters = &witness.letters()[0];
    assert_eq!(letters.failure.class, Class::Invalid);
    assert_eq!(
        (letters.records, letters.attempts, letters.generation),
        (2, 1, 1)
    );
    assert_eq!((&*letters.target, &*letters.routed), ("t", "t"));
}

#[tokio::test(start_paused = true)]
async fn rejected_records_take_the_fallback_first() {
    let (world, good) = (World::new(), World::new());
    world.script([Step::now(Outcome::rejected(vec![invalid(1)]))]);
    let witness = Witness::new();
    let rescue = stage("rescue", batches_of(9), &good, &[], witness.services(true));
    let app = stage(
        "app",
        batches_of(3),
        &world,
        &[&rescue],
        witness.services(true),
    );
    accept(&app, 1..=3);
    settle_down().await;
    assert_eq!((world.written(), good.written()), (vec![1, 3], vec![2]));
    assert!(witness.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_poison_record_costs_itself_alone() {
    let world = World::new();
    let poison = Failure::new(Class::Invalid, "\\u0000 cannot be stored");
    let no = || Step::now(Outcome::refused(poison.clone()));
    let yes = || Step::now(Outcome::delivered());
    // 1..=8 with poison 6: 1-8 no, 1-4 yes, 5-8 no, 5-6 no, 5 yes, 6 no, 7-8 yes.
    world.script([no(), yes(), no(), no(), yes(), no(), yes()]);
    let witness = Witness::new();
    let stage = stage("t", batches_of(8), &world, &[], witness.services(true));
    accept(&stage, 1..=16);
    settle_down().await;
    let expected: Vec<u64> = (1..=16).filter(|n| *n != 6).collect();
    assert_eq!(world.written(), expected, "in order");
    assert_eq!(witness.buried(), [6]);
    assert_eq!(witness.letters()[0].failure, poison);
    let row = stage.row();
    assert_eq!((row.rejected, row.retries, row.maybe_written), (1, 0, 0));
    assert_eq!(witness.ends().len(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_half_that_meets_other_trouble_has_all_its_retries() {
    let world = World::new();
    let no = Step::now(Outcome::refused(Failure::new(Class::Invalid, "no")));
    world.script([no, Step::fail(), Step::fail(), Step::fail()]);
    let stage = stage("t", batches_of(2), &world, &[], Services::default());
    accept(&stage, [1, 2]);
    pass(ms(3600)).await;
    assert_eq!(world.written(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_hold_burns_no_attempts_and_probes_slowly() {
    let world = World::new();
    let held = || Step::now(Outcome::hold(missing_table()));
    world.script(vec![held(); 6]);
    let witness = Witness::new();
    let stage = stage("t", batches_of(1), &world, &[], witness.services(false));
    let start = Instant::now();
    accept(&stage, 1..=3);
    pass(s(4)).await;
    assert_eq!(stage.status().mode, Mode::Holding);
    assert_eq!(stage.status().failure, Some(missing_table()));
    pass(s(300)).await;
    assert_eq!(
        world.attempts_at(start)[..7],
        [0, 5000, 15_000, 35_000, 75_000, 135_000, 195_000],
        "5 s rising to 60 s"
    );
    assert_eq!(world.written(), [1, 2, 3], "nothing was lost");
    assert_eq!(stage.row().retries, 0);
    assert_eq!(witness.events("t"), ["held", "released", "recovered"]);
    assert_eq!(stage.status().mode, Mode::Active);
}

#[tokio::test(start_paused = true)]
async fn no_destination_can_ask_to_be_left_alone_for_longer_than_an_hour() {
    let world = World::new();
    let later = |failure: Failure| failure.retry_after(Duration::MAX);
    world.fail_creations([later(refused())]);
    world.script([Step::now(Outcome::hold(later(missing_table())))]);
    let stage = stage("t", batches_of(1), &world, &[], Services::default());
    accept(&stage, [1]);
    pass(s(3601)).await;
    assert_eq!(stage.status().mode, Mode::Holding);
    pass(s(3601)).await;
    assert_eq!(world.written(), [1]);
}

#[tokio::test(start_paused = true)]
async fn whoever_acted_need_not_wait_for_the_probe() {
    let world = World::new();
    world.script([Step::now(Outcome::hold(missing_table()))]);
    let stage = stage("t", batches_of(1), &world, &[], Services::default());
    accept(&stage, [1]);
    settle_down().await;
    stage.retry_now();
    settle_down().await;
    assert_eq!(world.written(), [1]);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_takes_the_fallback_only_before_something_would_be_lost() {
    let (world, good) = (World::new(), World::new());
    world.script(vec![Step::now(Outcome::hold(missing_table())); 50]);
    let rescue = stage("rescue", batches_of(9), &good, &[], Services::default());
    let mut settings = batches_of(1);
    settings.max_records = 16;
    let app = stage("app", settings, &world, &[&rescue], Services::default());
    accept(&app, 1..=13);
    pass(s(100)).await;
    assert_eq!(good.written(), [0; 0]);
    accept(&app, 14..=16);
    pass(s(1)).await;
    assert_eq!(good.written(), [1, 2, 3], "down to the mark");
    let row = app.row();
    assert_eq!((row.refused.total(), row.queued, row.fell_back), (0, 13, 3));
}

#[tokio::test(start_paused = true)]
async fn a_fatal_answer_rebuilds_the_instance_and_the_batch_goes_on() {
    let world = World::new();
    let broken = Failure::new(Class::Internal, "producer is fenced");
    world.script([Step::now(Outcome::fatal(broken))]);
    let witness = Witness::new();
    let stage = stage("t", batches_of(2), &world, &[], witness.services(false));
    accept(&stage, [1, 2]);
    pass(ms(600)).await;
    assert_eq!(world.written(), [1, 2]);
    let deliver = |attempt| Call::Deliver {
        attempt,
        records: vec![1, 2],
    };
    assert_eq!(
        world.calls(),
        [
            Call::Create,
            Call::Activate,
            deliver(1),
            Call::Create,
            Call::Shutdown,
            Call::Activate,
            deliver(2),
        ]
    );
    assert_eq!((stage.row().rebuilds, stage.status().generation), (1, 2));
    assert_eq!(witness.events("t"), ["failed", "rebuilt", "recovered"]);
}

#[tokio::test(start_paused = true)]
async fn panics_in_a_row_quarantine_and_the_records_take_the_fallback() {
    let (bad, good) = (World::new(), World::new());
    bad.script(vec![Step::Panic; 3]);
    let witness = Witness::new();
    let rescue = stage("rescue", batches_of(9), &good, &[], witness.services(false));
    let app = stage(
        "app",
        batches_of(1),
        &bad,
        &[&rescue],
        witness.services(false),
    );
    accept(&app, [1, 2]);
    pass(s(10)).await;
    assert_eq!(bad.batches(), [[1], [1], [1]]);
    assert_eq!(good.written(), [1, 2]);
    assert_eq!(app.status().mode, Mode::Quarantined);
    let row = app.row();
    assert_eq!(row.failures.get(Class::Panic), 3);
    assert_eq!((row.quarantines, row.maybe_written), (1, 1));
    accept(&app, [3]);
    settle_down().await;
    assert_eq!(good.written(), [1, 2, 3], "at once");
    app.retry_now();
    accept(&app, [4]);
    settle_down().await;
    assert_eq!(bad.written(), [4], "a fresh instance serves again");
}

#[tokio::test(start_paused = true)]
async fn a_success_between_panics_starts_the_count_anew() {
    let world = World::new();
    let ok = || Step::now(Outcome::delivered());
    world.script([
        Step::Panic,
        Step::Panic,
        ok(),
        Step::Panic,
        Step::Panic,
        ok(),
    ]);
    let stage = stage("t", batches_of(1), &world, &[], Services::default());
    accept(&stage, [1, 2]);
    pass(s(10)).await;
    assert_eq!(world.written(), [1, 2]);
    assert_eq!(stage.row().quarantines, 0);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_asks_for_time_gets_it() {
    let world = World::new();
    let busy = Failure::new(Class::Throttled, "429").retry_after(s(30));
    world.script([Step::now(Outcome::retry(busy))]);
    let stage = stage("t", batches_of(1), &world, &[], Services::default());
    let start = Instant::now();
    accept(&stage, [1]);
    pass(s(31)).await;
    assert_eq!(world.attempts_at(start), [0, 30_000]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_broke_midway_marks_its_records() {
    let world = World::new();
    let broke = refused().maybe_written();
    world.script([Step::now(Outcome::retry(broke).only([1]))]);
    let witness = Witness::new();
    let stage = stage("t", batches_of(2), &world, &[], witness.services(false));
    accept(&stage, [1, 2]);
    pass(s(1)).await;
    assert_eq!(stage.row().maybe_written, 1);
    let marks: Vec<bool> = witness
        .ends()
        .iter()
        .map(|end| end.2.maybe_written)
        .collect();
    assert_eq!(marks, [false, true]);
}
