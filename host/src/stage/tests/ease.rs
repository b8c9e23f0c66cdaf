//! Records that are taken in without a look at what was just looked at: as if each had been.

use proptest::prelude::*;
use rolog_core::delivery::Outcome;
use rolog_core::frame::{Form, FrameMeta, Moment, ThreadRef};
use rolog_core::level::Level;

use super::super::testing::{Step, World, batches_of, meta, payload, settle_down, stage};
use super::super::*;

/// A level and the length of a text.
type One = (usize, usize);

fn settings() -> impl Strategy<Value = StageSettings> {
    let overflow = prop_oneof![
        Just(Overflow::DropNewest),
        Just(Overflow::DropOldest),
        Just(Overflow::DropBelow(Level::Warning)),
        Just(Overflow::Block(std::time::Duration::ZERO)),
    ];
    let flush_on = proptest::option::of(0usize..6);
    let bounds = (1usize..60, 300usize..6000, 1usize..20, 200usize..3000);
    (bounds, overflow, flush_on).prop_map(|(bounds, overflow, flush_on)| {
        let mut settings = batches_of(bounds.2);
        settings.max_records = bounds.0;
        settings.max_bytes = bounds.1;
        settings.overshoot = 500;
        settings.batch.max_bytes = bounds.3;
        settings.batch.flush_on = flush_on.map(|index| Level::ALL[index]);
        settings.overflow = overflow;
        settings
    })
}

async fn same(settings: StageSettings, passes: &[Vec<One>]) {
    let worlds = [World::new(), World::new()];
    let stages = [0, 1].map(|side| {
        worlds[side].script([Step::UntilReleased(Outcome::delivered())]);
        let settings = settings.clone();
        stage("t", settings, &worlds[side], &[], Services::default())
    });
    let mut number = 0;
    for pass in passes {
        let mut guards = [stages[0].open(), stages[1].open()];
        for (level, len) in pass {
            number += 1;
            let like = FrameMeta {
                thread: ThreadRef {
                    id: number as u32 % 3 + 1,
                    name: "a thread with a name that is not short",
                },
                ..meta(number, Level::ALL[*level])
            };
            let text = payload(&"x".repeat(*len));
            let (form, one) = (
                Form::new(&like, None),
                Moment {
                    sequence: number,
                    time: like.time,
                    thread: like.thread,
                },
            );
            let [careful, quick] = &mut guards;
            assert_eq!(
                careful.append(&like, &text, 0),
                quick.append_formed(&form, &one, &text)
            );
        }
        drop(guards);
        assert_eq!(stages[0].row(), stages[1].row());
        assert_eq!(stages[0].queued_bytes(), stages[1].queued_bytes());
        settle_down().await;
    }
    for world in &worlds {
        world.release();
    }
    settle_down().await;
    assert_eq!(worlds[0].batches(), worlds[1].batches());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_quick_way_takes_refuses_and_closes_as_the_careful_one(
        settings in settings(),
        passes in proptest::collection::vec(
            proptest::collection::vec((0usize..6, 0usize..150), 1..40), 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(same(settings, &passes));
    }
}
