//! The other end of the control socket.

use std::fmt;
use std::io;
use std::path::Path;

use serde_json::Value;

use super::protocol::Refusal;

/// Speaks to a running pipeline through its control socket.
///
/// ```no_run
/// use rolog_host::control::Client;
///
/// # fn main() -> Result<(), rolog_host::control::ClientError> {
/// let mut service = Client::connect("/run/shop/rolog.sock")?;
/// let status = service.call("status", &serde_json::json!({}))?;
/// println!("generation {}", status["generation"]["number"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client {
    #[cfg(unix)]
    stream: io::BufReader<std::os::unix::net::UnixStream>,
}

/// Why there is no answer, or none that was wanted.
#[derive(Debug)]
pub struct ClientError(Kind);

#[derive(Debug)]
enum Kind {
    Io(io::Error),
    Refused(Refusal),
}

impl Client {
    /// Connects to the socket at this path.
    ///
    /// # Errors
    /// Nobody listens there, or not for this user.
    #[cfg(unix)]
    pub fn connect(path: impl AsRef<Path>) -> Result<Self, ClientError> {
        let stream = std::os::unix::net::UnixStream::connect(path)?;
        Ok(Client {
            stream: io::BufReader::new(stream),
        })
    }

    /// Connects to the socket at this path.
    ///
    /// # Errors
    /// There are no Unix sockets on this system.
    #[cfg(not(unix))]
    pub fn connect(_: impl AsRef<Path>) -> Result<Self, ClientError> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }

    /// Asks for an operation, and waits for what comes of it: the answer's `ok`.
    ///
    /// # Errors
    /// It was refused, or the connection ended first.
    #[cfg(unix)]
    pub fn call(&mut self, operation: &str, with: &Value) -> Result<Value, ClientError> {
        use std::io::{BufRead as _, Write as _};

        use super::protocol::{Answer, VERSION};

        let request = serde_json::json!({ "v": VERSION, "op": operation, "with": with });
        let mut line = request.to_string();
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes())?;
        line.clear();
        if self.stream.read_line(&mut line)? == 0 {
            let ended = "the service closed the connection before it answered";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, ended).into());
        }
        let answer: Answer = serde_json::from_str(&line).map_err(io::Error::other)?;
        match answer.error {
            Some(refusal) => Err(ClientError(Kind::Refused(refusal))),
            None => Ok(answer.ok.unwrap_or_default()),
        }
    }

    /// Asks for an operation.
    ///
    /// # Errors
    /// There are no Unix sockets on this system.
    #[cfg(not(unix))]
    pub fn call(&mut self, _: &str, _: &Value) -> Result<Value, ClientError> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }
}

impl ClientError {
    /// The service answered, and refused: the `kind` of the refusal.
    pub fn refusal(&self) -> Option<&str> {
        match &self.0 {
            Kind::Refused(refusal) => Some(&refusal.kind),
            Kind::Io(_) => None,
        }
    }
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        ClientError(Kind::Io(error))
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Io(error) => error.fmt(f),
            Kind::Refused(refusal) => f.write_str(&refusal.message),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Kind::Io(error) => error.source(),
            Kind::Refused(_) => None,
        }
    }
}
