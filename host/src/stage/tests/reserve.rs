//! Callers that wait for room.

use rolog_core::delivery::Outcome;
use rolog_core::frame::Batch;
use rolog_core::level::Level;

use super::super::testing::{
    Step, Witness, World, accept, append, batches_of, meta, pass, payload, settle_down, stage,
};
use super::super::*;
use super::{ms, s};

fn small() -> StageSettings {
    let mut settings = batches_of(2);
    settings.max_records = 4;
    settings
}

#[tokio::test(start_paused = true)]
async fn reserved_room_is_nobody_elses() {
    let world = World::new();
    world.script([Step::UntilReleased(Outcome::delivered())]);
    let stage = stage("t", small(), &world, &[], Services::default());
    let mut room = stage
        .try_reserve(3, 30)
        .unwrap()
        .expect("an empty queue has room");
    assert!(stage.try_reserve(2, 20).unwrap().is_none());
    accept(&stage, [1]);
    let full = Append::Refused(RefusalReason::Full);
    assert_eq!(append(&stage, [2], Level::Critical), [full]);
    for n in 3..=5 {
        let result =
            stage
                .open()
                .append_reserved(&meta(n, Level::Debug), &payload("hi"), 0, &mut room);
        assert_eq!(result, Append::Accepted);
    }
    assert_eq!((room.records(), stage.row().queued), (0, 4));
    let over = stage
        .open()
        .append_reserved(&meta(6, Level::Debug), &payload("hi"), 0, &mut room);
    assert_eq!(over, full, "used up: a record like any other");
    drop(room);
    settle_down().await;
    world.release();
    pass(s(2)).await;
    assert!(
        stage.try_reserve(4, 40).unwrap().is_some(),
        "all of it is free again"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_used_is_released_once() {
    let world = World::new();
    let stage = stage("t", small(), &world, &[], Services::default());
    for _ in 0..10 {
        let mut room = stage.try_reserve(4, 40).unwrap().expect("released");
        let mut guard = stage.open();
        let record = meta(1, Level::Debug);
        let result = guard.append_reserved(&record, &payload("hi"), 0, &mut room);
        assert_eq!(result, Append::Accepted);
        // Dropped under the stage's own lock: releasing takes none.
        drop(room);
        drop(guard);
        pass(s(2)).await;
    }
    assert_eq!(stage.row().delivered, 10);
}

#[tokio::test(start_paused = true)]
async fn waiting_callers_get_room_as_it_comes_whatever_the_policy() {
    let world = World::new();
    world.script(vec![Step::Answer(s(1), Outcome::delivered()); 20]);
    let mut settings = small();
    settings.overflow = Overflow::DropOldest;
    let stage = stage("t", settings, &world, &[], Services::default());
    for n in 1..=20 {
        let mut room = stage.reserve(1, 6).await.unwrap();
        let record = meta(n, Level::Debug);
        let result = stage
            .open()
            .append_reserved(&record, &payload("hi"), 0, &mut room);
        assert_eq!(result, Append::Accepted);
    }
    pass(s(20)).await;
    assert_eq!(world.written(), (1..=20).collect::<Vec<_>>());
    assert_eq!(stage.row().dropped.total() + stage.row().refused.total(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_room_that_will_never_be() {
    let world = World::new();
    let stage = stage("t", small(), &world, &[], Services::default());
    assert_eq!(stage.reserve(5, 0).await.unwrap_err(), NoRoom::TooLarge);
    let huge = stage.reserve(1, usize::MAX).await.unwrap_err();
    assert_eq!(huge, NoRoom::TooLarge);
    let all = stage.try_reserve(4, 0).unwrap();
    let waiting = tokio::spawn({
        let stage = stage.clone();
        async move { stage.reserve(1, 0).await.map(drop) }
    });
    settle_down().await;
    stage.dispose(s(1)).await;
    assert_eq!(waiting.await.unwrap(), Err(NoRoom::Disposed));
    drop(all);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_replayed_is_the_batch_that_it_was() {
    let (dead, world) = (World::new(), World::new());
    dead.script(vec![Step::fail(); 4]);
    let witness = Witness::new();
    let before = stage("t", batches_of(3), &dead, &[], witness.services(true));
    accept(&before, [7, 8, 9]);
    pass(s(4)).await;
    let letters = witness.letters();
    let batch = Batch::parse(&letters[0].batch).unwrap();
    // Others are there before them and come after them, and batches would hold two of them.
    let after = stage("t", batches_of(2), &world, &[], Services::default());
    accept(&after, [1]);
    let records: Vec<_> = batch.records().map(|record| (record, 0)).collect();
    let mut room = after.reserve(3, 0).await.unwrap();
    after.open().append_again(&records, &mut room);
    accept(&after, [2]);
    pass(s(2)).await;
    assert_eq!(world.batches(), [vec![1], vec![7, 8, 9], vec![2]]);
    assert_eq!((after.row().replayed, after.row().accepted), (3, 5));
}

#[test]
fn a_thread_waits_no_longer_than_it_said() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let world = World::new();
    world.script([Step::UntilReleased(Outcome::delivered())]);
    let _enter = runtime.enter();
    let stage = stage("t", small(), &world, &[], Services::default());
    let held = stage.try_reserve(4, 0).unwrap();
    let start = std::time::Instant::now();
    let result = stage.reserve_blocking(1, 0, ms(50));
    assert_eq!(result.map(drop), Err(NoRoom::TimedOut));
    assert!(start.elapsed() >= ms(50));
    let waiter = std::thread::spawn({
        let stage = stage.clone();
        move || stage.reserve_blocking(1, 0, s(60)).map(drop)
    });
    drop(held);
    assert_eq!(waiter.join().unwrap(), Ok(()));
    stage.begin_dispose(s(1));
    assert_eq!(stage.wait_disposed().row.accepted, 0);
}
