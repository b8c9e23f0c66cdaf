use std::collections::{BTreeMap, HashSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use super::*;
use crate::ledger::{Ledger, SourceRow};
use crate::stage::testing::{Step, World, accept, batches_of, pass, stage};
use crate::stage::{Services, Stage, TargetRow};

async fn stages() -> Vec<Stage> {
    let (bad, good) = (World::new(), World::new());
    bad.script(vec![Step::fail(); 5]);
    let rescue = stage("res\"cue\\", batches_of(9), &good, &[], Services::default());
    let app = stage("app", batches_of(2), &bad, &[&rescue], Services::default());
    accept(&app, 1..=6);
    pass(Duration::from_secs(4)).await;
    vec![app, rescue]
}

fn snapshot(stages: &[Stage]) -> Snapshot {
    let targets = stages
        .iter()
        .map(|s| (s.name().to_string(), s.row()))
        .collect();
    Snapshot {
        ledger: Ledger {
            source: SourceRow {
                emitted: 8,
                dropped: vec![("ring", 2)],
                ..SourceRow::default()
            },
            copies: 6,
            targets,
            removed: TargetRow::default(),
        },
        targets: stages.iter().map(Stage::snapshot).collect(),
        dead_letters_discarded: 3,
        redacted_by_name: 5,
        ..Snapshot::default()
    }
}

#[test]
fn names_follow_prometheus_conventions() {
    let mut names = HashSet::new();
    for metric in CATALOGUE {
        let name = metric.name;
        assert!(names.insert(name), "{name} comes twice");
        let word = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(
            name.starts_with("rolog_") && name.chars().all(word),
            "{name}"
        );
        assert_eq!(
            name.ends_with("_total"),
            metric.kind == Kind::Counter,
            "{name}"
        );
        assert!(
            metric.help.ends_with('.') && !metric.help.contains('\n'),
            "{name}"
        );
        match metric.unit {
            Unit::Seconds => assert!(name.ends_with("_seconds"), "{name}"),
            Unit::Bytes => assert!(name.ends_with("_bytes"), "{name}"),
            _ => {}
        }
    }
}

#[test]
fn the_docs_list_every_metric() {
    let docs = include_str!("../../../docs/metrics.md");
    let table = markdown();
    assert!(
        docs.contains(&table),
        "docs/metrics.md wants this table:\n{table}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_page_has_every_series_with_its_number() {
    let stages = stages().await;
    let page = render(&snapshot(&stages));
    for line in [
        "# TYPE rolog_target_failures_total counter",
        "rolog_records_emitted_total 8",
        "rolog_records_dropped_total{reason=\"ring\"} 2",
        "rolog_dead_letters_discarded_total 3",
        "rolog_values_redacted_total{by=\"name\"} 5",
        "rolog_target_accepted_records_total{target=\"app\"} 6",
        "rolog_target_fell_back_records_total{target=\"app\"} 6",
        "rolog_target_failures_total{target=\"app\",class=\"connection\"} 5",
        "rolog_target_retries_total{target=\"app\"} 3",
        "rolog_target_queue_capacity_records{target=\"app\"} 100000",
        "rolog_target_breaker{target=\"app\",state=\"open\"} 1",
        "rolog_target_breaker{target=\"app\",state=\"closed\"} 0",
        "rolog_target_mode{target=\"app\",mode=\"broken\"} 1",
        "rolog_target_taken_over_records_total{target=\"res\\\"cue\\\\\"} 6",
        "rolog_target_batch_records_bucket{target=\"app\",le=\"5\"} 2",
        "rolog_target_batch_records_bucket{target=\"app\",le=\"+Inf\"} 2",
        "rolog_target_batch_records_sum{target=\"app\"} 4",
        "rolog_target_batch_records_count{target=\"app\"} 2",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    for metric in CATALOGUE {
        let (name, help) = (metric.name, format!("# HELP {} ", metric.name));
        assert_eq!(page.matches(&help).count(), 1, "{name}");
    }
}

/// A recorder that keeps what it was told last.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, f64>>>, Arc<Mutex<Vec<String>>>);

struct Handle(Kept, String);

impl Handle {
    fn set(&self, value: f64) {
        self.0.0.lock().unwrap().insert(self.1.clone(), value);
    }
}

impl CounterFn for Handle {
    fn increment(&self, _: u64) {
        panic!("the pipeline's counters are absolute");
    }
    fn absolute(&self, value: u64) {
        self.set(value as f64);
    }
}

impl GaugeFn for Handle {
    fn increment(&self, _: f64) {
        panic!("the pipeline's gauges are set");
    }
    fn decrement(&self, _: f64) {
        panic!("the pipeline's gauges are set");
    }
    fn set(&self, value: f64) {
        Handle::set(self, value);
    }
}

impl HistogramFn for Handle {
    fn record(&self, value: f64) {
        Handle::set(self, value);
    }
}

impl Kept {
    fn handle(&self, key: &Key) -> Arc<Handle> {
        let labels: Vec<String> = key
            .labels()
            .map(|l| format!("{}={}", l.key(), l.value()))
            .collect();
        Arc::new(Handle(
            self.clone(),
            format!("{} {}", key.name(), labels.join(",")),
        ))
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.1.lock().unwrap().push(name.as_str().to_owned());
    }
    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.1.lock().unwrap().push(name.as_str().to_owned());
    }
    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.1.lock().unwrap().push(name.as_str().to_owned());
    }
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.handle(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.handle(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.handle(key))
    }
}

#[tokio::test(start_paused = true)]
async fn a_services_own_recorder_gets_the_same_numbers() {
    let stages = stages().await;
    let kept = Kept::default();
    ::metrics::with_local_recorder(&kept, || {
        describe();
        publish(&snapshot(&stages));
        let meter = FacadeMeter::shared();
        meter.observe("app", crate::stage::Measure::DeliverySeconds, 0.25);
    });
    let numbers = kept.0.lock().unwrap();
    let failures = "rolog_target_failures_total target=app,class=connection";
    assert_eq!(numbers[failures].to_string(), "5");
    let breaker = "rolog_target_breaker target=app,state=open";
    assert_eq!(numbers[breaker].to_string(), "1");
    let delivery = "rolog_target_delivery_seconds target=app";
    assert_eq!(numbers[delivery].to_string(), "0.25");
    assert_eq!(kept.1.lock().unwrap().len(), CATALOGUE.len());
}

fn ask(page: &PrometheusPage, request: &str) -> String {
    let mut stream = TcpStream::connect(page.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_page_is_served_and_nothing_else() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let look: Look = Arc::new(Snapshot::default);
    let address = "127.0.0.1:0".parse().unwrap();
    let page = PrometheusPage::serve(address, Arc::clone(&look), runtime.handle()).unwrap();
    let close = "Host: x\r\nConnection: close\r\n\r\n";
    let answer = ask(&page, &format!("GET /metrics HTTP/1.1\r\n{close}"));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
    assert!(
        answer.contains("\nrolog_records_emitted_total 0\n"),
        "{answer}"
    );
    let answer = ask(&page, &format!("GET / HTTP/1.1\r\n{close}"));
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    let answer = ask(&page, &format!("POST /metrics HTTP/1.1\r\n{close}"));
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    let answer = ask(&page, "\x16\x03\x01 not http\r\n\r\n");
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );

    let second = PrometheusPage::serve(page.address(), look, runtime.handle());
    assert!(second.is_err(), "a wrong address is heard of at the start");
}

#[test]
fn an_exporter_serves_and_publishes_until_it_is_dropped() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let looks = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&looks);
    let look: Look = Arc::new(move || {
        *counted.lock().unwrap() += 1;
        Snapshot::default()
    });
    let address = "127.0.0.1:0".parse().unwrap();
    let exporter = Exporter::start(look, Some(address), runtime.handle()).unwrap();
    let page = exporter.address().unwrap();
    let kept = Kept::default();
    ::metrics::with_local_recorder(&kept, || drop(exporter));
    let numbers = kept.0.lock().unwrap();
    assert!(
        numbers.contains_key("rolog_records_emitted_total "),
        "the last numbers"
    );
    assert!(*looks.lock().unwrap() >= 1);
    // The listener is closed by the aborted task's end.
    runtime.shutdown_timeout(Duration::from_secs(5));
    assert!(TcpStream::connect(page).is_err());
}
