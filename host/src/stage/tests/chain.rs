//! Chains of fallbacks, and the dead letters behind them.

use std::sync::atomic::Ordering;

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;

use super::super::testing::{
    Step, Witness, World, accept, append, batches_of, pass, settle_down, stage,
};
use super::super::*;
use super::s;

fn failing() -> std::sync::Arc<World> {
    let world = World::new();
    world.script(vec![Step::fail(); 10_000]);
    world
}

#[tokio::test(start_paused = true)]
async fn what_one_fallback_gives_up_goes_on_to_the_next_of_the_chain() {
    let (first, second, third) = (failing(), failing(), World::new());
    let witness = Witness::new();
    let services = || witness.services(true);
    let c = stage("c", batches_of(9), &third, &[], services());
    let b = stage("b", batches_of(9), &second, &[], services());
    let a = stage("a", batches_of(3), &first, &[&b, &c], services());
    accept(&a, 1..=3);
    pass(s(30)).await;
    assert_eq!(third.written(), [1, 2, 3]);
    assert_eq!(
        (a.row().fell_back, b.row().fell_back, c.row().delivered),
        (3, 3, 3)
    );
    let ends = witness.ends();
    assert!(
        ends.iter()
            .all(|(_, routed, end)| routed == "a" && &*end.at == "c")
    );
    assert_eq!(ends.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn after_the_last_of_the_chain_come_the_dead_letters() {
    let witness = Witness::new();
    let b = stage("b", batches_of(9), &failing(), &[], witness.services(true));
    let a = stage(
        "a",
        batches_of(2),
        &failing(),
        &[&b],
        witness.services(true),
    );
    accept(&a, [1, 2]);
    pass(s(30)).await;
    assert_eq!(witness.buried(), [1, 2]);
    let letters = witness.letters();
    assert_eq!((&*letters[0].target, &*letters[0].routed), ("b", "a"));
    assert_eq!(letters[0].attempts, 4);
    assert!(letters[0].last >= letters[0].first);
    let batch = Batch::parse(&letters[0].batch).unwrap();
    let origin = batch.get(0).unwrap();
    assert_eq!(origin.origin().target, Some("a"), "who gave it up before");
    assert_eq!(origin.origin().class, Some(Class::Connection));
    assert_eq!((b.row().dead_lettered, a.row().fell_back), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn two_targets_that_fall_back_to_each_other_do_not_play_ball() {
    let (first, second) = (failing(), failing());
    let witness = Witness::new();
    let b = stage("b", batches_of(1), &second, &[], witness.services(false));
    let a = stage("a", batches_of(1), &first, &[&b], witness.services(false));
    b.retune(batches_of(1), vec![a.as_fallback()]).unwrap();
    accept(&a, [1]);
    accept(&b, [2]);
    pass(s(60)).await;
    let (a, b) = (a.row(), b.row());
    assert_eq!((a.accepted, a.fell_back, a.lost(), a.queued), (2, 1, 1, 0));
    assert_eq!((b.accepted, b.fell_back, b.lost(), b.queued), (2, 1, 1, 0));
    assert_eq!(witness.ends().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_room_in_the_fallback_the_primary_keeps_the_batch_while_it_can() {
    let (bad, slow) = (failing(), World::new());
    slow.script([Step::Answer(s(20), Outcome::delivered())]);
    let witness = Witness::new();
    let mut small = batches_of(2);
    small.max_records = 2;
    let rescue = stage("rescue", small, &slow, &[], witness.services(true));
    let mut settings = batches_of(2);
    settings.max_records = 100;
    let app = stage("app", settings, &bad, &[&rescue], witness.services(true));
    settle_down().await;
    accept(&app, 1..=6);
    pass(s(10)).await;
    assert_eq!((app.row().fell_back, app.row().queued), (2, 4));
    pass(s(60)).await;
    assert_eq!(slow.written(), [1, 2, 3, 4, 5, 6], "in order");
    assert!(witness.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_is_full_asks_the_next_of_the_chain_and_then_the_dead_letters() {
    let (bad, hung, spare) = (failing(), World::new(), World::new());
    hung.script([Step::Answer(s(29), Outcome::delivered())]);
    spare.script([Step::Answer(s(29), Outcome::delivered())]);
    let witness = Witness::new();
    let small = || {
        let mut small = batches_of(2);
        small.max_records = 2;
        small
    };
    let b = stage("b", small(), &hung, &[], witness.services(true));
    let c = stage("c", small(), &spare, &[], witness.services(true));
    let mut settings = batches_of(2);
    settings.max_records = 8;
    let app = stage("app", settings, &bad, &[&b, &c], witness.services(true));
    settle_down().await;
    accept(&app, 1..=8);
    pass(s(10)).await;
    // b has 1 and 2; the queue is below its mark with the rest.
    assert_eq!((app.row().fell_back, app.row().queued), (2, 6));
    accept(&app, [9, 10]);
    pass(s(1)).await;
    assert_eq!((b.row().taken_over, c.row().taken_over), (2, 2));
    accept(&app, [11, 12]);
    pass(s(1)).await;
    assert_eq!(witness.buried(), [5, 6], "rather than refusing what comes");
    assert_eq!(app.row().refused.total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_group_larger_than_the_fallbacks_batches_is_taken_in_pieces() {
    let good = World::new();
    let mut small = batches_of(3);
    small.max_records = 4;
    let rescue = stage("rescue", small, &good, &[], Services::default());
    let app = stage(
        "app",
        batches_of(8),
        &failing(),
        &[&rescue],
        Services::default(),
    );
    accept(&app, 1..=8);
    pass(s(10)).await;
    assert_eq!(good.batches(), [vec![1, 2, 3], vec![4, 5, 6], vec![7, 8]]);
    assert_eq!(app.row().fell_back, 8);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_that_cannot_be_written_are_a_counted_loss() {
    let witness = Witness::new();
    *witness.broken.lock().unwrap() = 1;
    let stage = stage("t", batches_of(1), &failing(), &[], witness.services(true));
    accept(&stage, [1, 2]);
    pass(s(10)).await;
    let row = stage.row();
    assert_eq!(
        (row.dropped.get(DropReason::Exhausted), row.dead_lettered),
        (1, 1)
    );
    let events = witness.events("t");
    assert_eq!(
        events,
        ["failed", "dead_letters_failed", "dropped", "dead_lettered"]
    );
    assert_eq!(witness.ends()[1].2.state, EndState::DeadLettered);
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_was_not_answered_by_the_end_may_have_been_written() {
    let witness = Witness::new();
    witness.silent.store(true, Ordering::Relaxed);
    let stage = stage("t", batches_of(1), &failing(), &[], witness.services(true));
    accept(&stage, [1]);
    pass(s(10)).await;
    assert_eq!(witness.buried(), [1]);
    stage.dispose(s(1)).await;
    let end = &witness.ends()[0].2;
    assert_eq!(end.state, EndState::Dropped(DropReason::Deadline));
    assert!(end.maybe_written);
    assert_eq!(stage.row().maybe_written, 1);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_has_ended_is_passed_over() {
    let (spare, gone) = (World::new(), World::new());
    let b = stage("b", batches_of(1), &gone, &[], Services::default());
    let c = stage("c", batches_of(1), &spare, &[], Services::default());
    let a = stage(
        "a",
        batches_of(1),
        &failing(),
        &[&b, &c],
        Services::default(),
    );
    // Its deadline ends it although another may still fall back to it.
    b.dispose(s(1)).await;
    accept(&a, [1]);
    pass(s(10)).await;
    assert_eq!(spare.written(), [1]);
}

#[tokio::test(start_paused = true)]
async fn what_an_instance_logged_keeps_the_name_of_that_instance() {
    use super::super::testing::{meta, payload};
    use rolog_core::frame::{Origin, OriginKind};
    use rolog_core::level::Level;

    let witness = Witness::new();
    let stage = stage(
        "app",
        batches_of(1),
        &failing(),
        &[],
        witness.services(true),
    );
    let mut frame = meta(1, Level::Warning);
    frame.origin = Origin {
        kind: OriginKind::Instance,
        target: Some("http"),
        ..Origin::SERVICE
    };
    let accepted = stage.open().append(&frame, &payload("pool is dry"), 0);
    assert_eq!(accepted, Append::Accepted);
    pass(s(10)).await;
    let letters = witness.letters();
    let batch = Batch::parse(&letters[0].batch).unwrap();
    assert_eq!(batch.get(0).unwrap().origin().target, Some("http"));
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_of_a_diverted_batch_is_the_targets_own() {
    let bad = World::new();
    let witness = Witness::new();
    let down = Failure::new(Class::Auth, "password refused");
    bad.fail_creations(vec![down.clone(); 9]);
    let rescue = stage(
        "rescue",
        batches_of(1),
        &failing(),
        &[],
        witness.services(true),
    );
    let app = stage(
        "app",
        batches_of(1),
        &bad,
        &[&rescue],
        witness.services(true),
    );
    let _ = append(&app, [1], rolog_core::level::Level::Information);
    settle_down().await;
    pass(s(10)).await;
    let letters = witness.letters();
    let batch = Batch::parse(&letters[0].batch).unwrap();
    assert_eq!(batch.get(0).unwrap().origin().class, Some(Class::Auth));
    assert_eq!(batch.get(0).unwrap().origin().attempts, 0);
}
