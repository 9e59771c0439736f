use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::event::{ChannelName, RequestId};
use crate::plugin::{Generation, Inbound, PluginState, Receipt};

use super::channel::{Channel, Open};
use super::mount::settings_of;
use super::receipt::{Context, new_events};
use super::{ChannelSettings, IngestError, WebhookRequest, content_type};

/// Bytes of state that a plugin is lent.
const STATE: usize = 1 << 20;

/// A channel outside of a gateway, as its plugin's manifest alone describes it: what it is sent counts as verified, and
/// what its plugin makes of it is checked and goes nowhere.
pub struct Rehearsal {
    open: Open,
}

impl Rehearsal {
    /// A channel of this plugin, with these settings.
    pub fn new(generation: Arc<Generation>, config: BTreeMap<String, Value>) -> Self {
        let name: ChannelName =
            generation.plugin.as_str().parse().expect("channels and plugins are named by the same rule");
        let settings = ChannelSettings { config, ..settings_of(&name, &generation.limits) };
        // Each rehearsal begins with nothing kept, and keeps nothing.
        let state = Some(Arc::new(PluginState::new(name.to_string(), STATE)));
        Self { open: Open::regardless(Arc::new(Channel::new(settings, state, true)), generation) }
    }

    /// What the manifest says of requests.
    pub fn open(&self) -> &Open {
        &self.open
    }

    /// The request as the plugin will see it.
    pub fn shown(&self, request: WebhookRequest) -> Inbound {
        self.open.shown(request)
    }

    /// Has the plugin turn the request into events.
    ///
    /// # Errors
    /// `Rejected` and `Plugin`.
    pub async fn receive(&self, inbound: Inbound) -> Result<Receipt, IngestError> {
        let called = self.open.generation.receive(&self.open.channel().instance, inbound).await?;
        called.map_err(IngestError::Rejected)
    }

    /// Checks the receipt as that of a real request is checked.
    ///
    /// # Errors
    /// `Receipt`.
    pub fn check(&self, receipt: &Receipt, inbound: &Inbound) -> Result<(), IngestError> {
        let context = Context {
            channel: self.open.channel().name(),
            plugin: &self.open.generation.plugin,
            time: inbound.received_at,
            verified_at: None,
            request_id: RequestId::new(),
            content_type: content_type(&inbound.headers),
            headers: Vec::new(),
            body: inbound.body.clone(),
        };
        let digest = || Sha256::digest(&context.body).into();
        let events = new_events(receipt.events.clone(), &context, digest, |_, _| Vec::new());
        events.map(drop).map_err(IngestError::Receipt)
    }
}
