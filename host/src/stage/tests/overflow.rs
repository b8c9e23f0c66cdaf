//! Full queues.

use std::sync::{Arc, Mutex};

use rolog_core::delivery::Outcome;
use rolog_core::level::Level;

use super::super::testing::{
    Step, Witness, World, accept, append, batches_of, meta, pass, payload, settle_down, stage,
};
use super::super::*;
use super::s;

const FULL: Append = Append::Refused(RefusalReason::Full);

/// A target that answers nothing before it is released, and takes three at once.
fn stuck() -> Arc<World> {
    let world = World::new();
    world.script([Step::UntilReleased(Outcome::delivered())]);
    world
}

fn bounded(records: usize, overflow: Overflow) -> StageSettings {
    let mut settings = batches_of(3);
    settings.max_records = records;
    settings.overflow = overflow;
    settings
}

#[tokio::test(start_paused = true)]
async fn drop_newest_refuses_what_comes() {
    let (world, witness) = (stuck(), Witness::new());
    let settings = bounded(7, Overflow::DropNewest);
    let stage = stage("t", settings, &world, &[], witness.services(false));
    accept(&stage, 1..=3);
    settle_down().await;
    let results = append(&stage, 4..=9, Level::Error);
    assert_eq!(results[3..], [Append::Accepted, FULL, FULL]);
    assert_eq!(stage.row().refused.get(RefusalReason::Full), 2);
    world.release();
    pass(s(2)).await;
    assert_eq!(world.written(), (1..=7).collect::<Vec<_>>());
    let ends = witness.ends();
    assert_eq!(ends[7].2.state, EndState::Refused(RefusalReason::Full));
    assert_eq!((ends.len(), witness.events("t")), (9, vec!["refused"]));
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_makes_room_from_the_front_and_never_takes_what_is_in_flight() {
    let (world, witness) = (stuck(), Witness::new());
    let settings = bounded(7, Overflow::DropOldest);
    let stage = stage("t", settings, &world, &[], witness.services(false));
    accept(&stage, 1..=3);
    settle_down().await;
    accept(&stage, 4..=9);
    let row = stage.row();
    assert_eq!(row.dropped.get(DropReason::Overflow), 2);
    assert_eq!((row.queued, row.balances()), (7, true));
    world.release();
    pass(s(2)).await;
    assert_eq!(world.written(), [1, 2, 3, 6, 7, 8, 9]);
    assert_eq!(witness.ends().len(), 9);
    assert_eq!(
        witness.ends()[3].2.state,
        EndState::Dropped(DropReason::Overflow)
    );
}

#[tokio::test(start_paused = true)]
async fn batches_stay_whole_at_a_full_queue_however_long_it_is_full() {
    for overflow in [Overflow::DropOldest, Overflow::DropBelow(Level::Warning)] {
        let world = stuck();
        let stage = stage("t", bounded(9, overflow), &world, &[], Services::default());
        accept(&stage, 1..=3);
        settle_down().await;
        let _ = append(&stage, 4..=9, Level::Debug);
        for n in 10..=40 {
            let _ = append(&stage, [n], Level::Error);
            settle_down().await;
        }
        assert_eq!((stage.row().queued, stage.row().balances()), (9, true));
        world.release();
        pass(s(2)).await;
        // The oldest is what is left of it, the newest has not met its bound.
        let batches = world.batches();
        assert!(batches.len() <= 4, "{overflow}: {batches:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn room_that_is_reserved_does_not_close_the_batch_that_it_is_for() {
    let world = World::new();
    let settings = bounded(6, Overflow::DropNewest);
    let stage = stage("t", settings, &world, &[], Services::default());
    let mut room = stage.try_reserve(6, 60).unwrap().expect("it is empty");
    for n in 1..=6 {
        let record = meta(n, Level::Debug);
        let result = stage
            .open()
            .append_reserved(&record, &payload("hi"), 0, &mut room);
        assert_eq!(result, Append::Accepted);
        settle_down().await;
    }
    assert_eq!(world.batches(), [[1, 2, 3], [4, 5, 6]]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_room_does_not_close_a_batch_behind_others() {
    let world = stuck();
    let settings = bounded(8, Overflow::DropNewest);
    let stage = stage("t", settings, &world, &[], Services::default());
    accept(&stage, 1..=3);
    settle_down().await;
    accept(&stage, 4..=7);
    assert!(stage.try_reserve(2, 20).unwrap().is_none());
    accept(&stage, [8]);
    world.release();
    pass(s(2)).await;
    assert_eq!(world.batches()[2], [7, 8]);
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_with_everything_in_flight_refuses() {
    let world = stuck();
    let settings = bounded(3, Overflow::DropOldest);
    let stage = stage("t", settings, &world, &[], Services::default());
    accept(&stage, 1..=3);
    settle_down().await;
    assert_eq!(append(&stage, [4], Level::Error), [FULL]);
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_holds_the_bound_in_bytes() {
    let world = stuck();
    let mut settings = bounded(1000, Overflow::DropOldest);
    settings.max_bytes = 2000;
    let stage = stage("t", settings, &world, &[], Services::default());
    accept(&stage, 1..=3);
    settle_down().await;
    for n in 4..=200 {
        accept(&stage, [n]);
        assert!(stage.queued_bytes() <= 2000 + 100);
    }
    assert!(stage.row().balances() && stage.row().dropped.total() > 100);
    world.release();
    pass(s(2)).await;
    let written = world.written();
    assert_eq!(written.last(), Some(&200), "the newest are kept");
    assert_eq!(
        stage.queued_bytes(),
        0,
        "nothing is charged for what is gone"
    );
}

#[tokio::test(start_paused = true)]
async fn drop_below_gives_up_the_low_levels_first() {
    let (world, witness) = (stuck(), Witness::new());
    let settings = bounded(8, Overflow::DropBelow(Level::Warning));
    let stage = stage("t", settings, &world, &[], witness.services(false));
    accept(&stage, 1..=3);
    settle_down().await;
    let at = |numbers: &[u64], level| append(&stage, numbers.iter().copied(), level);
    assert_eq!(at(&[4, 5], Level::Debug), [Append::Accepted; 2]);
    assert_eq!(at(&[6, 7, 8], Level::Error), [Append::Accepted; 3]);
    assert_eq!(at(&[9], Level::Information), [FULL], "too low to push out");
    assert_eq!(at(&[10, 11], Level::Warning), [Append::Accepted; 2]);
    assert_eq!(at(&[12], Level::Critical), [FULL], "nothing low is left");
    assert!(stage.row().balances());
    assert_eq!(stage.row().dropped.get(DropReason::Overflow), 2);
    world.release();
    pass(s(2)).await;
    assert_eq!(world.written(), [1, 2, 3, 6, 7, 8, 10, 11]);
    assert_eq!(witness.ends().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_record_larger_than_the_queue_is_refused_as_such() {
    let world = World::new();
    let mut settings = bounded(10, Overflow::DropOldest);
    settings.max_bytes = 1000;
    let stage = stage("t", settings, &world, &[], Services::default());
    let big = payload(&"x".repeat(1000));
    let result = stage.open().append(&meta(1, Level::Error), &big, 0);
    assert_eq!(result, Append::Refused(RefusalReason::TooLarge));
    accept(&stage, [2]);
    pass(s(2)).await;
    assert_eq!(world.written(), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_smaller_than_a_batch_still_moves() {
    let world = World::new();
    let mut settings = batches_of(500);
    settings.max_records = 4;
    let stage = stage("t", settings, &world, &[], Services::default());
    for round in 0..5 {
        accept(&stage, round * 4 + 1..=round * 4 + 4);
        settle_down().await;
    }
    assert_eq!(
        world.written().len(),
        20,
        "a full queue does not wait for its batch's age"
    );
}

#[tokio::test(start_paused = true)]
async fn losses_are_told_once_with_their_number() {
    struct Log(Mutex<Vec<EventKind>>);
    let log = Arc::new(Log(Mutex::default()));
    let sink = Arc::clone(&log);
    let services = Services {
        events: Arc::new(move |event: &Event| sink.0.lock().unwrap().push(event.kind.clone())),
        ..Services::default()
    };
    let stage = stage(
        "t",
        bounded(2, Overflow::DropNewest),
        &stuck(),
        &[],
        services,
    );
    let _ = append(&stage, 1..=1000, Level::Information);
    settle_down().await;
    let refused = EventKind::Refused {
        reason: RefusalReason::Full,
        records: 998,
    };
    assert_eq!(*log.0.lock().unwrap(), [refused]);
}

#[tokio::test(start_paused = true)]
async fn callers_are_to_wait_when_there_is_no_room_and_not_at_the_high_mark() {
    #[derive(Default)]
    struct Full(Mutex<Vec<bool>>);
    impl PressureSink for Full {
        fn pressure(&self, _: &str, _: bool) {}

        fn full(&self, target: &str, full: bool) {
            assert_eq!(target, "t");
            self.0.lock().unwrap().push(full);
        }
    }
    let world = stuck();
    let told = Arc::new(Full::default());
    let services = Services {
        pressure: Some(Arc::clone(&told) as Arc<dyn PressureSink>),
        ..Services::default()
    };
    let stage = stage(
        "t",
        bounded(16, Overflow::Block(s(0))),
        &world,
        &[],
        services,
    );
    accept(&stage, 1..=15);
    stage.wait_while_full();
    assert!(told.0.lock().unwrap().is_empty());
    accept(&stage, [16]);
    assert_eq!(*told.0.lock().unwrap(), [true]);
    // Its bound is over at once.
    stage.wait_while_full();
    settle_down().await;
    world.release();
    pass(s(2)).await;
    stage.wait_while_full();
    assert_eq!(*told.0.lock().unwrap(), [true, false]);

    world.script([Step::UntilReleased(Outcome::delivered())]);
    accept(&stage, 17..=32);
    assert_eq!(*told.0.lock().unwrap(), [true, false, true]);
    // Nobody waits for a target that ends.
    stage.begin_dispose(s(0));
    pass(s(60)).await;
    assert_eq!(*told.0.lock().unwrap(), [true, false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn pressure_is_raised_at_the_high_mark_and_lowered_well_below_it() {
    #[derive(Default)]
    struct Bit(Mutex<Vec<bool>>);
    impl PressureSink for Bit {
        fn pressure(&self, target: &str, raised: bool) {
            assert_eq!(target, "t");
            self.0.lock().unwrap().push(raised);
        }
    }
    let world = stuck();
    let bit = Arc::new(Bit::default());
    let services = Services {
        pressure: Some(Arc::clone(&bit) as Arc<dyn PressureSink>),
        ..Services::default()
    };
    let settings = bounded(16, Overflow::Block(s(1)));
    let stage = stage("t", settings, &world, &[], services);
    accept(&stage, 1..=13);
    settle_down().await;
    assert!(bit.0.lock().unwrap().is_empty());
    accept(&stage, [14]);
    assert_eq!(*bit.0.lock().unwrap(), [true]);
    world.release();
    pass(s(2)).await;
    assert_eq!(*bit.0.lock().unwrap(), [true, false]);

    // Callers of a target that drops have nothing to wait for.
    let again = Step::UntilReleased(Outcome::delivered());
    world.script([again]);
    accept(&stage, 15..=30);
    assert_eq!(*bit.0.lock().unwrap(), [true, false, true]);
    let drops = bounded(16, Overflow::DropNewest);
    stage.retune(drops, Vec::new()).unwrap();
    assert_eq!(*bit.0.lock().unwrap(), [true, false, true, false]);
}
