//! The envelope that agents receive.

use serde::Serialize;

use super::{CloudEvent, Event, Timestamp};

/// A skill in an envelope: a reference to its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkillRef {
    /// The skill's name.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// The path of its `SKILL.md`.
    pub path: String,
}

/// The event, its channel, and the skills of the route.
#[derive(Debug, Serialize)]
pub struct Envelope<'a> {
    version: &'static str,
    timestamp: Timestamp,
    channel: EnvelopeChannel<'a>,
    skills: &'a [SkillRef],
    attempt: u32,
    /// The stored request headers, in order.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    headers: &'a [(String, String)],
    event: CloudEvent<'a>,
}

#[derive(Debug, Serialize)]
struct EnvelopeChannel<'a> {
    name: &'a str,
    plugin: &'a str,
}

impl<'a> Envelope<'a> {
    /// The envelope of attempt number `attempt` (from 1), made at `timestamp`.
    pub fn new(event: &'a Event, skills: &'a [SkillRef], attempt: u32, timestamp: Timestamp) -> Self {
        let channel = EnvelopeChannel { name: event.channel.as_str(), plugin: event.plugin.as_str() };
        Self { version: "1", timestamp, channel, skills, attempt, headers: &event.headers, event: event.cloud_event() }
    }

    /// The envelope as JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an envelope holds strings, numbers and JSON text")
    }
}
