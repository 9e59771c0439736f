//! TLS to the gateway: its certificate is the one in the configuration, or one that the system trusts.

use std::fs;
use std::sync::Arc;

use anyhow::Context;
use hyper_rustls::ConfigBuilderExt;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::http::TlsSettings;

/// Trusts one certificate only: that of the gateway's configuration.
///
/// So the command line reaches a gateway under any address and with a self-signed certificate, and nobody without the private
/// key can pose as the gateway.
#[derive(Debug)]
struct Pinned {
    /// `None` if the file cannot be read; then no server is trusted.
    certificate: Option<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

/// Trusts the authorities of the system, for a gateway elsewhere.
pub(super) fn by_authorities() -> anyhow::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the versions")
        .with_native_roots()
        .context("no certificate authorities: install ca-certificates or set SSL_CERT_FILE")?;
    Ok(builder.with_no_client_auth())
}

/// Trusts the certificate of a gateway with these settings, and nothing else.
pub(super) fn to_certificate(settings: Option<&TlsSettings>) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let pem = settings.and_then(|settings| fs::read(&settings.certificate).ok());
    let certificate = pem.and_then(|pem| CertificateDer::from_pem_slice(&pem).ok());
    let verifier = Pinned { certificate, provider: Arc::clone(&provider) };
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth()
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.certificate {
            Some(certificate) if certificate == end_entity => Ok(ServerCertVerified::assertion()),
            Some(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
            None => Err(Error::General("cannot read the certificate in `http.tls.certificate`".to_owned())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
