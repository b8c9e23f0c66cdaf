//! Certificates and keys, and what their refusal looks like.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rolog_plugin::ConfigError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, version};

use crate::config::{Tls, TlsVersion, Version};

/// What connections are made with. Reads files.
///
/// # Errors
/// A file that cannot be read, or that does not hold what it should, by its path in the settings.
pub(crate) fn client(
    tls: &Tls,
    http: Version,
    resolve: &dyn Fn(&Path) -> PathBuf,
) -> Result<ClientConfig, ConfigError> {
    let versions: &[_] = match tls.min_version {
        TlsVersion::Tls12 => &[&version::TLS13, &version::TLS12],
        TlsVersion::Tls13 => &[&version::TLS13],
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("ring has the suites of both versions")
        .with_root_certificates(roots(tls, resolve)?);
    let mut config = match (&tls.cert, &tls.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let chain = certificates(&resolve(cert), "tls.cert")?;
            let path = resolve(key);
            let key = read(&path, "tls.key", PrivateKeyDer::from_pem_slice)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                ConfigError::at("tls.key", format!("`{}`: {error}", path.display()))
            })?
        }
        (Some(_), None) => {
            return Err(
                ConfigError::at("tls.cert", "there is no key to the certificate")
                    .expected("its key's file under `tls.key`"),
            );
        }
        (None, Some(_)) => {
            return Err(
                ConfigError::at("tls.key", "there is no certificate to the key")
                    .expected("its certificate's file under `tls.cert`"),
            );
        }
    };
    config.alpn_protocols = match http {
        Version::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Version::Http1 => vec![b"http/1.1".to_vec()],
        Version::Http2 => vec![b"h2".to_vec()],
    };
    Ok(config)
}

fn roots(tls: &Tls, resolve: &dyn Fn(&Path) -> PathBuf) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    match &tls.ca {
        Some(path) => {
            let path = resolve(path);
            for certificate in certificates(&path, "tls.ca")? {
                roots.add(certificate).map_err(|error| {
                    ConfigError::at("tls.ca", format!("`{}`: {error}", path.display()))
                })?;
            }
        }
        // One that is damaged among the machine's own is no reason to trust none of them; where
        // there are none at all, each connection says so.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(roots)
}

fn certificates(path: &Path, setting: &str) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    read(path, setting, |pem| {
        let all: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?;
        if all.is_empty() {
            return Err(rustls::pki_types::pem::Error::NoItemsFound);
        }
        Ok(all)
    })
}

fn read<T>(
    path: &Path,
    setting: &str,
    parse: impl FnOnce(&[u8]) -> Result<T, rustls::pki_types::pem::Error>,
) -> Result<T, ConfigError> {
    let wrong = |error: &dyn Error| {
        ConfigError::at(setting, format!("cannot use `{}`: {error}", path.display()))
            .expected("a PEM file")
    };
    let pem = fs::read(path).map_err(|error| wrong(&error))?;
    parse(&pem).map_err(|error| wrong(&error))
}

/// The refusal of a certificate or of the whole handshake, by either side, in what an error comes
/// from.
pub(crate) fn refusal<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An I/O error's source is that of the error in it, which is then passed over.
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Whether an error of TLS is one that stays until someone acts: a certificate, a version, a name.
pub(crate) fn stays(error: &rustls::Error) -> bool {
    use rustls::AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::PeerIncompatible(_)
        | rustls::Error::NoApplicationProtocol
        | rustls::Error::UnsupportedNameType => true,
        rustls::Error::AlertReceived(alert) => !matches!(
            alert,
            Alert::CloseNotify
                | Alert::InternalError
                | Alert::UserCanceled
                | Alert::NoRenegotiation
        ),
        _ => false,
    }
}
