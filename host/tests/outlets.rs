//! Dead letters and metrics of a host, from its start to its end.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::{LogTarget, info};
use rolog_host::config::{self, Env};
use rolog_host::dead_letters::LetterFile;
use rolog_host::{Error, Host};
use rolog_plugin::prelude as sdk;

const LONG: Duration = Duration::from_secs(20);

/// Takes nothing.
struct Refuses;

impl LogTarget for Refuses {
    async fn log(&self, _: &Batch<'_>) -> Outcome {
        Outcome::refused(Failure::new(Class::Invalid, "not this one"))
    }
}

/// A pipeline of one target, which takes nothing.
fn yaml(target: &str) -> String {
    format!(
        "version: 1\nlevels: {{ rolog: off }}\ntargets: {{ {target}: {{ plugin: in-process }} }}\nroutes: [{{ to: {target} }}]\n"
    )
}

/// A host of it, with more in its file.
fn refusing(base: &Path, target: &str, more: &str) -> Result<Host, Error> {
    let yaml = format!("{}{more}\n", yaml(target));
    let spec = config::parse(yaml, "pipeline.yaml", base, &Env::empty())?;
    Host::builder()
        .target(target, Refuses)
        .pipeline(spec)
        .start()
}

fn problems(started: Result<Host, Error>) -> Vec<String> {
    let error = started.unwrap_err();
    error.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn what_no_target_takes_is_kept_and_the_file_is_free_after_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let more = "dead_letters: { path: dead/letters.jsonl }";
    let host = refusing(folder.path(), "own", more).unwrap();
    info!(host.factory().get_logger("a"), "kept {n}", n = 7);
    assert_eq!(host.flush_blocking(LONG), 0);
    assert_eq!(host.ledger().target("own").unwrap().dead_lettered, 1);

    let second = problems(refusing(folder.path(), "own", more));
    assert_eq!(second.len(), 1, "{second:?}");
    assert!(
        second[0]
            .starts_with("pipeline.yaml:5:23: dead_letters.path: cannot keep dead letters in ")
            && second[0].ends_with("is in use by another pipeline"),
        "{second:?}"
    );

    info!(host.factory().get_logger("a"), "kept at the end");
    let report = host.dispose_blocking(LONG);
    let row = report.ledger.target("own").unwrap();
    assert_eq!((row.dead_lettered, row.lost()), (2, 0), "{report}");
    assert_eq!(host.metrics().dead_letters_discarded, 0);
    // The handle of the first is still there.
    let again = refusing(folder.path(), "own", more).unwrap();
    drop(again);
    let path = folder.path().join("dead/letters.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.contains("not this one") && text.contains("kept 7"),
        "{text}"
    );
    drop(LetterFile::open(&path).unwrap());
}

#[test]
fn what_cannot_be_opened_stops_the_start_at_its_place_in_async_code_as_well() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let more =
        format!("dead_letters: {{ path: file/letters }}\nmetrics: {{ prometheus: '{address}' }}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let found = runtime.block_on(async { problems(refusing(folder.path(), "own", &more)) });
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("pipeline.yaml:5:23: dead_letters.path: cannot keep dead letters in "),
        "{found:?}"
    );
    let page = format!(
        "pipeline.yaml:6:24: metrics.prometheus: cannot serve the metrics at {address}: Address already in use"
    );
    assert!(found[1].starts_with(&page), "{found:?}");
    let folder_itself = problems(refusing(folder.path(), "own", "dead_letters: { path: . }"));
    assert!(
        folder_itself[0].contains("dead_letters.path"),
        "{folder_itself:?}"
    );
}

fn page(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_page_is_where_the_file_says_and_shows_the_account() {
    let folder = tempfile::tempdir().unwrap();
    let more = "dead_letters: { path: dead }\nmetrics: { prometheus: 127.0.0.1:0 }";
    let host = refusing(folder.path(), "own", more).unwrap();
    let address = host.prometheus().unwrap();
    info!(host.factory().get_logger("a"), "one");
    assert_eq!(host.flush_blocking(LONG), 0);
    let answer = page(address);
    for line in [
        "rolog_target_accepted_records_total{target=\"own\"} 1",
        "rolog_target_dead_lettered_records_total{target=\"own\"} 1",
    ] {
        assert!(
            answer.lines().any(|found| found == line),
            "{line}\n{answer}"
        );
    }
    assert_eq!(
        host.dispose_blocking(LONG)
            .ledger
            .target("own")
            .unwrap()
            .queued,
        0
    );
    // The end of the pipeline is the end of its page, whoever still has the handle.
    drop(TcpListener::bind(address).unwrap());
    assert_eq!(host.prometheus(), None);
}

/// A plugin that writes to the file `x` beside the pipeline.
struct Writer;

#[derive(serde::Deserialize)]
struct Nothing {}

impl rolog_plugin::Target for Writer {
    type Config = Nothing;

    fn validate(_: &Nothing, setup: &sdk::Setup) -> Result<sdk::Plan, sdk::ConfigError> {
        let path = setup.resolve("x");
        Ok(sdk::Plan::new().resource(format!("file:{}", path.display())))
    }

    async fn create(_: Nothing, _: sdk::Context) -> Result<Self, Failure> {
        Ok(Writer)
    }

    async fn deliver(&self, _: &sdk::Batch, _: &sdk::Attempt) -> Outcome {
        Outcome::delivered()
    }
}

rolog_plugin::export_target!(Writer, name = "writer");

#[test]
fn dead_letters_in_the_file_of_a_target_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().canonicalize().unwrap();
    let check = |path: &str| {
        let yaml = format!(
            "version: 1\ntargets: {{ app: {{ plugin: writer }} }}\nroutes: [{{ to: app }}]\ndead_letters: {{ path: {path} }}\n"
        );
        let spec = config::parse(yaml, "pipeline.yaml", &base, &Env::empty()).unwrap();
        let builder = Host::builder().link(rolog_plugin::linked::<Writer>());
        builder.pipeline(spec).check()
    };
    assert_eq!(check("y").unwrap(), []);
    for same in ["x", "./x", "../x"] {
        let found =
            check(&same.replace("..", &format!("../{}", base.file_name().unwrap().display())));
        let error = found.unwrap_err().to_string();
        assert_eq!(
            error,
            "pipeline.yaml:4:23: dead_letters.path: is the file of target `app` already; expected a file of its own"
        );
    }
}

fn told(host: &Host, reconfigured: &str, folder: &Path) -> Result<u32, Error> {
    let yaml = format!("{}{reconfigured}\n", yaml("own"));
    let spec = config::parse(yaml, "pipeline.yaml", folder, &Env::empty())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let generation = runtime.block_on(host.reconfigure(spec))?;
    Ok(generation.number)
}

#[test]
fn dead_letters_go_where_the_last_reload_says() {
    let folder = tempfile::tempdir().unwrap();
    let host = refusing(folder.path(), "own", "").unwrap();
    let log = host.factory().get_logger("a");
    let row = || host.ledger().target("own").unwrap().clone();
    let lines = |name: &str| {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        text.lines().count()
    };
    info!(log, "nowhere to go");
    assert_eq!(host.flush_blocking(LONG), 0);
    assert_eq!((row().dead_lettered, row().lost()), (0, 1));

    let of = |path: &str| format!("dead_letters: {{ path: {path}, max_bytes: 1MiB }}");
    told(&host, &of("one"), folder.path()).unwrap();
    info!(log, "first");
    assert_eq!(host.flush_blocking(LONG), 0);
    told(&host, &of("deeper/two"), folder.path()).unwrap();
    info!(log, "second");
    assert_eq!(host.flush_blocking(LONG), 0);
    assert_eq!((lines("one"), lines("deeper/two")), (1, 1));
    // What is not written to any more can be replayed.
    drop(LetterFile::open(folder.path().join("one")).unwrap());
    LetterFile::open(folder.path().join("deeper/two")).unwrap_err();

    // One that cannot be had changes nothing.
    let other = refusing(folder.path(), "other", &of("three")).unwrap();
    let refused = told(&host, &of("three"), folder.path()).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("pipeline.yaml:5:23: dead_letters.path: cannot keep dead letters in "),
        "{refused}"
    );
    drop(other);
    info!(log, "third");
    assert_eq!(host.flush_blocking(LONG), 0);
    assert_eq!(lines("deeper/two"), 2);

    // The same file with another bound.
    let larger = of("deeper/two").replace("1MiB", "2MiB");
    assert_eq!(told(&host, &larger, folder.path()).unwrap(), 4);
    info!(log, "fourth");
    assert_eq!(host.flush_blocking(LONG), 0);
    assert_eq!((lines("deeper/two"), row().dead_lettered), (3, 4));

    told(&host, "dead_letters: off", folder.path()).unwrap();
    info!(log, "fifth");
    let report = host.dispose_blocking(LONG);
    let row = report.ledger.target("own").unwrap();
    assert_eq!((row.dead_lettered, row.lost()), (4, 2), "{report}");
}

#[test]
fn the_page_moves_with_a_reload_and_the_old_address_is_free_then() {
    let folder = tempfile::tempdir().unwrap();
    let host = refusing(folder.path(), "own", "").unwrap();
    assert_eq!(host.prometheus(), None);
    let at = |address: &str| format!("metrics: {{ prometheus: '{address}' }}");
    told(&host, &at("127.0.0.1:0"), folder.path()).unwrap();
    let first = host.prometheus().unwrap();
    assert!(page(first).contains("\nrolog_generation 2\n"));

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = taken.local_addr().unwrap();
    let refused = told(&host, &at(&theirs.to_string()), folder.path()).unwrap_err();
    let what =
        format!("pipeline.yaml:5:24: metrics.prometheus: cannot serve the metrics at {theirs}: ");
    assert!(refused.to_string().starts_with(&what), "{refused}");
    assert_eq!(host.prometheus(), Some(first), "the one before goes on");
    assert!(page(first).contains("\nrolog_reload_last_successful 0\n"));

    drop(taken);
    told(&host, &at(&theirs.to_string()), folder.path()).unwrap();
    assert_eq!(host.prometheus(), Some(theirs));
    assert!(page(theirs).contains("\nrolog_generation 3\n"));
    drop(TcpListener::bind(first).unwrap());
    told(&host, &at("off").replace('\'', ""), folder.path()).unwrap();
    assert_eq!(host.prometheus(), None);
    drop(TcpListener::bind(theirs).unwrap());
}

#[test]
fn what_cannot_change_while_it_runs_is_refused_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let host = refusing(folder.path(), "own", "").unwrap();
    for (more, fixed, what) in [
        (
            "rings: { bytes: 32MiB }",
            "rings.bytes",
            "pipeline.yaml:5:17: rings.bytes: the size of the rings cannot change",
        ),
        (
            "max_record: 1KiB",
            "max_record",
            "pipeline.yaml:5:13: max_record: the bound on a record cannot change",
        ),
    ] {
        let yaml = format!("{}{more}\n", yaml("own"));
        let spec = config::parse(yaml, "pipeline.yaml", folder.path(), &Env::empty()).unwrap();
        assert_eq!(host.plan(&spec).fixed, [fixed]);
        let error = told(&host, more, folder.path()).unwrap_err();
        assert!(error.to_string().starts_with(what), "{error}");
    }
}
