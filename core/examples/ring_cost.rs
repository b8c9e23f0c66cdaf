//! What a publish costs the caller: `cargo run --release -p rolog-core --example ring_cost`.
//!
//! Prints nanoseconds a call, the best and the median of several rounds: into a ring that nobody
//! reads meanwhile, beside a pump that drains all the time, and beside one that follows its waking
//! rule.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rolog_core::clock;
use rolog_core::intake::{Consumer, EntryHeader, Intake, IntakeConfig};

/// Three numbers and a short string, as encoded.
const PAYLOAD: [u8; 44] = [7; 44];
const CALLS: usize = 50_000;
const ROUNDS: usize = 41;

fn main() -> Result<(), rolog_core::Error> {
    println!("{:<44}{:>8}{:>8}", "nanoseconds a call", "best", "median");

    let intake = Intake::new(IntakeConfig::default())?;
    if let Some(mut consumer) = intake.consumer() {
        report("quiet: drained between rounds", || {
            let cost = round(&intake, 0, Duration::ZERO);
            drain(&mut consumer);
            cost
        });
        report("the same, with the time taken", || {
            let cost = round_with_ticks(&intake);
            drain(&mut consumer);
            cost
        });
    }

    for (name, busy) in [
        ("beside a pump that never waits", true),
        ("beside a pump by its rule", false),
    ] {
        for pause in [Duration::ZERO, Duration::from_micros(500)] {
            let intake = Intake::new(IntakeConfig::default())?;
            let stop = Arc::new(AtomicBool::new(false));
            let pump = intake
                .consumer()
                .map(|consumer| pump(consumer, busy, stop.clone()));
            let name = format!(
                "{name}{}",
                if pause.is_zero() { "" } else { ", with pauses" }
            );
            report(&name, || round(&intake, 1_000, pause));
            stop.store(true, Ordering::Relaxed);
            intake.wake();
            if let Some(pump) = pump {
                // The pump has nothing to say; a panic in it would have been printed.
                let _ = pump.join();
            }
            let counts = intake.counts();
            println!(
                "    wakes {}, overflowed {}, dropped {}, of {}",
                counts.wakes,
                counts.overflowed,
                counts.dropped_total(),
                counts.emitted
            );
        }
    }
    Ok(())
}

fn pump(mut consumer: Consumer, busy: bool, stop: Arc<AtomicBool>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            if drain(&mut consumer) == 0 && !busy {
                consumer.wait(None);
            }
        }
        drain(&mut consumer);
    })
}

fn drain(consumer: &mut Consumer) -> usize {
    let mut sum = 0_usize;
    let drained = consumer.drain(u64::MAX, usize::MAX, &mut |entry| {
        sum += entry.payload.len();
    });
    black_box(sum);
    drained.records
}

fn header(ticks: u64) -> EntryHeader {
    EntryHeader {
        call_site: 3,
        logger: 1,
        level: 20,
        ticks,
        ..EntryHeader::default()
    }
}

/// Nanoseconds a call, without the pauses after each `every` calls.
fn round(intake: &Intake, every: usize, pause: Duration) -> f64 {
    let mut spent = Duration::ZERO;
    let burst = if every == 0 { CALLS } else { every };
    for _ in 0..CALLS / burst {
        let start = Instant::now();
        for call in 0..burst {
            let _ = intake.publish(header(call as u64), black_box(&PAYLOAD));
        }
        spent += start.elapsed();
        let start = Instant::now();
        while start.elapsed() < pause {
            std::hint::spin_loop();
        }
    }
    spent.as_nanos() as f64 / CALLS as f64
}

fn round_with_ticks(intake: &Intake) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        let _ = intake.publish(header(clock::ticks()), black_box(&PAYLOAD));
    }
    start.elapsed().as_nanos() as f64 / CALLS as f64
}

fn report(name: &str, mut round: impl FnMut() -> f64) {
    // The first rounds make and grow the ring.
    for _ in 0..3 {
        round();
    }
    let mut costs: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    costs.sort_by(f64::total_cmp);
    println!("{name:<44}{:>8.1}{:>8.1}", costs[0], costs[ROUNDS / 2]);
}
