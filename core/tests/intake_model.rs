//! The intake against a model: whatever the order of calls, passes and ends of threads, what comes
//! out is what was taken, in the order of time, and the counters agree after every step.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails the test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use proptest::prelude::*;
use rolog_core::intake::{
    Consumer, DropReason, EntryHeader, Intake, IntakeConfig, RingOverflow, capture_guard,
};

const MAX_RECORD: usize = 2 << 10;
const BYTES: usize = 128 << 10;

/// A record to publish: its ticks, its length, whether a value logs it, and whether it is an error.
struct Call {
    ticks: u64,
    len: usize,
    nested: bool,
    error: bool,
}

/// A thread that does one call at a time, when it is told to.
struct Lane {
    calls: Sender<Call>,
    answers: Receiver<bool>,
    thread: JoinHandle<()>,
}

impl Lane {
    fn new(intake: &Arc<Intake>) -> Self {
        let (calls, commands) = channel::<Call>();
        let (answer, answers) = channel();
        let intake = intake.clone();
        let thread = thread::spawn(move || {
            for call in commands {
                let header = EntryHeader {
                    ticks: call.ticks,
                    level: if call.error { 40 } else { 20 },
                    ..EntryHeader::default()
                };
                let guard = call.nested.then(capture_guard);
                let taken = intake.publish(header, &pattern(call.ticks, call.len));
                drop(guard);
                answer.send(taken.is_ok()).unwrap();
            }
        });
        Lane {
            calls,
            answers,
            thread,
        }
    }

    fn call(&self, call: Call) -> bool {
        self.calls.send(call).unwrap();
        self.answers.recv().unwrap()
    }

    fn end(self) {
        drop(self.calls);
        self.thread.join().unwrap();
    }
}

fn pattern(ticks: u64, len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (ticks as usize * 17 + at) as u8)
        .collect()
}

#[derive(Clone, Debug)]
enum Step {
    Burst {
        lane: usize,
        records: usize,
        len: usize,
        nested: bool,
        error: bool,
    },
    Drain {
        behind: u64,
        limit: usize,
    },
    End(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_usize, 1..60_usize, 0..=MAX_RECORD + 1, prop::bool::weighted(0.2), any::<bool>())
            .prop_map(|(lane, records, len, nested, error)| Step::Burst { lane, records, len, nested, error }),
        3 => (0..40_u64, 0..200_usize).prop_map(|(behind, limit)| Step::Drain { behind, limit }),
        1 => (0..3_usize).prop_map(Step::End),
    ]
}

fn drain(consumer: &mut Consumer, model: &mut BTreeMap<u64, usize>, cutoff: u64, limit: usize) {
    let mut expected: Vec<_> = model
        .range(..=cutoff)
        .map(|(ticks, len)| (*ticks, *len))
        .collect();
    let more = expected.len() > limit;
    expected.truncate(limit);
    let mut seen = Vec::new();
    let drained = consumer.drain(cutoff, limit, &mut |entry| {
        assert_eq!(
            entry.payload,
            pattern(entry.header.ticks, entry.payload.len())
        );
        seen.push((entry.header.ticks, entry.payload.len()));
    });
    assert_eq!(seen, expected);
    assert_eq!((drained.records, drained.more), (seen.len(), more));
    for (ticks, _) in seen {
        model.remove(&ticks);
    }
    if !more {
        assert_eq!(drained.next, model.keys().next().copied());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn the_intake_is_a_queue_in_the_order_of_time(steps in prop::collection::vec(step(), 1..60)) {
        let intake = Intake::new(IntakeConfig {
            bytes: BYTES,
            overflow: RingOverflow::DropNewest,
            max_record: MAX_RECORD,
            flush_on: None,
        }).unwrap();
        let mut consumer = intake.consumer().unwrap();
        let mut lanes: Vec<_> = (0..3).map(|_| Lane::new(&intake)).collect();
        let mut model = BTreeMap::new();
        let (mut ticks, mut emitted) = (100_u64, 0_u64);
        for step in steps {
            match step {
                Step::Burst { lane, records, len, nested, error } => {
                    for _ in 0..records {
                        ticks += 1;
                        emitted += 1;
                        if lanes[lane].call(Call { ticks, len, nested, error }) {
                            model.insert(ticks, len);
                        } else if len <= MAX_RECORD {
                            prop_assert!(!model.is_empty(), "dropped although all was empty");
                        }
                    }
                }
                Step::Drain { behind, limit } => {
                    drain(&mut consumer, &mut model, ticks - behind, limit);
                }
                Step::End(lane) => {
                    let ended = std::mem::replace(&mut lanes[lane], Lane::new(&intake));
                    ended.end();
                }
            }
            let counts = intake.counts();
            prop_assert_eq!(counts.emitted, emitted);
            prop_assert_eq!(counts.in_rings, model.len() as u64);
            prop_assert!(counts.is_balanced());
            prop_assert!(counts.bytes as usize <= BYTES);
            prop_assert_eq!(counts.late, 0);
            prop_assert_eq!(counts.dropped(DropReason::Disposed), 0);
        }
        drain(&mut consumer, &mut model, u64::MAX, usize::MAX);
        prop_assert!(consumer.is_idle());
        lanes.into_iter().for_each(Lane::end);
        drain(&mut consumer, &mut model, u64::MAX, usize::MAX);
        prop_assert_eq!(intake.counts().rings, 0);
    }
}
