//! TLS: the certificate, which may be replaced while the gateway runs, and the certificates of callers.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::caller::Certificate;

/// How often the files are checked for changes.
const CHECK_EVERY: Duration = Duration::from_secs(2);

/// A larger file is a wrong one; bytes.
const MAX_FILE: u64 = 1 << 20;

/// The first byte of a TLS connection: a record of the handshake.
const HANDSHAKE: u8 = 0x16;

/// How connections are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate and those between it and its authority, as PEM.
    pub certificate: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
    /// Whether TLS 1.2 is refused.
    pub only_tls13: bool,
    /// The authorities of client certificates, as PEM; without them none are requested.
    pub client_authorities: Option<PathBuf>,
    /// Whether a caller must have a certificate.
    pub requires_client: bool,
}

impl TlsSettings {
    /// Checks the files as the start of a server does.
    pub fn check(&self) -> Result<(), TlsError> {
        Loaded::read(self.clone()).map(drop)
    }
}

/// Why connections cannot be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read `{}`: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` contains no {expected}: {reason}", path.display())]
    Content { path: PathBuf, expected: &'static str, reason: String },
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("the certificate cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

pub(crate) struct Tls {
    current: ArcSwap<Loaded>,
}

/// Certificates in use, or ready to be.
pub(crate) struct Loaded {
    settings: TlsSettings,
    config: Arc<ServerConfig>,
    /// Of the files.
    digest: [u8; 32],
}

impl Loaded {
    /// Reads the files.
    pub(crate) fn read(settings: TlsSettings) -> Result<Self, TlsError> {
        let files = Files::read(&settings)?;
        let config = Arc::new(files.config(&settings)?);
        Ok(Self { settings, config, digest: files.digest() })
    }
}

/// An encrypted connection, and the certificate of its caller.
pub(crate) struct Encrypted {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) certificate: Option<Arc<Certificate>>,
}

/// Why there is no encrypted connection.
pub(crate) enum NoTls {
    /// The caller does not speak TLS: most likely it sent a plain request.
    Plain(TcpStream),
    Failed(io::Error),
}

impl Tls {
    pub(crate) fn new(settings: TlsSettings) -> Result<Self, TlsError> {
        Ok(Self { current: ArcSwap::from_pointee(Loaded::read(settings)?) })
    }

    /// Uses these certificates for the handshakes from now on.
    pub(crate) fn replace(&self, loaded: Loaded) {
        self.current.store(Arc::new(loaded));
    }

    /// Reads the files again whenever they change. Files that cannot be used leave the last good ones in place.
    pub(crate) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut failed = None;
        while stop.run_until_cancelled(tokio::time::sleep(CHECK_EVERY)).await.is_some() {
            let before = self.current.load_full();
            let settings = before.settings.clone();
            let Ok(read) = tokio::task::spawn_blocking(move || Loaded::read(settings)).await else { return };
            match read {
                Ok(loaded) if loaded.digest == before.digest => failed = None,
                Ok(loaded) => {
                    tracing::info!(certificate = %loaded.settings.certificate.display(), "Certificate replaced");
                    // A reload may have brought other files meanwhile.
                    self.current.compare_and_swap(&before, Arc::new(loaded));
                    failed = None;
                }
                Err(error) => {
                    let reason = Some(error.to_string());
                    if failed != reason {
                        tracing::warn!("Certificate not replaced, the last one stays in use: {error}");
                    }
                    failed = reason;
                }
            }
        }
    }

    /// The handshake.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Result<Encrypted, NoTls> {
        let mut first = [0];
        if stream.peek(&mut first).await.map_err(NoTls::Failed)? == 1 && first != [HANDSHAKE] {
            return Err(NoTls::Plain(stream));
        }
        let acceptor = TlsAcceptor::from(Arc::clone(&self.current.load().config));
        let stream = acceptor.accept(stream).await.map_err(NoTls::Failed)?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let certificate = shown.map(|shown| Arc::new(Certificate { names: dns_names(shown) }));
        Ok(Encrypted { stream, certificate })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("settings", &self.current.load().settings).finish_non_exhaustive()
    }
}

/// The contents of the files.
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_authorities: Option<Vec<u8>>,
}

impl Files {
    fn read(settings: &TlsSettings) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: read(&settings.certificate)?,
            key: read(&settings.key)?,
            client_authorities: settings.client_authorities.as_deref().map(read).transpose()?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let Self { certificate, key, client_authorities } = self;
        let parts = [certificate, key].into_iter().chain(client_authorities);
        let digests = parts.map(Sha256::digest).fold(Sha256::new(), Sha256::chain_update);
        digests.finalize().into()
    }

    fn config(&self, settings: &TlsSettings) -> Result<ServerConfig, TlsError> {
        let chain = certificates(&settings.certificate, &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| TlsError::Content {
            path: settings.key.clone(),
            expected: "private key in PEM (PKCS#8, PKCS#1 or SEC1)",
            // The error names what was expected, never what was found.
            reason: error.to_string(),
        })?;
        let versions: &[_] = if settings.only_tls13 { &[&TLS13] } else { &[&TLS13, &TLS12] };
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
        let builder = match (&settings.client_authorities, &self.client_authorities) {
            (Some(path), Some(pem)) => {
                let unusable = |reason: String| TlsError::Content { path: path.clone(), expected: "authority", reason };
                let mut roots = rustls::RootCertStore::empty();
                for authority in certificates(path, pem)? {
                    roots.add(authority).map_err(|error| unusable(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = if settings.requires_client { verifier } else { verifier.allow_unauthenticated() };
                let verifier = verifier.build().map_err(|error| unusable(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Sessions are resumed with what the caller keeps; the gateway keeps nothing for them.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        if settings.client_authorities.is_none() {
            config.ticketer = ring::Ticketer::new()?;
        } else {
            // A resumed session would not check the client certificate again.
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let meta = std::fs::metadata(path).map_err(failed)?;
    if !meta.is_file() || meta.len() > MAX_FILE {
        return Err(failed(io::Error::other("not a file of at most 1 MiB")));
    }
    std::fs::read(path).map_err(failed)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let content = |reason| TlsError::Content { path: path.to_owned(), expected: "certificate in PEM", reason };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| content(error.to_string()))?;
    if found.is_empty() { Err(content("there is none".to_owned())) } else { Ok(found) }
}

/// The DNS names of a certificate that was verified.
fn dns_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let parsed = webpki::EndEntityCert::try_from(certificate);
    parsed.iter().flat_map(|parsed| parsed.valid_dns_names()).map(str::to_ascii_lowercase).collect()
}
