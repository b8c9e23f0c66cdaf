//! `rolog run` over JSON lines into a file: records a second and the most memory it takes, beside a
//! bare loop of a JSON parser and the renderer over the same bytes.
//!
//!     cargo bench -p rolog-tests --bench lines [-- BYTES [ROUNDS]]
//!
//! `BYTES` is the size of the input, 100 MB without it; the figure is 1000000000. Each round
//! runs the command over the input and over a tenth of it, so that the memory of both can be told
//! apart, and the bare loop between them. A round whose file does not hold exactly the records of the
//! input is void, and ends the run. With `TMPDIR` in memory (`/dev/shm`) the disk's moods stay out.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rolog_core::frame::{Batch, BatchBuilder, FrameMeta, LoggerRef, Origin, RecordId, ThreadRef};
use rolog_core::level::Level;
use rolog_core::render::JsonLine;
use rolog_core::value::{Encoder, Timestamp};
use rolog_tests::artifacts;
use serde_json::Value;

const PIPE: usize = 256 * 1024;

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let bytes = numbers.first().copied().unwrap_or(100_000_000);
    let rounds = numbers.get(1).copied().unwrap_or(3);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (large, small) = (folder.path().join("large"), folder.path().join("small"));
    let records = write_input(&large, bytes);
    let few = write_input(&small, bytes / 10);
    println!("{records} records in {bytes} bytes a round");
    println!(
        "{:>12} {:>12} {:>10} {:>10} {:>14}",
        "run, rec/s", "bare, rec/s", "run/bare", "peak, kB", "of a tenth, kB"
    );
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let output = folder.path().join("output");
        let (seconds, peak) = run(folder.path(), &large, &output, records);
        let bare = bare_loop(&large, &output, records);
        let (_, peak_of_few) = run(folder.path(), &small, &output, few);
        let (speed, bare) = (records as f64 / seconds, records as f64 / bare);
        println!(
            "{speed:>12.0} {bare:>12.0} {:>10.3} {peak:>10} {peak_of_few:>14}",
            speed / bare
        );
        ratios.push(speed / bare);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median: run/bare {:.3}", ratios[ratios.len() / 2]);
}

/// As services write them: a time, a level, a logger, a message and some fields.
fn write_input(path: &Path, bytes: u64) -> u64 {
    let mut file = BufWriter::new(File::create(path).expect("a file can be made"));
    let (mut written, mut records) = (0, 0);
    while written < bytes {
        let line = format!(
            "{{\"ts\":\"2026-11-22T12:{:02}:{:02}.{:06}Z\",\"level\":\"{}\",\"logger\":\"shop.{}\",\
             \"msg\":\"order accepted\",\"id\":{records},\"total\":19.99,\
             \"customer\":\"0123456789abcdef\",\"path\":\"/orders/{records}\"}}\n",
            records / 60 % 60,
            records % 60,
            records % 1_000_000,
            ["info", "warn", "error"][(records % 3) as usize],
            records % 50,
        );
        file.write_all(line.as_bytes()).expect("there is room");
        written += line.len() as u64;
        records += 1;
    }
    file.flush().expect("there is room");
    records
}

/// Seconds, and the most memory that was resident, in kB.
fn run(folder: &Path, input: &Path, output: &Path, records: u64) -> (f64, u64) {
    let quoted = |path: &Path| serde_json::to_string(&path.to_string_lossy()).expect("it is text");
    let (search, path) = (quoted(&artifacts::library_folder()), quoted(output));
    let pipeline = folder.join("pipeline.yaml");
    fs::write(
        &pipeline,
        format!(
            "
version: 1
plugins: {{ search: [{search}] }}
targets:
  app: {{ plugin: file, config: {{ path: {path}, fsync: never }} }}
routes:
  - {{ logger: '**', to: app }}
"
        ),
    )
    .expect("there is room");
    drop(fs::remove_file(output));
    let command = artifacts::command();
    let begin = Instant::now();
    let mut child = Command::new(command)
        .args(["run", "--no-watch", "-c"])
        .arg(&pipeline)
        .arg(input)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let peak = watch_memory(child.id(), || {
        child
            .try_wait()
            .expect("a child can be waited for")
            .is_some()
    });
    let seconds = begin.elapsed().as_secs_f64();
    let told = child.wait_with_output().expect("it has ended");
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    let file = BufReader::with_capacity(PIPE, File::open(output).expect("the file is there"));
    let lines = file.split(b'\n').count() as u64;
    assert_eq!(lines, records, "the round is void: {told}");
    assert!(
        told.ends_with("nothing lost\n"),
        "the round is void: {told}"
    );
    (seconds, peak)
}

/// The kernel keeps the peak for as long as the process lives, so the last look is nearly it.
fn watch_memory(process: u32, mut has_ended: impl FnMut() -> bool) -> u64 {
    let status = format!("/proc/{process}/status");
    let mut peak = 0;
    while !has_ended() {
        if let Ok(status) = fs::read_to_string(&status) {
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
            peak = kilobytes.unwrap_or(0).max(peak);
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    peak
}

/// Seconds for a loop on one thread: a line, `serde_json`, a frame, the renderer, a write.
fn bare_loop(input: &Path, output: &Path, records: u64) -> f64 {
    let begin = Instant::now();
    let mut lines = BufReader::with_capacity(PIPE, File::open(input).expect("the file is there"));
    let mut file = BufWriter::with_capacity(PIPE, File::create(output).expect("a file"));
    let (mut line, mut payload, mut rendered) = (Vec::new(), Vec::new(), Vec::new());
    let (mut batch, mut renderer) = (BatchBuilder::new(1), JsonLine::new());
    let mut count = 0;
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line).expect("it can be read");
        if read > 0 {
            let object: Value = serde_json::from_slice(&line).expect("it is JSON");
            payload.clear();
            let meta = frame(&object, count, &mut payload);
            batch.push(&meta, &payload);
            count += 1;
        }
        if batch.len() == 500 || (read == 0 && !batch.is_empty()) {
            let bytes = batch.finish();
            let whole = Batch::parse(&bytes).expect("it was written here");
            for record in whole.records() {
                rendered.clear();
                renderer.line(&record, &mut rendered);
                file.write_all(&rendered).expect("there is room");
            }
        }
        if read == 0 {
            break;
        }
    }
    file.flush().expect("there is room");
    assert_eq!(count, records, "the round is void");
    begin.elapsed().as_secs_f64()
}

fn frame(object: &Value, sequence: u64, payload: &mut Vec<u8>) -> FrameMeta<'static> {
    let text = |key: &str| object[key].as_str().expect("the input has it");
    let time: jiff::Timestamp = text("ts").parse().expect("it is a time");
    let level = match text("level") {
        "info" => Level::Information,
        "warn" => Level::Warning,
        _ => Level::Error,
    };
    let mut out = Encoder::new(payload);
    out.key(text("logger")).key(text("msg"));
    for (key, value) in object.as_object().expect("it is an object") {
        match value {
            _ if matches!(key.as_str(), "ts" | "level" | "logger" | "msg") => {}
            Value::String(text) => out.key(key).str(text),
            Value::Number(number) if number.is_f64() => {
                out.key(key).f64(number.as_f64().expect("it is a float"));
            }
            value => out.key(key).i64(value.as_i64().expect("it is a number")),
        }
    }
    FrameMeta {
        id: RecordId { epoch: 1, sequence },
        time: Timestamp::from_nanos(time.as_nanosecond() as i64),
        observed: Some(Timestamp::from_nanos(time.as_nanosecond() as i64)),
        level,
        generation: 1,
        flags: rolog_core::frame::flags::LOGGER | rolog_core::frame::flags::MESSAGE,
        call_site: None,
        logger: LoggerRef { id: 0, name: "" },
        thread: ThreadRef { id: 0, name: "" },
        origin: Origin::SERVICE,
    }
}
