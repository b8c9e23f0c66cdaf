//! The stage against a model: whatever targets do, the row balances after every step, and at the
//! end every record is in exactly the places that its receipt names.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rolog_core::delivery::{Class, Failure, Outcome, Rejection};
use rolog_core::level::Level;

use super::super::testing::{
    Step, Witness, World, append, batches_of, meta, pass, payload, refused, seat, settle_down,
    stage,
};
use super::super::*;
use super::{ms, s};

/// One thing that the test does.
#[derive(Clone, Debug)]
enum Op {
    Append(u64, Level),
    Reserve(u64),
    Pass(u64),
    Flush(u64),
    Release,
    Replace(bool),
    RetryNow,
    Retune(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1u64..12, 0usize..6).prop_map(|(n, l)| Op::Append(n, Level::ALL[l])),
        1 => (1u64..4).prop_map(Op::Reserve),
        4 => (1u64..20_000).prop_map(Op::Pass),
        1 => (1u64..3000).prop_map(Op::Flush),
        1 => Just(Op::Release),
        1 => any::<bool>().prop_map(Op::Replace),
        1 => Just(Op::RetryNow),
        1 => (1usize..8).prop_map(Op::Retune),
    ]
}

/// Answers that interrupt nothing.
fn clean_step() -> impl Strategy<Value = Step> {
    let reject = |index| Rejection {
        index,
        class: Class::Invalid,
        message: "no".into(),
    };
    let outcome = prop_oneof![
        4 => Just(Outcome::delivered()),
        3 => Just(Outcome::retry(refused())),
        1 => Just(Outcome::retry(refused().retry_after(s(3)))),
        2 => proptest::collection::vec(0u32..8, 0..4)
            .prop_map(|left| Outcome::retry(refused()).only(left)),
        2 => Just(Outcome::refused(Failure::new(Class::Invalid, "poison"))),
        2 => proptest::collection::vec(0u32..8, 0..4)
            .prop_map(move |list| Outcome::rejected(list.into_iter().map(reject).collect())),
        1 => Just(Outcome::hold(Failure::new(Class::Auth, "401"))),
        1 => Just(Outcome::fatal(Failure::new(Class::Internal, "fenced producer"))),
    ];
    (outcome, prop_oneof![3 => Just(0u64), 1 => 1u64..4000])
        .prop_map(|(outcome, wait)| Step::Answer(ms(wait), outcome))
}

/// Anything that a target may do.
fn any_step() -> impl Strategy<Value = Step> {
    let torn = Outcome::retry(refused().maybe_written());
    let cut = Outcome::retry(Failure::new(Class::Cancelled, "cancelled"));
    let interrupted = prop_oneof![
        Just(Step::Panic),
        Just(Step::now(torn.clone())),
        Just(Step::UntilCancelled(cut)),
        Just(Step::UntilReleased(torn)),
    ];
    prop_oneof![
        6 => clean_step(),
        1 => Just(Step::UntilCancelled(Outcome::delivered())),
        1 => Just(Step::UntilReleased(Outcome::delivered())),
        2 => (0usize..8, interrupted).prop_map(|(n, step)| Step::Torn(n, Box::new(step))),
    ]
}

#[derive(Clone, Debug)]
struct Case {
    clean: bool,
    settings: StageSettings,
    fallback: bool,
    dead_letters: bool,
    primary: Vec<Step>,
    secondary: Vec<Step>,
    ops: Vec<Op>,
    deadline: u64,
}

fn settings() -> impl Strategy<Value = StageSettings> {
    let overflow = prop_oneof![
        Just(Overflow::DropNewest),
        Just(Overflow::DropOldest),
        Just(Overflow::DropBelow(Level::Warning)),
    ];
    (
        1usize..8,
        4usize..40,
        overflow,
        1usize..4,
        0u32..4,
        0u32..4,
        prop_oneof![Just(600usize), Just(1usize << 20)],
    )
        .prop_map(
            |(size, records, overflow, concurrency, retries, failures, bytes)| {
                let mut settings = batches_of(size);
                settings.max_records = records;
                settings.max_bytes = bytes;
                settings.overflow = overflow;
                settings.concurrency = concurrency;
                settings.timeout = s(6);
                settings.retry = RetryPolicy::new(retries, ms(600), Growth::Progressive);
                settings.breaker.failures = failures;
                settings.batch.flush_on = Some(Level::Error);
                settings
            },
        )
}

fn case(clean: bool) -> impl Strategy<Value = Case> {
    let step = move || {
        if clean {
            clean_step().boxed()
        } else {
            any_step().boxed()
        }
    };
    (
        settings(),
        any::<bool>(),
        any::<bool>(),
        proptest::collection::vec(step(), 0..20),
        proptest::collection::vec(step(), 0..6),
        proptest::collection::vec(op(), 1..25),
        if clean {
            600_000u64..600_001
        } else {
            1u64..30_000
        },
    )
        .prop_map(
            move |(settings, fallback, dead_letters, primary, secondary, ops, deadline)| Case {
                clean,
                settings,
                fallback,
                dead_letters,
                primary,
                secondary,
                ops,
                deadline,
            },
        )
}

/// What the test itself did that may have been cut short.
fn interruptions(world: &World, script: &[Step]) -> usize {
    let torn = script.iter().filter(|step| matches!(step, Step::Torn(..)));
    torn.count() + world.cancels()
}

struct Run {
    stages: Vec<Stage>,
    worlds: [Arc<World>; 2],
    witness: Arc<Witness>,
    next: u64,
    size: usize,
}

impl Run {
    fn start(case: &Case) -> Self {
        let worlds = [World::new(), World::new()];
        worlds[0].script(case.primary.clone());
        worlds[1].script(case.secondary.clone());
        let witness = Witness::new();
        let services = || witness.services(case.dead_letters);
        let mut small = case.settings.clone();
        small.max_records = small.max_records.div_ceil(2);
        let rescue = stage("rescue", small, &worlds[1], &[], services());
        let chain = [&rescue];
        let chain = if case.fallback { &chain[..] } else { &[] };
        let app = stage("app", case.settings.clone(), &worlds[0], chain, services());
        Run {
            stages: vec![app, rescue],
            worlds,
            witness,
            next: 1,
            size: case.settings.batch.max_size.max(8),
        }
    }

    fn numbers(&mut self, n: u64) -> std::ops::Range<u64> {
        let first = self.next;
        self.next += n;
        first..self.next
    }

    async fn apply(&mut self, op: &Op) {
        let app = self.stages[0].clone();
        match *op {
            Op::Append(n, level) => drop(append(&app, self.numbers(n), level)),
            Op::Reserve(n) => {
                if let Ok(Some(mut room)) = app.try_reserve(n as usize, n as usize * 6) {
                    for number in self.numbers(n) {
                        let frame = meta(number, Level::Information);
                        let hi = payload("hi");
                        let result = app.open().append_reserved(&frame, &hi, number, &mut room);
                        assert_eq!(result, Append::Accepted, "reserved room is there");
                    }
                }
            }
            Op::Pass(span) => pass(ms(span)).await,
            Op::Flush(span) => drop(app.flush(ms(span)).await),
            Op::Release => {
                self.worlds.iter().for_each(|world| world.release());
                settle_down().await;
            }
            Op::Replace(fails) => {
                if fails {
                    self.worlds[0].fail_activations([refused()]);
                }
                let successor = seat(&self.worlds[0]);
                let swap = tokio::time::timeout(s(20), app.replace(successor));
                // That it fails, or takes longer than this, is one of the things that happen.
                drop(swap.await);
            }
            Op::RetryNow => app.retry_now(),
            Op::Retune(size) => {
                let mut settings = (*app.settings()).clone();
                settings.batch.max_size = size;
                let chain = app.fallbacks();
                app.retune(settings, chain).unwrap();
            }
        }
    }

    fn check(&self) {
        for stage in &self.stages {
            let (row, kept) = stage.row_and_kept();
            assert!(row.balances(), "{}: {row:?}", stage.name());
            assert!(kept <= row.queued, "{}: {kept} in {row:?}", stage.name());
            // The bound, and beside it what attempts and their fences hold twice, and dictionaries
            // that parts of a batch have each.
            let bytes = stage.queued_bytes();
            let most = 2 * stage.settings().max_bytes + 4096;
            assert!(bytes <= most, "{}: {bytes} of {most} bytes", stage.name());
        }
        let [app, rescue] = &self.stages[..] else {
            unreachable!("two stages");
        };
        assert!(app.row().fell_back <= rescue.row().accepted);
    }

    fn check_end(&self, case: &Case) {
        let mut rows = self.stages.iter().map(Stage::row);
        let (app, rescue) = (rows.next().unwrap(), rows.next().unwrap());
        for (stage, row) in self.stages.iter().zip([&app, &rescue]) {
            assert_eq!(row.queued, 0, "{}: {row:?}", stage.name());
            assert_eq!(stage.queued_bytes(), 0, "{}", stage.name());
        }
        let emitted = self.next - 1;
        assert_eq!(app.accepted + app.refused.total(), emitted, "{app:?}");
        assert_eq!(rescue.accepted, app.fell_back, "the joint equation");

        let ends = self.witness.ends();
        let slots: Vec<u64> = ends.iter().map(|(slot, ..)| *slot).collect();
        assert_eq!(slots, (1..self.next).collect::<Vec<_>>(), "one end each");

        let mut places: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
        let buried = self.witness.buried();
        let written = [self.worlds[0].written(), self.worlds[1].written()];
        for (place, records) in [
            ("app", &written[0]),
            ("rescue", &written[1]),
            ("dead letters", &buried),
        ] {
            for record in records {
                places.entry(*record).or_default().push(place);
            }
        }
        let mut doubled = 0;
        for (record, routed, end) in &ends {
            assert_eq!(routed, "app");
            let places = places.remove(record).unwrap_or_default();
            let expected = match end.state {
                EndState::Delivered => Some(&*end.at),
                EndState::DeadLettered => Some("dead letters"),
                EndState::Dropped(_) | EndState::Refused(_) | EndState::Suppressed(_) => None,
            };
            let named = places.iter().filter(|place| Some(**place) == expected);
            if expected.is_some() {
                assert!(
                    named.count() >= 1,
                    "{record} is not where {end:?} says: {places:?}"
                );
            }
            let more = places.len() - usize::from(expected.is_some());
            assert!(
                more == 0 || end.maybe_written,
                "{record} is in {places:?} and not marked: {end:?}"
            );
            doubled += more;
        }
        assert!(places.is_empty(), "records from nowhere: {places:?}");

        let faults = interruptions(&self.worlds[0], &case.primary)
            + interruptions(&self.worlds[1], &case.secondary);
        assert!(
            doubled <= faults * self.size,
            "{doubled} doubles, {faults} faults"
        );
        if case.clean {
            let cut = self
                .worlds
                .iter()
                .map(|world| world.cancels())
                .sum::<usize>();
            assert_eq!((doubled, cut), (0, 0));
            assert_eq!((app.maybe_written, rescue.maybe_written), (0, 0));
        }
    }
}

fn run(case: &Case) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut run = Run::start(case);
        for op in &case.ops {
            run.apply(op).await;
            run.check();
            settle_down().await;
            run.check();
        }
        let deadline = ms(case.deadline);
        let start = tokio::time::Instant::now();
        let (app, rescue) = (run.stages[0].clone(), run.stages[1].clone());
        tokio::join!(app.dispose(deadline), rescue.dispose(deadline));
        assert!(
            start.elapsed() <= deadline + s(1),
            "it ends by its deadline"
        );
        // What is still under way was reported as fenced; it ends after all.
        for _ in 0..3 {
            run.worlds.iter().for_each(|world| world.release());
            pass(s(10)).await;
        }
        run.check();
        run.check_end(case);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_record_is_accounted_for_whatever_targets_do(case in case(false)) {
        run(&case);
    }

    #[test]
    fn where_nothing_is_interrupted_nothing_is_doubled(case in case(true)) {
        run(&case);
    }
}
