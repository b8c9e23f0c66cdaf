//! The last configuration that ran, kept beside its file.
//!
//! A service that is started anew with a broken file has nothing that runs to fall back to. So the text
//! of each configuration that came into force is kept where the file (`last_good: <path>`) or the
//! service's own code says, and a start whose file is wrong uses that, and says so: in the warnings of
//! the host, as an event, as a record and in the metrics. What is kept is the text as it was read:
//! `${…}` stands in it, and never what it brought. It is replaced in one step, and readable by its owner
//! only.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::config::{self, Env};

/// Keeps `text` in `path`; nothing is written when that has it already.
///
/// # Errors
/// The folder cannot be made, or the file not be written. What was kept before still is.
pub(super) fn keep(path: &Path, text: &str) -> io::Result<()> {
    if fs::read(path).is_ok_and(|kept| kept == text.as_bytes()) {
        return Ok(());
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}~", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = write(&beside, text).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // It may not have come to be.
        let _ = fs::remove_file(&beside);
        return written;
    }
    // The new name is on disk only when the folder is.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    // Left by a process with the same number: it may have another mode.
    let _ = fs::remove_file(path);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Where a file that is no pipeline has the last good one kept: what the line at its left margin says
/// that begins with `last_good:`, whatever is wrong with the rest.
pub(super) fn named_in(broken: &[u8], base: &Path, env: &Env) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(broken);
    let line = text.lines().find(|line| line.starts_with("last_good:"))?;
    let alone = format!("version: 1\n{line}\n");
    let spec = config::parse(alone, "last_good", base, env).ok()?;
    spec.last_good().map(Path::to_path_buf)
}
