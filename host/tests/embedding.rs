//! A host in services of every kind: with a runtime of their own, with none, and after a fork.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

use std::time::Duration;

use rolog_core::{Level, info};
use rolog_host::{Host, Memory};

const LONG: Duration = Duration::from_secs(20);

fn start() -> (Host, Memory) {
    let host = Host::builder().min_level(Level::Debug).start().unwrap();
    let memory = Memory::default();
    host.factory()
        .add_target(memory.clone(), Level::Debug)
        .unwrap();
    (host, memory)
}

#[tokio::test(flavor = "current_thread")]
async fn a_service_on_a_current_thread_runtime_may_use_every_form() {
    let (host, memory) = start();
    let log = host.factory().get_logger("a");
    info!(log, "plain");
    info!(log.wait(), "waits").await.unwrap();
    let receipt = info!(log.receipt(), "answers").await.unwrap();
    assert!(receipt.await.is_delivered());
    assert_eq!(host.flush(LONG).await, 0);
    assert_eq!(
        host.flush_blocking(LONG),
        0,
        "on a thread that drives a runtime"
    );
    assert!(host.dispose(LONG).await.is_complete());
    assert_eq!(memory.len(), 3);
}

#[tokio::test(flavor = "current_thread")]
async fn a_host_may_be_disposed_synchronously_and_dropped_within_a_runtime() {
    let (host, memory) = start();
    info!(host.factory().get_logger("a"), "one");
    assert!(host.dispose_blocking(LONG).is_complete());
    drop(host);
    let (host, second) = start();
    info!(host.factory().get_logger("a"), "two");
    drop(host);
    assert_eq!((memory.len(), second.len()), (1, 1));
}

#[test]
fn a_second_dispose_gets_the_report_of_the_first() {
    let (host, _memory) = start();
    info!(host.factory().get_logger("a"), "one");
    let first = host.dispose_blocking(LONG);
    let second = host.dispose_blocking(LONG);
    assert_eq!(first.ledger, second.ledger);
    info!(host.factory().get_logger("a"), "too late");
    let ledger = host.ledger();
    assert!(ledger.balances(), "{ledger}");
    assert_eq!(ledger.source.dropped, [("disposed", 1)]);
}

#[test]
fn hosts_side_by_side_keep_their_records_apart() {
    let hosts: Vec<_> = (0..4).map(|_| start()).collect();
    for (n, (host, _)) in hosts.iter().enumerate() {
        for _ in 0..=n {
            info!(host.factory().get_logger("same.name"), "host {n}", n = n);
        }
    }
    for (n, (host, memory)) in hosts.iter().enumerate() {
        host.flush_blocking(LONG);
        let records = memory.records();
        assert_eq!(records.len(), n + 1);
        assert!(
            records
                .iter()
                .all(|record| record.message == format!("host {n}"))
        );
    }
}

/// What a child process found wrong; 0 for nothing.
#[cfg(unix)]
fn in_child(check: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child only runs `check` and leaves without running anything of the parent's.
    #[allow(unsafe_code, reason = "there is no other way to fork")]
    unsafe {
        match libc::fork() {
            0 => libc::_exit(check()),
            child => {
                let mut status = 0;
                assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
                assert!(libc::WIFEXITED(status), "the child was killed: {status}");
                libc::WEXITSTATUS(status)
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn a_child_process_is_mute_until_it_starts_a_host_of_its_own() {
    let (host, memory) = start();
    let log = host.factory().get_logger("a");
    info!(log, "from the parent");
    host.flush_blocking(LONG);
    let wrong = in_child(|| {
        info!(log, "from the child, to nobody");
        if info!(log.blocking(), "nor this").is_ok() {
            return 1;
        }
        let (own, kept) = start();
        info!(own.factory().get_logger("b"), "from the child's own host");
        if !own.dispose_blocking(LONG).is_complete() || kept.len() != 1 {
            return 2;
        }
        // Neither waits for the parent's threads, of which there are none here.
        drop(host);
        0
    });
    assert_eq!(wrong, 0);
    assert_eq!(memory.len(), 1);
}
