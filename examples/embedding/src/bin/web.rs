//! An axum service whose handlers log through `tracing`: `cargo run --bin web`.
//!
//! Each request is a span; its fields are part of every record that is made while it is handled,
//! through `tracing` or through rolog's own macros.

use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use axum::{Router, serve};
use rolog_core::{Logger, bridge, info};
use rolog_host::Host;
use rolog_host::config::{PipelineSpec, Route, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tracing::Instrument as _;

async fn in_a_span(request: Request, next: Next) -> Response {
    let (method, path) = (
        request.method().to_string(),
        request.uri().path().to_owned(),
    );
    let span = tracing::info_span!("request", method, path, status = tracing::field::Empty);
    async {
        let response = next.run(request).await;
        tracing::Span::current().record("status", response.status().as_u16());
        tracing::info!("answered");
        response
    }
    .instrument(span)
    .await
}

async fn order(State(log): State<Logger>, Path(id): Path<u64>) -> String {
    tracing::info!(id, "looking");
    info!(log, "order {id} found", id = id);
    format!("order {id}\n")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = PipelineSpec::builder()
        .target("screen", Target::of("console"))
        .route(Route::from("**").to(["screen"]))
        .build()?;
    let host = Host::builder().pipeline(pipeline).start()?;
    bridge::tracing::install(host.factory())?;
    bridge::log::install(host.factory())?;

    let routes = Router::new()
        .route("/orders/{id}", get(order))
        .layer(middleware::from_fn(in_a_span))
        .with_state(host.factory().get_logger("shop.orders"));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = serve(listener, routes).with_graceful_shutdown(async {
        // Dropped or told, it is over.
        let _ = stopped.await;
    });
    let server = tokio::spawn(async move { server.await });

    // A request of our own, so that this example ends by itself.
    let mut client = TcpStream::connect(address).await?;
    let request = "GET /orders/42 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    client.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await?;
    assert!(answer.ends_with("order 42\n"), "{answer}");
    let _ = stop.send(());
    server.await??;

    let report = host.dispose(Duration::from_secs(10)).await;
    println!("{report}");
    assert!(report.is_complete());
    Ok(())
}
