//! Certificates, good and bad.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rolog_plugin::prelude::*;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{deliver, failure, target, ten};
use crate::server::Server;

/// An authority, and what it has signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Authority { issuer, folder }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate and its key, as PEM.
    fn signs(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn server(
        &self,
        (certificate, key): &(String, String),
        clients: bool,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Server {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .unwrap();
        let builder = if clients {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        Server::tls(builder.with_single_cert(chain, key).unwrap())
    }
}

const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

async fn outcome(server: &Server, tls: Value) -> Outcome {
    let target = target(json!({ "url": server.url("/"), "tls": tls })).await;
    deliver(&target, &ten()).await
}

#[tokio::test]
async fn a_server_of_an_authority_of_ones_own_is_trusted_in_both_versions() {
    let authority = Authority::new("an authority of the tests");
    let pair = authority.signs("localhost", |_| {});
    for versions in [BOTH, &BOTH[..1], &BOTH[1..]] {
        let server = authority.server(&pair, false, versions);
        assert!(
            outcome(&server, json!({ "ca": authority.ca() }))
                .await
                .is_delivered()
        );
    }
    let old = authority.server(&pair, false, &BOTH[1..]);
    let outcome = outcome(&old, json!({ "ca": authority.ca(), "min_version": "1.3" })).await;
    assert_eq!(outcome.verdict(), Verdict::Hold, "{outcome:?}");
}

#[tokio::test]
async fn a_certificate_that_is_wrong_holds_and_writes_nothing() {
    let authority = Authority::new("an authority of the tests");
    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2020, 1, 1);
    let mine = json!({ "ca": authority.ca() });
    let stranger = Authority::new("a stranger");
    for (pair, tls, word) in [
        (authority.signs("localhost", expired), &mine, "expired"),
        (
            authority.signs("example.com", |_| {}),
            &mine,
            "not valid for name",
        ),
        (
            authority.signs("localhost", |_| {}),
            &json!({ "ca": stranger.ca() }),
            "UnknownIssuer",
        ),
    ] {
        let server = authority.server(&pair, false, BOTH);
        let outcome = outcome(&server, tls.clone()).await;
        let failure = failure(&outcome);
        assert_eq!(
            (outcome.verdict(), failure.class),
            (Verdict::Hold, Class::Auth),
            "{failure}"
        );
        assert!(failure.message.contains(word), "{failure}");
        assert!(!failure.maybe_written);
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_its_lack_holds() {
    let authority = Authority::new("an authority of the tests");
    let pair = authority.signs("localhost", |_| {});
    let (certificate, key) = authority.signs("client", |_| {});
    let (cert_file, key_file) = (
        authority.folder.path().join("c.pem"),
        authority.folder.path().join("k.pem"),
    );
    fs::write(&cert_file, certificate).unwrap();
    fs::write(&key_file, key).unwrap();
    for versions in [&BOTH[..1], &BOTH[1..]] {
        let server = authority.server(&pair, true, versions);
        let with = json!({ "ca": authority.ca(), "cert": cert_file, "key": key_file });
        assert!(outcome(&server, with).await.is_delivered());
        let without = outcome(&server, json!({ "ca": authority.ca() })).await;
        let failure = failure(&without);
        assert_eq!(
            (without.verdict(), failure.class),
            (Verdict::Hold, Class::Auth),
            "{failure}"
        );
        assert_eq!(server.seen().len(), 1);
    }
}
