//! What two requests that bring the same fact have in common.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::event::ChannelName;

/// What two requests that bring the same fact have in common.
///
/// A hash over length-prefixed parts, so that no two different lists of parts meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity(pub(crate) [u8; 16]);

impl Identity {
    /// The identity that a channel plugin states with `key`.
    pub fn of_key(channel: &ChannelName, key: &str) -> Self {
        Self::of_parts(b"key", &[channel.as_str().as_bytes(), key.as_bytes()])
    }

    /// The identity of the event at `index` of a receipt for the provider's `delivery_id`.
    ///
    /// The digest of the body is part of it, because providers do not sign the id: a forged request with a known id
    /// must not suppress the real event.
    pub fn of_delivery(channel: &ChannelName, delivery_id: &str, body_sha256: &[u8; 32], index: u32) -> Self {
        Self::of_parts(
            b"delivery",
            &[channel.as_str().as_bytes(), delivery_id.as_bytes(), body_sha256, &index.to_be_bytes()],
        )
    }

    /// The identity of an event that a service emits: its own source and id (CloudEvents 1.0, section 3.1.1).
    pub fn of_emitted(channel: &ChannelName, source: &str, id: &str) -> Self {
        Self::of_parts(b"emitted", &[channel.as_str().as_bytes(), source.as_bytes(), id.as_bytes()])
    }

    /// The identity of an event that another log had under the id `original`.
    pub fn of_import(channel: &ChannelName, original: &str) -> Self {
        Self::of_parts(b"import", &[channel.as_str().as_bytes(), original.as_bytes()])
    }

    /// The identity of a thing that the states of `group` are about: what names it within the channel.
    pub fn of_thing<'a>(channel: &'a ChannelName, group: &'a str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut parts = vec![channel.as_str().as_bytes(), group.as_bytes()];
        parts.extend(names.into_iter().map(str::as_bytes));
        Self::of_parts(b"thing", &parts)
    }

    /// The identity of a state, which the plugin names with a key, or which is the content.
    pub fn of_state(name: &[u8]) -> Self {
        Self::of_parts(b"state", &[name])
    }

    /// The identity of a sender among several of the same facts.
    pub fn of_peer(name: &str) -> Self {
        Self::of_parts(b"peer", &[name.as_bytes()])
    }

    fn of_parts(kind: &[u8], parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in std::iter::once(&kind).chain(parts) {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let digest = hasher.finalize();
        let mut identity = [0; 16];
        identity.copy_from_slice(&digest[..16]);
        Self(identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_differ_by_every_part() {
        let [a, b]: [ChannelName; 2] = ["a".parse().unwrap(), "ab".parse().unwrap()];
        let all = [
            Identity::of_key(&a, "bc"),
            Identity::of_key(&b, "c"),
            Identity::of_delivery(&a, "bc", &[0; 32], 0),
            Identity::of_delivery(&a, "bc", &[0; 32], 1),
            Identity::of_delivery(&a, "bc", &[1; 32], 0),
            Identity::of_delivery(&b, "c", &[0; 32], 0),
            Identity::of_thing(&a, "bc", ["d"]),
            Identity::of_thing(&a, "b", ["cd"]),
            Identity::of_thing(&a, "b", ["c", "d"]),
            Identity::of_thing(&b, "c", ["d"]),
            Identity::of_state(b"bc"),
            Identity::of_peer("bc"),
            Identity::of_import(&a, "bc"),
        ];

        for (index, identity) in all.iter().enumerate() {
            assert!(!all[index + 1..].contains(identity), "{index}");
        }
        assert_eq!(all[0], Identity::of_key(&a, "bc"));
    }
}
