//! Every kind of line, as the settings ask for it.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::fs;

use crate::common::{batch, config, deliver, target};

async fn line(more: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    let target = target(config(&path, more)).await;
    assert!(deliver(&target, &batch(["one two"])).await.is_delivered());
    fs::read_to_string(&path).unwrap()
}

#[tokio::test]
async fn each_format_shape_and_time_writes_its_line() {
    let id = "00000000000000000000000000000001-0000000000000000";
    for (more, expected) in [
        (
            r#", "format": "logfmt", "time": {"digits": 0}"#,
            format!(
                "time=1970-01-01T00:00:00Z level=info logger=t message=\"one two\" record_id={id}\n"
            ),
        ),
        (
            r#", "format": "pattern", "pattern": "%d{%H:%M} %-5p %c: %m%n", "time": {"zone": "+02:00"}"#,
            "02:00 INFO  t: one two\n".to_owned(),
        ),
        (
            r#", "names": {"time": "ts", "record_id": "off", "logger": null}, "time": {"format": "epoch_ms"}"#,
            "{\"ts\":0,\"level\":\"info\",\"message\":\"one two\"}\n".to_owned(),
        ),
        (
            r#", "shape": "ecs", "time": {"digits": 3}"#,
            format!(
                "{{\"@timestamp\":\"1970-01-01T00:00:00.000Z\",\"log.level\":\"info\",\"message\":\"one two\",\
                 \"ecs.version\":\"8.11.0\",\"log.logger\":\"t\",\"event.id\":\"{id}\"}}\n"
            ),
        ),
        (
            r#", "shape": "opentelemetry", "resource": {"service.name": "shop"}"#,
            format!(
                "{{\"resourceLogs\":[{{\"resource\":{{\"attributes\":[{{\"key\":\"service.name\",\"value\":\
                 {{\"stringValue\":\"shop\"}}}}]}},\"scopeLogs\":[{{\"scope\":{{\"name\":\"t\"}},\"logRecords\":[{{\
                 \"timeUnixNano\":\"0\",\"observedTimeUnixNano\":\"0\",\"severityNumber\":9,\"severityText\":\"info\",\
                 \"body\":{{\"stringValue\":\"one two\"}},\"attributes\":[{{\"key\":\"log.record.uid\",\"value\":\
                 {{\"stringValue\":\"{id}\"}}}}]}}]}}]}}]}}\n"
            ),
        ),
    ] {
        assert_eq!(line(more).await, expected, "{more}");
    }
}
