//! The example does what its readers are told.

use std::fs;
use std::process::Command;

use rolog_tests::artifacts;
use serde_json::Value;

#[test]
fn both_orders_are_in_the_file_and_the_account() {
    let logs = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rolog-example-service"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("ROLOG_PLUGINS", artifacts::library_folder())
        .env("LOGS", logs.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("orders"), "{said}");

    let lines = fs::read_to_string(logs.path().join("orders.jsonl")).unwrap();
    let records: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0]["message"], "order 42 accepted");
    assert_eq!(records[0]["quantity"], 3);
    assert_eq!(records[0]["logger"], "rolog_example_service::Orders");
    assert_eq!(records[1]["level"], "error");
    assert_eq!(records[1]["error"]["text"], "invalid digit found in string");
    assert_eq!(records[1]["message"], "what is three?");
}
