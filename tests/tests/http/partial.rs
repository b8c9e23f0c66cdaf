//! A collector that refuses some records of a request, and does not say which.

use std::io::{BufReader, Write};
use std::net::TcpListener;

use rolog_host::loader::LoaderSettings;
use rolog_tests::artifacts;
use rolog_tests::plugins::{attempt, batch, instance, own_copy};
use serde_json::json;

use super::receiver::read;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_many_a_collector_refused_is_a_metric() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let collector = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read(&mut BufReader::new(&stream)).unwrap();
        let said = r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}"#;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
        write!(stream, "{head}content-length: {}\r\n\r\n{said}", said.len()).unwrap();
    });
    let (library, heard) = own_copy(&artifacts::library("http"), LoaderSettings::default());
    let settings = json!({
        "url": url, "format": "otlp", "otlp": { "encoding": "json" }, "proxy": "none",
    });
    let target = instance(&library, "otel", &settings).await.unwrap();
    target.activate().await.unwrap();
    let outcome = target
        .deliver(batch(["one", "two", "three"]), attempt(1))
        .await;
    collector.join().unwrap();
    let told: Vec<&str> = outcome
        .rejections()
        .iter()
        .map(|one| one.message.as_str())
        .collect();
    assert_eq!(told.len(), 3, "{outcome:?}");
    assert!(told[0].contains("2 of 3") && told[0].contains("this one may be there"));
    heard.wait_for("http_refused_total {} 2");
}
