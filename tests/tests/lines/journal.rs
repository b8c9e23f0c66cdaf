//! The JSON export of a real journald, which runs in a mount namespace of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rolog_tests::servers::program;
use serde_json::Value;

use crate::support::{field, lines, nanos, records};

const WHAT: &str = "journald's export";
const JOURNALD: &str = "/lib/systemd/systemd-journald";

/// Starts journald where nobody sees it, tells it lines, and exports what it made of them. Whatever
/// ends in `systemd-cat` speaks through the journal's own sockets.
const SCRIPT: &str = r#"
set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal
"$JOURNALD" &
journald=$!
trap 'kill $journald' EXIT
tries=0
until [ -S /run/systemd/journal/stdout ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 600 ]
  sleep 0.1
done
for level in emerg alert crit err warning notice info debug; do
  seq -f "line %g of $level" 40 | systemd-cat -t "shop.$level" -p "$level"
done
printf 'not UTF-8: \377, and a control: \001\n' | systemd-cat -t bytes -p err
printf 'without a tag\n' | systemd-cat -p warning
tries=0
until [ "$(journalctl -q -o cat _TRANSPORT=stdout | wc -l)" -ge 322 ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 600 ]
  sleep 0.1
done
journalctl -q --no-pager -o json _TRANSPORT=stdout >"$EXPORT"
"#;

/// The export, where this machine has a journald and lets it run.
fn export(into: &Path) -> bool {
    if program(WHAT, "journalctl", "systemd").is_none() {
        return false;
    }
    if !rustix::process::geteuid().is_root() || !Path::new(JOURNALD).exists() {
        rolog_tests::skip(WHAT, "it takes systemd's journald, and root to start it");
        return false;
    }
    let ran = Command::new("unshare")
        .args(["-m", "sh", "-c", SCRIPT])
        .env("JOURNALD", JOURNALD)
        .env("EXPORT", into)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    if said.contains("unshare failed") || said.contains("permission denied") {
        rolog_tests::skip(WHAT, "this machine has no mount namespaces for it");
        return false;
    }
    assert!(ran.status.success(), "{said}");
    true
}

#[test]
fn journalds_export_comes_out_with_its_times_levels_tags_and_fields() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.json");
    if !export(&file) {
        return;
    }
    let expected: Vec<Value> = lines(&file)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(expected.len(), 8 * 40 + 2);
    let (records, told) = records(&[file.to_str().unwrap()]);
    assert_eq!(records.len(), expected.len(), "{told}");
    assert!(told.contains("not UTF-8"), "{told}");
    for (record, line) in records.iter().zip(&expected) {
        for (key, value) in line.as_object().unwrap() {
            match key.as_str() {
                "__REALTIME_TIMESTAMP" => {
                    let micros: i128 = value.as_str().unwrap().parse().unwrap();
                    assert_eq!(nanos(record), micros * 1000);
                }
                "PRIORITY" => assert_eq!(record["level"], level(value)),
                "SYSLOG_IDENTIFIER" => assert_eq!(record["logger"], *value),
                "MESSAGE" if value.is_string() => assert_eq!(record["message"], *value),
                "MESSAGE" => {
                    let text = "not UTF-8: \u{fffd}, and a control: \u{1}";
                    assert_eq!(record["message"], text, "{value}");
                }
                key => assert_eq!(field(record, key), value, "{key} of {line}"),
            }
        }
    }
    assert!(expected.iter().any(|line| line["MESSAGE"].is_array()));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("line 40 of debug") && text.contains("without a tag"));
}

fn level(priority: &Value) -> &'static str {
    match priority.as_str().unwrap() {
        "0" | "1" | "2" => "critical",
        "3" => "error",
        "4" => "warning",
        "5" | "6" => "info",
        "7" => "debug",
        other => panic!("{other}"),
    }
}
