//! Events that services emit themselves: checked, routed and committed like those of a webhook, without a plugin.

use super::channel::Channel;
use super::error::IngestError;
use super::pipeline::{Pipeline, Received};
use super::receipt::Routed;
use crate::event::{Destination, EmittedEvent, Facts, RequestId, Timestamp};
use crate::eventlog::{Identity, NewEvent};
use crate::plugin::StateChanges;
use crate::schema::Origin;

/// In the place of a plugin's name.
const EMIT: &str = "emit";

impl Pipeline {
    /// Returns when the events are durable: all of them, or none.
    pub(super) async fn emit(
        &self,
        channel: &Channel,
        events: Vec<EmittedEvent>,
        request_id: RequestId,
    ) -> Result<Received, IngestError> {
        let time = Timestamp::now();
        let events = events.into_iter().map(|event| self.emitted(channel, event, time, request_id)).collect();
        let events = self.store(&channel.binding, events, StateChanges::default(), Origin::Emitted).await?;
        Ok(Received { events, response: None })
    }

    fn emitted(&self, channel: &Channel, event: EmittedEvent, time: Timestamp, request_id: RequestId) -> Routed {
        let channel = channel.name();
        let kind = event.kind_in(channel);
        let EmittedEvent { source, id, subject, content_type, data, attributes, traceparent, .. } = event;
        let facts = Facts { channel, kind: &kind, subject: subject.as_deref(), attributes: &attributes, data: &data };
        let Destination { recipients, wait } = self.router.route(&facts);
        let identity = Some(Identity::of_emitted(channel, &source, &id));
        let event = NewEvent {
            channel: channel.clone(),
            plugin: EMIT.parse().expect("it is a name"),
            kind,
            subject,
            time,
            verified_at: Some(time),
            content_type,
            data,
            attributes,
            headers: Vec::new(),
            request_id,
            delivery_id: Some(id),
            traceparent,
            identity,
            statement: None,
            is_imported: false,
            quarantine: None,
            keep_repeat: false,
            repeat_of: None,
            recipients,
        };
        Routed { event, wait }
    }
}
