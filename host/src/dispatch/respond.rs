//! Answers of agents on their way back to the source. An answer is an event, and its channel is the recipient.
//!
//! So an answer is as durable as the delivery that brought it, keeps the order of its subject, is retried and can be
//! replayed. No route matches it.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::event::{
    AgentName, Event, EventId, MAX_ATTRIBUTE, MAX_ATTRIBUTES, Priority, Recipient, Timestamp, is_attribute_name,
};
use crate::eventlog::{EventLogError, Identity, NewEvent};
use crate::plugin::{Answer, CallError, Failure, Responding};

use super::attempt::AttemptRunner;
use super::job::Job;

/// The kind of answers, below the name of the channel.
const KIND: &str = "answer";
/// The attribute with the id of the answered event.
const ANSWERED: &str = "answerto";
/// The attribute with the name of the agent.
const AGENT: &str = "agent";

impl AttemptRunner {
    /// The agent's answer to `event` as an event for its channel. `None` if there is nothing to send back, or no way.
    pub(super) fn answer_event(&self, job: &Job, event: &Event, answer: &Answer) -> Option<NewEvent> {
        let agent = &self.agent.name;
        let channel = AgentName::of_channel(&event.channel);
        if answer.body.is_empty() {
            return None;
        }
        if !self.dispatch.agents.load().contains_key(&channel) {
            tracing::warn!(channel = %event.channel, "Answer has no way back, add the table `[channels.{}]`", event.channel);
            return None;
        }
        Some(new_answer(job, event, agent, channel, answer))
    }

    /// Calls `respond` of the channel's plugin with an answer.
    pub(super) async fn respond(
        &self,
        answer: &Arc<Event>,
        attempt: NonZeroU32,
    ) -> Result<Result<Answer, Failure>, CallError> {
        let (event, agent) = match self.answered(answer).await {
            Ok(found) => found,
            Err(failure) => return Ok(Err(failure)),
        };
        let responding = Responding { event, answer: Arc::clone(answer), agent, attempt: attempt.get() };
        self.generation.respond(&self.endpoint.binding, responding).await
    }

    /// The answered event, and the name of the agent.
    async fn answered(&self, answer: &Event) -> Result<(Arc<Event>, String), Failure> {
        let failure =
            |retry, message: String| Failure { retry, code: "gone".to_owned(), message, after: None, exchange: None };
        let id: Option<EventId> = answer.attribute(ANSWERED).and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| failure(false, "the answer does not name its event".to_owned()))?;
        let log = self.log.clone();
        let found = tokio::task::spawn_blocking(move || log.event(id)).await;
        let found = found.map_err(|error| EventLogError::Io(error.to_string())).flatten();
        match found {
            Ok(Some(stored)) => Ok((Arc::new(stored.event), answer.attribute(AGENT).unwrap_or_default().to_owned())),
            Ok(None) => Err(failure(false, format!("the answered event `{id}` is no longer in the log"))),
            Err(error) => Err(failure(true, format!("the answered event `{id}` cannot be read: {error}"))),
        }
    }
}

fn new_answer(job: &Job, event: &Event, agent: &AgentName, channel: AgentName, answer: &Answer) -> NewEvent {
    let own = [(ANSWERED.to_owned(), event.id.to_string()), (AGENT.to_owned(), agent.to_string())];
    let said = answer
        .attributes
        .iter()
        .filter(|(name, value)| is_attribute(name, value))
        .take(MAX_ATTRIBUTES - own.len())
        .cloned();
    let content_type = if answer.content_type.is_empty() { "application/octet-stream" } else { &answer.content_type };
    NewEvent {
        channel: event.channel.clone(),
        plugin: event.plugin.clone(),
        kind: format!("{}.{KIND}", event.channel),
        subject: event.subject.clone(),
        time: Timestamp::now(),
        verified_at: None,
        content_type: content_type.to_owned(),
        data: answer.body.clone(),
        attributes: own.into_iter().chain(said).collect(),
        headers: Vec::new(),
        request_id: event.request_id,
        delivery_id: None,
        traceparent: None,
        // No plugin can use such a key: keys of plugins have no control characters.
        identity: Some(Identity::of_key(&event.channel, &format!("\u{1}answer/{}/{}", job.id.seq, job.id.index))),
        statement: None,
        is_imported: false,
        quarantine: None,
        keep_repeat: false,
        repeat_of: None,
        recipients: vec![Recipient { agent: channel, priority: Priority::Normal }],
    }
}

/// Whether an agent may set the attribute: it is valid, and the gateway does not set it itself.
fn is_attribute(name: &str, value: &str) -> bool {
    is_attribute_name(name) && ![ANSWERED, AGENT].contains(&name) && value.len() <= MAX_ATTRIBUTE
}
