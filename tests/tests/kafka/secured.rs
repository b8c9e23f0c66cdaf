//! TLS, SASL and access control.

use std::time::Duration;

use rolog_core::delivery::{Class, Verdict};
use rolog_plugin::Setup;
use rolog_tests::servers::{KAFKA_PASSWORD, Kafka};
use serde_json::{Value, json};

use super::{deliver, library, messages, settings, target};

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

    let stranger = target(&sasl(&at, "PLAIN", "stranger", KAFKA_PASSWORD))
        .await
        .unwrap();
    let outcome = deliver(&stranger, &["denied"]).await;
    let class = outcome.failure().unwrap().class;
    assert_eq!(
        (outcome.verdict(), class),
        (Verdict::Hold, Class::Auth),
        "{outcome:?}"
    );

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

    let there = messages(&kafka.read("secret", "%s"));
    assert_eq!(there, ["PLAIN", "SCRAM-SHA-256", "TLS"]);
}
