//! The Standard Webhooks specification 1.0: verification for channels, signatures for outbound requests.
//!
//! `v1` entries are signed with a shared secret (`whsec_`), `v1a` entries with a private key whose public key (`whpk_`) is the
//! secret here; a channel can have both. Entries of other versions are ignored. An id with a dot is refused in both directions,
//! because dots separate the parts of the signed text.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::digits::digits;
use super::hmac::SecretEncoding;
use super::mac::{Algorithm, Tag};
use super::signature::{Candidates, Encoding, Format};
use super::timestamp::check_age;
use super::tolerance::{Tolerance, Unit};
use super::{Header, Secret, SignError, Signed, VerifyError, ed25519};
use crate::event::Timestamp;

/// The header with the message id.
pub const ID: &str = "webhook-id";

/// `webhook-id`, `webhook-timestamp` and `webhook-signature`, or the same with `svix-`. A secret is a key in base64, mostly after
/// `whsec_`, or a public key after `whpk_`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandardWebhooks {
    #[serde(default = "five_minutes")]
    pub(super) tolerance: Tolerance,
}

const fn five_minutes() -> Tolerance {
    Tolerance::FIVE_MINUTES
}

/// The names of the three headers.
struct Names {
    id: Header,
    timestamp: Header,
    signature: Header,
}

const WEBHOOK: Names = Names {
    id: Header::from_static(ID),
    timestamp: Header::from_static("webhook-timestamp"),
    signature: Header::from_static("webhook-signature"),
};

const SVIX: Names = Names {
    id: Header::from_static("svix-id"),
    timestamp: Header::from_static("svix-timestamp"),
    signature: Header::from_static("svix-signature"),
};

const SHARED: Format<'static> =
    Format { separator: Some(" "), prefix: "v1,", encoding: Encoding::Base64, length: Algorithm::Sha256.length() };

const PUBLIC: Format<'static> =
    Format { separator: Some(" "), prefix: "v1a,", encoding: Encoding::Base64, length: Signature::BYTE_SIZE };

/// The maximum number of `v1a` entries. Each costs a hash of the whole body; a rotation needs no more.
const MAX_PUBLIC: usize = 4;

/// The key in a secret, by its prefix.
enum Key<'a> {
    Shared(Cow<'a, [u8]>),
    Public(VerifyingKey),
}

impl<'a> Key<'a> {
    fn read(secret: &'a Secret) -> Result<Self, &'static str> {
        let Some(text) = secret.expose().strip_prefix(b"whpk_") else {
            return SecretEncoding::Whsec.key(secret).map(Self::Shared);
        };
        let bytes = STANDARD.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let key = bytes.and_then(|bytes| ed25519::usable_key(&bytes));
        key.map(Self::Public).ok_or("expected `whpk_` followed by an Ed25519 public key in padded base64")
    }
}

impl StandardWebhooks {
    pub(super) fn verify(&self, secrets: &[Secret], request: &Signed<'_>, now: Timestamp) -> Result<(), VerifyError> {
        // One set of headers or the other, never a mixture.
        let names = [WEBHOOK.id, WEBHOOK.timestamp, WEBHOOK.signature];
        let has_any = names.iter().any(|name| name.is_in(request.headers));
        let is_svix = !has_any && SVIX.signature.is_in(request.headers);
        let names = if is_svix { SVIX } else { WEBHOOK };

        let id = names.id.only(request.headers)?;
        let timestamp = names.timestamp.only(request.headers)?;
        let value = names.signature.only(request.headers)?;
        if id.is_empty() || id.contains(&b'.') {
            return Err(names.id.malformed("an id without `.`"));
        }
        let time = digits(timestamp).ok_or_else(|| names.timestamp.malformed("an integer in ASCII digits"))?;
        check_age(self.tolerance, time, Unit::Seconds, now)?;
        let shared = Candidates::read(&names.signature, value, &SHARED);
        let public = Candidates::read(&names.signature, value, &PUBLIC);
        if let (Err(malformed), Err(_)) = (&shared, &public) {
            return Err(malformed.clone());
        }
        if public.as_ref().is_ok_and(|public| public.iter().count() > MAX_PUBLIC) {
            return Err(names.signature.malformed("at most 4 entries of `v1a`"));
        }
        let mut message = None;
        let mut refused = VerifyError::NoSecret;
        for key in secrets.iter().filter_map(|secret| Key::read(secret).ok()) {
            let passes = match (&key, &shared, &public) {
                (Key::Shared(key), Ok(shared), _) => shared.contains(tag(key, id, timestamp, request.body).as_bytes()),
                (Key::Public(key), _, Ok(public)) => {
                    // The signature hashes the message twice, so the message must be contiguous.
                    let message = message.get_or_insert_with(|| [id, timestamp, request.body].join(&b'.'));
                    public.iter().any(|candidate| ed25519::verifies(key, message, candidate))
                }
                _ => false,
            };
            if passes {
                return Ok(());
            }
            refused = VerifyError::Mismatch;
        }
        Err(refused)
    }

    pub(super) fn is_signature_header(name: &str) -> bool {
        name == WEBHOOK.signature.as_str() || name == SVIX.signature.as_str()
    }

    pub(super) fn accepts_secret(secret: &Secret) -> Result<(), &'static str> {
        Key::read(secret).map(drop)
    }
}

/// Whether the secret can sign requests; otherwise what was expected.
pub fn can_sign(secret: &Secret) -> Result<(), &'static str> {
    SecretEncoding::Whsec.key(secret).map(drop)
}

/// The three headers for `body`, sent at `at` with `id`, signed with each of the secrets. A retry keeps its id.
pub fn sign(
    secrets: &[&Secret],
    id: &str,
    at: Timestamp,
    body: &[u8],
) -> Result<[(&'static str, String); 3], SignError> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.') {
        return Err(SignError::Id { id: id.to_owned() });
    }
    let time = Unit::Seconds.of(at).to_string();
    let signature = |secret: &&Secret| {
        if let Ok(Key::Public(_)) = Key::read(secret) {
            return Err(SignError::PrivateKey { scheme: "standard-webhooks" });
        }
        let key = SecretEncoding::Whsec
            .key(secret)
            .map_err(|expected| SignError::Secret { expected: expected.to_owned() })?;
        let tag = tag(&key, id.as_bytes(), time.as_bytes(), body);
        Ok(format!("{}{}", SHARED.prefix, SHARED.encoding.encode(tag.as_bytes())))
    };
    let signatures = secrets.iter().map(signature).collect::<Result<Vec<_>, _>>()?.join(" ");
    Ok([(ID, id.to_owned()), ("webhook-timestamp", time), ("webhook-signature", signatures)])
}

fn tag(key: &[u8], id: &[u8], timestamp: &[u8], body: &[u8]) -> Tag {
    let message = |sink: &mut dyn FnMut(&[u8])| {
        [id, b".", timestamp, b".", body].into_iter().for_each(sink);
        Ok::<(), std::convert::Infallible>(())
    };
    match Algorithm::Sha256.tag(key, message) {
        Ok(tag) => tag,
    }
}
