//! The examples do what they say.

use std::process::Command;

fn run(program: &str) -> String {
    let output = Command::new(program).env("NO_COLOR", "1").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    text
}

fn line<'t>(text: &'t str, part: &str) -> &'t str {
    let found = text.lines().find(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("no line has `{part}`:\n{text}"))
}

#[test]
fn a_program_without_a_runtime() {
    let text = run(env!("CARGO_BIN_EXE_synchronous"));
    let empty = line(&text, "a text without words");
    assert!(
        empty.contains("words.counter") && empty.contains("job=1"),
        "{empty}"
    );
    line(&text, "10 words in all");
}

#[test]
fn a_worker_on_one_thread() {
    let text = run(env!("CARGO_BIN_EXE_worker"));
    let slow = line(&text, "slow");
    assert!(slow.contains("job=2"), "{slow}");
    line(&text, "all jobs are done");
}

#[test]
fn a_service_with_spans() {
    let text = run(env!("CARGO_BIN_EXE_web"));
    let found = line(&text, "order 42 found");
    for part in [
        "shop.orders",
        "span=request",
        "method=GET",
        "path=/orders/42",
    ] {
        assert!(found.contains(part), "{found}");
    }
    let answered = line(&text, "answered");
    assert!(answered.contains("status=200"), "{answered}");
}

#[test]
fn a_container_gives_a_class_the_logger_named_after_it() {
    let text = run(env!("CARGO_BIN_EXE_injection"));
    line(&text, "OrderService: order 42 accepted");
}
