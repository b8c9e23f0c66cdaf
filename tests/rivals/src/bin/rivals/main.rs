//! rolog and other loggers at the same work, in turns; prints the tables of docs/speed.md.
//!
//!     cargo run --release --features rivals --bin rivals [-- all | idle | SCENARIO...]
//!
//! Every measurement is a process of its own, started by this one: a side, a scenario and a number of
//! threads; `sustained:1000000` is `sustained` with so many calls of each thread, `sustained:1000000:4`
//! that with four threads only. The sides take turns within each round. After each run the lines in its folder are counted; a run whose lines are not its
//! calls is void, and ends the program. Files go to `TMPDIR`, or to `/dev/shm` where there is one, so
//! that the disk's moods stay out.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its result"
)]

mod sides;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sides::SIDES;

const BURST: u64 = 10_000;
const BURSTS: u64 = 15;
/// Calls of each thread, where the scenario does not say: `sustained:1000000`.
const SUSTAINED: u64 = 100_000;
const ROUNDS: usize = 3;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", side, scenario, threads, folder] => {
            let threads = threads.parse().expect("a number of threads");
            worker(side, scenario, threads, Path::new(folder));
        }
        ["idle"] => idle_alone(),
        [] | ["all"] => {
            // Its own time on the processor is what counts, so that it does not matter what runs beside.
            let idle = thread::spawn(|| start("rolog", "idle", 1));
            for scenario in [
                "burst",
                "sustained",
                "disabled",
                "paced10ms",
                "dead",
                "paced2s",
            ] {
                scenario_table(scenario);
            }
            let idle = idle.join().expect("the idle run does not panic");
            println!(
                "\na started, idle host: {:.1} ms on the processor in 60 s",
                idle["cpu_ms"]
            );
        }
        ref scenarios => scenarios
            .iter()
            .for_each(|scenario| scenario_table(scenario)),
    }
}

fn idle_alone() {
    let idle = start("rolog", "idle", 1);
    println!(
        "a started, idle host: {:.1} ms on the processor in 60 s",
        idle["cpu_ms"]
    );
}

type Figures = BTreeMap<String, f64>;

/// Runs a side in a process of its own, and counts its lines.
fn start(side: &str, scenario: &str, threads: usize) -> Figures {
    let folder = tempfile::Builder::new()
        .prefix("rolog-rivals-")
        .tempdir_in(base())
        .expect("a temporary folder");
    let exe = std::env::current_exe().expect("a program has a path");
    let out = Command::new(exe)
        .args(["worker", side, scenario, &threads.to_string()])
        .arg(folder.path())
        .stderr(Stdio::inherit())
        .output()
        .expect("the program runs");
    assert!(
        out.status.success(),
        "{side} failed at {scenario} with {threads} threads"
    );
    let text = String::from_utf8_lossy(&out.stdout);
    let mut figures: Figures = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect();
    let lines = lines_in(folder.path());
    let calls = figures["calls"] as u64;
    assert_eq!(
        lines, calls,
        "void: {side} at {scenario} with {threads} threads"
    );
    figures.insert("lines".to_owned(), lines as f64);
    figures
}

fn base() -> PathBuf {
    match std::env::var_os("TMPDIR") {
        Some(folder) => folder.into(),
        None if Path::new("/dev/shm").is_dir() => "/dev/shm".into(),
        None => std::env::temp_dir(),
    }
}

fn lines_in(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).expect("the folder is ours");
    let lines = |path: PathBuf| {
        let bytes = std::fs::read(path).expect("the file is ours");
        bytes.iter().filter(|byte| **byte == b'\n').count() as u64
    };
    files
        .map(|file| lines(file.expect("the folder is ours").path()))
        .sum()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn scenario_table(scenario: &str) {
    match scenario {
        "burst" => {
            println!("\nA call in bursts of {BURST}, ns");
            for threads in [1, 2, 4] {
                rounds(
                    scenario,
                    threads,
                    &SIDES,
                    ROUNDS,
                    &["mean", "p50", "p99", "p999"],
                );
            }
        }
        sustained if sustained.starts_with("sustained") => {
            println!(
                "\nSustained, {} calls of each thread, from the first call to the last line in the \
                 file, records/s",
                sustained_calls(scenario)
            );
            let all = [1, 2, 4];
            let threads = scenario.split(':').nth(2);
            let threads = threads.map(|one| one.parse().expect("a number of threads"));
            for threads in threads.as_ref().map_or(&all[..], std::slice::from_ref) {
                rounds(scenario, *threads, &SIDES, ROUNDS, &["per_second"]);
            }
        }
        "disabled" => {
            println!("\nA disabled call, ns");
            rounds(scenario, 1, &SIDES, ROUNDS, &["mean"]);
        }
        "paced10ms" => {
            println!("\nOne call each 10 ms, ns");
            rounds(scenario, 1, &SIDES, 1, &["mean", "p50", "p99"]);
        }
        "paced2s" => {
            println!("\nOne call each 2 s, all sides beside each other, ns");
            let runs: Vec<_> = SIDES
                .iter()
                .map(|side| (*side, thread::spawn(|| start(side, "paced2s", 1))))
                .collect();
            println!("| | mean | p50 |\n|---|---:|---:|");
            for (side, run) in runs {
                let figures = run.join().expect("a run does not panic");
                println!(
                    "| {side} | {:.0} | {:.0} |",
                    figures["mean"], figures["p50"]
                );
            }
        }
        "dead" => dead(),
        other => panic!("no scenario `{other}`"),
    }
}

/// Each figure the median over the rounds, the sides in turns.
fn rounds(scenario: &str, threads: usize, sides: &[&str], rounds: usize, columns: &[&str]) {
    let mut found: BTreeMap<&str, Vec<Figures>> = BTreeMap::new();
    for round in 0..rounds {
        for turn in 0..sides.len() {
            let side = sides[(turn + round) % sides.len()];
            found
                .entry(side)
                .or_default()
                .push(start(side, scenario, threads));
        }
    }
    let of = |side: &str, column: &str| {
        median(found[side].iter().map(|figures| figures[column]).collect())
    };
    println!(
        "\n| {threads} thread{} | {} | lines |",
        if threads == 1 { "" } else { "s" },
        columns.join(" | ")
    );
    println!("|---|{}", "---:|".repeat(columns.len() + 1));
    for side in sides {
        let figures: Vec<String> = columns
            .iter()
            .map(|column| match of(side, column) {
                small if small < 100.0 => format!("{small:.1}"),
                large => format!("{large:.0}"),
            })
            .collect();
        println!(
            "| {side} | {} | {} |",
            figures.join(" | "),
            of(side, "lines")
        );
    }
    let best = columns[0];
    let rivals = sides.iter().filter(|side| **side != "rolog");
    if best == "per_second" {
        let (name, most) = rivals
            .map(|side| (side, of(side, best)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .expect("there are rivals");
        println!(
            "\nrolog: {:.2} times {name}, the best of the others",
            of("rolog", best) / most
        );
    } else {
        let slog = of("slog-async", best) / of("rolog", best);
        let (name, least) = rivals
            .map(|side| (side, of(side, best)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .expect("there are rivals");
        println!(
            "\nrolog: {slog:.1} times faster than slog-async, {:.1} times faster than {name}, the best of the others",
            least / of("rolog", best)
        );
    }
}

/// Five pairs of runs, healthy and with a dead target beside it.
fn dead() {
    println!("\nA call with a dead target attached, 4 threads, p99.9 in ns");
    println!("\n| healthy | with a dead target | ratio |\n|---:|---:|---:|");
    let mut ratios = Vec::new();
    for pair in 0..5 {
        let mut found = [0.0; 2];
        for turn in 0..2 {
            let dead = (turn + pair) % 2;
            let side = ["rolog", "rolog+dead"][dead];
            found[dead] = start(side, "dead", 4)["p999"];
        }
        let ratio = found[1] / found[0];
        println!("| {:.0} | {:.0} | {ratio:.2} |", found[0], found[1]);
        ratios.push(ratio);
    }
    println!("\nmedian of the ratios: {:.2}", median(ratios));
}

fn worker(name: &str, scenario: &str, threads: usize, folder: &Path) {
    let sides::Side { call, end } = sides::set_up(name, folder);
    let on_threads = |work: &(dyn Fn(&dyn sides::Caller, u64) -> Vec<u64> + Sync)| -> Vec<u64> {
        thread::scope(|scope| {
            let runs: Vec<_> = (0..threads as u64)
                .map(|index| {
                    let call = &*call;
                    scope.spawn(move || work(call, index))
                })
                .collect();
            let joined = runs
                .into_iter()
                .map(|run| run.join().expect("a call does not panic"));
            joined.flatten().collect()
        })
    };
    match scenario {
        "burst" => {
            let each =
                on_threads(&|call, _| bursts(call, BURSTS, BURST, Duration::from_millis(40)));
            end();
            percentiles(&each);
        }
        "dead" => {
            let each = on_threads(&|call, _| bursts(call, 500, 50, Duration::from_millis(2)));
            end();
            percentiles(&each);
        }
        "paced10ms" => {
            let each = on_threads(&|call, _| bursts(call, 100, 1, Duration::from_millis(10)));
            end();
            percentiles(&each);
        }
        "paced2s" => {
            let each = on_threads(&|call, _| bursts(call, 6, 1, Duration::from_secs(2)));
            end();
            percentiles(&each);
        }
        sustained if sustained.starts_with("sustained") => {
            let each = sustained_calls(sustained);
            let start = Instant::now();
            on_threads(&|call, index| {
                call.calls(index * each, each);
                Vec::new()
            });
            end();
            let records = each * threads as u64;
            println!("calls={records}");
            println!(
                "per_second={}",
                records as f64 / start.elapsed().as_secs_f64()
            );
        }
        "disabled" => {
            const CALLS: u64 = 10_000_000;
            call.disabled(1000);
            let start = Instant::now();
            call.disabled(CALLS);
            println!(
                "mean={}",
                start.elapsed().as_secs_f64() * 1e9 / CALLS as f64
            );
            end();
            println!("calls=0");
        }
        "idle" => {
            // Not what it takes to start.
            thread::sleep(Duration::from_secs(2));
            let before = cpu_ms();
            thread::sleep(Duration::from_secs(60));
            println!("cpu_ms={}", cpu_ms() - before);
            end();
            println!("calls=0");
        }
        other => panic!("no scenario `{other}`"),
    }
}

/// How many calls of each thread a sustained scenario has.
fn sustained_calls(scenario: &str) -> u64 {
    match scenario.split(':').nth(1) {
        Some(calls) => calls.parse().expect("a number of calls"),
        None => SUSTAINED,
    }
}

fn bursts(call: &dyn sides::Caller, bursts: u64, size: u64, pause: Duration) -> Vec<u64> {
    let mut each = Vec::with_capacity((bursts * size) as usize);
    for burst in 0..bursts {
        call.timed(burst * size, size, &mut each);
        thread::sleep(pause);
    }
    each
}

/// Prints them in nanoseconds, without what reading the clock takes.
fn percentiles(ticks: &[u64]) {
    let per_tick = 1e9 / rolog_core::clock::ticks_of(Duration::from_secs(1)) as f64;
    let mut readings: Vec<u64> = (0..10_001)
        .map(|_| {
            let before = rolog_core::clock::ticks();
            rolog_core::clock::ticks() - before
        })
        .collect();
    readings.sort_unstable();
    let reading = readings[readings.len() / 2];
    let mut each: Vec<u64> = ticks
        .iter()
        .map(|all| all.saturating_sub(reading))
        .collect();
    each.sort_unstable();
    let at = |share: f64| each[((each.len() as f64 * share) as usize).min(each.len() - 1)] as f64;
    println!("calls={}", each.len());
    let mean = each.iter().sum::<u64>() as f64 / each.len() as f64;
    println!("mean={}", mean * per_tick);
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
        println!("{name}={}", at(share) * per_tick);
    }
}

/// What this process took of the processor so far.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let own = stat
        .split_whitespace()
        .next()
        .and_then(|nanos| nanos.parse::<f64>().ok());
    let tasks = std::fs::read_dir("/proc/self/task").map(|tasks| {
        let nanos = |path: PathBuf| {
            let stat = std::fs::read_to_string(path.join("schedstat")).ok()?;
            stat.split_whitespace().next()?.parse::<f64>().ok()
        };
        tasks
            .flatten()
            .filter_map(|task| nanos(task.path()))
            .sum::<f64>()
    });
    tasks.ok().or(own).unwrap_or(f64::NAN) / 1e6
}
