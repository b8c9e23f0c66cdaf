//! Looking at what a test's code logs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rolog_core::{Level, exception, info, trace};
use rolog_host::capture::capture;

#[test]
fn each_test_sees_its_own_records_from_all_its_threads() {
    let (here, there) = (capture(), capture());
    let log = here.factory().get_logger("here");
    let theirs = there.factory().get_logger("there");
    std::thread::scope(|scope| {
        for n in 0..4 {
            let (log, theirs) = (&log, &theirs);
            scope.spawn(move || {
                info!(log, "{n}", n = n);
                info!(theirs, "theirs");
            });
        }
    });
    assert_eq!(here.take().len(), 4);
    here.none();
    assert!(there.take().iter().all(|record| record.logger == "there"));
}

#[test]
fn what_is_not_as_expected_is_said_with_the_record() {
    let logs = capture();
    let log = logs.factory().get_logger("shop");
    trace!(log, "order {id}", id = 7_u8, name = "north");
    let error = "x".parse::<u8>().unwrap_err();
    exception!(log, error, "failed");
    let one = logs.one();
    one.level(Level::Trace)
        .logger("shop")
        .template("order {id}")
        .message("order 7");
    one.field("id", 7).field("name", "north").no_field("other");
    let refused: [(&str, &dyn Fn()); 4] = [
        ("level was expected to be info", &|| {
            drop(one.level(Level::Information).clone());
        }),
        ("id was expected to be", &|| {
            drop(one.field("id", 8).clone());
        }),
        ("message was expected to be order 8", &|| {
            drop(one.message("order 8").clone());
        }),
        ("error was expected to be digit", &|| {
            drop(one.error("digit").clone());
        }),
    ];
    for (why, check) in refused {
        let said = catch_unwind(AssertUnwindSafe(check)).unwrap_err();
        let said = said.downcast_ref::<String>().unwrap();
        assert!(
            said.contains(why) && said.contains("trace shop: order 7"),
            "{said}"
        );
    }
    assert!(catch_unwind(AssertUnwindSafe(|| logs.none())).is_err());
    info!(log, "another");
    logs.one().message("another");
    logs.none();
    assert!(catch_unwind(AssertUnwindSafe(|| logs.one())).is_err());
}
