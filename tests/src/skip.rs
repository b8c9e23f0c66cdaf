use std::fs::OpenOptions;
use std::io::Write;

/// States that a test, or a part of it, cannot run on this machine, and why.
///
/// Passing tests keep their output to themselves, so the reason also goes into the file that the
/// environment names in `ROLOG_SKIPPED`; the gate prints it at its end.
///
/// # Panics
/// When that file cannot be written: a skip that nobody sees would be a test that never fails.
#[allow(clippy::print_stderr, reason = "read by whoever runs the one test")]
pub fn skip(what: &str, why: &str) {
    eprintln!("skipped: {what}: {why}");
    let Some(file) = std::env::var_os("ROLOG_SKIPPED") else {
        return;
    };
    let written = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&file)
        .and_then(|mut file| file.write_all(format!("{what}: {why}\n").as_bytes()));
    if let Err(error) = written {
        panic!("cannot note a skipped test in {}: {error}", file.display());
    }
}
