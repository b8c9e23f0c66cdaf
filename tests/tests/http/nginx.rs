//! nginx: TLS, HTTP/2, client certificates, its limits, and what is behind it gone.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rolog_core::delivery::{Class, Outcome, Verdict};
use rolog_core::info;
use rolog_host::loader::LoaderSettings;
use rolog_tests::artifacts;
use rolog_tests::plugins::{attempt, batch, instance, loader};
use rolog_tests::servers::Nginx;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::certificates::Authority;
use super::receiver::{Receiver, header};
use super::{LONG, pipeline};

/// Delivers one batch of what the receiver reads as the numbers 0 to 9.
async fn deliver(config: Value) -> Outcome {
    let (loader, _) = loader(LoaderSettings::default());
    let library = loader.load(artifacts::library("http")).unwrap();
    let mut config = config;
    config["format"] = "envelope".into();
    config["proxy"] = "none".into();
    // The number out of the message.
    config["envelope"] =
        json!({ "body": "{records}", "record": "{\"n\":{message}}", "separator": "\n" });
    let target = instance(&library, "web", &config).await.unwrap();
    target.activate().await.unwrap();
    let words: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let outcome = target
        .deliver(batch(words.iter().map(String::as_str)), attempt(1))
        .await;
    target.shutdown(LONG).await.unwrap();
    outcome
}

struct Files {
    folder: TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let (certificate, key) = authority.signs("client.example.com");
        fs::write(folder.path().join("client.pem"), certificate).unwrap();
        fs::write(folder.path().join("client.key"), key).unwrap();
        Files { folder, authority }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn nginx(&self, what: &str, receiver: &Receiver, more: &str) -> Option<Nginx> {
        let (certificate, key) = self.authority.signs("localhost");
        let files = [
            ("c.pem", certificate.as_str()),
            ("k.pem", &key),
            ("ca.pem", &self.authority.pem()),
        ];
        let port = receiver.port;
        let more = more.to_owned();
        Nginx::start(what, &files, move |plain, tls| {
            format!(
                "server {{ listen 127.0.0.1:{plain} http2; listen 127.0.0.1:{tls} ssl http2;
  ssl_certificate c.pem; ssl_certificate_key k.pem; ssl_protocols TLSv1.2 TLSv1.3; {more}
  location / {{ proxy_pass http://127.0.0.1:{port}; }} }}"
            )
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_spoken_where_tls_offers_it_and_http_1_where_it_is_asked_for() {
    let (files, receiver) = (Files::new(), Receiver::start(false));
    let Some(nginx) = files.nginx("HTTP/2 to nginx", &receiver, "") else {
        return;
    };
    let tls = json!({ "ca": files.path("ca.pem") });
    for (count, (url, http, protocol)) in (1..).zip([
        (nginx.tls_url("/in"), "auto", "HTTP/2.0"),
        (nginx.tls_url("/in"), "2", "HTTP/2.0"),
        (nginx.tls_url("/in"), "1.1", "HTTP/1.1"),
        (nginx.url("/in"), "2", "HTTP/2.0"),
    ]) {
        let outcome = deliver(json!({ "url": url, "http": http, "tls": tls })).await;
        assert!(outcome.is_delivered(), "{url} {http}: {outcome:?}");
        let access = nginx.access(count);
        assert_eq!(access.last().unwrap()["protocol"], protocol, "{access:?}");
    }
    let access = nginx.access(4);
    assert_eq!(access[0]["tls"], "TLSv1.3");
    receiver.arrived(|arrived| {
        assert_eq!((arrived.records, arrived.missing(10)), (40, 0));
        assert_eq!(
            header(&arrived.first.0, "idempotency-key").unwrap().len(),
            32
        );
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_shown_and_without_one_records_are_held() {
    let (files, receiver) = (Files::new(), Receiver::start(false));
    let more = "ssl_client_certificate ca.pem; ssl_verify_client on;";
    let Some(nginx) = files.nginx("client certificates to nginx", &receiver, more) else {
        return;
    };
    let url = nginx.tls_url("/in");
    let without = deliver(json!({ "url": url, "tls": { "ca": files.path("ca.pem") } })).await;
    let failure = without.failure().unwrap();
    assert_eq!(
        (without.verdict(), failure.class),
        (Verdict::Hold, Class::Auth),
        "{failure}"
    );
    let tls = json!({
        "ca": files.path("ca.pem"), "cert": files.path("client.pem"), "key": files.path("client.key"),
    });
    let with = deliver(json!({ "url": url, "tls": tls })).await;
    assert!(with.is_delivered(), "{with:?}");
    let access = nginx.access(2);
    let last = access.last().unwrap();
    assert_eq!(last["verify"], "SUCCESS");
    assert!(
        last["client"]
            .as_str()
            .unwrap()
            .contains("client.example.com"),
        "{last}"
    );
    receiver.arrived(|arrived| assert_eq!(arrived.records, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nginx_cannot_pass_on_is_tried_again() {
    let (files, receiver) = (Files::new(), Receiver::start(false));
    let Some(nginx) = files.nginx("nginx with nothing behind it", &receiver, "") else {
        return;
    };
    drop(receiver);
    let outcome = deliver(json!({ "url": nginx.url("/in"), "http": "2" })).await;
    let failure = outcome.failure().unwrap();
    assert_eq!(
        (outcome.verdict(), failure.class),
        (Verdict::Retry, Class::Unavailable)
    );
    assert!(failure.message.contains("502 Bad Gateway"), "{failure}");
    let unknown = deliver(json!({ "url": nginx.tls_url("/in") })).await;
    let failure = unknown.failure().unwrap();
    assert_eq!(
        (unknown.verdict(), failure.class),
        (Verdict::Hold, Class::Auth),
        "{failure}"
    );
}

#[test]
fn requests_are_halved_until_nginx_takes_them_and_then_stay_as_small() {
    let (files, receiver) = (Files::new(), Receiver::start(false));
    let more = "client_max_body_size 16k;";
    let Some(nginx) = files.nginx("a bound on bodies in nginx", &receiver, more) else {
        return;
    };
    let host = pipeline(
        &json!({ "url": nginx.tls_url("/in"), "tls": { "ca": files.path("ca.pem") } }),
        "max_size: 500",
    );
    let log = host.factory().get_logger("shop");
    for n in 0..2000 {
        info!(log, "order {n}", n = n);
    }
    let report = host.dispose_blocking(LONG);
    assert!(report.is_complete() && report.ledger.balances(), "{report}");
    receiver.arrived(|arrived| {
        assert_eq!((arrived.records, arrived.missing(2000)), (2000, 0));
    });
    let access = nginx.access(1);
    let refused = access.iter().filter(|line| line["status"] == 413).count();
    assert!(
        (1..=6).contains(&refused),
        "{refused} requests of {} were too large",
        access.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cancelled_attempt_calls_delivered_has_arrived() {
    const COUNT: usize = 600;
    let (files, receiver) = (Files::new(), Receiver::start(false));
    let more = "client_max_body_size 16k;";
    let Some(nginx) = files.nginx(
        "attempts cancelled while requests are halved",
        &receiver,
        more,
    ) else {
        return;
    };
    let (loader, _) = loader(LoaderSettings::default());
    let library = loader.load(artifacts::library("http")).unwrap();
    let envelope = json!({
        "body": "{records}", "record": "{\"n\":{message},\"is\":{json}}", "separator": "\n",
    });
    let config = json!({
        "url": nginx.url("/in"), "http": "2", "proxy": "none", "max_records": 300,
        "format": "envelope", "envelope": envelope,
    });
    let mut cut = 0;
    for round in 0..24 {
        // A new one each time: it has not learnt yet how much nginx takes.
        let target = instance(&library, "web", &config).await.unwrap();
        target.activate().await.unwrap();
        let first = round as usize * COUNT;
        let words: Vec<String> = (first..first + COUNT).map(|n| n.to_string()).collect();
        let (sending, records) = (Arc::clone(&target), batch(words.iter().map(String::as_str)));
        let delivery = tokio::spawn(async move { sending.deliver(records, attempt(round)).await });
        let end = Instant::now() + Duration::from_millis(round * 4);
        while Instant::now() < end {
            tokio::task::yield_now().await;
        }
        target.cancel(round);
        let outcome = delivery.await.unwrap();
        assert!(outcome.rejections().is_empty(), "{outcome:?}");
        cut += u32::from(!outcome.is_delivered());
        let left = |index: usize| match (outcome.verdict(), outcome.remaining()) {
            (Verdict::Delivered, _) => false,
            (_, None) => true,
            (_, Some(remaining)) => remaining.contains(&(index as u32)),
        };
        receiver.arrived(|arrived| {
            for index in (0..COUNT).filter(|index| !left(*index)) {
                let there = arrived
                    .counts
                    .get(first + index)
                    .is_some_and(|count| *count > 0);
                assert!(there, "round {round}: {index} did not arrive: {outcome:?}");
            }
        });
        target.shutdown(LONG).await.unwrap();
    }
    assert!(
        (1..24).contains(&cut),
        "{cut} of 24 attempts were cancelled midway"
    );
}
