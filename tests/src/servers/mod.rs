//! Real servers for the tests: found on this machine, started on free loopback ports in temporary
//! folders, stopped by their process ids, killed and started again with the data that they had.
//!
//! Promised: a server is ready when the call that starts it returns; its own log is in the message
//! when it is not; it is gone, with every process it started and with its folder, when its value is
//! dropped and also when the test ends without dropping it (a `static`, an interrupt, a kill). Ports
//! lie below the range that clients are given by the kernel, and no two tests on this machine hold
//! one at a time, so that a server that is started again gets its port back.
//!
//! Never: a program that this machine happens to run already, a fixed port, a sleep in place of a
//! condition.
//!
//! ```no_run
//! use rolog_tests::servers::{Folder, Port, Running, Signal, User, program};
//! use std::process::Command;
//!
//! let Some(redis) = program("batches into Redis", "redis-server", "redis-server") else {
//!     return; // noted as skipped; under `CI=true` the call has panicked
//! };
//! let (folder, port) = (Folder::new(User::Current), Port::free());
//! let number = port.number();
//! let mut server = Running::start("redis", &folder, move |folder| {
//!     let mut command = Command::new(&redis);
//!     command.args(["--port", &number.to_string(), "--dir"]).arg(folder);
//!     command
//! }, move || std::net::TcpStream::connect(("127.0.0.1", number)).is_ok());
//! server.kill();
//! server.start_again();
//! server.stop(Signal::TERM);
//! ```

mod folder;
mod kafka;
mod mariadb;
mod maven;
mod nginx;
mod port;
mod postgres;
mod proxy;
mod rotel;
mod rsyslog;
mod running;

use std::env;
use std::path::{Path, PathBuf};

pub use folder::{Folder, User};
pub use kafka::{Kafka, PASSWORD as KAFKA_PASSWORD};
pub use mariadb::MariaDb;
pub use nginx::Nginx;
pub use port::Port;
pub use postgres::Postgres;
pub use proxy::{Cuts, Proxy};
pub use rotel::Rotel;
pub use rsyslog::Rsyslog;
pub use running::Running;
/// What a process can be sent.
pub use rustix::process::Signal;

use crate::skip;

/// Where Debian keeps servers that are not in everybody's `PATH`.
const BEYOND_PATH: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/local/bin"];

/// The place of a program. Without it the test named `what` cannot run: that is noted as skipped, and
/// is a failure under `CI=true`, where the gate has installed the Debian package.
///
/// # Panics
/// When the program is missing under `CI=true`.
pub fn program(what: &str, program: &str, package: &str) -> Option<PathBuf> {
    found(what, program, package, &[])
}

/// The same, with more folders to look in.
fn found(what: &str, program: &str, package: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = folders
        .iter()
        .cloned()
        .chain(env::split_paths(&path))
        .chain(BEYOND_PATH.iter().map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| is_executable(file));
    if found.is_none() {
        let why = format!("{program} is not installed (Debian: {package})");
        assert!(env::var("CI").as_deref() != Ok("true"), "{what}: {why}");
        skip(what, &why);
    }
    found
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
