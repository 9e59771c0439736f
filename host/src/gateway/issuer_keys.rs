//! Fetches the keys of issuers: from files, or with the checked client of `egress`.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use url::Url;

use crate::caller::{FetchKeys, Fetching, KeyPlace, KeySets, KeySource};
use crate::egress::{Egress, EgressError, EgressRequest, EgressSettings, Grant, GrantError};
use crate::event::RequestId;
use crate::metrics::{Metrics, labels};
use crate::verify::{KeySet, KeySetError};

labels! {
    /// By caller and what came of it.
    ByFetch { caller, outcome }
}

struct IssuerKeys {
    fetches: Family<ByFetch, Counter>,
}

/// Why there is no set of keys.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error("its answer has the status {0}, expected 200")]
    Status(u16),
    #[error("it is not a URL: {0}")]
    Url(#[from] url::ParseError),
    #[error(transparent)]
    Grant(#[from] GrantError),
    #[error("it cannot be read: {0}")]
    File(#[from] std::io::Error),
    #[error("it has more than {0} bytes")]
    TooLarge(usize),
    #[error(transparent)]
    Keys(#[from] KeySetError),
}

/// The keys of all issuers, fetched when they are needed.
pub(super) fn issuer_keys(metrics: &Metrics) -> Arc<KeySets> {
    let fetches = metrics.register(
        "gateway_caller_key_fetches",
        "Fetches of the keys that callers' tokens are verified with",
        Family::default(),
    );
    Arc::new(KeySets::new(Arc::new(IssuerKeys { fetches })))
}

impl FetchKeys for IssuerKeys {
    fn fetch<'a>(&'a self, caller: &'a str, source: &'a KeySource) -> Fetching<'a> {
        Box::pin(async move {
            let fetched = match &source.place {
                KeyPlace::Url(url) => from_url(url, source).await,
                KeyPlace::File(path) => from_file(path, source.max),
            };
            let fetched = fetched.and_then(|bytes| Ok(KeySet::parse(&bytes)?));
            let outcome = if fetched.is_ok() { "ok" } else { "failed" };
            self.fetches.get_or_create(&ByFetch::new(caller, outcome)).inc();
            match fetched {
                Ok(keys) => {
                    tracing::debug!(caller, "Keys of the issuer fetched");
                    Some(keys)
                }
                Err(error) => {
                    let place = match &source.place {
                        KeyPlace::Url(url) => url.clone(),
                        KeyPlace::File(path) => path.display().to_string(),
                    };
                    tracing::error!(
                        caller,
                        "Keys of the issuer at `{place}` are not available, the last ones serve on: {error}"
                    );
                    None
                }
            }
        })
    }
}

/// Only the host of the URL is reached. A client of its own keeps no connection between two fetches.
async fn from_url(url: &str, source: &KeySource) -> Result<Bytes, FetchError> {
    let mut grant: Grant = Url::parse(url)?.origin().ascii_serialization().parse()?;
    grant.private = source.private;
    let settings = EgressSettings {
        grants: vec![grant],
        max_response: source.max,
        connect_timeout: source.timeout,
        ..EgressSettings::default()
    };
    let request = EgressRequest {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: vec![("accept".to_owned(), "application/jwk-set+json, application/json".to_owned())],
        body: Bytes::new(),
        credential: None,
        id: RequestId::new().to_string(),
        timeout: source.timeout,
    };
    let response = Egress::new(settings).send(request).await?;
    if response.status == 200 { Ok(response.body) } else { Err(FetchError::Status(response.status)) }
}

fn from_file(path: &Path, max: usize) -> Result<Bytes, FetchError> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > max { Err(FetchError::TooLarge(max)) } else { Ok(bytes.into()) }
}
