//! A process of a server, from its start to its end.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{Folder, User};

/// Longer than any server takes to start or to stop, on a machine with much to do.
const LONG: Duration = Duration::from_secs(90);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// A server that runs, or ran and can be started again.
pub struct Running {
    name: String,
    log: PathBuf,
    folder: PathBuf,
    user: User,
    command: Box<dyn Fn(&Path) -> Command + Send + Sync>,
    ready: Box<dyn Fn() -> bool + Send + Sync>,
    process: Option<Process>,
}

/// The server's process, and one that outlives this test for a moment, to end it.
struct Process {
    server: Child,
    watch: Child,
}

impl Running {
    /// Starts a server whose first process is the server itself (no daemon, no shell around it), in
    /// a process group of its own, with its output in `NAME.log` in the folder; returns once `ready`
    /// is true. The command is made anew at each start.
    ///
    /// # Panics
    /// When it does not become ready, with its log.
    pub fn start(
        name: &str,
        folder: &Folder,
        command: impl Fn(&Path) -> Command + Send + Sync + 'static,
        ready: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Running {
        let mut server = Running {
            name: name.to_owned(),
            log: folder.path().join(format!("{name}.log")),
            folder: folder.path().to_path_buf(),
            user: folder.user(),
            command: Box::new(command),
            ready: Box::new(ready),
            process: None,
        };
        server.start_again();
        server
    }

    /// Starts it again, with the same command and folder, after [`stop`](Running::stop) or
    /// [`kill`](Running::kill).
    ///
    /// # Panics
    /// When it runs, or does not become ready.
    pub fn start_again(&mut self) {
        self.spawn();
        let end = Instant::now() + LONG;
        while !(self.ready)() {
            let ended = self.ended();
            if let Some(status) = ended {
                panic!("{self} has ended by itself: {status}");
            }
            assert!(Instant::now() < end, "{self} was not ready within {LONG:?}");
            std::thread::sleep(LOOK);
        }
    }

    /// Starts it again without waiting until it is ready.
    ///
    /// # Panics
    /// When it runs, or cannot be started.
    pub fn spawn(&mut self) {
        assert!(self.process.is_none(), "{} runs already", self.name);
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.expect("the log can be written");
        let mut command = (self.command)(&self.folder);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle can be cloned"))
            .stderr(log)
            .current_dir(&self.folder)
            .process_group(0);
        if let User::Other { uid, gid } = self.user {
            command.uid(uid).gid(gid);
        }
        let server = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let watch = watch(&server, &self.folder);
        self.process = Some(Process { server, watch });
    }

    /// The id of its first process.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        let process = self.process.as_ref();
        process.expect("the server runs").server.id()
    }

    /// Sends a signal to its first process.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).expect("the server runs");
    }

    /// Sends a signal to the processes of its group: `STOP` freezes it, `CONT` lets it go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal_all(&self, signal: Signal) {
        kill_process_group(self.id(), signal).expect("the server runs");
    }

    /// Asks its first process to end with this signal, and waits until it has.
    ///
    /// # Panics
    /// When it does not run, or does not end.
    pub fn stop(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        let end = Instant::now() + LONG;
        let status = loop {
            if let Some(status) = self.ended() {
                break status;
            }
            assert!(Instant::now() < end, "{self} did not end within {LONG:?}");
            std::thread::sleep(LOOK);
        };
        self.kill();
        status
    }

    /// Kills all of its processes at once, as a crash would, and waits until the first is gone.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Those of PostgreSQL have groups of their own.
            let children = children(process.server.id());
            // There may be nobody left in the group.
            let _ = kill_process_group(pid(&process.server), Signal::KILL);
            for child in &children {
                let _ = kill_process(*child, Signal::KILL);
            }
            let _ = process.server.wait();
            let end = Instant::now() + LONG;
            while children.iter().any(|child| is_there(*child)) {
                assert!(Instant::now() < end, "a process of {self} is left");
                std::thread::sleep(LOOK);
            }
            // Only now: were this test killed before, the watch would do the same.
            let _ = process.watch.kill();
            let _ = process.watch.wait();
        }
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let Some(process) = &mut self.process else {
            return Some(ExitStatus::from_raw(0));
        };
        process
            .server
            .try_wait()
            .expect("a child can be waited for")
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn id(&self) -> Pid {
        pid(&self.process.as_ref().expect("the server runs").server)
    }
}

/// The processes that this one has started, theirs included.
fn children(of: u32) -> Vec<Pid> {
    let list = format!("/proc/{of}/task/{of}/children");
    let direct = fs::read_to_string(list).unwrap_or_default();
    let direct: Vec<u32> = direct.split(' ').filter_map(|id| id.parse().ok()).collect();
    let below = direct.iter().flat_map(|id| children(*id));
    let own = direct.iter().filter_map(|id| Pid::from_raw(*id as i32));
    below.chain(own).collect()
}

/// Whether a process runs. One that has ended, and that nobody has waited for, does not.
fn is_there(id: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// A process that waits until this one is gone, however it went, and then ends the server and removes
/// its folder. The pipe to it closes with this process, because nobody else has an end of it.
fn watch(server: &Child, folder: &Path) -> Child {
    Command::new("sh")
        .args([
            "-c",
            r#"read -r _; kill -9 $(cat /proc/$1/task/$1/children) "-$1"; rm -rf "$2""#,
            "watch",
        ])
        .arg(server.id().to_string())
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("there is a shell")
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(40)..];
        write!(
            f,
            "{}, whose log ends with\n{}\n",
            self.name,
            last.join("\n")
        )
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("name", &self.name)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn all_of_a_servers_processes_are_gone_when_it_is_killed() {
        let folder = Folder::new(User::Current);
        let child = folder.path().join("child");
        let ready = child.clone();
        let mut server = Running::start(
            "shell",
            &folder,
            |_| {
                let mut command = Command::new("sh");
                command.args(["-c", "sleep 600 & echo $! >new; mv new child; wait"]);
                command
            },
            move || ready.exists(),
        );
        let child = fs::read_to_string(child).unwrap();
        let child = Pid::from_raw(child.trim().parse().unwrap()).unwrap();
        assert!(is_there(child));
        server.kill();
        assert!(!is_there(child));
    }

    #[test]
    fn the_log_is_in_the_message_when_a_server_does_not_become_ready() {
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let folder = Folder::new(User::Current);
            let command = |_: &Path| {
                let mut command = Command::new("sh");
                command.args(["-c", "echo no such luck; exit 3"]);
                command
            };
            Running::start("shell", &folder, command, || false)
        }));
        let text = *panic.unwrap_err().downcast::<String>().unwrap();
        assert!(
            text.contains("no such luck") && text.contains("exit status: 3"),
            "{text}"
        );
    }
}
