//! A keeper on its own, under a time that the tests set.

use std::collections::HashMap;

use proptest::prelude::*;
use rolog_core::frame::{FrameMeta, LoggerRef, Origin, RecordId, ThreadRef, flags};
use rolog_core::value::{Encoder, Timestamp};

use super::*;
use crate::config::{
    Count, CountedBy, KeptBytes, LimitSpec, OrOff, RecordedBy, RecorderSpec, RepeatSpec, Route,
    SampleSpec, Target, Time,
};
use crate::ledger::Count as Counter;

/// A keeper by the router of one pipeline.
struct World {
    keeper: Keeper,
    router: Router,
    counts: KeepCounts,
    sequence: u64,
}

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
enum Became {
    Kept,
    Held(Suppression),
    Passed { after: Vec<u64> },
}

impl World {
    fn new(route: Route, recorder: Option<RecorderSpec>) -> Self {
        let builder = PipelineSpec::builder()
            .level("**", Level::Information)
            .target("app", Target::of("memory"))
            .route(route.to(["app"]));
        let builder = match recorder {
            Some(recorder) => builder.recorder(recorder),
            None => builder,
        };
        let router = Router::compile(&builder.build().expect("it is valid"));
        let (mut keeper, counts) = (Keeper::default(), KeepCounts::default());
        keeper.follow(&router, &counts, 0);
        World {
            keeper,
            router,
            counts,
            sequence: 0,
        }
    }

    /// A record of this text, at a time in milliseconds.
    fn log(&mut self, level: Level, thread: u32, text: &str, field: u64, millis: u64) -> Became {
        self.sequence += 1;
        let mut payload = Vec::new();
        let mut out = Encoder::new(&mut payload);
        out.key(text);
        out.key("n").u64(field);
        let meta = FrameMeta {
            id: RecordId {
                epoch: 7,
                sequence: self.sequence,
            },
            time: Timestamp::from_nanos(0),
            observed: None,
            level,
            generation: 1,
            flags: flags::MESSAGE,
            call_site: None,
            logger: LoggerRef {
                id: 1,
                name: "shop",
            },
            thread: ThreadRef {
                id: thread,
                name: "main",
            },
            origin: Origin::SERVICE,
        };
        let seen = Seen {
            meta: &meta,
            call_site: None,
            payload: &payload,
            ticks: at(millis),
        };
        let routes = self.router.resolve("shop");
        let Some(keeping) = &routes.keeping else {
            return Became::Passed { after: Vec::new() };
        };
        if self.keeper.record(keeping, &seen, &self.counts) {
            return Became::Kept;
        }
        if !self.keeper.look(keeping, &seen) {
            return Became::Held(all_held(self.keeper.held()).expect("none goes on"));
        }
        let dump = self.keeper.dump(keeping, &seen, &self.counts);
        Became::Passed {
            after: dump.iter().map(|kept| kept.id.sequence).collect(),
        }
    }

    fn told(&mut self) -> Vec<String> {
        let told = self.keeper.take_told().into_iter();
        told.map(|told| told.message()).collect()
    }
}

fn at(millis: u64) -> u64 {
    ticks_of(Duration::from_millis(millis))
}

fn info(world: &mut World, text: &str, millis: u64) -> bool {
    let became = world.log(Level::Information, 1, text, 0, millis);
    matches!(became, Became::Passed { .. })
}

#[test]
fn nothing_is_asked_where_no_route_has_a_rule() {
    let world = World::new(Route::from("**"), None);
    assert_eq!(world.router.resolve("shop").keeping, None);
    let route = Route::from("shop").sample(SampleSpec::default());
    let world = World::new(route, None);
    assert_eq!(world.router.resolve("other").keeping, None);
    assert!(world.router.resolve("shop").keeping.is_some());
    assert!(world.keeper.wake_at().is_none());
}

#[test]
fn a_flood_of_keys_is_bounded_and_tells_of_each_that_it_forgets() {
    let limit = LimitSpec {
        rate: Count::of::<1>(),
        per: Time::of::<3_600_000>(),
        by: CountedBy::Field("n".into()),
        ..LimitSpec::default()
    };
    let mut world = World::new(Route::from("**").limit(limit), None);
    let keys = 3 * KEYS as u64;
    for n in 0..keys {
        for passes in [true, false] {
            let became = world.log(Level::Information, 1, "asked", n, 0);
            let expected = if passes {
                Became::Passed { after: Vec::new() }
            } else {
                Became::Held(Suppression::Limited)
            };
            assert_eq!(became, expected, "{n}");
        }
    }
    let early = world.told().len() as u64;
    let of_rule = &world.keeper.rules[0].counts;
    assert!(
        of_rule.keys() <= KEYS as u64 && early >= keys - KEYS as u64,
        "{early}"
    );
    world.keeper.end(at(1), &world.counts);
    assert_eq!(early + world.told().len() as u64, keys, "none is untold");
}

#[test]
fn a_limit_is_told_an_interval_after_the_first_that_it_held_back() {
    let limit = LimitSpec {
        rate: Count::of::<1>(),
        ..LimitSpec::default()
    };
    let mut world = World::new(Route::from("**").limit(limit), None);
    assert!(info(&mut world, "asked", 1000));
    assert!(world.keeper.wake_at().is_none(), "nothing is held back");
    assert!(!info(&mut world, "asked", 1400));
    assert!(!info(&mut world, "asked", 1900));
    assert!(world.keeper.wake_at().is_some());
    world.keeper.pass(at(2390));
    assert_eq!(world.told(), [] as [&str; 0]);
    world.keeper.pass(at(2410));
    assert_eq!(world.told(), ["suppressed 2 records like: asked"]);
    assert!(world.keeper.wake_at().is_none());
}

#[test]
fn a_continuing_fault_is_told_at_growing_intervals() {
    let mut world = World::new(Route::from("**").repeat(RepeatSpec::default()), None);
    let mut times = Vec::new();
    for millis in (0..200_000).step_by(100) {
        world.keeper.pass(at(millis));
        if !world.told().is_empty() {
            times.push(millis / 1000);
        }
        assert_eq!(info(&mut world, "disk full", millis), millis == 0);
    }
    assert_eq!(times, [1, 3, 7, 15, 31, 63, 123, 183]);
}

#[test]
fn the_recorder_forgets_the_oldest_of_a_thread_and_the_oldest_of_all() {
    let recorder = RecorderSpec {
        keep: Count::of::<3>(),
        ..RecorderSpec::default()
    };
    let mut world = World::new(Route::from("**"), Some(recorder));
    for thread in [1, 2, 1, 1, 1, 2] {
        assert_eq!(world.log(Level::Debug, thread, "step", 0, 0), Became::Kept);
    }
    assert_eq!(
        (world.counts.forgotten.get(), world.counts.recorded().0),
        (1, 5)
    );
    let after = vec![3, 4, 5];
    assert_eq!(
        world.log(Level::Error, 1, "failed", 0, 0),
        Became::Passed { after }
    );
    assert_eq!(
        (world.counts.dumped.get(), world.counts.recorded().0),
        (3, 2)
    );

    // By bytes, across threads.
    let mut world = World::new(
        Route::from("**"),
        Some(RecorderSpec {
            max_bytes: KeptBytes::new(64 * 1024).expect("within bounds"),
            ..RecorderSpec::default()
        }),
    );
    let long = "x".repeat(10_000);
    for thread in 1..=20 {
        world.log(Level::Debug, thread, &long, 0, 0);
        assert!(world.counts.recorded().1 <= 64 * 1024);
    }
    let (kept, forgotten) = (world.counts.recorded().0, world.counts.forgotten.get());
    assert_eq!((kept, kept + forgotten), (6, 20));
    let first = world.log(Level::Error, 1, "failed", 0, 0);
    assert_eq!(first, Became::Passed { after: vec![] });
    let last = world.log(Level::Error, 20, "failed", 0, 0);
    assert_eq!(last, Became::Passed { after: vec![20] });
    // One that is larger than everything is forgotten at once.
    world.log(Level::Debug, 1, &"x".repeat(70_000), 0, 0);
    assert_eq!(world.counts.recorded(), (0, 0));
}

proptest! {
    /// Against a recorder that is a list: the same records are kept, sent and forgotten.
    #[test]
    fn the_recorder_is_a_bounded_list(
        keep in 1..6usize,
        by_field in any::<bool>(),
        steps in prop::collection::vec((0..8u8, 1..4u32, 0..3u64), 0..150),
    ) {
        let by = if by_field { RecordedBy::Field("n".into()) } else { RecordedBy::Thread };
        let recorder = RecorderSpec {
            keep: Count::new(keep).expect("within bounds"),
            by,
            ..RecorderSpec::default()
        };
        let mut world = World::new(Route::from("**"), Some(recorder));
        let mut model: HashMap<u64, Vec<u64>> = HashMap::new();
        let (mut forgotten, mut dumped) = (0, 0);
        for (kind, thread, n) in steps {
            let key = if by_field { n } else { u64::from(thread) };
            let row = model.entry(key).or_default();
            let level = if kind == 0 { Level::Error } else { Level::Debug };
            let became = world.log(level, thread, "step", n, 0);
            if level == Level::Error {
                let after = std::mem::take(row);
                dumped += after.len() as u64;
                prop_assert_eq!(became, Became::Passed { after });
            } else {
                row.push(world.sequence);
                if row.len() > keep {
                    row.remove(0);
                    forgotten += 1;
                }
                prop_assert_eq!(became, Became::Kept);
            }
            let now = model.values().map(|row| row.len() as u64).sum::<u64>();
            prop_assert_eq!(world.counts.recorded().0, now);
            prop_assert_eq!(world.counts.forgotten.get(), forgotten);
            prop_assert_eq!(world.counts.dumped.get(), dumped);
        }
        let left = world.counts.recorded().0;
        world.keeper.end(0, &world.counts);
        prop_assert_eq!(world.counts.forgotten.get(), forgotten + left);
        prop_assert_eq!(world.counts.recorded(), (0, 0));
    }

    /// What is told adds up to what was held back, whatever the rule, the keys and the times.
    #[test]
    fn what_is_told_is_what_was_held_back(
        limit in any::<bool>(),
        rate in 1..4usize,
        steps in prop::collection::vec((0..4u64, 0..400u64, any::<bool>()), 0..300),
    ) {
        let route = if limit {
            Route::from("**").limit(LimitSpec {
                rate: Count::new(rate).expect("within bounds"),
                by: CountedBy::Field("n".into()),
                ..LimitSpec::default()
            })
        } else {
            Route::from("**").repeat(RepeatSpec::default())
        };
        let mut world = World::new(route, None);
        let (mut now, mut held, mut told) = (0, 0u64, 0u64);
        for (key, pause, pass) in steps {
            now += pause;
            if pass {
                world.keeper.pass(at(now));
            }
            let became = world.log(Level::Information, 1, "asked", key, now);
            held += u64::from(matches!(became, Became::Held(_)));
            told += world.keeper.take_told().iter().map(Told::records).sum::<u64>();
            prop_assert!(told <= held);
        }
        world.keeper.end(at(now), &world.counts);
        told += world.keeper.take_told().iter().map(Told::records).sum::<u64>();
        prop_assert_eq!(told, held);
        let counts: &[Counter; 3] = &world.keeper.rules[0].counts.held;
        prop_assert_eq!(counts.iter().map(Counter::get).sum::<u64>(), held);
    }
}

#[test]
fn a_route_without_rules_has_none() {
    let rules = crate::config::RouteRules::default();
    assert!(rules.is_none());
    let with = crate::config::RouteRules {
        repeat: OrOff::On(RepeatSpec::default()),
        ..rules
    };
    assert!(!with.is_none());
}
