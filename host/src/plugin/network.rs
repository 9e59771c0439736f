//! What `http.send` of a plugin reaches.

use std::sync::Arc;

use crate::egress::{Egress, EgressError, EgressRequest, Response};

use super::script::Script;

/// What `http.send` of one instance reaches.
pub enum Network {
    /// Nothing: channels while they receive, and what is only described.
    Closed,
    /// What an agent was granted.
    Granted(Box<Egress>),
    /// Nothing but answers that were written down before: a plugin that is tried out.
    Scripted(Arc<Script>),
}

impl Network {
    /// Whether a request can name this credential.
    pub(super) fn has_credential(&self, name: &str) -> bool {
        match self {
            Self::Closed => false,
            Self::Granted(egress) => egress.has_credential(name),
            // What is tried out goes on as it would with everything that it asks for.
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
}
