//! Rules for attributes, of events from channels and of answers from agents.

use super::Event;

/// The maximum number of attributes of an event.
pub const MAX_ATTRIBUTES: usize = 64;

/// The maximum size of the value of an attribute in bytes.
pub const MAX_ATTRIBUTE: usize = 4096;

/// The attribute with the schema that an event was checked with (CloudEvents 1.0, section 3.1.2).
pub const DATA_SCHEMA: &str = "dataschema";
/// The attribute of an event that was let through although it does not match its schema.
pub const SCHEMA_PROBLEM: &str = "schemaproblem";
/// The attribute with the id of the event in quarantine that this one was released from.
pub const RELEASED_FROM: &str = "releasedfrom";
/// Attributes that only the host gives.
pub const HOST_ATTRIBUTES: [&str; 3] = [DATA_SCHEMA, SCHEMA_PROBLEM, RELEASED_FROM];

/// Whether `name` is a valid attribute name: 1 to 20 of `a-z0-9` (CloudEvents 1.0, section 3.1).
pub fn is_attribute_name(name: &str) -> bool {
    (1..=20).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

impl Event {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
