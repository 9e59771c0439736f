//! What attributes may be, whoever gives them: a channel's plugin to an event, an agent's to its answer.

use super::Event;

/// Attributes of one event.
pub const MAX_ATTRIBUTES: usize = 64;

/// Bytes of the value of an attribute.
pub const MAX_ATTRIBUTE: usize = 4096;

/// Whether `name` can be that of an attribute: 1 to 20 of `a-z0-9` (CloudEvents 1.0, section 3.1).
pub fn is_attribute_name(name: &str) -> bool {
    (1..=20).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

impl Event {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
