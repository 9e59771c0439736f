//! Kinds whose keys name states, as the manifest or the configuration lists them.

use serde::Deserialize;

use crate::event::is_attribute_name;
use crate::event::names_kind;

/// Kinds whose keys name states of the same things. A thing is in one of these states at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct StateGroup {
    /// Tells it from other groups of the channel: of one thing each has a last state.
    pub name: String,
    /// Without the channel's name; a `*` at the end stands for any rest.
    pub kinds: Vec<String>,
    /// The attributes that name the thing together; empty means its subject.
    #[serde(default)]
    pub thing: Vec<String>,
    /// The attribute with the provider's time of the state.
    pub time: Option<String>,
    /// The attribute that names the sender, where several send the same.
    pub peer: Option<String>,
}

impl StateGroup {
    /// Whether the keys of events of `kind` name its states.
    pub fn covers(&self, kind: &str) -> bool {
        self.kinds.iter().any(|name| names_kind(name, kind))
    }

    /// The first of its attributes whose name is none.
    pub fn bad_attribute(&self) -> Option<&str> {
        let names = self.thing.iter().chain(&self.time).chain(&self.peer);
        names.map(String::as_str).find(|name| !is_attribute_name(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_covers_kinds_by_name_and_by_beginning() {
        let group = StateGroup { kinds: vec!["issue.resolved".to_owned(), "alert.*".to_owned()], ..Default::default() };
        for (kind, expected) in [
            ("issue.resolved", true),
            ("issue.resolved.again", false),
            ("issue", false),
            ("alert.firing", true),
            ("alert.", true),
            ("alert", false),
        ] {
            assert_eq!(group.covers(kind), expected, "{kind}");
        }
    }

    #[test]
    fn names_of_attributes_are_checked() {
        let group = |thing: &str, peer: &str| StateGroup {
            thing: vec![thing.to_owned()],
            peer: Some(peer.to_owned()),
            ..Default::default()
        };
        assert_eq!(group("org", "externalurl").bad_attribute(), None);
        assert_eq!(group("org", "externalURL").bad_attribute(), Some("externalURL"));
        assert_eq!(group("", "externalurl").bad_attribute(), Some(""));
    }
}
