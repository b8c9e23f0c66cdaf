//! The page of metrics, read by a real Prometheus and looked through by its own tool.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rolog_core::info;
use rolog_host::Host;
use rolog_host::config::{self, Env};
use rolog_tests::skip;
use serde_json::Value;

const LONG: Duration = Duration::from_mins(1);

fn host() -> Host {
    let yaml = "
version: 1
targets:
  app: { plugin: memory, flush: { interval: 10ms } }
  spare: { plugin: 'null', flush: { interval: 10ms } }
routes:
  - { logger: shop.**, to: [app, spare] }
metrics: { prometheus: '127.0.0.1:0' }
";
    let spec = config::parse(yaml, "pipeline.yaml", "/nonexistent", &Env::empty()).unwrap();
    let host = Host::builder().pipeline(spec).start().unwrap();
    let log = host.factory().get_logger("shop.orders");
    (0..7).for_each(|id| info!(log, "order {id} accepted", id = id));
    assert_eq!(host.flush_blocking(LONG), 0);
    host
}

/// The body of an answer to GET.
fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LONG))?;
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned());
    Ok(body.unwrap_or_default())
}

/// A program of Debian's package `prometheus`, if it is installed.
fn installed(program: &str, what: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if found.is_err() {
        skip(
            what,
            &format!("{program} is not installed (Debian: prometheus)"),
        );
    }
    found.is_ok()
}

#[test]
fn its_own_tool_finds_nothing_wrong_with_the_page() {
    if !installed("promtool", "the metrics page checked by promtool") {
        return;
    }
    let host = host();
    let page = get(host.prometheus().unwrap(), "/metrics").unwrap();
    assert!(page.contains("rolog_target_failures_total"), "{page}");
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    tool.stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let output = tool.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.is_empty(), "{text}\n{page}");
}

/// Prometheus itself; ended when it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, page: SocketAddr, own: SocketAddr) -> Server {
    let config = folder.join("prometheus.yml");
    let text = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}
scrape_configs:
  - job_name: rolog
    static_configs: [{{ targets: ['{page}'] }}]
"
    );
    std::fs::write(&config, text).unwrap();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let server = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.join("data").display()
        ))
        .arg(format!("--web.listen-address={own}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    Server(server)
}

/// The value of the one series that `query` names, once there is one.
fn value(own: SocketAddr, query: &str, end: Instant) -> Option<f64> {
    let path = format!("/api/v1/query?query={query}");
    loop {
        let answer = get(own, &path).unwrap_or_default();
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let found = &answer["data"]["result"][0]["value"][1];
        if let Some(value) = found.as_str().and_then(|text| text.parse().ok()) {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        // Prometheus has its own pace; there is nothing to wait on but the time.
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_real_prometheus_reads_the_ledger_off_the_page() {
    if !installed("prometheus", "the metrics page scraped by Prometheus") {
        return;
    }
    let host = host();
    let folder = tempfile::tempdir().unwrap();
    let own = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let _server = start(folder.path(), host.prometheus().unwrap(), own);
    let end = Instant::now() + LONG;
    let log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    for (query, expected) in [
        ("rolog_records_emitted_total", 7.0),
        ("rolog_records_unrouted_total", 0.0),
        ("rolog_copies_routed_total", 14.0),
        (
            "rolog_target_delivered_records_total%7Btarget%3D%22app%22%7D",
            7.0,
        ),
        ("sum(rolog_target_accepted_records_total)", 14.0),
        (
            "rolog_target_batch_records_sum%7Btarget%3D%22app%22%7D",
            7.0,
        ),
        (
            "rolog_target_mode%7Btarget%3D%22app%22,mode%3D%22active%22%7D",
            1.0,
        ),
        ("up", 1.0),
    ] {
        let found = value(own, query, end);
        let close = found.is_some_and(|found| (found - expected).abs() < 1e-9);
        assert!(close, "{query}: {found:?} and not {expected}\n{}", log());
    }
}
