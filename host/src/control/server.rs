//! Listening, reading requests and answering them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use super::operations::perform;
use super::protocol::{Answer, MAX_REQUEST, Refusal, read};
use super::socket::{Taken, listen};
use crate::pipeline::Link;

/// Connections at once; further ones wait in the kernel.
const CONNECTIONS: usize = 8;

/// How long a client may say nothing, and how long it may take to read an answer.
const IDLE: Duration = Duration::from_mins(5);

/// The control socket of a pipeline. It ends when it is dropped; what is being answered still is.
#[derive(Debug)]
pub(crate) struct ControlServer {
    /// Given back when this is dropped.
    taken: Taken,
    /// Whoever watches it ends when it is dropped.
    _ends: watch::Sender<()>,
}

impl ControlServer {
    /// Listens at `path`, on the host's runtime.
    ///
    /// # Errors
    /// Another process listens there, there is something else, or its folder cannot be written to.
    pub(crate) fn start(path: &Path, link: Link, runtime: &Handle) -> io::Result<Self> {
        let (listener, taken) = listen(path)?;
        let _entered = runtime.enter();
        let listener = UnixListener::from_std(listener)?;
        let (ends, end) = watch::channel(());
        runtime.spawn(accept(listener, link, end));
        Ok(ControlServer { taken, _ends: ends })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.taken.path().to_owned()
    }
}

async fn accept(listener: UnixListener, link: Link, mut end: watch::Receiver<()>) {
    /// After a failed accept (too many open files, say), not at once again.
    const PAUSE: Duration = Duration::from_millis(100);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let serving = end.clone();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            _ = end.changed() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let (link, end) = (link.clone(), serving.clone());
                // Not ended with the server: what is being done is done to its end, and told.
                tokio::spawn(async move {
                    let _place = place;
                    // A client that goes away has nothing to be told.
                    let _ = serve(stream, &link, end).await;
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn serve(
    mut stream: UnixStream,
    link: &Link,
    mut end: watch::Receiver<()>,
) -> io::Result<()> {
    let (from, mut to) = stream.split();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        // One byte more than may be there tells that it is too long.
        let mut bounded = (&mut from).take(MAX_REQUEST as u64 + 1);
        let read_line = tokio::time::timeout(IDLE, bounded.read_until(b'\n', &mut line));
        let length = tokio::select! {
            read = read_line => read.unwrap_or(Ok(0))?,
            _ = end.changed() => return Ok(()),
        };
        if length == 0 {
            return Ok(());
        }
        let too_long = length > MAX_REQUEST;
        let answer = if too_long {
            let what = format!("a request has at most {MAX_REQUEST} bytes");
            Answer::new(Value::Null, Err(Refusal::request(what)))
        } else if line.trim_ascii().is_empty() {
            continue;
        } else {
            answer(&line, link).await
        };
        tokio::time::timeout(IDLE, to.write_all(&answer.line()))
            .await
            .map_err(io::Error::other)??;
        if too_long {
            return Ok(());
        }
    }
}

async fn answer(line: &[u8], link: &Link) -> Answer {
    let (id, request) = read(line);
    let result = match (request, link.pipeline()) {
        (Err(refusal), _) => Err(refusal),
        (Ok(_), None) => Err(Refusal::new(
            "disposed",
            "the pipeline is starting or has ended",
        )),
        (Ok(request), Some(pipeline)) => {
            // On a task of its own: a defect in it must not take the connection along.
            let done = tokio::spawn(perform(pipeline, request.op, request.with)).await;
            done.unwrap_or_else(|_| Err(Refusal::new("system", "the operation did not end well")))
        }
    };
    Answer::new(id, result)
}
