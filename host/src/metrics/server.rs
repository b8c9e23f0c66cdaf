//! Serving the page, to Prometheus and nobody else.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::page::{self, render};
use super::snapshot::Snapshot;

/// Connections at once; further ones wait in the kernel.
const CONNECTIONS: usize = 8;
/// How long a client may take to send a request.
const REQUEST: Duration = Duration::from_secs(10);
/// How long a connection may last.
const CONNECTION: Duration = Duration::from_mins(5);

/// Where the numbers of the page come from.
pub type Look = Arc<dyn Fn() -> Snapshot + Send + Sync>;

/// An HTTP server with one page, `/metrics`. It ends when it is dropped.
///
/// It reads nothing from a request but its method and path, and holds at most eight connections.
#[derive(Debug)]
pub struct PrometheusPage {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl PrometheusPage {
    /// Serves what `look` sees at `address`, on the host's runtime.
    ///
    /// # Errors
    /// The address is in use, or not one of this machine's.
    pub fn serve(address: SocketAddr, look: Look, runtime: &Handle) -> io::Result<Self> {
        // Bound here, so that whoever starts the pipeline hears of a wrong address.
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let _entered = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        let task = runtime.spawn(accept(listener, look));
        Ok(PrometheusPage { address, task })
    }

    /// The address, with the port that was chosen where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, and waits until its address is free again.
    pub async fn end(mut self) {
        self.task.abort();
        // That it was cancelled is what was asked for.
        drop((&mut self.task).await);
    }
}

impl Drop for PrometheusPage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, look: Look) {
    /// After a failed accept (too many open files, say), not at once again.
    const PAUSE: Duration = Duration::from_millis(100);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let look = Arc::clone(&look);
                connections.spawn(async move {
                    let _place = place;
                    connection(stream, look).await;
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, look: Look) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(request.method(), request.uri().path(), &look);
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away, is too slow or speaks something else has nothing to be told.
    drop(tokio::time::timeout(CONNECTION, served).await);
}

fn answer(method: &Method, path: &str, look: &Look) -> Response<Full<Bytes>> {
    let (status, kind, body) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/metrics") => {
            (StatusCode::OK, page::CONTENT_TYPE, render(&look()))
        }
        (&Method::GET | &Method::HEAD, _) => (
            StatusCode::NOT_FOUND,
            "text/plain; charset=utf-8",
            "the metrics are at /metrics\n".to_owned(),
        ),
        _ => (
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain; charset=utf-8",
            "the metrics can be read with GET\n".to_owned(),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
    }
    response
}
