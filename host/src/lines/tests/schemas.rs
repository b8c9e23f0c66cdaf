//! Lines as well-known loggers and collectors write them.

use super::*;

#[test]
fn lines_of_well_known_loggers_are_read() {
    use Level::{Critical, Error, Information, Warning};
    let noon = Some(1_795_348_800_000_000_000);
    for (line, level, logger, message) in [
        // pino
        (
            r#"{"level":30,"time":1795348800000,"pid":1,"hostname":"h","msg":"hello"}"#,
            Information,
            None,
            "hello",
        ),
        // bunyan
        (
            r#"{"name":"myapp","hostname":"h","pid":1,"level":50,"msg":"no","time":"2026-11-22T12:00:00.000Z","v":0}"#,
            Error,
            Some("myapp"),
            "no",
        ),
        // zap
        (
            r#"{"level":"dpanic","ts":1795348800.0,"logger":"db","caller":"m.go:1","msg":"boom"}"#,
            Critical,
            Some("db"),
            "boom",
        ),
        // structlog
        (
            r#"{"event":"hello","level":"info","logger":"x.y","timestamp":"2026-11-22T12:00:00Z"}"#,
            Information,
            Some("x.y"),
            "hello",
        ),
        // monolog
        (
            r#"{"message":"hi","context":{},"level":"WARNING","channel":"app","time":"2026-11-22T13:00:00+01:00"}"#,
            Warning,
            Some("app"),
            "hi",
        ),
        // tracing, flattened
        (
            r#"{"timestamp":"2026-11-22T12:00:00.000000Z","level":"INFO","message":"up","target":"svc::http"}"#,
            Information,
            Some("svc::http"),
            "up",
        ),
        // PostgreSQL
        (
            r#"{"timestamp":"2026-11-22 12:00:00.000 UTC","pid":9,"error_severity":"FATAL","message":"no pg_hba.conf entry"}"#,
            Critical,
            None,
            "no pg_hba.conf entry",
        ),
        // Elastic Common Schema
        (
            r#"{"@timestamp":"2026-11-22T12:00:00.000Z","log.level":"ERROR","log.logger":"a.B","message":"no"}"#,
            Error,
            Some("a.B"),
            "no",
        ),
    ] {
        let parsed = parse(line);
        assert_eq!(parsed.time, noon, "{line}");
        assert_eq!(parsed.level, Some(level), "{line}");
        assert_eq!(parsed.logger.as_deref(), logger, "{line}");
        assert_eq!(parsed.message, message, "{line}");
    }
}

#[test]
fn journald_s_export_is_read_by_its_own_names() {
    let line = parse(
        r#"{"__REALTIME_TIMESTAMP":"1795348800000000","PRIORITY":"3","SYSLOG_IDENTIFIER":"sshd","MESSAGE":"no","_PID":"7"}"#,
    );
    assert_eq!(line.time, Some(1_795_348_800_000_000_000));
    assert_eq!(line.level, Some(Level::Error));
    assert_eq!(line.logger.as_deref(), Some("sshd"));
    assert_eq!(line.message, "no");
    assert_eq!(line.json(), json!({"_PID": "7"}));
}

#[test]
fn a_message_that_journald_spells_as_bytes_is_text_again() {
    let line = parse(r#"{"MESSAGE":[27,91,49,109,104,105,10],"_SYSTEMD_UNIT":"a.service"}"#);
    assert_eq!(line.message, "\u{1b}[1mhi\n");
    assert_eq!(line.logger.as_deref(), Some("a.service"));
    assert_eq!((line.json(), line.counts.not_utf8), (json!({}), 0));
    let line = parse(r#"{"MESSAGE":[104,255],"PRIORITY":"6"}"#);
    assert_eq!(
        (line.message.as_str(), line.counts.not_utf8),
        ("h\u{fffd}", 1)
    );
    // Others that say it with a list, or with something else, mean data.
    for (data, key) in [
        (json!([104, 256]), "MESSAGE"),
        (json!([104, -1]), "MESSAGE"),
        (json!(["a", "b"]), "MESSAGE"),
        (json!({"a": 1}), "MESSAGE"),
        (json!([104]), "msg"),
    ] {
        let line = parse(&json!({ key: data }).to_string());
        assert_eq!(
            (line.message.as_str(), line.json()),
            ("", json!({ key: data }))
        );
    }
}

#[test]
fn the_level_and_logger_of_elastics_schema_may_stand_in_an_object() {
    for (line, level, logger, rest) in [
        (
            json!({"a": 1, "log": {"level": "WARN", "logger": "x.Y"}, "b": 2}),
            Some(Level::Warning),
            Some("x.Y"),
            json!({"a": 1, "b": 2}),
        ),
        (
            json!({"log": {"file": {"path": "p"}, "level": "error", "origin": [1]}, "b": 2}),
            Some(Level::Error),
            None,
            json!({"log": {"file": {"path": "p"}, "origin": [1]}, "b": 2}),
        ),
        (
            json!({"log": {"logger": "l", "x": null}, "level": "info", "logger": "mine"}),
            Some(Level::Information),
            Some("mine"),
            json!({"log": {"logger": "l", "x": null}}),
        ),
        (
            json!({"log": {"level": 50}, "b": 2}),
            Some(Level::Error),
            None,
            json!({"b": 2}),
        ),
        (
            json!({"log": {"level": "loud"}}),
            None,
            None,
            json!({"log": {"level": "loud"}}),
        ),
        (json!({"log": {}}), None, None, json!({"log": {}})),
        (
            json!({"log": "text", "b": 2}),
            None,
            None,
            json!({"log": "text", "b": 2}),
        ),
        (
            json!({"x": {"log": {"level": "error"}}}),
            None,
            None,
            json!({"x": {"log": {"level": "error"}}}),
        ),
    ] {
        let parsed = parse(&line.to_string());
        assert_eq!(parsed.level, level, "{line}");
        assert_eq!(parsed.logger.as_deref(), logger, "{line}");
        assert_eq!(parsed.json(), rest, "{line}");
    }
    let twice = parse(r#"{"log":{"x":1},"log":{"level":"error"},"message":"m"}"#);
    assert_eq!((twice.level, twice.message.as_str()), (None, "m"));
    let spelt = parse(r#"{"log.level":"warn","log":{"level":"error"}}"#);
    assert_eq!(spelt.level, Some(Level::Warning));
    assert_eq!(spelt.json(), json!({"log": {"level": "error"}}));
}
