//! `rolog run`, as a user meets it.

use std::io::{BufRead, BufReader, Read, Write};

use crate::support::{Place, finish, guard, signal, wait};

/// JSON lines of every record to standard output.
const JSON: &str = "
version: 1
levels: { '**': trace }
targets:
  out: { plugin: console, config: { format: json }, flush: { interval: 10ms } }
routes:
  - { logger: '**', to: [out] }
";

fn lines(stdout: &str) -> Vec<serde_json::Value> {
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_json_line_comes_out_with_its_time_level_logger_message_and_fields() {
    let place = Place::new();
    place.file("p.yaml", JSON);
    let run = place.run(
        ["run", "-c", "p.yaml"],
        r#"{"ts":"2026-11-22T12:00:00.25Z","level":"warn","logger":"a.b","msg":"hi","n":1,"deep":{"list":[null,-2.5]}}"#,
    );
    assert_eq!(run.code, Some(0), "{run:?}");
    let [line] = &lines(&run.stdout)[..] else {
        panic!("one line: {run:?}")
    };
    assert_eq!(line["time"], "2026-11-22T12:00:00.250000000Z");
    assert_eq!(line["level"], "warning");
    assert_eq!(line["logger"], "a.b");
    assert_eq!(line["message"], "hi");
    assert_eq!(line["n"], 1);
    assert_eq!(line["deep"], serde_json::json!({"list": [null, -2.5]}));
    assert!(line["observed"].is_string(), "when it was read: {line}");
    assert!(
        run.stderr.starts_with("read 1 record in "),
        "{}",
        run.stderr
    );
    assert!(run.stderr.ends_with("\nnothing lost\n"), "{}", run.stderr);
}

#[test]
fn without_a_pipeline_the_records_are_shown() {
    let place = Place::new();
    let run = place.run(["run"], "plain\n{\"level\":\"trace\",\"msg\":\"fine\"}\n");
    assert_eq!(run.code, Some(0), "{run:?}");
    let shown: Vec<_> = run.stdout.lines().collect();
    assert_eq!(shown.len(), 2, "{run:?}");
    assert!(shown[0].contains("INFO stdin  plain"), "{run:?}");
    assert!(shown[1].contains("fine"), "{run:?}");
}

#[test]
fn what_the_rules_of_a_route_hold_back_is_in_the_account_and_no_loss() {
    let place = Place::new();
    let route = "to: [out], limit: { rate: 2, per: 1h, by: logger }";
    place.file("p.yaml", JSON.replace("to: [out]", route));
    let input = "{\"msg\":\"same\",\"logger\":\"a\"}\n".repeat(5);
    let run = place.run(["run", "-c", "p.yaml"], &input);
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines = lines(&run.stdout);
    assert_eq!(lines.len(), 3, "two, and what tells of the others: {run:?}");
    assert_eq!(lines[2]["message"], "suppressed 3 records like: same");
    assert_eq!(
        (&lines[2]["suppressed"], &lines[2]["logger"]),
        (&3.into(), &"a".into())
    );
    let told = "out: 3 records held back by the rules of its routes\n";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    assert!(run.stderr.ends_with("\nnothing lost\n"), "{}", run.stderr);
}

#[test]
fn nothing_is_coloured_where_no_terminal_is() {
    let place = Place::new();
    for args in [
        &["run"][..],
        &["run", "none"],
        &["--help"],
        &["run", "--help"],
    ] {
        let run = place.run(args, "line\n");
        assert!(!(run.stdout + &run.stderr).contains('\u{1b}'), "{args:?}");
    }
}

#[test]
fn an_empty_input_is_an_account_of_nothing() {
    let place = Place::new();
    place.file("empty.log", "");
    for args in [&["run"][..], &["run", "empty.log"]] {
        let run = place.run(args, "");
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.stderr.starts_with("read 0 records in "), "{run:?}");
        assert!(run.stdout.is_empty());
    }
}

#[test]
fn lines_of_every_bad_kind_are_kept_and_counted() {
    let place = Place::new();
    place.file("p.yaml", JSON);
    let mut input = b"{\"broken\": \nnot json\ncaf\xe9\n\0\0{\"msg\":\"after a hole\"}\nmid\0dle\n\n{\"time\":\"noon\",\"level\":\"loud\"}\n".to_vec();
    input.extend(std::iter::repeat_n(b'x', 50_000_000));
    input.extend(b"\nlast");
    let run = place.run(["run", "-c", "p.yaml"], input);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let records = lines(&run.stdout);
    let messages: Vec<_> = records
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        messages[..6],
        [
            "{\"broken\": ",
            "not json",
            "caf\u{fffd}",
            "after a hole",
            "mid\0dle",
            ""
        ]
    );
    assert!(messages[6].len() > 200_000 && messages[6].len() <= 256 * 1024);
    assert_eq!(records[6]["truncated"], true);
    assert_eq!(messages[7], "last");
    for part in [
        "read 8 records in ",
        ": 2 JSON, 6 text; 1 line blank\n",
        "\n  1 line cut",
        "\n  1 line not UTF-8",
        "\n  1 line broken JSON",
        "\n  1 line with a time",
        "\n  1 line with a level",
        "\n  2 NUL bytes passed over",
        "\nnothing lost\n",
    ] {
        assert!(
            run.stderr.contains(part),
            "{part:?} is missing in\n{}",
            run.stderr
        );
    }
}

#[test]
fn levels_and_routes_apply_and_the_account_says_so() {
    let place = Place::new();
    place.file(
        "p.yaml",
        "
version: 1
levels: { '**': info, noisy: error }
targets:
  a: { plugin: 'null' }
  b: { plugin: 'null' }
routes:
  - { logger: shop.**, to: [a, b] }
  - { logger: noisy, to: [a] }
",
    );
    let run = place.run(
        ["run", "-c", "p.yaml"],
        r#"{"logger":"shop.db","msg":"both"}
{"logger":"shop","level":"debug","msg":"below"}
{"logger":"noisy","level":"warn","msg":"below"}
{"logger":"noisy","level":"error","msg":"one"}
{"logger":"other","msg":"nowhere"}
"#,
    );
    assert_eq!(run.code, Some(0), "{run:?}");
    let row = |name: &str| -> Vec<String> {
        let line = run.stderr.lines().find(|line| line.starts_with(name));
        line.unwrap_or_default()[name.len()..]
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(row("a "), ["2", "2", "0", "0", "0"], "{}", run.stderr);
    assert_eq!(row("b "), ["1", "1", "0", "0", "0"], "{}", run.stderr);
    assert_eq!(row("below level "), ["2"]);
    assert_eq!(row("no route "), ["1"]);
}

#[test]
fn files_are_read_in_order_and_standard_input_where_it_is_named() {
    let place = Place::new();
    place.file("p.yaml", JSON);
    place.file("one.log", "first\n");
    place.file("two.log", "third\n");
    let run = place.run(
        ["run", "-c", "p.yaml", "one.log", "-", "two.log"],
        "second\n",
    );
    let told: Vec<_> = lines(&run.stdout)
        .iter()
        .map(|line| {
            (
                line["logger"].as_str().unwrap().to_owned(),
                line["message"].clone(),
            )
        })
        .collect();
    let expected = [
        ("one.log", "first"),
        ("stdin", "second"),
        ("two.log", "third"),
    ];
    assert_eq!(
        told,
        expected.map(|(logger, message)| (logger.to_owned(), message.into()))
    );
}

#[test]
fn a_wrong_file_pipeline_or_option_is_told_before_anything_is_read() {
    let place = Place::new();
    place.file("good.log", "line\n");
    place.file(
        "bad.yaml",
        "version: 1\ntargets:\n  a: { plugin: 'null' }\nroutes:\n  - { logger: '**', to: [b] }\n",
    );
    for (args, part) in [
        (&["run", "good.log", "none.log"][..], "cannot read none.log"),
        (&["run", "good.log", "."], "it is a folder"),
        (&["run", "-c", "none.yaml", "good.log"], "none.yaml"),
        (&["run", "-c", "bad.yaml", "good.log"], "bad.yaml:5:"),
        (&["run", "--deadline", "soon"], "--deadline"),
        (&["run", "--confg", "p.yaml"], "--config"),
        (&["rum"], "run"),
        (&[], "Usage"),
    ] {
        let run = place.run(args, "");
        assert_eq!(run.code, Some(2), "{args:?}: {run:?}");
        assert!(run.stderr.contains(part), "{args:?}: {run:?}");
        assert!(run.stdout.is_empty(), "{args:?}: {run:?}");
    }
}

#[test]
fn quiet_says_nothing_when_all_is_well() {
    let run = Place::new().run(["run", "--quiet"], "line\n");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_record_arrives_while_the_input_is_still_open() {
    let place = Place::new();
    let mut child = place.command(["run"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdin.write_all(b"now\n").unwrap();
    let mut shown = Vec::new();
    while !shown.ends_with(b"now\n") {
        let mut byte = [0];
        assert_eq!(stdout.read(&mut byte).unwrap(), 1, "it ended early");
        shown.extend(byte);
    }
    drop(stdin);
    assert_eq!(stdout.read(&mut [0]).unwrap(), 0);
    assert_eq!(finish(child, b"").code, Some(0));
}

#[test]
fn a_signal_ends_the_reading_and_what_was_read_is_delivered() {
    for (name, word) in [("INT", "SIGINT"), ("TERM", "SIGTERM"), ("HUP", "SIGHUP")] {
        let place = Place::new();
        let mut child = place.command(["run"]).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdin.write_all(b"whole\n").unwrap();
        let mut first = [0; 1];
        stdout.read_exact(&mut first).unwrap();
        stdin.write_all(b"without its end").unwrap();
        signal(child.id(), name);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        let run = finish(child, b"");
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(rest.contains("whole\n"), "{rest:?}");
        assert!(
            run.stderr.contains(&format!("stopped by {word}")),
            "{run:?}"
        );
        assert!(run.stderr.ends_with("nothing lost\n"), "{run:?}");
        drop(stdin);
    }
}

#[test]
fn a_reader_that_leaves_ends_the_run_with_an_account_and_no_panic() {
    let place = Place::new();
    let mut child = place.command(["run"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdin.write_all(b"first\n").unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    // As `rolog run | head -1` does; without this end it would wait for more input for ever.
    drop(stdout);
    let run = finish(child, b"");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(
        run.stderr.contains("nobody reads standard output"),
        "{run:?}"
    );
    assert!(!run.stderr.contains("panicked"), "{run:?}");
    drop(stdin);
}

#[test]
fn records_for_a_reader_that_left_are_lost_and_counted_in_time() {
    let place = Place::new();
    place.file(
        "p.yaml",
        "
version: 1
targets:
  out: { plugin: console, queue: { max_records: 100 } }
  kept: { plugin: 'null' }
routes:
  - { logger: '**', to: [out, kept] }
",
    );
    let mut child = place
        .command(["run", "-c", "p.yaml", "--deadline", "2s"])
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = std::thread::spawn(move || {
        // It ends before it has read all of this.
        let _ = stdin.write_all("line\n".repeat(1_000_000).as_bytes());
    });
    stdout.read_exact(&mut [0]).unwrap();
    drop(stdout);
    let run = finish(child, b"");
    input.join().unwrap();
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("\nout: "), "{run:?}");
    assert!(run.stderr.contains(" lost: "), "{run:?}");
    assert!(!run.stderr.contains("does not balance"), "{run:?}");
}

#[test]
fn closed_outputs_of_every_kind_are_no_panic() {
    let place = Place::new();
    place.file("p.yaml", JSON);
    for args in [
        &["run"][..],
        &["run", "none"],
        &["--help"],
        &["run", "--help"],
        &["plugins"],
        &["check"],
        &["--nonsense"],
    ] {
        let mut child = place.command(args).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take(), child.stdin.take()));
        // A panic would end it with 101.
        let code = wait(child);
        assert!(matches!(code, Some(0..=2)), "{args:?}: {code:?}");
    }
}

#[test]
fn a_hangup_has_the_pipeline_read_again_where_there_is_a_file() {
    let place = Place::new();
    place.file("p.yaml", JSON);
    let mut child = place
        .command(["run", "--no-watch", "-c", "p.yaml"])
        .spawn()
        .unwrap();
    let _guard = guard(child.id());
    let mut stdin = child.stdin.take().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut shown = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until = |part: &str| {
        let line = told
            .by_ref()
            .find(|line| line.as_ref().unwrap().contains(part));
        assert!(line.is_some(), "{part:?} was never told");
    };
    stdin.write_all(b"first\n").unwrap();
    assert!(shown.next().unwrap().unwrap().contains("first"));

    signal(child.id(), "HUP");
    until("nothing has changed; generation 1 goes on");
    place.file("p.yaml", JSON.replace("to: [out]", "to: [in]"));
    signal(child.id(), "HUP");
    until("p.yaml:7:26: routes[0].to[0]: ");
    until("the pipeline goes on as it was");
    place.file("p.yaml", JSON.replace("format: json", "format: text"));
    signal(child.id(), "HUP");
    until("generation 2 (asked for): 1 replaced (out)");

    stdin.write_all(b"last\n").unwrap();
    let last = shown.find(|line| line.as_ref().unwrap().contains("last"));
    assert!(last.unwrap().unwrap().ends_with("INFO stdin  last"));
    drop(stdin);
    until("nothing lost");
    assert_eq!(wait(child), Some(0));
}
