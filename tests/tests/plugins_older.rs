//! A plugin built on an earlier minor version of the interface works in this host, although
//! `abi_stable`'s own check would refuse it.

use abi_stable::library::{AbiHeaderRef, LibraryError};
use rolog_core::delivery::Class;
use rolog_host::instance::{Attempt, Maker};
use rolog_host::loader::LoaderSettings;
use rolog_plugin::Setup;
use rolog_plugin::abi::ModuleRef;
use rolog_tests::fixtures;
use rolog_tests::plugins::{LONG, attempt, batch, loader, maker};
use serde_json::json;

#[tokio::test]
async fn an_older_plugin_loads_and_works_and_what_it_lacks_is_done_without() {
    let (loader, heard) = loader(LoaderSettings::default());
    let library = loader.load(fixtures::older("older")).unwrap();
    assert_eq!(library.describe().unwrap().summary, "older than its host");

    let maker = maker(&library, &Setup::new("app"), &json!({}));
    assert_eq!(maker.preferred_batch(), Some(9));
    let target = maker.create().await.unwrap();
    target.activate().await.unwrap();
    assert_eq!(heard.all(), ["older/app: warning older activated {}"]);
    assert!(
        target
            .deliver(batch(["x"]), attempt(1))
            .await
            .is_delivered()
    );
    assert_eq!(target.call("echo", b"back").await.unwrap(), b"back");
    target.flush(LONG).await.unwrap();
    target.shutdown(LONG).await.unwrap();

    library.set_level(5);
    assert_eq!(library.busy(), []);
    assert_eq!(library.ping(LONG).await, None);
    assert!(!library.renew());
    assert!(library.quiesce(LONG).await);
}

#[tokio::test]
async fn a_panic_that_an_sdk_does_not_catch_is_caught_by_the_host() {
    let (loader, _heard) = loader(LoaderSettings::default());
    let library = loader.load(fixtures::older("older")).unwrap();
    let maker = maker(&library, &Setup::new("app"), &json!({}));
    let target = maker.create().await.unwrap();
    let unlucky = Attempt {
        number: 13,
        ..attempt(1)
    };
    let outcome = target.deliver(batch(["x"]), unlucky).await;
    let failure = outcome.failure().unwrap();
    assert!(failure.class == Class::Panic && failure.maybe_written);
}

#[test]
fn the_check_of_abi_stable_alone_would_refuse_it() {
    // SAFETY: a fixture, whose header is that of an abi_stable library; it is never closed.
    let header = unsafe {
        let library = libloading::Library::new(fixtures::older("older")).unwrap();
        let library = std::mem::ManuallyDrop::new(library);
        *library.get::<AbiHeaderRef>("rolog_header_older").unwrap()
    };
    let error = header.upgrade().unwrap().ensure_layout::<ModuleRef>();
    assert!(matches!(error, Err(LibraryError::AbiInstability(_))));
}
