//! Runs the `rolog` command as a user does, and never waits for it without end.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

/// No run of these tests takes nearly as long; one that does hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// A folder of its own to run in.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Place {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the folder.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The command with these arguments, everything of its own piped.
    pub(crate) fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rolog"));
        command
            .args(args)
            .current_dir(self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it with this standard input.
    pub(crate) fn run(
        &self,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        stdin: impl AsRef<[u8]>,
    ) -> Outcome {
        finish(self.command(args).spawn().unwrap(), stdin.as_ref())
    }
}

/// Writes its standard input, reads what it prints, waits for its end.
pub(crate) fn finish(mut child: Child, stdin: &[u8]) -> Outcome {
    let stdout = child.stdout.take().map(read_all);
    let stderr = child.stderr.take().map(read_all);
    let input = child.stdin.take().map(|mut pipe| {
        let bytes = stdin.to_vec();
        // It may end without having read everything.
        std::thread::spawn(move || {
            let _ = pipe.write_all(&bytes);
        })
    });
    let code = wait(child);
    if let Some(input) = input {
        input.join().unwrap();
    }
    let text = |reader: Option<JoinHandle<String>>| reader.map(|r| r.join().unwrap());
    Outcome {
        code,
        stdout: text(stdout).unwrap_or_default(),
        stderr: text(stderr).unwrap_or_default(),
    }
}

/// Waits for its end; kills it when it hangs.
pub(crate) fn wait(mut child: Child) -> Option<i32> {
    let id = child.id();
    let (ended, end) = mpsc::channel();
    let waiter = std::thread::spawn(move || {
        let status = child.wait().unwrap();
        // Nobody listens any more when it took too long.
        let _ = ended.send(());
        status
    });
    if end.recv_timeout(PATIENCE).is_err() {
        signal(id, "KILL");
        drop(waiter.join());
        panic!("rolog did not end within {PATIENCE:?}");
    }
    waiter.join().unwrap().code()
}

/// Kills a process that is still there when a test has waited too long for what it says; until the
/// guard is dropped.
pub(crate) fn guard(process: u32) -> mpsc::Sender<()> {
    let (guard, ended) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            signal(process, "KILL");
        }
    });
    guard
}

/// Sends a signal by its name.
pub(crate) fn signal(process: u32, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status();
    assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
}

fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    })
}
