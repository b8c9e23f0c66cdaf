//! Encrypted connections, with rustls on *ring*.

use std::path::Path;
use std::sync::Arc;

use rolog_plugin::prelude::*;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{self, CryptoProvider};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::config::{Tls, TlsMode};
use crate::trouble::{Cause, Trouble};

/// What a mode means where none is set: a server elsewhere proves who it is.
pub(crate) fn mode(tls: &Tls, is_local: bool) -> TlsMode {
    tls.mode.unwrap_or(if is_local {
        TlsMode::Prefer
    } else {
        TlsMode::Verify
    })
}

/// Reads the certificates, and makes what connections are made with.
pub(crate) fn client(tls: &Tls, mode: TlsMode, setup: &Setup) -> Result<ClientConfig, Trouble> {
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(&error.to_string()))?;
    let verifier: Arc<dyn ServerCertVerifier> = if mode == TlsMode::Verify {
        let roots = Arc::new(roots(tls, setup)?);
        WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|error| refused(&format!("no certificate vouches for servers: {error}")))?
    } else {
        Arc::new(Anybody(provider))
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => {
            let (cert, key) = (setup.resolve(cert), setup.resolve(key));
            let chain = certificates(&cert)?;
            let secret = PrivateKeyDer::from_pem_file(&key)
                .map_err(|error| refused(&format!("{}: {error}", key.display())))?;
            let config = builder.with_client_auth_cert(chain, secret);
            config.map_err(|error| refused(&format!("{}: {error}", cert.display())))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn roots(tls: &Tls, setup: &Setup) -> Result<RootCertStore, Trouble> {
    let mut roots = RootCertStore::empty();
    let found = match &tls.ca {
        Some(file) => certificates(&setup.resolve(file))?,
        None => system_roots().collect(),
    };
    roots.add_parsable_certificates(found);
    Ok(roots)
}

/// The certificates that this system trusts, as far as they can be read.
pub(crate) fn system_roots() -> impl Iterator<Item = CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs().certs;
    let is_readable = |cert: &CertificateDer<'_>| RootCertStore::empty().add(cert.clone()).is_ok();
    found.into_iter().filter(is_readable)
}

/// For a driver that makes its connections with the process's own cryptography, which nobody may have
/// chosen; then it is this.
pub(crate) fn provide() {
    if CryptoProvider::get_default().is_none() {
        // Somebody may choose in this moment.
        let _ = crypto::ring::default_provider().install_default();
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Trouble> {
    let told = |error: &dyn std::fmt::Display| refused(&format!("{}: {error}", file.display()));
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| told(&error))?;
    if found.is_empty() {
        return Err(told(&"there is no certificate in it"));
    }
    Ok(found)
}

fn refused(why: &str) -> Trouble {
    Trouble::new(
        Cause::Someone,
        Class::Auth,
        format!("cannot use TLS: {why}"),
    )
}

/// Takes whatever certificate a server has: what is sent is encrypted, to whomever.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, cert, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, cert, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
