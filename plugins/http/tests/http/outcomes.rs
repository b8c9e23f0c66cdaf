//! What each answer comes to.

use std::time::{Duration, SystemTime};

use rolog_plugin::prelude::*;
use serde_json::json;

use crate::common::{batch, deliver, failure, target, ten};
use crate::server::{Reply, Server, answer};

async fn outcome_of(status: u16, headers: &'static [(&str, &str)], text: &'static str) -> Outcome {
    let server = Server::start(move |_, _| answer(status, headers, text));
    let target = target(json!({ "url": server.url("/in") })).await;
    let outcome = deliver(&target, &ten()).await;
    assert_eq!(
        server.seen().len(),
        1,
        "{status} is answered to one request"
    );
    outcome
}

#[tokio::test]
async fn each_status_comes_to_its_outcome() {
    for status in [200, 201, 202, 204] {
        assert!(outcome_of(status, &[], "").await.is_delivered());
    }
    for (status, verdict, class, maybe) in [
        (301, Verdict::Hold, Class::NotFound, false),
        (400, Verdict::Reject, Class::Invalid, false),
        (401, Verdict::Hold, Class::Auth, false),
        (403, Verdict::Hold, Class::Auth, false),
        (404, Verdict::Hold, Class::NotFound, false),
        (408, Verdict::Retry, Class::Timeout, false),
        (409, Verdict::Reject, Class::Invalid, false),
        (413, Verdict::Reject, Class::TooLarge, false),
        (422, Verdict::Reject, Class::Invalid, false),
        (425, Verdict::Retry, Class::Unavailable, false),
        (429, Verdict::Retry, Class::Throttled, false),
        (500, Verdict::Retry, Class::Unavailable, true),
        (502, Verdict::Retry, Class::Unavailable, true),
        (503, Verdict::Retry, Class::Unavailable, false),
        (504, Verdict::Retry, Class::Timeout, true),
        (507, Verdict::Retry, Class::Full, false),
    ] {
        let outcome = outcome_of(status, &[], "because").await;
        let failure = failure(&outcome);
        assert_eq!(outcome.verdict(), verdict, "{status}");
        assert_eq!(
            (failure.class, failure.maybe_written),
            (class, maybe),
            "{status}"
        );
        assert!(failure.message.contains(&status.to_string()), "{failure}");
        if status != 301 {
            assert!(failure.message.ends_with(": because"), "{failure}");
        }
        assert!(outcome.rejections().is_empty());
    }
}

#[tokio::test]
async fn retry_after_is_passed_on_in_both_its_forms() {
    let outcome = outcome_of(429, &[("retry-after", "7")], "").await;
    assert_eq!(failure(&outcome).retry_after, Some(Duration::from_secs(7)));
    let server = Server::start(|_, _| {
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_mins(1));
        answer(503, &[("retry-after", &soon)], "")
    });
    let target = target(json!({ "url": server.url("/") })).await;
    let outcome = deliver(&target, &ten()).await;
    let delay = failure(&outcome).retry_after.unwrap();
    assert!((50..=60).contains(&delay.as_secs()), "{delay:?}");
    assert_eq!(
        failure(&outcome_of(503, &[("retry-after", "soon")], "").await).retry_after,
        None
    );
}

#[tokio::test]
async fn the_meaning_of_a_status_can_be_said_otherwise() {
    let server = Server::start(|seen, _| answer(seen.target[1..].parse().unwrap(), &[], ""));
    let statuses = json!({ "delivered": [409], "retry": [400], "hold": [422], "reject": [503] });
    for (status, verdict) in [
        (409, Verdict::Delivered),
        (400, Verdict::Retry),
        (422, Verdict::Hold),
        (503, Verdict::Reject),
        (404, Verdict::Hold),
    ] {
        let url = server.url(&format!("/{status}"));
        let target = target(json!({ "url": url, "statuses": statuses })).await;
        assert_eq!(
            deliver(&target, &ten()).await.verdict(),
            verdict,
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_redirection_is_never_followed_and_a_loop_is_one_request() {
    let server = Server::start(|_, _| answer(307, &[("location", "/in")], ""));
    let target = target(json!({ "url": server.url("/in") })).await;
    let outcome = deliver(&target, &ten()).await;
    assert_eq!(outcome.verdict(), Verdict::Hold);
    assert!(
        failure(&outcome).message.contains("to /in"),
        "{:?}",
        failure(&outcome)
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn the_text_of_an_answer_is_repeated_bounded_cleaned_and_without_secrets() {
    let server = Server::start(|seen, _| {
        let said = format!(
            "<p>\r\n\x1b[31m bad token {} in {} {}",
            seen.header("authorization"),
            seen.target,
            seen.header("x-api-key")
        );
        answer(403, &[], &(said + &"x".repeat(100_000)))
    });
    let url = server.url("/in?token=hunter21");
    let target = target(json!({
        "url": url, "auth": { "bearer": "hunter22" }, "headers": { "X-Api-Key": "hunter23" },
        "query": { "key": "hunter24" },
    }))
    .await;
    let outcome = deliver(&target, &ten()).await;
    let told = &failure(&outcome).message;
    assert!(told.contains("<p> [31m bad token Bearer *** in"), "{told}");
    assert!(!told.contains("hunter") && told.len() < 600, "{told}");
    assert!(!format!("{target:?}").contains("hunter"));
    let config: rolog_http::Config = serde_json::from_value(json!({
        "url": "http://h/?k=hunter21", "auth": { "basic": { "user": "a", "password": "hunter22" } },
        "headers": { "x": "hunter23" }, "query": { "y": "hunter24" }, "proxy": "http://a:hunter25@p",
    }))
    .unwrap();
    assert!(!format!("{config:?}").contains("hunter"), "{config:?}");
}

#[tokio::test]
async fn secrets_are_not_repeated_in_the_forms_that_requests_give_them() {
    let server = Server::start(|seen, _| {
        let place = seen.target.clone();
        answer(301, &[("Location", &place)], "")
    });
    let basic = target(json!({
        "url": server.url("/in"), "auth": { "basic": { "user": "me", "password": "hunter22" } },
        "query": { "key": "hunter+24==" },
    }))
    .await;
    let told = failure(&deliver(&basic, &ten()).await).message.clone();
    assert!(told.contains("/in?key=***;"), "{told}");

    let server = Server::start(|seen, _| {
        let said = [seen.header("authorization"), seen.header("x-source")].join(" from ");
        answer(403, &[], &said)
    });
    let auth = json!({ "basic": { "user": "me", "password": "hunter22" } });
    for (auth, source, expected) in [
        (auth, "shop", "Basic *** from ***"),
        (
            json!({ "bearer": "shop-prod-abc" }),
            "shop",
            "Bearer *** from ***",
        ),
        (
            json!({ "bearer": "hunter" }),
            "hunter22",
            "Bearer *** from ***",
        ),
    ] {
        let settings = json!({
            "url": server.url("/"), "auth": auth, "headers": { "X-Source": source },
        });
        let told = failure(&deliver(&target(settings).await, &ten()).await)
            .message
            .clone();
        assert!(told.ends_with(expected), "{told}");
    }
}

/// Refuses requests with a record that says `bad` in them, and those with more than three records.
fn picky(status: u16) -> Server {
    Server::start(move |seen, _| {
        let messages = seen.messages();
        if messages.iter().any(|message| message == "bad") {
            return answer(status, &[], "one of them is bad");
        }
        answer(200, &[], "")
    })
}

#[tokio::test]
async fn one_bad_record_among_several_requests_is_found_and_the_others_are_delivered() {
    for status in [400, 413] {
        let server = picky(status);
        let target = target(json!({ "url": server.url("/"), "max_records": 4 })).await;
        let batch = batch(&["a", "b", "c", "d", "e", "bad", "f", "g", "h", "i"]);
        let outcome = deliver(&target, &batch).await;
        assert_eq!(outcome.verdict(), Verdict::Delivered, "{outcome:?}");
        let rejected: Vec<_> = outcome.rejections().iter().map(|one| one.index).collect();
        assert_eq!(rejected, [5]);
        assert!(
            outcome.rejections()[0]
                .message
                .contains("one of them is bad")
        );
        let taken = server.seen().into_iter().map(|seen| seen.messages());
        let mut taken: Vec<_> = taken
            .filter(|all| !all.contains(&"bad".into()))
            .flatten()
            .collect();
        taken.sort();
        assert_eq!(taken, ["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
    }
}

#[tokio::test]
async fn a_batch_of_one_request_that_is_refused_is_for_the_stage_to_halve() {
    let server = picky(400);
    let target = target(json!({ "url": server.url("/") })).await;
    let outcome = deliver(&target, &batch(&["a", "bad"])).await;
    assert_eq!(
        (outcome.verdict(), outcome.remaining()),
        (Verdict::Reject, None)
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_size_that_was_refused_is_not_sent_again() {
    let server =
        Server::start(|seen, _| answer(if seen.body.len() > 1000 { 413 } else { 200 }, &[], ""));
    let target = target(json!({ "url": server.url("/") })).await;
    let first = deliver(&target, &ten()).await;
    assert_eq!(failure(&first).class, Class::TooLarge);
    for _ in 0..2 {
        let _ = deliver(&target, &ten()).await;
    }
    let before = server.seen().len();
    assert!(deliver(&target, &ten()).await.is_delivered());
    let sent = &server.seen()[before..];
    assert!(sent.iter().all(|seen| seen.body.len() <= 1000));
    let messages: Vec<_> = sent
        .iter()
        .flat_map(super::server::Seen::messages)
        .collect();
    assert_eq!(messages.len(), 10);
}

#[tokio::test]
async fn what_was_delivered_before_trouble_is_not_left() {
    let server = Server::start(|_, number| {
        answer([200, 503, 200, 200][number], &[("retry-after", "1")], "")
    });
    let target = target(json!({ "url": server.url("/"), "max_records": 4 })).await;
    let outcome = deliver(&target, &ten()).await;
    assert_eq!(outcome.verdict(), Verdict::Retry);
    assert_eq!(outcome.remaining(), Some(&[4, 5, 6, 7, 8, 9][..]));
    assert!(!failure(&outcome).maybe_written);
    assert_eq!(server.seen().len(), 2, "after trouble nothing more is sent");
}

#[tokio::test]
async fn where_one_tenant_is_refused_the_others_are_delivered() {
    let server = Server::start(|seen, _| {
        answer(
            if seen.target.ends_with("north") {
                404
            } else {
                200
            },
            &[],
            "",
        )
    });
    let target = target(json!({ "url": server.url("/{tenant}") })).await;
    let outcome = deliver(&target, &ten()).await;
    assert_eq!(outcome.verdict(), Verdict::Hold);
    assert_eq!(outcome.remaining(), Some(&[0, 2, 4, 6, 8][..]));
    assert!(failure(&outcome).message.contains("/{tenant}"));
    assert_eq!(server.seen()[1].messages(), ["m1", "m3", "m5", "m7", "m9"]);
}

#[tokio::test]
async fn nginx_that_asks_for_a_certificate_refuses_the_client_and_not_the_records() {
    let text = "<center>No required SSL certificate was sent</center>";
    let outcome = outcome_of(400, &[], text).await;
    assert_eq!(
        (outcome.verdict(), failure(&outcome).class),
        (Verdict::Hold, Class::Auth)
    );
}

#[tokio::test]
async fn records_that_a_collector_refuses_without_saying_which_are_rejected_and_never_sent_again() {
    // partial_success { rejected_log_records: 2, error_message: "too old" }
    let proto = "\x0a\x0b\x08\x02\x12\x07too old";
    let json = r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}"#;
    for (encoding, kind, said) in [
        ("protobuf", "application/x-protobuf", proto),
        ("json", "application/json", json),
    ] {
        let server = Server::start(move |_, _| answer(200, &[("content-type", kind)], said));
        let config = json!({
            "url": server.url(""), "format": "otlp", "otlp": { "encoding": encoding },
            "statuses": { "hold": [400] },
        });
        let target = target(config).await;
        let outcome = deliver(&target, &ten()).await;
        assert_eq!(outcome.verdict(), Verdict::Delivered, "{outcome:?}");
        let indexes: Vec<_> = outcome.rejections().iter().map(|one| one.index).collect();
        assert_eq!(indexes, (0..10).collect::<Vec<_>>());
        let told = &outcome.rejections()[0].message;
        assert!(
            told.contains("2 of 10") && told.contains("too old"),
            "{told}"
        );
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_record_without_what_the_url_names_is_rejected_alone() {
    let server = Server::obliging();
    let target = target(json!({ "url": server.url("/{message}") })).await;
    let outcome = deliver(&target, &batch(&["a", "..", "b"])).await;
    assert_eq!(outcome.verdict(), Verdict::Delivered);
    assert_eq!(outcome.rejections()[0].index, 1);
    let targets: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/a", "/b"]);
}

#[tokio::test]
async fn an_answer_in_chunks_and_one_without_a_length_are_answers() {
    for bytes in [
        &b"HTTP/1.1 400 Bad\r\ntransfer-encoding: chunked\r\n\r\n3\r\nnot\r\n5\r\n good\r\n0\r\n\r\n"[..],
        &b"HTTP/1.1 400 Bad\r\nconnection: close\r\n\r\nnot good"[..],
        &b"HTTP/1.0 400 Bad\r\n\r\nnot good"[..],
        &b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad\r\nconnection: close\r\n\r\nnot good"[..],
    ] {
        let server = Server::start(move |_, _| Reply::Close(bytes.to_vec()));
        let target = target(json!({ "url": server.url("/") })).await;
        let outcome = deliver(&target, &ten()).await;
        assert_eq!(outcome.verdict(), Verdict::Reject);
        assert!(failure(&outcome).message.ends_with(": not good"), "{outcome:?}");
    }
}
