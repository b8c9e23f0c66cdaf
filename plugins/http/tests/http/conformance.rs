//! The HTTP target keeps what every target has to keep.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rolog_http::Http;
use rolog_plugin::conformance::{Suite, Trouble};
use rolog_plugin::prelude::*;
use serde_json::json;

use crate::server::{Reply, Seen, Server, answer};

#[test]
fn the_http_target_is_conformant() {
    // What is wrong with a destination, by its path.
    let wrong: Arc<Mutex<HashMap<String, u16>>> = Arc::default();
    let looked = Arc::clone(&wrong);
    let server = Arc::new(Server::start(move |seen, _| {
        match looked.lock().unwrap().get(&seen.target) {
            None => answer(200, &[], ""),
            Some(0) => Reply::Hang(Vec::new()),
            Some(status) => answer(*status, &[], "no"),
        }
    }));
    let (config, arrived) = (Arc::clone(&server), Arc::clone(&server));
    let refusing = Arc::clone(&wrong);
    let hears = move |target: String| {
        let took =
            |seen: &Seen| seen.target == target && !refusing.lock().unwrap().contains_key(&target);
        let seen = arrived.seen().into_iter().filter(took);
        seen.flat_map(|seen| seen.messages()).collect::<Vec<_>>()
    };
    let says = move |status: u16| {
        let wrong = Arc::clone(&wrong);
        move |n: usize| {
            wrong.lock().unwrap().insert(format!("/{n}"), status);
        }
    };
    let mut suite =
        Suite::of::<Http>(move |n| json!({ "url": config.url(&format!("/{n}")), "proxy": "none" }))
            .arrived(move |n| hears(format!("/{n}")))
            .refuses(json!({ "url": "" }), "url")
            .refuses(json!({ "url": 7 }), "url")
            .refuses(json!({ "url": "http://h/", "format": "xml" }), "format")
            .trouble(Trouble::hangs("a server that does not answer").cause(says(0)));
    for (name, status, verdict, class) in [
        (
            "an overloaded server",
            503,
            Verdict::Retry,
            Class::Unavailable,
        ),
        (
            "a slower pace asked for",
            429,
            Verdict::Retry,
            Class::Throttled,
        ),
        ("credentials refused", 401, Verdict::Hold, Class::Auth),
        ("no such place", 404, Verdict::Hold, Class::NotFound),
        ("records refused", 400, Verdict::Reject, Class::Invalid),
        ("a batch too large", 413, Verdict::Reject, Class::TooLarge),
    ] {
        suite = suite.trouble(
            Trouble::answered(name, verdict)
                .class(class)
                .cause(says(status)),
        );
    }
    let report = suite.run();
    assert_eq!(report.passed().len(), 11, "{report:?}");
}
