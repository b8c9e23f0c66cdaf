//! TLS, SASL and access control.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use rolog_core::delivery::{Class, Verdict};
use rolog_host::loader::LoaderSettings;
use rolog_plugin::Setup;
use rolog_tests::artifacts;
use rolog_tests::plugins::{instance, own_copy};
use rolog_tests::servers::{KAFKA_PASSWORD, Kafka};
use serde_json::{Value, json};

use super::{deliver, library, messages, oidc, settings, target};

const WHAT: &str = "the Kafka target with TLS and SASL";

fn sasl(brokers: &str, mechanism: &str, user: &str, password: &str) -> Value {
    let properties = json!({
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": mechanism,
        "sasl.username": user,
        "sasl.password": password,
    });
    settings(
        brokers,
        "secret",
        &json!({ "properties": properties, "connect_timeout": "20s" }),
    )
}

/// Whether the plugin was built with the feature `tls`; the gate builds it so.
fn has_tls() -> bool {
    let settings = sasl("127.0.0.1:1", "SCRAM-SHA-256", "a", "b");
    let has = library().validate(&settings, &Setup::new("kafka")).is_ok();
    assert!(
        has || std::env::var("CI").as_deref() != Ok("true"),
        "{WHAT}: built without"
    );
    if !has {
        rolog_tests::skip(WHAT, "built without the feature rolog-plugin-kafka/tls");
    }
    has
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_write_does_and_who_may_not_is_held() {
    if !has_tls() {
        return;
    }
    let Some(kafka) = Kafka::start_secured(WHAT) else {
        return;
    };
    kafka.topic("secret", 1, &[]);
    kafka.allow_writer();
    let at = kafka.sasl();

    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        let writer = target(&sasl(&at, mechanism, "writer", KAFKA_PASSWORD))
            .await
            .unwrap();
        let outcome = deliver(&writer, &[mechanism]).await;
        assert!(outcome.is_delivered(), "{mechanism}: {outcome:?}");
        writer.shutdown(Duration::from_secs(5)).await.unwrap();
    }

    // A wrong password is found out before anything is put in its place, and not repeated.
    let wrong = sasl(&at, "SCRAM-SHA-256", "writer", "open barley");
    let failure = target(&wrong).await.err().unwrap();
    assert_eq!(failure.class, Class::Auth, "{failure}");
    assert!(!failure.message.contains("barley"), "{failure}");

    denied(&sasl(&at, "PLAIN", "stranger", KAFKA_PASSWORD)).await;

    let (at, certificate) = kafka.tls();
    let trusting = json!({ "security.protocol": "ssl", "ssl.ca.location": certificate });
    // Without a client's certificate it is nobody, whom the cluster trusts here.
    let tls = settings(&at, "secret", &json!({ "properties": trusting }));
    let tls = target(&tls).await.unwrap();
    let outcome = deliver(&tls, &["TLS"]).await;
    assert!(outcome.is_delivered(), "{outcome:?}");

    // A certificate that nobody vouches for is not talked to.
    let trusting = json!({ "properties": { "security.protocol": "ssl" } });
    let failure = target(&settings(&at, "secret", &trusting))
        .await
        .err()
        .unwrap();
    assert_eq!(failure.class, Class::Auth, "{failure}");

    let by_oidc = oidc::tokens_of_a_server(&kafka).await;
    let again = tokens(&kafka).await;
    let there = messages(&kafka.read("secret", "%s"));
    let (first, rest) = there.split_at(3);
    assert_eq!(first, ["PLAIN", "SCRAM-SHA-256", "TLS"]);
    let (fetched, rest) = rest.split_at(by_oidc);
    assert!(fetched.iter().all(|one| one == "fetched"), "{fetched:?}");
    let (first, rest) = rest.split_at(1);
    assert_eq!(first, ["first"]);
    assert_eq!(
        (rest.len(), rest.iter().all(|one| one == "again")),
        (again, true)
    );
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs().cast_signed()
}

/// A token that nobody has signed, which this broker takes all the same.
pub(crate) fn unsigned(subject: &str, life: i64) -> String {
    let now = now();
    let claims = json!({ "sub": subject, "iat": now - 100, "exp": now + life }).to_string();
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims))
}

/// Such a token in a file.
fn token(file: &Path, subject: &str, life: i64) -> String {
    let token = unsigned(subject, life);
    fs::write(file, format!("{token}\n")).unwrap();
    token
}

/// Who may not write is told so when it begins or with its first batch, whichever the broker is asked
/// for first.
async fn denied(config: &Value) {
    let failure = match target(config).await {
        Err(failure) => failure,
        Ok(stranger) => {
            let outcome = deliver(&stranger, &["denied"]).await;
            assert_eq!(outcome.verdict(), Verdict::Hold, "{outcome:?}");
            outcome.failure().unwrap().clone()
        }
    };
    assert_eq!(failure.class, Class::Auth, "{failure}");
}

/// OAUTHBEARER by a file with the token: expired, of somebody else, and exchanged in time. Says how
/// many messages were written after that.
async fn tokens(kafka: &Kafka) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let properties = json!({
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "OAUTHBEARER",
    });
    let more = json!({ "properties": properties, "token_file": file, "connect_timeout": "20s" });
    let with = settings(&kafka.sasl(), "secret", &more);

    let expired = token(&file, "writer", -10);
    let failure = target(&with).await.err().unwrap();
    assert_eq!(failure.class, Class::Auth, "{failure}");
    assert!(failure.message.contains("expired"), "{failure}");
    assert!(!failure.message.contains(&expired), "{failure}");

    token(&file, "stranger", 3600);
    denied(&with).await;

    token(&file, "writer", 5);
    let (library, heard) = own_copy(&artifacts::library("kafka"), LoaderSettings::default());
    let writer = instance(&library, "kafka", &with).await.unwrap();
    writer.activate().await.unwrap();
    let outcome = deliver(&writer, &["first"]).await;
    assert!(outcome.is_delivered(), "{outcome:?}");
    // Another is there before the first one's life is over, and is asked for by itself: when that life
    // is over the connection is still good.
    let (over, next) = (now() + 6, token(&file, "writer", 3600));
    let mut again = 0;
    while now() <= over {
        let outcome = deliver(&writer, &["again"]).await;
        assert!(outcome.is_delivered(), "{outcome:?}");
        again += 1;
    }
    let said = heard.all();
    let exchanged = said
        .iter()
        .filter(|line| line.contains("the token for `writer`, good until"));
    assert_eq!(exchanged.count(), 2, "{said:?}");
    assert!(!said.iter().any(|line| line.contains(&next)), "{said:?}");
    again
}
