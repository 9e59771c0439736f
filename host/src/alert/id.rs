//! What identifies signals, groups and incidents: hashes over length-prefixed parts, so that no two lists of parts meet.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// Defines a hash as an identity. It is shown as hexadecimal digits.
macro_rules! identity {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
                let digest = digest(stringify!($name), parts);
                let mut id = [0; $bytes];
                id.copy_from_slice(&digest[..$bytes]);
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = hex::FromHexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut id = [0; $bytes];
                hex::decode_to_slice(text, &mut id)?;
                Ok(Self(id))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

identity! {
    /// The same alert: scope and key fields.
    SignalId, 16
}
identity! {
    /// What an agent works on: a group, and the position of the event that opened it.
    IncidentId, 8
}
identity! {
    /// What belongs together: a rule and the values of the labels that it groups by.
    GroupId, 16
}
identity! {
    /// What a sender puts into one notification: its receiver and the labels that it groups by.
    BundleId, 8
}
identity! {
    /// What a notification says of an alert, or who sent it.
    Fact, 8
}

fn digest<'a>(kind: &'a str, parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in std::iter::once(kind.as_bytes()).chain(parts) {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(SignalId::of([&b"ab"[..], b"c"]), SignalId::of([&b"a"[..], b"bc"]));
        let id = IncidentId::of([&b"x"[..]]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{id}\""));
    }
}
