//! rsyslog, from Debian's package.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Folder, Port, Running, Signal, User, program};

/// An rsyslog that takes messages by UDP and TCP on one port of 127.0.0.1, and does with them what
/// its rule set says.
#[derive(Debug)]
pub struct Rsyslog {
    running: Running,
    folder: Folder,
    port: Port,
}

impl Rsyslog {
    /// Starts one; none where it is not installed, which is noted for the test named `what`.
    /// `actions` is the body of its rule set; `FOLDER` in it becomes the server's folder.
    ///
    /// # Panics
    /// When it does not start, or is missing under `CI=true`.
    pub fn start(what: &str, actions: &str) -> Option<Rsyslog> {
        Self::start_with(what, "", actions)
    }

    /// Starts one with definitions that stand before the rule set, such as templates.
    ///
    /// # Panics
    /// When it does not start, or is missing under `CI=true`.
    pub fn start_with(what: &str, definitions: &str, actions: &str) -> Option<Rsyslog> {
        let server = program(what, "rsyslogd", "rsyslog")?;
        let (folder, port) = (Folder::new(User::Current), Port::free());
        let (place, number) = (folder.path().display().to_string(), port.number());
        let actions = actions.replace("FOLDER", &place);
        let config = folder.write(
            "rsyslog.conf",
            format!(
                r#"global(workDirectory="{place}")
module(load="imudp")
module(load="imtcp")
{definitions}
ruleset(name="rules") {{
{actions}
}}
input(type="imudp" address="127.0.0.1" port="{number}" ruleset="rules")
input(type="imtcp" address="127.0.0.1" port="{number}" ruleset="rules")
"#
            ),
        );
        let command = move |_: &Path| serve(&server, &config);
        let ready = move || TcpStream::connect(("127.0.0.1", number)).is_ok();
        Some(Rsyslog {
            running: Running::start("rsyslog", &folder, command, ready),
            folder,
            port,
        })
    }

    /// The port, of both UDP and TCP.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The folder that its actions may write to.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server's process.
    pub fn process(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Ends it in good order: what it has taken is where its actions bring it.
    ///
    /// # Panics
    /// When it does not run, or does not end.
    pub fn stop(&mut self) {
        self.running.stop(Signal::TERM);
    }
}

fn serve(server: &Path, config: &PathBuf) -> Command {
    let mut command = Command::new(server);
    command.arg("-n").arg("-f").arg(config).args(["-i", "NONE"]);
    command
}
