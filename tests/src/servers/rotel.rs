//! rotel, an `OpenTelemetry` collector that others wrote, from its package on `PyPI`.

use std::env;
use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Folder, Port, Running, User, program};
use crate::{artifacts, skip};

const VERSION: &str = "0.0.1a15";
/// What the package is built for; any Python can fetch it.
const PLATFORM: [&str; 8] = [
    "--only-binary=:all:",
    "--no-deps",
    "--python-version",
    "3.11",
    "--implementation",
    "cp",
    "--platform",
    "manylinux_2_34_x86_64",
];

/// A collector that tells of each log record it took, with all its fields.
#[derive(Debug)]
pub struct Rotel {
    running: Running,
    _folder: Folder,
    http: Port,
    _grpc: Port,
}

impl Rotel {
    /// Starts one; none where it cannot be had, which is noted for the test named `what`.
    ///
    /// # Panics
    /// When it does not start, or cannot be had under `CI=true`.
    pub fn start(what: &str) -> Option<Rotel> {
        let agent = agent(what)?;
        let folder = Folder::new(User::Current);
        let (http, grpc) = (Port::free(), Port::free());
        let place = |port: &Port| format!("127.0.0.1:{}", port.number());
        let (http_place, grpc_place) = (place(&http), place(&grpc));
        let command = move |_: &Path| {
            let mut command = Command::new(&agent);
            command
                .args(["start", "--exporter", "blackhole"])
                .args(["--debug-log", "logs", "--debug-log-verbosity", "detailed"])
                .args(["--otlp-grpc-endpoint", &grpc_place])
                .args(["--otlp-http-endpoint", &http_place]);
            command
        };
        let number = http.number();
        let ready = move || TcpStream::connect(("127.0.0.1", number)).is_ok();
        Some(Rotel {
            running: Running::start("rotel", &folder, command, ready),
            _folder: folder,
            http,
            _grpc: grpc,
        })
    }

    /// Where it takes OTLP over HTTP.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http.number())
    }

    /// What it has told so far.
    pub fn told(&self) -> String {
        self.running.log()
    }
}

/// Its program, fetched once.
fn agent(what: &str) -> Option<PathBuf> {
    let lacking = |why: &str| {
        assert!(env::var("CI").as_deref() != Ok("true"), "{what}: {why}");
        skip(what, why);
    };
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        lacking("rotel is packaged for Linux on x86-64");
        return None;
    }
    let folder = artifacts::target_folder()
        .join("tools")
        .join(format!("rotel-{VERSION}"));
    fs::create_dir_all(&folder).expect("the target folder can be written to");
    let lock = File::create(folder.join("lock")).expect("the lock can be made");
    lock.lock().expect("the lock can be taken");
    let agent = folder.join("rotel").join("rotel-agent");
    if !agent.is_file() {
        let pip = program(what, "pip3", "python3-pip")?;
        let fetched = Command::new(pip)
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args(PLATFORM)
            .arg("--target")
            .arg(&folder)
            .arg(format!("rotel=={VERSION}"))
            .stdin(Stdio::null())
            .status();
        if !fetched.is_ok_and(|status| status.success()) {
            lacking("rotel cannot be fetched from PyPI");
            return None;
        }
    }
    runs(&agent).then_some(agent).or_else(|| {
        lacking("rotel does not run here (Debian: libpython3.11)");
        None
    })
}

fn runs(agent: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    // The package's own start script would do so.
    let _ = fs::set_permissions(agent, fs::Permissions::from_mode(0o755));
    let version = Command::new(agent)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}
