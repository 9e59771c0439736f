//! `[[schemas]]`.

use std::path::PathBuf;

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::document::Schema;
use crate::event::Pattern;

/// All schemas.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The first one that names a kind is its schema.
    pub schemas: Vec<SchemaSettings>,
    /// The path below which subscribers find versions, such as `/api/schemas`.
    pub path: String,
}

/// The schema of some kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaSettings {
    /// Not empty.
    pub kinds: Vec<Pattern>,
    pub file: PathBuf,
    /// What the file holds, or why it cannot be read.
    pub content: Result<Bytes, String>,
    /// `None` leaves it to the channel.
    pub on_mismatch: Option<OnMismatch>,
    pub compatibility: Compatibility,
    /// The largest payload that is checked, in bytes; a larger one does not match.
    pub max_data: usize,
}

impl SchemaSettings {
    pub const MAX_DATA: usize = 1 << 20;

    /// What is wrong with the file; `None` if it is a schema.
    pub fn problem(&self) -> Option<String> {
        self.read().err()
    }

    pub(super) fn read(&self) -> Result<Schema, String> {
        Schema::read(self.content.as_ref().map_err(String::clone)?).map_err(|problem| problem.to_string())
    }

    /// What stays the same while the file changes.
    pub(super) fn id(&self) -> String {
        let kinds: Vec<_> = self.kinds.iter().map(Pattern::as_str).collect();
        hex::encode(&Sha256::digest(kinds.join("\n"))[..8])
    }
}

/// What becomes of an event that does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnMismatch {
    /// The request is answered with 422, and nothing of it is stored.
    Refuse,
    /// It is stored, and told to nobody before it is released.
    Quarantine,
    /// It is told, with the attribute `schemaproblem`.
    Tag,
}

/// Where events come from that are to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A webhook: a provider may never send again what is refused.
    Webhook,
    /// A service that emits, and can mend what it emits.
    Emitted,
    /// A source that is polled: there is nobody to refuse it to.
    Polled,
}

impl OnMismatch {
    /// What becomes of an event of `origin` if `this` is configured.
    pub(super) fn at(this: Option<Self>, origin: Origin) -> Self {
        match (this, origin) {
            (None | Some(Self::Refuse), Origin::Polled) | (None, Origin::Webhook) => Self::Quarantine,
            (None, Origin::Emitted) => Self::Refuse,
            (Some(this), _) => this,
        }
    }
}

/// What a new version owes the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compatibility {
    #[default]
    None,
    /// What was valid stays valid: who reads with the new version reads old events too.
    Backward,
    /// What is valid was valid before: who reads with the old version reads new events too.
    Forward,
    /// Both.
    Full,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_send_again_is_never_refused_unless_it_is_asked_for() {
        use OnMismatch::{Quarantine, Refuse, Tag};
        for (asked, webhook, emitted, polled) in [
            (None, Quarantine, Refuse, Quarantine),
            (Some(Refuse), Refuse, Refuse, Quarantine),
            (Some(Quarantine), Quarantine, Quarantine, Quarantine),
            (Some(Tag), Tag, Tag, Tag),
        ] {
            let at = |origin| OnMismatch::at(asked, origin);
            let found = (at(Origin::Webhook), at(Origin::Emitted), at(Origin::Polled));
            assert_eq!(found, (webhook, emitted, polled), "{asked:?}");
        }
    }
}
