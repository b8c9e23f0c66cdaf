//! The control socket: what it answers, and that nobody else's is touched.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rolog_core::info;
use rolog_host::control::{Client, operations};
use rolog_host::{Error, Host};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(30);

fn yaml(control: &str, more: &str) -> String {
    format!(
        "version: 1
control: {control}
targets:
  app: {{ plugin: memory{more} }}
routes: [{{ to: app }}]
"
    )
}

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Bench {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, text: &str) {
        fs::write(self.path("pipeline.yaml"), text).unwrap();
    }

    fn try_start(&self) -> Result<Host, Error> {
        let host = Host::builder().file(self.path("pipeline.yaml"));
        host.watch(false).start()
    }

    fn start(&self, text: &str) -> Host {
        self.write(text);
        self.try_start().unwrap_or_else(|error| panic!("{error}"))
    }
}

/// What a service answers to these bytes.
fn exchange(socket: &Path, bytes: &[u8]) -> Vec<Value> {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    // A service that has heard enough may close before it has read all.
    let _ = stream.write_all(bytes);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines
        .map(|line| serde_json::from_str(&line).unwrap())
        .collect()
}

fn call(socket: &Path, operation: &str) -> Value {
    let mut client = Client::connect(socket).unwrap();
    client
        .call(operation, &json!({}))
        .unwrap_or_else(|error| panic!("{operation}: {error}"))
}

#[test]
fn the_docs_list_every_operation() {
    let docs = include_str!("../../docs/control.md");
    let table = rolog_host::control::markdown();
    assert!(docs.contains(&table), "docs/control.md wants:\n{table}");
}

#[test]
fn each_operation_is_answered_on_a_line_of_its_own() {
    let bench = Bench::new();
    let host = bench.start(&yaml("rolog.sock", ""));
    let socket = host.control().unwrap();
    assert_eq!(socket, bench.path("rolog.sock"));
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    info!(host.factory().get_logger("a"), "one");
    assert_eq!(host.flush_blocking(LONG), 0);

    let status = call(&socket, "status");
    assert_eq!(status["generation"]["number"], 1);
    assert_eq!(status["process"], std::process::id());
    let app = &status["targets"][0];
    assert_eq!(
        (&app["name"], &app["plugin"]),
        (&json!("app"), &json!("memory"))
    );
    assert_eq!(
        (&app["mode"], &app["delivered"]),
        (&json!("active"), &json!(1))
    );
    assert_eq!(status["dead_letters"], Value::Null);

    assert_eq!(call(&socket, "reload")["changed"], false);
    bench.write(&yaml("rolog.sock", ", queue: { max_records: 7 }"));
    let plan = call(&socket, "plan");
    assert_eq!(
        plan["targets"],
        json!([{ "name": "app", "change": "retuned", "why": ["queue.max_records: 100000 -> 7"] }])
    );
    let reloaded = call(&socket, "reload");
    assert_eq!(reloaded["changed"], true);
    assert_eq!(
        reloaded["generation"]["targets"],
        json!({ "app": "retuned" })
    );
    assert_eq!(call(&socket, "rollback")["generation"]["number"], 3);
    assert_eq!(call(&socket, "reload_plugins")["changed"], false);
    let generations = call(&socket, "generations");
    assert_eq!(generations["generations"].as_array().unwrap().len(), 3);
    assert!(call(&socket, "plugins")["plugins"].is_array());
    let known = call(&socket, "operations");
    assert_eq!(
        known["operations"].as_array().unwrap().len(),
        operations().len()
    );

    bench.write("version: 1\nroutes: [{ to: nowhere }]\n");
    let refused = exchange(&socket, b"{\"v\":1,\"id\":[7],\"op\":\"reload\"}\n");
    assert_eq!(refused.len(), 1, "{refused:?}");
    let error = &refused[0]["error"];
    assert_eq!(
        (&refused[0]["id"], &error["kind"]),
        (&json!([7]), &json!("config"))
    );
    let problem = &error["problems"][0];
    assert_eq!(
        (&problem["line"], &problem["column"]),
        (&json!(2), &json!(16))
    );
    assert_eq!(problem["path"], "routes[0].to");
    assert_eq!(host.generations().last().unwrap().number, 3);
}

#[test]
fn what_is_no_request_is_refused_and_nothing_else_happens() {
    let bench = Bench::new();
    let host = bench.start(&yaml("s", ""));
    let socket = host.control().unwrap();
    let kinds = |answers: &[Value]| -> Vec<String> {
        let kind = |answer: &Value| match &answer["error"]["kind"] {
            Value::String(kind) => kind.clone(),
            _ => "ok".to_owned(),
        };
        answers.iter().map(kind).collect()
    };
    let requests = concat!(
        "hello\n",
        "\n",
        "{\"op\":\"status\"}\n",
        "{\"v\":2,\"op\":\"status\"}\n",
        "{\"v\":1}\n",
        "{\"v\":1,\"op\":\"status\",\"at\":1}\n",
        "{\"v\":1,\"op\":\"status\",\"with\":{\"at\":1}}\n",
        "{\"v\":1,\"op\":\"stop\"}\n",
        "{\"v\":1,\"op\":\"replay\",\"with\":{\"file\":\"dead\"}}\n",
        "{\"v\":1,\"op\":\"replay\",\"with\":{\"file\":\"/x\",\"to\":\"ap\"}}\n",
        "{\"v\":1,\"op\":\"replay\",\"with\":{\"file\":\"/x\",\"deadline\":\"soon\"}}\n",
        "{\"v\":1,\"op\":\"replay\",\"with\":{\"file\":\"/not/there\"}}\n",
        // Not ended by a line's end, and complete all the same.
        "{\"v\":1,\"op\":\"operations\"}",
    );
    let answers = exchange(&socket, requests.as_bytes());
    let expected = [
        "request",
        "version",
        "version",
        "request",
        "request",
        "request",
        "unknown_operation",
        "request",
        "request",
        "request",
        "system",
        "ok",
    ];
    assert_eq!(kinds(&answers), expected, "{answers:#?}");
    let long = exchange(&socket, &vec![b' '; 100_000]);
    assert_eq!(kinds(&long), ["request"]);
    let bytes = exchange(&socket, b"\xFF\x00\n{\"v\":1,\"op\":\"operations\"}\n");
    assert_eq!(kinds(&bytes), ["request", "ok"]);
    assert_eq!(host.metrics().reloads.last, None);
}

#[test]
fn what_a_killed_process_left_is_replaced_and_what_lives_is_not() {
    let bench = Bench::new();
    let socket = bench.path("rolog.sock");
    // Left behind: the listener is gone, its file is not.
    drop(UnixListener::bind(&socket).unwrap());
    let host = bench.start(&yaml("rolog.sock", ""));
    assert_eq!(call(&socket, "status")["generation"]["number"], 1);

    let told = |error: Error| error.to_string();
    let second = bench.try_start().map(drop).map_err(told).unwrap_err();
    assert!(
        second.contains("pipeline.yaml:2:10: control: cannot listen at ")
            && second.ends_with("another process listens there; is this pipeline running already?"),
        "{second}"
    );
    assert_eq!(call(&socket, "status")["generation"]["number"], 1);
    host.dispose_blocking(LONG);
    assert!(!socket.exists(), "it is given back");

    fs::write(&socket, "precious").unwrap();
    let refused = bench.try_start().map(drop).map_err(told).unwrap_err();
    assert!(
        refused.contains("something else than a socket"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(&socket).unwrap(), "precious");
    fs::remove_file(&socket).unwrap();

    // Somebody else's by now.
    let host = bench.try_start().unwrap();
    fs::remove_file(&socket).unwrap();
    let other = UnixListener::bind(&socket).unwrap();
    drop(host);
    assert!(UnixStream::connect(&socket).is_ok(), "it is left alone");
    drop(other);
    let left: Vec<_> = fs::read_dir(bench.folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_path_that_no_socket_can_have_is_refused_at_its_place() {
    let bench = Bench::new();
    bench.write(&yaml(&"long/".repeat(30), ""));
    let error = bench.try_start().unwrap_err().to_string();
    assert!(error.contains("pipeline.yaml:2:10: control: "), "{error}");
    assert!(error.contains("a Unix socket's path at most"), "{error}");
    bench.write(&yaml("[a]", ""));
    let error = bench.try_start().unwrap_err().to_string();
    assert!(
        error.ends_with("expected the path of a file; or `off`"),
        "{error}"
    );
}

#[test]
fn a_reload_moves_the_socket_and_whoever_asked_for_it_there_is_answered() {
    let bench = Bench::new();
    let host = bench.start(&yaml("off", ""));
    assert_eq!(host.control(), None);
    bench.write(&yaml("one", ""));
    host.reload_blocking().unwrap();
    let one = bench.path("one");
    let mut idle = UnixStream::connect(&one).unwrap();
    idle.set_read_timeout(Some(LONG)).unwrap();

    bench.write(&yaml("deeper/two", ""));
    let moved = call(&one, "reload");
    assert_eq!(moved["changed"], true);
    let two = bench.path("deeper/two");
    assert_eq!(call(&two, "status")["generation"]["number"], 3);
    assert!(!one.exists());
    assert_eq!(idle.read(&mut [0]).unwrap(), 0, "its connection is closed");

    // Where somebody else listens: refused, and the present one goes on.
    let _other = UnixListener::bind(&one).unwrap();
    bench.write(&yaml("one", ", queue: { max_records: 9 }"));
    let refused = Client::connect(&two)
        .unwrap()
        .call("reload", &json!({}))
        .unwrap_err();
    assert_eq!(refused.refusal(), Some("config"));
    assert!(
        refused.to_string().contains("another process listens"),
        "{refused}"
    );
    assert_eq!(call(&two, "status")["targets"][0]["capacity"], 100_000);

    bench.write(&yaml("off", ""));
    assert_eq!(call(&two, "reload")["changed"], true);
    assert!(!two.exists() && host.control().is_none());
}
