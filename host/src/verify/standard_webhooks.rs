//! Signatures as in the Standard Webhooks specification, 1.0: checked for channels, made for outbound requests.
//!
//! Ed25519 entries (`v1a`) and entries of other versions are passed over. An id with a dot is refused in both directions:
//! the parts of the signed text are joined with dots, and nobody may move the joints.

use serde::{Deserialize, Serialize};

use super::hmac::SecretEncoding;
use super::mac::{Algorithm, Tag};
use super::signature::{Candidates, Encoding, Format};
use super::timestamp::{Tolerance, Unit, digits};
use super::{Header, Secret, SignError, Signed, VerifyError};
use crate::event::Timestamp;

/// `webhook-id`, `webhook-timestamp` and `webhook-signature`, or the same with `svix-`; the secret starts with `whsec_`.
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
    id: Header::from_static("webhook-id"),
    timestamp: Header::from_static("webhook-timestamp"),
    signature: Header::from_static("webhook-signature"),
};

const SVIX: Names = Names {
    id: Header::from_static("svix-id"),
    timestamp: Header::from_static("svix-timestamp"),
    signature: Header::from_static("svix-signature"),
};

const FORMAT: Format<'static> =
    Format { separator: Some(" "), prefix: "v1,", encoding: Encoding::Base64, length: Algorithm::Sha256.length() };

impl StandardWebhooks {
    pub(super) fn verify(&self, secrets: &[Secret], request: &Signed<'_>, now: Timestamp) -> Result<(), VerifyError> {
        // One set or the other, never a mixture: the first of its headers decides.
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
        self.tolerance.check(time, Unit::Seconds, now)?;
        let candidates = Candidates::read(&names.signature, value, &FORMAT)?;
        let mut refused = VerifyError::NoSecret;
        for secret in secrets {
            let Ok(key) = SecretEncoding::Whsec.key(secret) else { continue };
            if candidates.contains(tag(&key, id, timestamp, request.body).as_bytes()) {
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
        SecretEncoding::Whsec.key(secret).map(drop)
    }
}

/// The three headers for `body`, sent at `at` under `id`; a repeated attempt keeps its id.
pub fn sign(secret: &Secret, id: &str, at: Timestamp, body: &[u8]) -> Result<[(&'static str, String); 3], SignError> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.') {
        return Err(SignError::Id { id: id.to_owned() });
    }
    let key =
        SecretEncoding::Whsec.key(secret).map_err(|expected| SignError::Secret { expected: expected.to_owned() })?;
    let time = Unit::Seconds.of(at).to_string();
    let tag = tag(&key, id.as_bytes(), time.as_bytes(), body);
    Ok([
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", time),
        ("webhook-signature", format!("{}{}", FORMAT.prefix, FORMAT.encoding.encode(tag.as_bytes()))),
    ])
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
