//! The package manager's log, as this machine has it.

use std::path::Path;

use crate::support::{lines, records};

const LOG: &str = "/var/log/dpkg.log";

#[test]
fn the_package_managers_log_comes_out_line_by_line_with_its_times() {
    if !Path::new(LOG).metadata().is_ok_and(|log| log.len() > 0) {
        rolog_tests::skip("dpkg's log", "this machine has none");
        return;
    }
    // A copy, since an installation may be writing it.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("dpkg.log");
    std::fs::copy(LOG, &copy).unwrap();
    let expected = lines(&copy);
    let (records, told) = records(&["--zone", "UTC", copy.to_str().unwrap()]);
    assert_eq!(records.len(), expected.len(), "{told}");
    for (record, line) in records.iter().zip(&expected) {
        assert_eq!(record["message"], *line);
        let (date, time) = (&line[..10], &line[11..19]);
        assert_eq!(
            record["time"],
            format!("{date}T{time}.000000000Z"),
            "{line}"
        );
        assert_eq!(record["logger"], "dpkg.log");
    }
}
