//! The certificate of a gateway with TLS, and the TLS configuration of its callers.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use pem_rfc7468::LineEnding;
use rcgen::CertifiedKey;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// The name in the certificate.
pub(crate) const NAME: &str = "127.0.0.1";

/// Its part of gateway.toml, below the keys of `[http]`.
pub(crate) const CONFIGURATION: &str = "[http.tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n\n";

/// Writes a new certificate and its key into `dir`; returns the configuration of a client that trusts it.
pub(crate) fn issue(dir: &Path) -> Result<ClientConfig> {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    fs::write(dir.join("cert.pem"), pem("CERTIFICATE", cert.der())?)?;
    fs::write(dir.join("key.pem"), pem("PRIVATE KEY", signing_key.serialized_der())?)?;
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone())?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}

fn pem(label: &str, der: &[u8]) -> Result<String> {
    pem_rfc7468::encode_string(label, LineEnding::LF, der).map_err(|error| anyhow!("cannot write PEM: {error}"))
}
