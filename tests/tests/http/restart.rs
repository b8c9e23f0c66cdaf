//! The server goes away in the middle of many records, and comes back.
//!
//! `ROLOG_HTTP_RECORDS` says how many; 100,000 where it does not.

use rolog_core::info;
use rolog_tests::servers::Nginx;
use serde_json::json;

use super::receiver::Receiver;
use super::{LONG, pipeline};

/// Logs many records while nginx is killed and started again, twice.
fn restarted(what: &str, honours_keys: bool) {
    let records = std::env::var("ROLOG_HTTP_RECORDS").ok();
    let records: usize = records
        .and_then(|text| text.parse().ok())
        .unwrap_or(100_000);
    let receiver = Receiver::start(honours_keys);
    let port = receiver.port;
    let nginx = Nginx::start(what, &[], |plain, _| {
        format!(
            "client_max_body_size 10m; server {{ listen 127.0.0.1:{plain};
  location / {{ proxy_pass http://127.0.0.1:{port}; }} }}"
        )
    });
    let Some(mut nginx) = nginx else {
        return;
    };
    let host = pipeline(
        &json!({ "url": nginx.url("/in") }),
        "max_size: 1000, interval: 50ms, concurrency: 2, max_retries: 100, \
         retry_delay: 50ms, progressive_delay: false",
    );
    let log = host.factory().get_logger("shop");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..records {
                info!(
                    log,
                    "order {n} accepted",
                    n = n,
                    total = 19.99,
                    city = "Oslo"
                );
            }
        });
        for part in [4, 2] {
            receiver.wait_for((records / part) as u64);
            nginx.process().kill();
            nginx.process().start_again();
        }
    });
    let report = host.dispose_blocking(LONG);
    assert!(report.is_complete() && report.ledger.balances(), "{report}");
    let row = report.ledger.target("web").unwrap();
    assert_eq!(
        (row.accepted, row.delivered),
        (records as u64, records as u64),
        "{report}"
    );
    assert!(row.retries > 0, "nobody noticed that the server was gone");
    receiver.arrived(|arrived| {
        assert_eq!(arrived.missing(records), 0, "of {records}");
        let doubled = arrived.doubled();
        if honours_keys {
            assert_eq!(doubled, 0, "{} requests came twice", arrived.repeated);
        }
        assert!(
            doubled <= row.maybe_written,
            "{doubled} came twice: {report}"
        );
    });
}

#[test]
fn nothing_is_lost_and_what_came_twice_was_maybe_written() {
    restarted("a restart of nginx in the middle", false);
}

#[test]
fn nothing_comes_twice_where_the_service_honours_the_key() {
    restarted(
        "a restart of nginx before a service that honours keys",
        true,
    );
}
