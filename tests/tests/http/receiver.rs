//! What stands behind nginx: takes batches of JSON lines, and keeps an account of what came.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::LONG;

/// An HTTP server of the test's own.
pub(crate) struct Receiver {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    honours_keys: bool,
    arrived: Mutex<Arrived>,
    more: Condvar,
    mute: AtomicBool,
    ended: AtomicBool,
}

/// What has come.
#[derive(Default)]
pub(crate) struct Arrived {
    /// How often each number came.
    pub counts: Vec<u32>,
    /// How many records came.
    pub records: u64,
    pub requests: u64,
    /// Requests whose key was there before.
    pub repeated: u64,
    pub keys: HashSet<String>,
    /// The first request's headers, and its body.
    pub first: (String, Vec<u8>),
}

impl Arrived {
    pub(crate) fn missing(&self, expected: usize) -> usize {
        let there = self
            .counts
            .iter()
            .take(expected)
            .filter(|count| **count > 0);
        expected - there.count()
    }

    /// Records beyond the first of each.
    pub(crate) fn doubled(&self) -> u64 {
        self.counts
            .iter()
            .map(|count| u64::from(count.saturating_sub(1)))
            .sum()
    }
}

impl Receiver {
    /// One that takes everything; where it honours keys, each key's records but once.
    pub(crate) fn start(honours_keys: bool) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            honours_keys,
            arrived: Mutex::default(),
            more: Condvar::new(),
            mute: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&accepting);
                thread::spawn(move || state.talk(&stream.unwrap()));
            }
        });
        Receiver { port, state }
    }

    /// From now on it takes what comes, and hangs up in place of an answer; or answers again.
    pub(crate) fn hangs_up(&self, mute: bool) {
        self.state.mute.store(mute, Ordering::SeqCst);
    }

    /// What came so far.
    pub(crate) fn arrived<R>(&self, look: impl FnOnce(&Arrived) -> R) -> R {
        look(&self.state.arrived.lock().unwrap())
    }

    /// Waits until this many records have come.
    pub(crate) fn wait_for(&self, records: u64) {
        let arrived = self.state.arrived.lock().unwrap();
        let lacking = |arrived: &mut Arrived| arrived.records < records;
        let (arrived, waited) = self
            .state
            .more
            .wait_timeout_while(arrived, LONG, lacking)
            .unwrap();
        assert!(
            !waited.timed_out(),
            "{} of {records} records came",
            arrived.records
        );
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl State {
    fn talk(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some((head, body)) = read(&mut reader) {
            self.take(head, body);
            if self.mute.load(Ordering::SeqCst) {
                return;
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            if (&mut &*stream).write_all(answer).is_err() {
                return;
            }
        }
    }

    fn take(&self, head: String, body: Vec<u8>) {
        let key = header(&head, "idempotency-key")
            .unwrap_or_default()
            .to_owned();
        let mut arrived = self.arrived.lock().unwrap();
        arrived.requests += 1;
        if !arrived.keys.insert(key) {
            arrived.repeated += 1;
            if self.honours_keys {
                return;
            }
        }
        let lines = std::str::from_utf8(&body).unwrap_or_default();
        for line in lines.lines() {
            let (_, number) = line.split_once("\"n\":").unwrap();
            let end = number.find(|c: char| !c.is_ascii_digit()).unwrap();
            let number: usize = number[..end].parse().unwrap();
            if arrived.counts.len() <= number {
                arrived.counts.resize(number + 1, 0);
            }
            arrived.counts[number] += 1;
            arrived.records += 1;
        }
        if arrived.requests == 1 {
            arrived.first = (head, body);
        }
        drop(arrived);
        self.more.notify_all();
    }
}

/// A whole request; one that breaks off is none.
pub(crate) fn read(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    loop {
        let start = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if &head[start..] == "\r\n" {
            break;
        }
    }
    let length = header(&head, "content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// The value of a header.
pub(crate) fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
    let found = pairs.find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}
