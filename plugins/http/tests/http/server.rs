//! A server that answers each request as a script says, and breaks where it says so.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub method: String,
    pub target: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
    /// The number of its connection, from 0.
    pub connection: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON lines.
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        let lines = self.body.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    /// The messages of JSON lines.
    pub(crate) fn messages(&self) -> Vec<String> {
        let lines = self.lines();
        lines
            .iter()
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// What becomes of a request.
pub(crate) enum Reply {
    /// These bytes; then the connection is kept, unless they say that it is not.
    Bytes(Vec<u8>),
    /// These bytes, then the connection is closed in order.
    Close(Vec<u8>),
    /// These bytes, then nothing, until the client goes away.
    Hang(Vec<u8>),
    /// An answer of this many bytes, as far as the client wants them.
    Long(u64),
    /// The connection is reset.
    Reset,
}

/// An answer with a status, headers and a text.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], text: &str) -> Reply {
    let mut head = format!(
        "HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n",
        text.len()
    );
    for (name, value) in headers {
        head.push_str(&[name, ": ", value, "\r\n"].concat());
    }
    Reply::Bytes(format!("{head}\r\n{text}").into_bytes())
}

/// Where a connection is reset, before there is a request to answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stage {
    Accepted,
    HeadRead,
    /// This many bytes of the body.
    BodyRead(usize),
}

type Script = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

pub(crate) struct Server {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    script: Box<Script>,
    breaks: Option<Stage>,
    tls: Option<Arc<ServerConfig>>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    closed: (Mutex<Vec<usize>>, Condvar),
    sent: AtomicUsize,
    ended: AtomicBool,
}

impl Server {
    /// `script` is given each request and its number, from 0.
    pub(crate) fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::launch(Box::new(script), None, None)
    }

    /// Takes everything.
    pub(crate) fn obliging() -> Self {
        Self::start(|_, _| answer(200, &[], ""))
    }

    pub(crate) fn broken_at(stage: Stage) -> Self {
        Self::launch(Box::new(|_, _| Reply::Reset), Some(stage), None)
    }

    pub(crate) fn tls(config: ServerConfig) -> Self {
        let script = Box::new(|_: &Seen, _| answer(200, &[], ""));
        Self::launch(script, None, Some(Arc::new(config)))
    }

    fn launch(script: Box<Script>, breaks: Option<Stage>, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            script,
            breaks,
            tls,
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            closed: Default::default(),
            sent: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&accepting);
                thread::spawn(move || {
                    let connection = state.serve(stream.unwrap());
                    state.closed.0.lock().unwrap().push(connection);
                    state.closed.1.notify_all();
                });
            }
        });
        Server { port, state }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.state.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://localhost:{}{path}", self.port)
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// Waits until this connection is closed.
    pub(crate) fn wait_closed(&self, connection: usize) {
        let (closed, more) = &self.state.closed;
        let closed = closed.lock().unwrap();
        let open = |closed: &mut Vec<usize>| !closed.contains(&connection);
        drop(more.wait_while(closed, open).unwrap());
    }

    /// How many bytes of [`Reply::Long`] have gone out.
    pub(crate) fn sent(&self) -> usize {
        self.state.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        // The thread that accepts looks at it once more.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl State {
    /// Talks through a connection; gives its number.
    fn serve(&self, stream: TcpStream) -> usize {
        stream
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        let connection = self.connections.fetch_add(1, Ordering::SeqCst);
        if self.breaks == Some(Stage::Accepted) {
            reset(&stream);
            return connection;
        }
        let raw = stream.try_clone().unwrap();
        match &self.tls {
            None => self.talk(stream, &raw, connection),
            Some(config) => {
                let tls = ServerConnection::new(Arc::clone(config)).unwrap();
                self.talk(StreamOwned::new(tls, stream), &raw, connection);
            }
        }
        connection
    }

    fn talk(&self, mut stream: impl Read + Write, raw: &TcpStream, connection: usize) {
        let mut buffer = Vec::new();
        while let Some(mut seen) = self.read(&mut stream, &mut buffer, raw) {
            seen.connection = connection;
            let number = {
                let mut all = self.seen.lock().unwrap();
                all.push(seen.clone());
                all.len() - 1
            };
            match (self.script)(&seen, number) {
                Reply::Bytes(bytes) => {
                    if stream
                        .write_all(&bytes)
                        .and_then(|()| stream.flush())
                        .is_err()
                    {
                        return;
                    }
                }
                Reply::Close(bytes) => {
                    drop(stream.write_all(&bytes).and_then(|()| stream.flush()));
                    return;
                }
                Reply::Hang(bytes) => {
                    drop(stream.write_all(&bytes).and_then(|()| stream.flush()));
                    drop(stream.read(&mut [0]));
                    return;
                }
                Reply::Long(length) => {
                    self.long(&mut stream, length);
                    return;
                }
                Reply::Reset => {
                    reset(raw);
                    return;
                }
            }
        }
    }

    fn long(&self, stream: &mut impl Write, length: u64) {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        if stream.write_all(head.as_bytes()).is_err() {
            return;
        }
        let piece = vec![b'x'; 64 << 10];
        for _ in 0..length / piece.len() as u64 {
            if stream.write_all(&piece).is_err() {
                return;
            }
            self.sent.fetch_add(piece.len(), Ordering::SeqCst);
        }
    }

    /// The next request; nothing when the client has gone, or when it is time to break.
    fn read(&self, stream: &mut impl Read, buffer: &mut Vec<u8>, raw: &TcpStream) -> Option<Seen> {
        let head_end = loop {
            if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            more(stream, buffer)?;
        };
        let head = String::from_utf8(buffer.drain(..head_end + 4).collect()).unwrap();
        if self.breaks == Some(Stage::HeadRead) {
            reset(raw);
            return None;
        }
        let mut lines = head.lines();
        let mut first = lines.next().unwrap().split(' ');
        let mut seen = Seen {
            method: first.next().unwrap().to_owned(),
            target: first.next().unwrap().to_owned(),
            ..Seen::default()
        };
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            seen.headers
                .insert(name.to_ascii_lowercase(), value.to_owned());
        }
        assert_eq!(seen.header("transfer-encoding"), "", "the length is known");
        let length: usize = seen.header("content-length").parse().unwrap_or(0);
        let wanted = match self.breaks {
            Some(Stage::BodyRead(some)) => some.min(length),
            _ => length,
        };
        while buffer.len() < wanted {
            more(stream, buffer)?;
        }
        if self.breaks.is_some() {
            reset(raw);
            return None;
        }
        seen.body = buffer.drain(..length).collect();
        Some(seen)
    }
}

fn more(stream: &mut impl Read, buffer: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 16 << 10];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return None,
            Ok(count) => {
                buffer.extend_from_slice(&piece[..count]);
                return Some(());
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// What is still to be sent is thrown away, and the client is told that the connection is none.
fn reset(stream: &TcpStream) {
    set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
    drop(stream.shutdown(std::net::Shutdown::Read));
}
