//! Records a second through the HTTP plugin, loaded as a library, to a server on loopback that reads
//! and drops; beside it a bare loop over hyper that sends the same bytes, which it compresses as the
//! plugin does, to the same server in the same run.
//!
//!     cargo bench -p rolog-tests --bench http [-- BATCHES [ROUNDS]] [BODY] [CODING]
//!
//! What the bare loop does not do: decode records, write them, split, key and account. So that it can
//! be seen how much of the difference that is, a third side makes the bodies of the same batches with
//! the plugin's own code and sends them as the bare loop does; no plugin can be faster than that. How
//! long that making takes on a thread that does nothing else is said before each body's rows.
//! All three keep what compresses from one body to the next. They take turns, and who goes first
//! changes. A round in which the server did not get exactly the bodies that were sent is void, and
//! ends the run.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rolog_core::call_site::CallSite;
use rolog_core::frame::{BatchBuilder, FrameMeta, LoggerRef, Origin, RecordId, ThreadRef};
use rolog_core::level::Level;
use rolog_core::value::{Encoder, Timestamp};
use rolog_host::instance::{Attempt, Buffer, Instance};
use rolog_host::loader::LoaderSettings;
use rolog_http::bodies::Bodies;
use rolog_plugin::Batch;
use rolog_tests::artifacts;
use rolog_tests::plugins::{instance, loader};
use serde_json::json;
use tokio::runtime::Runtime;

/// Records in a batch: the plugin's own preference.
const RECORDS: u64 = 5000;
/// Different batches, so that not everything is in the nearest cache.
const DIFFERENT: usize = 8;

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let batches = numbers.first().copied().unwrap_or(200);
    let rounds = numbers.get(1).copied().unwrap_or(5);
    let runtime = Runtime::new().expect("a runtime");
    let server = Server::start();
    let prepared: Vec<Buffer> = (0..DIFFERENT as u64).map(batch).collect();
    let parse = |buffer: &Buffer| Batch::parse(buffer.to_vec()).expect("a batch");
    let parsed: Vec<Batch> = prepared.iter().map(parse).collect();
    println!(
        "{batches} batches of {RECORDS} records of 3 values a round; medians of {rounds} rounds"
    );
    println!(
        "{:>8} {:>6} {:>9} {:>12} {:>10} {:>12} {:>8} {:>14}",
        "body", "coding", "in flight", "records/s", "MB/s", "bare MB/s", "ratio", "made and sent"
    );
    let named: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |all: [&'static str; 3]| {
        let some = all.map(|one| named.iter().any(|name| name == one));
        let none = !some.contains(&true);
        all.into_iter()
            .zip(some)
            .filter(move |(_, some)| *some || none)
            .map(|(one, _)| one)
    };
    for body in wanted(["ndjson", "json", "otlp"]) {
        let plain = bodies(&runtime, &server, body, &prepared);
        let plain_maker = maker(&config(&server, body, "none"));
        let alone = (0..rounds).map(|_| made_alone(&plain_maker, &parsed, batches));
        println!("{body:>8}: made alone, {:.1} ns a record", median(alone));
        for coding in wanted(["none", "gzip", "zstd"]) {
            for in_flight in [1, 4] {
                let ours = runtime.block_on(target(&server, body, coding));
                let bodies_of = Arc::new(maker(&config(&server, body, coding)));
                let mut results = Vec::new();
                for round in 0..rounds {
                    let mut seconds = [0.0; 3];
                    for turn in 0..3 {
                        let side = (turn + round) % 3;
                        server.reset();
                        let began = Instant::now();
                        match side {
                            0 => runtime.block_on(deliver(&ours, &prepared, in_flight, batches)),
                            1 => {
                                let make = compressing(coding, &plain);
                                runtime.block_on(bare_loop(&server, make, in_flight, batches));
                            }
                            _ => {
                                let make = making(&bodies_of, &parsed);
                                runtime.block_on(bare_loop(&server, make, in_flight, batches));
                            }
                        }
                        seconds[side] = began.elapsed().as_secs_f64();
                        server.check(batches, coding, &plain);
                    }
                    results.push(seconds);
                }
                report(body, coding, in_flight, batches, &plain, &results);
            }
        }
    }
}

fn report(
    body: &str,
    coding: &str,
    in_flight: usize,
    batches: usize,
    plain: &[Bytes],
    results: &[[f64; 3]],
) {
    let megabytes = (0..batches)
        .map(|n| plain[n % DIFFERENT].len())
        .sum::<usize>() as f64
        / 1e6;
    let ours = median(results.iter().map(|seconds| seconds[0]));
    let bare = median(results.iter().map(|seconds| seconds[1]));
    let by_bare = |side: usize| median(results.iter().map(|seconds| seconds[1] / seconds[side]));
    println!(
        "{body:>8} {coding:>6} {in_flight:>9} {:>12.0} {:>10.0} {:>12.0} {:>8.3} {:>14.3}",
        batches as f64 * RECORDS as f64 / ours,
        megabytes / ours,
        megabytes / bare,
        by_bare(0),
        by_bare(2)
    );
}

fn median(all: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = all.collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// What makes the plugin's bodies, without the plugin.
fn maker(config: &serde_json::Value) -> Bodies {
    let config = serde_json::from_value(config.clone()).expect("the same settings");
    Bodies::new(config).expect("the same settings")
}

/// How many nanoseconds a record takes in a body that is only made.
fn made_alone(maker: &Bodies, parsed: &[Batch], batches: usize) -> f64 {
    let began = Instant::now();
    for number in 0..batches {
        let bodies = maker.of(&parsed[number % DIFFERENT]);
        assert_eq!(bodies.expect("memory takes it").len(), 1);
    }
    began.elapsed().as_secs_f64() * 1e9 / (batches as f64 * RECORDS as f64)
}

/// The plugin, with `in_flight` attempts at a time.
async fn deliver(
    target: &Arc<dyn Instance>,
    prepared: &[Buffer],
    in_flight: usize,
    batches: usize,
) {
    let next = Arc::new(AtomicUsize::new(0));
    let lanes = (0..in_flight).map(|_| {
        let (next, target, prepared) = (Arc::clone(&next), Arc::clone(target), prepared.to_vec());
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= batches {
                    return;
                }
                let attempt = Attempt {
                    id: number as u64,
                    number: 1,
                    deadline: Duration::from_mins(1),
                };
                let outcome = target
                    .deliver(prepared[number % DIFFERENT].clone(), attempt)
                    .await;
                assert!(outcome.is_delivered(), "{outcome:?}");
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.expect("no lane panics");
    }
}

/// Makes the body of the batch of this number, with what the lane keeps.
type Make = Arc<dyn Fn(usize, &mut Kept) -> Bytes + Send + Sync>;

/// What a lane keeps from body to body.
#[derive(Default)]
struct Kept {
    zstd: Option<zstd::bulk::Compressor<'static>>,
    gzip: Option<flate2::Compress>,
    out: Vec<u8>,
}

/// Bodies that are there already, to be compressed.
fn compressing(coding: &'static str, plain: &[Bytes]) -> (Make, bool) {
    let plain = plain.to_vec();
    let make = move |number, kept: &mut Kept| {
        let plain: &Bytes = &plain[number % DIFFERENT];
        match coding {
            "none" => plain.clone(),
            _ => compressed(coding, plain, kept),
        }
    };
    (Arc::new(make), coding != "none")
}

/// Bodies of batches.
fn making(bodies: &Arc<Bodies>, batches: &[Batch]) -> (Make, bool) {
    let (bodies, batches) = (Arc::clone(bodies), batches.to_vec());
    let make = move |number, _: &mut Kept| {
        let made = bodies.of(&batches[number % DIFFERENT]);
        made.expect("memory takes it").remove(0)
    };
    (Arc::new(make), true)
}

/// hyper alone, with `in_flight` connections; what makes the bodies may keep a thread busy, and then
/// does not keep others waiting.
async fn bare_loop(
    server: &Server,
    (make, elsewhere): (Make, bool),
    in_flight: usize,
    batches: usize,
) {
    let next = Arc::new(AtomicUsize::new(0));
    let port = server.port;
    let lanes = (0..in_flight).map(|_| {
        let (next, make) = (Arc::clone(&next), Arc::clone(&make));
        tokio::spawn(async move {
            let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
            let stream = stream.expect("the server listens");
            stream.set_nodelay(true).expect("a socket has the option");
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
                .await
                .expect("HTTP/1.1");
            tokio::spawn(connection);
            let mut kept = Kept::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= batches {
                    return;
                }
                let body;
                if elsewhere {
                    let make = Arc::clone(&make);
                    let making = tokio::task::spawn_blocking(move || {
                        let body = make(number, &mut kept);
                        (body, kept)
                    });
                    (body, kept) = making.await.expect("no panic");
                } else {
                    body = make(number, &mut kept);
                }
                let request = Request::post("/in")
                    .header("host", "localhost")
                    .body(Full::new(body))
                    .expect("it is a request");
                sender.ready().await.expect("the connection is open");
                let answer = sender.send_request(request).await.expect("an answer");
                assert!(answer.status().is_success());
                answer.into_body().collect().await.expect("its body");
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.expect("no lane panics");
    }
}

/// As the plugin does it.
fn compressed(coding: &str, plain: &[u8], kept: &mut Kept) -> Bytes {
    let out = &mut kept.out;
    out.clear();
    if coding == "zstd" {
        out.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        let zstd = kept
            .zstd
            .get_or_insert_with(|| zstd::bulk::Compressor::new(1).expect("the level is one"));
        zstd.compress_to_buffer(plain, out)
            .expect("memory takes it");
    } else {
        out.reserve(plain.len());
        let gzip = kept
            .gzip
            .get_or_insert_with(|| flate2::Compress::new_gzip(flate2::Compression::new(3), 15));
        gzip.reset();
        let status = gzip.compress_vec(plain, out, flate2::FlushCompress::Finish);
        assert_eq!(status.expect("no error"), flate2::Status::StreamEnd);
    }
    Bytes::copy_from_slice(out)
}

fn config(server: &Server, body: &str, coding: &str) -> serde_json::Value {
    let url = format!("http://127.0.0.1:{}/in", server.port);
    json!({ "url": url, "format": body, "compression": coding, "proxy": "none" })
}

async fn target(server: &Server, body: &str, coding: &str) -> Arc<dyn Instance> {
    let (loader, _) = loader(LoaderSettings::default());
    let library = loader.load(artifacts::library("http"));
    let library = library.unwrap_or_else(|error| panic!("{error}"));
    let target = instance(&library, "web", &config(server, body, coding))
        .await
        .expect("the target is made");
    target.activate().await.expect("the target is activated");
    target
}

/// What the plugin sends for each batch, uncompressed.
fn bodies(runtime: &Runtime, server: &Server, body: &str, prepared: &[Buffer]) -> Vec<Bytes> {
    let target = runtime.block_on(target(server, body, "none"));
    let of = |buffer: &Buffer| {
        *server.last.lock().expect("no reader panics") = Some(Vec::new());
        runtime.block_on(deliver(&target, &vec![buffer.clone(); DIFFERENT], 1, 1));
        let last = server.last.lock().expect("no reader panics").take();
        last.expect("it was asked for")
    };
    prepared.iter().map(of).map(Bytes::from).collect()
}

static SITE: CallSite = CallSite::new(
    "order {id} accepted",
    0,
    &["id", "total", "customer"],
    module_path!(),
    file!(),
    line!(),
);

/// A batch as the pump makes it of one call site's records.
fn batch(part: u64) -> Buffer {
    let mut batch = BatchBuilder::new(1);
    for n in 0..RECORDS {
        let mut payload = Vec::new();
        let mut values = Encoder::new(&mut payload);
        values.u64(part * RECORDS + n);
        values.f64(19.99 + n as f64);
        values.str("0123456789abcdef");
        batch.push(
            &FrameMeta {
                id: RecordId {
                    epoch: 1,
                    sequence: part * RECORDS + n,
                },
                time: Timestamp::from_nanos(1_795_346_100_000_000_000 + n as i64 * 1000),
                observed: None,
                level: Level::Information,
                generation: 1,
                flags: 0,
                call_site: Some(&SITE),
                logger: LoggerRef {
                    id: 1,
                    name: "bench.orders",
                },
                thread: ThreadRef {
                    id: 1,
                    name: "main",
                },
                origin: Origin::SERVICE,
            },
            &payload,
        );
    }
    Buffer::new(batch.finish().into())
}

/// Reads requests, answers them, and counts.
struct Server {
    port: u16,
    requests: Arc<AtomicUsize>,
    bytes: Arc<AtomicU64>,
    /// The last body, while that is wanted.
    last: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let server = Server {
            port: listener.local_addr().expect("it is bound").port(),
            requests: Arc::default(),
            bytes: Arc::default(),
            last: Arc::default(),
        };
        let (requests, bytes, last) = (
            Arc::clone(&server.requests),
            Arc::clone(&server.bytes),
            Arc::clone(&server.last),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a connection");
                let (requests, bytes, last) =
                    (Arc::clone(&requests), Arc::clone(&bytes), Arc::clone(&last));
                std::thread::spawn(move || serve(&stream, &requests, &bytes, &last));
            }
        });
        server
    }

    fn reset(&self) {
        self.requests.store(0, Ordering::SeqCst);
        self.bytes.store(0, Ordering::SeqCst);
    }

    fn check(&self, batches: usize, coding: &str, plain: &[Bytes]) {
        let requests = self.requests.load(Ordering::SeqCst);
        assert_eq!(requests, batches, "the round is void");
        let all = |size: &dyn Fn(&Bytes) -> usize| -> u64 {
            let sizes: Vec<usize> = plain.iter().map(size).collect();
            (0..batches).map(|n| sizes[n % DIFFERENT] as u64).sum()
        };
        let expected = match coding {
            "none" => all(&|body| body.len()),
            coding => all(&|body| compressed(coding, body, &mut Kept::default()).len()),
        };
        let bytes = self.bytes.load(Ordering::SeqCst);
        assert_eq!(bytes, expected, "the round is void");
    }
}

fn serve(
    stream: &TcpStream,
    requests: &AtomicUsize,
    bytes: &AtomicU64,
    last: &Mutex<Option<Vec<u8>>>,
) {
    let mut reader = BufReader::with_capacity(256 << 10, stream);
    let mut body = Vec::new();
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().expect("a number");
            }
            if line.is_empty() {
                break;
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body).expect("a whole body");
        requests.fetch_add(1, Ordering::SeqCst);
        bytes.fetch_add(length as u64, Ordering::SeqCst);
        if let Some(last) = &mut *last.lock().expect("no reader panics") {
            last.clone_from(&body);
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        (&mut &*stream).write_all(answer).expect("the client reads");
    }
}
