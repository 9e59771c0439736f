//! Rules for attributes, of events from channels and of answers from agents.

use super::Event;

/// The maximum number of attributes of an event.
pub const MAX_ATTRIBUTES: usize = 64;

/// The maximum size of the value of an attribute in bytes.
pub const MAX_ATTRIBUTE: usize = 4096;

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
