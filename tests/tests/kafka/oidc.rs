//! Tokens that librdkafka fetches itself, from a server as `OpenID` Connect has it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rolog_core::delivery::Class;
use rolog_host::loader::LoaderSettings;
use rolog_plugin::Setup;
use rolog_tests::artifacts;
use rolog_tests::plugins::{instance, own_copy};
use rolog_tests::servers::Kafka;
use serde_json::{Value, json};

use super::secured::unsigned;
use super::{deliver, library, settings, target};

const WHAT: &str = "the Kafka target with tokens of an OpenID Connect server";
const SECRET: &str = "correct horse";
/// How long a token is good, in seconds: librdkafka fetches the next after four fifths of it.
const LIFE: i64 = 5;
const LONG: Duration = Duration::from_mins(1);

/// Gives tokens to the client `rolog` if it has the secret.
struct Server {
    url: String,
    given: Arc<AtomicUsize>,
    _thread: JoinHandle<()>,
}

impl Server {
    fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let given = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&given);
        // It ends with the process.
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&stream.unwrap(), &count);
            }
        });
        Server {
            url,
            given,
            _thread: thread,
        }
    }
}

/// One request and its answer, as RFC 6749 has them in 4.4.
fn answer(mut stream: &TcpStream, given: &AtomicUsize) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned())
    };
    let mut form = vec![0; header("content-length").unwrap().parse().unwrap()];
    reader.read_exact(&mut form).unwrap();
    let form = String::from_utf8(form).unwrap();
    let known = format!("Basic {}", STANDARD.encode(format!("rolog:{SECRET}")));
    let (status, body) = if header("authorization") == Some(known) {
        assert!(head.starts_with("POST /token HTTP/1.1"), "{head}");
        let asked: Vec<&str> = form.split('&').collect();
        assert!(asked.contains(&"grant_type=client_credentials"), "{form}");
        given.fetch_add(1, Ordering::SeqCst);
        let token = unsigned("writer", LIFE);
        let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": LIFE });
        ("200 OK", body)
    } else {
        ("401 Unauthorized", json!({ "error": "invalid_client" }))
    };
    let (body, kind) = (body.to_string(), "application/json");
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n");
    let length = body.len();
    write!(stream, "{head}content-length: {length}\r\n\r\n{body}").unwrap();
}

fn with(brokers: &str, url: &str, secret: &str) -> Value {
    let properties = json!({
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": "rolog",
        "sasl.oauthbearer.client.secret": secret,
        "sasl.oauthbearer.token.endpoint.url": url,
    });
    let more = json!({ "properties": properties, "connect_timeout": "20s" });
    settings(brokers, "secret", &more)
}

/// Whether the plugin was built with the feature `oidc`; the gate builds it so.
fn has_oidc() -> bool {
    let settings = with("127.0.0.1:1", "http://127.0.0.1:1/", "a");
    let has = library().validate(&settings, &Setup::new("kafka")).is_ok();
    assert!(
        has || std::env::var("CI").as_deref() != Ok("true"),
        "{WHAT}: built without"
    );
    if !has {
        rolog_tests::skip(WHAT, "built without the feature rolog-plugin-kafka/oidc");
    }
    has
}

/// Fetched when the target is made, and fetched anew before its life is over. Says how many messages
/// were written.
pub(crate) async fn tokens_of_a_server(kafka: &Kafka) -> usize {
    if !has_oidc() {
        return 0;
    }
    let (server, at) = (Server::start(), kafka.sasl());

    let wrong = with(&at, &server.url, "correct pony");
    let failure = target(&wrong).await.err().unwrap();
    assert_eq!(failure.class, Class::Auth, "{failure}");
    assert!(!failure.message.contains("pony"), "{failure}");
    assert_eq!(server.given.load(Ordering::SeqCst), 0);

    let (library, heard) = own_copy(&artifacts::library("kafka"), LoaderSettings::default());
    let right = with(&at, &server.url, SECRET);
    let writer = instance(&library, "kafka", &right).await.unwrap();
    writer.activate().await.unwrap();
    let (mut written, end) = (0, Instant::now() + LONG);
    // The third token comes after the first one's life is over.
    while server.given.load(Ordering::SeqCst) < 3 {
        assert!(Instant::now() < end, "{:?}", heard.all());
        let outcome = deliver(&writer, &["fetched"]).await;
        assert!(outcome.is_delivered(), "{outcome:?}");
        written += 1;
    }
    writer.shutdown(Duration::from_secs(5)).await.unwrap();
    let said = heard.all();
    assert!(!said.iter().any(|line| line.contains(SECRET)), "{said:?}");
    written
}
