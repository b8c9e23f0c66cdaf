//! PostgreSQL, from Debian's package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Folder, Port, Running, Signal, User, found};

/// A PostgreSQL server with an empty cluster; the superuser is `postgres`, trusted without a
/// password.
#[derive(Debug)]
pub struct Postgres {
    running: Running,
    programs: PathBuf,
    folder: Folder,
    port: Port,
}

impl Postgres {
    /// Starts one; none where it is not installed, which is noted for the test named `what`.
    ///
    /// # Panics
    /// When it does not start, or is missing under `CI=true`.
    pub fn start(what: &str) -> Option<Postgres> {
        Self::start_with(what, &[])
    }

    /// Starts one with settings of its own, such as `max_connections=5`.
    ///
    /// # Panics
    /// When it does not start, or is missing under `CI=true`.
    pub fn start_with(what: &str, settings: &[&str]) -> Option<Postgres> {
        let programs = programs(what)?;
        let folder = Folder::new(User::unprivileged(&["postgres", "nobody"]));
        let mut initdb = as_user(&folder, &programs.join("initdb"));
        initdb
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8"])
            .args(["--no-sync", "--no-locale", "-D"])
            .arg(folder.path().join("data"));
        finish(&mut initdb);
        Some(Self::serve(programs, folder, settings))
    }

    /// Starts a standby that follows this one, read-only until it is promoted.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use = "it ends with its value"]
    pub fn standby(&self) -> Postgres {
        let folder = Folder::new(self.folder.user());
        let mut copy = as_user(&folder, &self.programs.join("pg_basebackup"));
        copy.args(["-h", "127.0.0.1", "-p", &self.port().to_string()])
            .args(["-U", "postgres", "-R", "-X", "stream", "-c", "fast"])
            .args(["--no-sync", "-D"])
            .arg(folder.path().join("data"));
        finish(&mut copy);
        Self::serve(self.programs.clone(), folder, &[])
    }

    fn serve(programs: PathBuf, folder: Folder, settings: &[&str]) -> Postgres {
        let port = Port::free();
        let number = port.number().to_string();
        let server = programs.join("postgres");
        let mut all = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={number}"),
            format!("unix_socket_directories={}", folder.path().display()),
            // What a crash of the machine would do is not tested; what a crash of the server does
            // is the same without it.
            "fsync=off".to_owned(),
        ];
        all.extend(settings.iter().map(|&setting| setting.to_owned()));
        let command = move |folder: &Path| {
            let mut command = Command::new(&server);
            command.arg("-D").arg(folder.join("data"));
            for setting in &all {
                command.arg("-c").arg(setting);
            }
            command
        };
        let is_ready = programs.join("pg_isready");
        let ready = move || {
            let status = Command::new(&is_ready)
                .args(["-q", "-h", "127.0.0.1", "-p", &number])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            status.is_ok_and(|status| status.success())
        };
        Postgres {
            running: Running::start("postgres", &folder, command, ready),
            programs,
            folder,
            port,
        }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The folder of its Unix socket, and of its data in `data`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a client reaches a database of it as the superuser.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port())
    }

    /// The server's process.
    pub fn process(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Ends it in good order, its clients' sessions included.
    ///
    /// # Panics
    /// When it does not run, or does not end.
    pub fn stop(&mut self) {
        self.running.stop(Signal::INT);
    }

    /// Kills all of its processes at once.
    pub fn kill(&mut self) {
        self.running.kill();
    }

    /// Starts it again, with the data that it had.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        self.running.start_again();
    }

    /// Runs statements in a database, and gives what they print: a line for each row, its columns
    /// separated by `|`.
    ///
    /// # Panics
    /// When a statement fails.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-d", &self.url(database), "-c", statements]);
        finish(&mut psql)
    }
}

/// The folder of the programs, which Debian keeps by version; the newest where there are several.
fn programs(what: &str) -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<_> = versions
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|path| Some((path.file_name()?.to_str()?.parse::<u32>().ok()?, path)))
        .collect();
    versions.sort();
    let folders: Vec<_> = versions.iter().rev().map(|(_, p)| p.join("bin")).collect();
    let server = found(what, "postgres", "postgresql", &folders)?;
    // A link in the `PATH` leads to where the other programs are.
    let server = server.canonicalize().unwrap_or(server);
    server.parent().map(Path::to_path_buf)
}

/// A command that runs as the folder's user.
pub(super) fn as_user(folder: &Folder, program: &Path) -> Command {
    use std::os::unix::process::CommandExt;

    let mut command = Command::new(program);
    command.current_dir(folder.path());
    if let User::Other { uid, gid } = folder.user() {
        command.uid(uid).gid(gid);
    }
    command
}

/// Runs a command to its end, and gives what it prints.
pub(super) fn finish(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    // Some programs say on the one what went wrong, some on the other.
    let status = output.status;
    assert!(status.success(), "{command:?}: {status}: {said}\n{errors}");
    said.trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_committed_is_there_after_a_kill_and_a_standby_follows() {
        let Some(mut server) = Postgres::start("the harness's PostgreSQL") else {
            return;
        };
        server.sql(
            "postgres",
            "create table t (n int); insert into t values (7)",
        );
        server.kill();
        server.start_again();
        assert_eq!(server.sql("postgres", "select n from t"), "7");
        let standby = server.standby();
        let follows = standby.sql("postgres", "select pg_is_in_recovery(), n from t");
        assert_eq!(follows, "t|7");
        drop(standby);
        server.stop();
    }
}
