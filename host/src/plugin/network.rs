//! What `http.send` and `http.notify` of a plugin reach.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use crate::egress::{Egress, EgressError, EgressRequest, Response};

use super::script::Script;

pub enum Network {
    /// Nothing: for channels while they receive, and for `describe`.
    Closed,
    /// The grants of a channel or agent.
    Granted(Box<Egress>),
    /// No network, but recorded answers: for a plugin under test.
    Scripted(Arc<Script>),
}

impl Network {
    /// Whether a request may name this credential.
    pub(super) fn has_credential(&self, name: &str) -> bool {
        match self {
            Self::Closed => false,
            Self::Granted(egress) => egress.has_credential(name),
            // A plugin under test gets every credential it asks for.
            Self::Scripted(_) => true,
        }
    }

    pub(super) async fn send(&self, request: EgressRequest) -> Result<Response, EgressError> {
        match self {
            Self::Closed => Err(EgressError::Denied("this instance was granted no network".to_owned())),
            Self::Granted(egress) => egress.send(request).await,
            Self::Scripted(script) => script.send(request),
        }
    }

    /// Whether a `GET` of `url`, which must be granted, is answered with a 2xx within `timeout`.
    ///
    /// # Errors
    /// Why not, for people.
    pub async fn check(&self, url: &str, timeout: Duration) -> Result<(), String> {
        let request = EgressRequest {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            credential: None,
            id: String::new(),
            timeout,
        };
        match self.notify(request).await {
            Ok((response, _)) if (200..300).contains(&response.status) => Ok(()),
            Ok((response, _)) => Err(format!("answered {}", response.status)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether a connection to the host of `url` can be opened. Nothing is sent.
    pub async fn knock(&self, url: &Url) -> Result<(), EgressError> {
        match self {
            Self::Granted(egress) => egress.knock(url).await,
            Self::Closed | Self::Scripted(_) => Ok(()),
        }
    }

    /// As [`send`](Self::send), but the body of a 2xx may have a flaw, which is returned beside it.
    pub(super) async fn notify(&self, request: EgressRequest) -> Result<(Response, Option<EgressError>), EgressError> {
        match self {
            Self::Granted(egress) => egress.notify(request).await,
            Self::Closed | Self::Scripted(_) => Ok((self.send(request).await?, None)),
        }
    }
}
