//! Fields of a thread, and of a task.

use rolog_core::context::{Context, InContext as _};
use rolog_core::value::OwnedValue;
use rolog_core::{Level, context, info};

use super::{keeping, kept, keys, text};

#[test]
fn fields_of_the_context_are_those_of_the_record_unless_it_has_them() {
    let host = keeping("{ \"**\": info }");
    let log = host.factory().get_logger("shop");
    let outer = context!(request = 7, user = %"ann", state = ?Some(1), http.method = "GET");
    outer.scope(|| {
        info!(log, "macro {request}", request = 8);
        log.record(Level::Warning, "built")
            .field("user", "bob")
            .send();
        {
            let _inner = context!(request = 9).enter();
            info!(log, "inner");
            Context::new().scope(|| info!(log, "hidden"));
        }
        info!(log, "outer again");
    });
    info!(log, "outside");
    let records = kept(&host);
    assert_eq!(
        keys(&records[0]),
        ["request", "user", "state", "http.method"]
    );
    assert_eq!(records[0].message, "macro 8");
    assert_eq!(records[0].template.as_deref(), Some("macro {request}"));
    assert_eq!(records[1].field("user"), Some(&text("bob")));
    assert_eq!(
        keys(&records[1]),
        ["user", "request", "state", "http.method"]
    );
    assert_eq!(records[2].field("request"), Some(&OwnedValue::I64(9)));
    assert_eq!(records[2].field("state"), Some(&text("Some(1)")));
    assert!(records[3].fields.is_empty());
    assert_eq!(records[4].field("request"), Some(&OwnedValue::I64(7)));
    assert!(records[5].fields.is_empty());
}

#[test]
fn guards_may_be_dropped_in_any_order_and_panics_leave_the_context() {
    let first = context!(a = 1).enter();
    let second = context!(b = 2).enter();
    drop(first);
    assert!(Context::current().get("b").is_some());
    drop(second);
    assert!(Context::current().is_empty());
    let caught = std::panic::catch_unwind(|| {
        let _entered = context!(c = 3).enter();
        panic!("within");
    });
    assert!(caught.is_err());
    assert!(Context::current().is_empty());
}

#[test]
fn a_task_has_its_context_at_each_poll_on_whatever_thread() {
    let host = keeping("{ \"**\": info }");
    let log = host.factory().get_logger("shop");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for n in 0..20_i64 {
            let log = log.clone();
            let task = async move {
                for _ in 0..10 {
                    info!(log, "{n}", n = n);
                    tokio::task::yield_now().await;
                }
                // A task within a task starts from where it was made.
                let nested = async move { info!(log, "{n}", n = n) }.in_context(context!(sub = 1));
                tokio::spawn(nested).await.unwrap();
            };
            tasks.push(tokio::spawn(task.in_context(context!(task = n))));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert!(Context::current().is_empty());
    });
    let records = kept(&host);
    assert_eq!(records.len(), 220);
    for record in &records {
        assert_eq!(record.field("task"), record.field("n"), "{record:?}");
    }
    let nested = records
        .iter()
        .filter(|record| record.field("sub").is_some());
    assert_eq!(nested.count(), 20);
}

#[test]
fn a_waiting_call_takes_the_context_of_the_call_and_not_of_the_wait() {
    let host = keeping("{ \"**\": info }");
    let log = host.factory().get_logger("shop");
    let waiting = context!(at = "call").scope(|| info!(log.wait(), "waits"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime
        .block_on(waiting.in_context(context!(at = "wait")))
        .unwrap();
    let records = kept(&host);
    assert_eq!(records[0].field("at"), Some(&text("call")));
}

#[test]
fn a_record_too_long_for_its_context_is_cut_and_says_so() {
    let host = keeping("{ \"**\": info }");
    let log = host.factory().get_logger("shop");
    let context = (0..2500).fold(Context::new(), |context, n| {
        context.with(&format!("key-{n}"), "x".repeat(200))
    });
    context.scope(|| info!(log, "{own}", own = "stays"));
    let records = kept(&host);
    assert_eq!(records[0].message, "stays");
    assert!(records[0].field("fields_left_out").is_some());
}
