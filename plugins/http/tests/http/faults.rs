//! What breaks on the way.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rolog_plugin::prelude::*;
use serde_json::json;

use crate::common::{deliver, deliver_briefly, failure, target, ten};
use crate::server::{Reply, Server, Stage, answer};

#[tokio::test]
async fn a_connection_that_cannot_be_had_is_tried_again_and_wrote_nothing() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for url in [
        format!("http://{free}/"),
        "http://no-such-host.invalid/".into(),
    ] {
        let target = target(json!({ "url": url })).await;
        let outcome = deliver(&target, &ten()).await;
        let failure = failure(&outcome);
        assert_eq!(
            (outcome.verdict(), failure.class),
            (Verdict::Retry, Class::Connection)
        );
        assert!(!failure.maybe_written, "{failure}");
    }
}

#[tokio::test]
async fn a_reset_is_tried_again_and_maybe_written_once_the_body_was_under_way() {
    for stage in [
        Stage::Accepted,
        Stage::HeadRead,
        Stage::BodyRead(10),
        Stage::BodyRead(usize::MAX),
    ] {
        let server = Server::broken_at(stage);
        let target = target(json!({ "url": server.url("/") })).await;
        let outcome = deliver(&target, &ten()).await;
        let failure = failure(&outcome);
        assert_eq!(
            (outcome.verdict(), failure.class),
            (Verdict::Retry, Class::Connection)
        );
        if matches!(stage, Stage::BodyRead(_)) {
            assert!(failure.maybe_written, "{stage:?}: {failure}");
        }
    }
}

#[tokio::test]
async fn what_breaks_in_the_answer_is_maybe_written() {
    for bytes in [
        &b""[..],
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\ncontent-",
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
    ] {
        let server = Server::start(move |_, _| Reply::Close(bytes.to_vec()));
        let target = target(json!({ "url": server.url("/") })).await;
        let outcome = deliver(&target, &ten()).await;
        assert_eq!(outcome.verdict(), Verdict::Retry, "{outcome:?}");
        assert!(failure(&outcome).maybe_written, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_header_that_does_not_come_ends_with_the_deadline_and_is_maybe_written() {
    for bytes in [&b""[..], b"HTTP/1.1 200 OK\r\nx-slow: "] {
        let server = Server::start(move |_, _| Reply::Hang(bytes.to_vec()));
        let target = target(json!({ "url": server.url("/") })).await;
        let outcome = deliver_briefly(&target, &ten()).await;
        let failure = failure(&outcome);
        assert_eq!(
            (outcome.verdict(), failure.class),
            (Verdict::Retry, Class::Timeout)
        );
        assert!(failure.maybe_written);
    }
}

#[tokio::test]
async fn a_connection_that_hangs_ends_with_its_own_time_and_wrote_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts, and once its queue is full it answers to nobody.
    rustix::net::listen(&listener, 0).unwrap();
    let brief = Duration::from_millis(200);
    let queued: Vec<_> = (0..100)
        .map_while(|_| TcpStream::connect_timeout(&address, brief).ok())
        .collect();
    assert!(queued.len() < 100, "the queue has no end");
    let config = json!({ "url": format!("http://{address}/"), "connect_timeout": "300ms" });
    let (target, began) = (target(config).await, Instant::now());
    let outcome = deliver(&target, &ten()).await;
    assert_eq!(outcome.verdict(), Verdict::Retry, "{outcome:?}");
    assert_eq!(failure(&outcome).class, Class::Connection, "{outcome:?}");
    assert!(!failure(&outcome).maybe_written);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_timeout_of_its_own_ends_a_request_before_the_deadline() {
    let server = Server::start(|_, _| Reply::Hang(Vec::new()));
    let target = target(json!({ "url": server.url("/"), "timeout": "200ms" })).await;
    let began = Instant::now();
    let outcome = deliver(&target, &ten()).await;
    assert_eq!(failure(&outcome).class, Class::Timeout);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_slow_answer_does_not_undo_its_status() {
    let slow = |status: &str| {
        format!("HTTP/1.1 {status} X\r\ncontent-length: 99\r\n\r\nhalf").into_bytes()
    };
    let server = Server::start(move |_, number| Reply::Hang(slow(["200", "503"][number])));
    let target = target(json!({ "url": server.url("/") })).await;
    assert!(deliver(&target, &ten()).await.is_delivered());
    let outcome = deliver(&target, &ten()).await;
    assert_eq!(outcome.verdict(), Verdict::Retry);
    assert!(failure(&outcome).message.ends_with(": half"), "{outcome:?}");
}

#[tokio::test]
async fn of_an_endless_answer_little_is_read() {
    let server = Server::start(|_, _| Reply::Long(100_000_000));
    let target = target(json!({ "url": server.url("/") })).await;
    assert!(deliver(&target, &ten()).await.is_delivered());
    assert!(
        server.sent() < 50_000_000,
        "{} bytes were taken",
        server.sent()
    );
}

#[tokio::test]
async fn a_kept_connection_that_the_server_has_closed_is_not_a_failure() {
    closed_behind_each_answer().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_is_it_one_on_a_thread_beside_others() {
    // As the host's calls are.
    tokio::spawn(closed_behind_each_answer()).await.unwrap();
}

/// Each answer says that the connection is kept, and then it is not.
async fn closed_behind_each_answer() {
    let server = Server::start(|_, _| {
        let Reply::Bytes(bytes) = answer(200, &[], "") else {
            unreachable!("an answer is bytes")
        };
        Reply::Close(bytes)
    });
    let target = target(json!({ "url": server.url("/") })).await;
    for round in 1..=50 {
        let outcome = deliver(&target, &ten()).await;
        assert!(outcome.is_delivered(), "{round}: {outcome:?}");
        let last = server.seen().pop().unwrap();
        server.wait_closed(last.connection);
    }
    assert_eq!(server.seen().len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_kept_and_given_up_before_the_server_does() {
    let server = Server::obliging();
    let kept = target(json!({ "url": server.url("/") })).await;
    for _ in 0..5 {
        assert!(deliver(&kept, &ten()).await.is_delivered());
    }
    // The client may open one in advance, so the numbers themselves vary.
    assert!(server.seen().iter().all(|seen| seen.connection <= 1));
    let short = target(json!({ "url": server.url("/"), "pool_idle": "1ms" })).await;
    assert!(deliver(&short, &ten()).await.is_delivered());
    // It goes away by itself; the other target's, which may idle for longer, does not.
    server.wait_closed(server.seen()[5].connection);
    assert!(deliver(&short, &ten()).await.is_delivered());
    assert!(deliver(&kept, &ten()).await.is_delivered());
    let connections: Vec<_> = server.seen()[5..]
        .iter()
        .map(|seen| seen.connection)
        .collect();
    let [first, second, old] = connections[..] else {
        panic!("{connections:?}")
    };
    assert_ne!(first, second);
    assert!(old < first, "{connections:?}");
}

#[tokio::test]
async fn a_cancelled_attempt_says_what_was_delivered_and_what_may_be() {
    let server = Server::start(|_, number| match number {
        0 => answer(200, &[], ""),
        _ => Reply::Hang(Vec::new()),
    });
    let target = target(json!({ "url": server.url("/"), "max_records": 4 })).await;
    let outcome = deliver_briefly(&target, &ten()).await;
    assert_eq!(outcome.remaining(), Some(&[4, 5, 6, 7, 8, 9][..]));
    assert!(failure(&outcome).maybe_written);
}
