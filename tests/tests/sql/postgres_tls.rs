//! PostgreSQL behind TLS.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rolog_plugin::prelude::*;
use rolog_tests::servers::{Folder, Postgres, User, program};
use serde_json::{Value, json};

use crate::certificates::Authority;
use crate::common::{batch, deliver, start, target, until};

#[tokio::test]
async fn the_modes_of_tls_do_what_they_say() {
    let what = "TLS with PostgreSQL";
    let Some(openssl) = program(what, "openssl", "openssl") else {
        return;
    };
    let folder = Folder::new(User::unprivileged(&["postgres", "nobody"]));
    let (key, cert) = (
        folder.write("server.key", ""),
        folder.write("server.crt", ""),
    );
    let made = Command::new(openssl)
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args([
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=CA:FALSE",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = [
        "ssl=on".to_owned(),
        format!("ssl_key_file={}", key.display()),
        format!("ssl_cert_file={}", cert.display()),
    ];
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let Some(server) = Postgres::start_with(what, &settings) else {
        return;
    };
    server.sql("postgres", "create table logs (message text)");
    let with_tls = |host: &str, tls: Value| {
        json!({
            "url": format!("postgres://postgres@{host}:{}/postgres", server.port()),
            "columns": { "message": "message" }, "tls": tls
        })
    };
    let encrypted = "select count(*) from pg_stat_ssl join pg_stat_activity using (pid) \
                     where application_name = 'rolog' and ssl";
    for (tls, count) in [
        (json!({}), "1"),
        (json!({ "mode": "off" }), "0"),
        (json!({ "mode": "require" }), "1"),
        (json!({ "mode": "verify", "ca": cert }), "1"),
    ] {
        let target = target(with_tls("localhost", tls.clone())).await;
        assert!(deliver(&target, &batch(["one"])).await.is_delivered());
        assert_eq!(server.sql("postgres", encrypted), count, "{tls}");
        drop(target);
        until("its connections are gone", || {
            server.sql("postgres", encrypted) == "0"
        })
        .await;
    }
    // Another name than the certificate's, and a certificate that nobody vouches for.
    for (host, tls) in [
        ("127.0.0.1", json!({ "mode": "verify", "ca": cert })),
        ("localhost", json!({ "mode": "verify" })),
    ] {
        let failure = start(with_tls(host, tls)).await.err().unwrap();
        assert_eq!(failure.class, Class::Auth, "{failure}");
    }
}

#[tokio::test]
async fn a_client_proves_who_it_is_with_a_certificate() {
    let authority = Authority::new();
    let folder = Folder::new(User::unprivileged(&["postgres", "nobody"]));
    let (cert, key) = authority.signs("localhost");
    let (own, own_key) = authority.signs("known");
    let ca = folder.write("ca.pem", authority.pem());
    let (own, own_key) = (
        folder.write("own.pem", own),
        folder.write("own.key", own_key),
    );
    let key = folder.write("server.key", key);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = [
        "ssl=on".to_owned(),
        format!("ssl_ca_file={}", ca.display()),
        format!("ssl_key_file={}", key.display()),
        format!(
            "ssl_cert_file={}",
            folder.write("server.crt", cert).display()
        ),
    ];
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let Some(server) = Postgres::start_with("PostgreSQL and certificates of clients", &settings)
    else {
        return;
    };
    server.sql(
        "postgres",
        "create table logs (message text); create role known login; grant insert on logs to known",
    );
    let rules = "hostssl all known 127.0.0.1/32 cert\nhost all all 127.0.0.1/32 trust\n";
    std::fs::write(server.folder().join("data/pg_hba.conf"), rules).unwrap();
    server.sql("postgres", "select pg_reload_conf()");
    until("the new rules are read", || {
        let rules = "select count(*) from pg_hba_file_rules where auth_method = 'cert'";
        server.sql("postgres", rules) == "1"
    })
    .await;
    let at = |tls: Value| {
        json!({
            "url": format!("postgres://known@localhost:{}/postgres", server.port()),
            "columns": { "message": "message" }, "tls": tls
        })
    };
    let unproven = json!({ "mode": "verify", "ca": ca });
    let failure = start(at(unproven)).await.err().unwrap();
    assert_eq!(failure.class, Class::Auth, "{failure}");
    let proven = json!({ "mode": "verify", "ca": ca, "cert": own, "key": own_key });
    let target = target(at(proven)).await;
    assert!(deliver(&target, &batch(["proven"])).await.is_delivered());
}
