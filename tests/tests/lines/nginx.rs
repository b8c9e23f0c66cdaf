//! The access and error logs of a real nginx, at rest and as they grow and are rotated.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use rolog_tests::servers::{Nginx, Signal};
use serde_json::Value;

use crate::support::{lines, nanos, now, records, rolog, until};

const WHAT: &str = "the logs of nginx";
const SECOND: i128 = 1_000_000_000;

const FORMAT: &str = r#"
log_format lines escape=json '{"time":"$time_local","epoch":$msec,"msg":"$request","status":$status,"agent":"$http_user_agent"}';
"#;

fn start() -> Option<Nginx> {
    Nginx::start(WHAT, &[("index.html", "hello")], |port, _| {
        format!(
            "{FORMAT} server {{ listen 127.0.0.1:{port}; root .; error_log error.log;
             access_log text.log combined; access_log lines.json lines; }}"
        )
    })
}

/// Asks for a page, and waits for the whole answer.
fn get(nginx: &Nginx, path: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", nginx.port())).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nUser-Agent: \"q\" \\é\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 "));
}

#[test]
fn access_and_error_logs_come_out_with_their_times_and_levels() {
    let Some(mut nginx) = start() else { return };
    let before = now();
    for number in 0..50 {
        get(&nginx, "/");
        get(&nginx, &format!("/missing/{number}"));
    }
    nginx.process().stop(Signal::QUIT);
    let after = now();
    let within = |record: &Value| {
        let time = nanos(record);
        assert!(time >= before - SECOND && time <= after, "{record}");
    };
    let log = |name: &str| nginx.folder().join(name);

    let (combined, told) = records(&[log("text.log").to_str().unwrap()]);
    assert!(told.contains(": 0 JSON, 100 text\n"), "{told}");
    for (record, line) in combined.iter().zip(lines(&log("text.log"))) {
        assert_eq!(record["message"], line);
        assert_eq!(record["level"], "info");
        within(record);
    }

    let (json, told) = records(&[log("lines.json").to_str().unwrap()]);
    assert!(told.contains(": 100 JSON, 0 text\n"), "{told}");
    for (record, line) in json.iter().zip(lines(&log("lines.json"))) {
        let line: Value = serde_json::from_str(&line).unwrap();
        let is_missing = line["msg"].as_str().unwrap().contains("/missing/");
        assert_eq!(record["message"], line["msg"]);
        assert_eq!(record["status"], if is_missing { 404 } else { 200 });
        assert_eq!(record["agent"], "\"q\" \\é");
        within(record);
        let epoch = (record["epoch"].as_f64().unwrap() * 1e9) as i128;
        assert!((epoch - nanos(record)).abs() < 2 * SECOND, "{record}");
    }

    // nginx writes its errors in local time.
    let (errors, told) = records(&["--zone", "local", log("error.log").to_str().unwrap()]);
    assert_eq!(errors.len(), lines(&log("error.log")).len(), "{told}");
    let mut missing = 0;
    for (record, line) in errors.iter().zip(lines(&log("error.log"))) {
        assert_eq!(record["message"], line);
        let level = if line.contains("[error]") {
            "error"
        } else {
            "info"
        };
        assert_eq!(record["level"], level, "{line}");
        if line.contains("/missing/") {
            within(record);
            missing += 1;
        }
    }
    assert_eq!(missing, 50);
}

#[test]
fn a_log_that_is_followed_through_rotations_comes_out_whole_and_in_order() {
    const REQUESTS: usize = 200;
    let Some(mut nginx) = start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let log = nginx.folder().join("lines.json");
    let mut run = rolog(folder.path(), &["--follow", log.to_str().unwrap()])
        .spawn()
        .unwrap();
    until("finding it", || place(run.id(), &log).is_some());
    let shown = BufReader::new(run.stdout.take().unwrap()).lines();
    let seen = std::thread::spawn(move || {
        let parse = |line: Result<String, _>| serde_json::from_str(&line.unwrap()).unwrap();
        let records: Vec<Value> = shown.map(parse).collect();
        records
    });
    let [first, second, copy] = ["first", "second", "copy"].map(|name| log.with_extension(name));
    let written = || {
        let logs = [&first, &second, &copy, &log].map(|log| lines(log));
        logs.concat()
    };
    for number in 0..REQUESTS {
        get(&nginx, &format!("/{number}"));
        match number {
            60 | 120 => {
                fs::rename(&log, if number == 60 { &first } else { &second }).unwrap();
                nginx.process().signal(Signal::USR1);
                // Its workers write the old one for a while, which is followed, too.
                until("a new log", || log.exists());
                until("finding it", || place(run.id(), &log).is_some());
            }
            // Another program copies the log and cuts it, between two requests.
            160 => {
                until("its last line", || written().len() == number + 1);
                until("reading it", || is_read(run.id(), &log));
                fs::copy(&log, &copy).unwrap();
                let options = fs::OpenOptions::new().write(true).truncate(true).open(&log);
                drop(options.unwrap());
            }
            _ => {}
        }
    }
    until("its last line", || written().len() == REQUESTS);
    until("reading it", || is_read(run.id(), &log));
    let killed = Command::new("kill").arg(run.id().to_string()).status();
    assert!(killed.unwrap().success());
    let records = seen.join().unwrap();
    let output = run.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(&format!("read {REQUESTS} records")), "{told}");
    for (record, line) in records.iter().zip(written()) {
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(record["message"], line["msg"]);
    }
    nginx.process().stop(Signal::QUIT);
}

/// Whether a process has read a file to its end.
fn is_read(process: u32, log: &Path) -> bool {
    place(process, log) == Some(fs::metadata(log).unwrap().len())
}

/// How far a process has read a file, if it has opened it.
fn place(process: u32, log: &Path) -> Option<u64> {
    let folder = format!("/proc/{process}/fd");
    let mut open = fs::read_dir(folder).unwrap().flatten();
    let ours = open.find(|open| fs::read_link(open.path()).is_ok_and(|file| file == log))?;
    let info = format!("/proc/{process}/fdinfo/{}", ours.file_name().display());
    let info = fs::read_to_string(info).ok()?;
    let place = info.lines().find_map(|line| line.strip_prefix("pos:"))?;
    place.trim().parse().ok()
}
