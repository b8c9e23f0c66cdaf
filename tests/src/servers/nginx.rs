//! nginx, from Debian's package `nginx-light`.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Folder, Port, Running, User, program};

/// An nginx with servers of the test's own.
#[derive(Debug)]
pub struct Nginx {
    running: Running,
    folder: Folder,
    plain: Port,
    tls: Port,
}

impl Nginx {
    /// Starts one whose `http` block has what `servers` makes of two free ports, for plain and for
    /// TLS connections, on 127.0.0.1. `files` are written beside its configuration, under these
    /// names. None where it is not installed, which is noted for the test named `what`.
    ///
    /// Each request is a line of `access.json`: `protocol`, `tls`, `verify`, `client`, `status`.
    ///
    /// # Panics
    /// When it does not start, or is missing under `CI=true`.
    pub fn start(
        what: &str,
        files: &[(&str, &str)],
        servers: impl FnOnce(u16, u16) -> String,
    ) -> Option<Nginx> {
        let nginx = program(what, "nginx", "nginx-light")?;
        let folder = Folder::new(User::Current);
        let (plain, tls) = (Port::free(), Port::free());
        for (name, content) in files {
            folder.write(name, content);
        }
        folder.make("t");
        // The workers would be nobody's, who may not read the folder.
        let is_root = rustix::process::geteuid().is_root();
        let workers = if is_root { "user root;" } else { "" };
        let servers = servers(plain.number(), tls.number());
        let config = format!(
            r#"
daemon off; pid n.pid; error_log stderr; worker_processes 2; {workers}
events {{}}
http {{
  client_body_temp_path t/b; proxy_temp_path t/p; fastcgi_temp_path t/f;
  uwsgi_temp_path t/u; scgi_temp_path t/s;
  log_format json escape=json '{{"protocol":"$server_protocol","tls":"$ssl_protocol","verify":"$ssl_client_verify","client":"$ssl_client_s_dn","status":$status}}';
  access_log access.json json;
  {servers}
}}
"#
        );
        let file = folder.write("nginx.conf", config);
        let command = move |folder: &Path| {
            let mut command = Command::new(&nginx);
            command.arg("-p").arg(folder).arg("-c").arg(&file);
            command
        };
        let ports = [plain.number(), tls.number()];
        let ready = move || {
            ports
                .iter()
                .any(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
        };
        Some(Nginx {
            running: Running::start("nginx", &folder, command, ready),
            folder,
            plain,
            tls,
        })
    }

    /// A URL on its port for plain connections.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.plain.number())
    }

    /// A URL on its port for TLS.
    pub fn tls_url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.tls.number())
    }

    /// The port for plain connections.
    pub fn port(&self) -> u16 {
        self.plain.number()
    }

    /// Its folder, which relative paths of its configuration are relative to.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The requests, a line of JSON each, once there are at least so many: it writes a line after the
    /// answer has gone out.
    ///
    /// # Panics
    /// When there are not as many for a long time.
    pub fn access(&self, least: usize) -> Vec<serde_json::Value> {
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            let text = std::fs::read_to_string(self.folder.path().join("access.json"));
            let text = text.unwrap_or_default();
            let lines = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let lines: Vec<_> = lines.collect();
            if lines.len() >= least {
                return lines;
            }
            assert!(
                Instant::now() < end,
                "{} of {least} requests: {lines:?}",
                lines.len()
            );
            std::thread::yield_now();
        }
    }

    /// The server's process.
    pub fn process(&mut self) -> &mut Running {
        &mut self.running
    }
}
