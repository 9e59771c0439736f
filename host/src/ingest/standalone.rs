//! A channel outside of a gateway, for trying out its plugin.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::channel::Channel;
use super::error::IngestError;
use super::ready::ReadyChannel;
use super::receipt::new_events;
use super::request::WebhookRequest;
use super::settings::ChannelSettings;
use crate::event::{ChannelName, Destination};
use crate::plugin::{Generation, Inbound, PluginState, Receipt};

/// Bytes of state that a plugin is lent.
const STATE: usize = 1 << 20;

/// A channel as the manifest of its plugin alone describes it. Its requests count as verified, and its events are checked and
/// go nowhere.
pub struct StandaloneChannel(ReadyChannel);

impl StandaloneChannel {
    pub fn new(generation: Arc<Generation>, config: BTreeMap<String, Value>) -> Self {
        let name: ChannelName =
            generation.plugin.as_str().parse().expect("channels and plugins are named by the same rule");
        let settings = ChannelSettings { config, ..ChannelSettings::automatic(&name, &generation.limits) };
        // Each begins with an empty state, and none is kept.
        let state = Some(Arc::new(PluginState::new(name.to_string(), STATE)));
        Self(ReadyChannel::regardless(Arc::new(Channel::new(settings, state, true)), generation))
    }

    /// What the manifest says of requests.
    pub fn ready(&self) -> &ReadyChannel {
        &self.0
    }

    /// The request as the plugin will see it.
    pub fn inbound(&self, request: WebhookRequest) -> Inbound {
        self.0.inbound(request)
    }

    /// # Errors
    /// `Rejected` and `Plugin`.
    pub async fn receive(&self, inbound: Inbound) -> Result<Receipt, IngestError> {
        self.0.call(inbound).await?.map_err(IngestError::Rejected)
    }

    /// Checks the receipt as that of a real request is checked.
    ///
    /// # Errors
    /// `TooManyEvents` and `Receipt`.
    pub fn check(&self, receipt: &Receipt, request: &WebhookRequest) -> Result<(), IngestError> {
        self.0.check_count(receipt.events.len())?;
        let context = self.0.context(request, None);
        let events = new_events(receipt.events.clone(), &context, |_| Destination::default());
        events.map(drop).map_err(IngestError::Receipt)
    }
}
