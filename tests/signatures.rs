//! The signature matrix: every verification scheme against every manipulation of a signed request.
//!
//! The end-to-end tests run it once, the hardening suite repeatedly with other bodies.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod scheme;

use std::fmt;

use ed25519_dalek::{Signer, SigningKey};
use gateway::event::Timestamp;
use gateway::verify::{Draft, Recipe, Secret, Signed};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

pub(crate) use self::scheme::{SCHEMES, SchemeRow, recipe_of};

/// The time of the host's clock.
pub(crate) const NOW: i64 = 1_700_000_000;

/// A request of a sender.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(body: &[u8], headers: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            headers: headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect(),
            path: "/webhooks/any".to_owned(),
            query: String::new(),
            body: body.to_vec(),
        }
    }

    /// Whether the host accepts the request with these secrets. A header that HTTP does not allow is a refusal.
    pub(crate) fn passes(&self, recipe: &Recipe, secrets: &[Secret], at: i64) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value)) else {
                return false;
            };
            headers.append(name, value);
        }
        let Self { path, query, body, .. } = self;
        let signed = Signed { method: &Method::POST, path, query, headers: &headers, body };
        recipe.verify(secrets, &signed, seconds(at)).is_ok()
    }

    pub(crate) fn header(&mut self, name: &str) -> Option<&mut Vec<u8>> {
        self.headers.iter_mut().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

pub(crate) fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec()).unwrap()
}

/// The manipulation of a correctly signed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Untouched,
    AlteredByte,
    LongerBody,
    DuplicateHeader,
    MissingHeader,
    Stale,
    Future,
    WrongAlgorithm,
    OldKey,
    NewKey,
    RetiredKey,
    Reserialised,
    Gzipped,
}

pub(crate) const CASES: &[Case] = &[
    Case::Untouched,
    Case::AlteredByte,
    Case::LongerBody,
    Case::DuplicateHeader,
    Case::MissingHeader,
    Case::Stale,
    Case::Future,
    Case::WrongAlgorithm,
    Case::OldKey,
    Case::NewKey,
    Case::RetiredKey,
    Case::Reserialised,
    Case::Gzipped,
];

/// One cell of the matrix.
pub(crate) struct Cell {
    pub(crate) scheme: &'static str,
    pub(crate) case: Case,
    /// Whether the request must pass.
    pub(crate) expected: bool,
    pub(crate) found: bool,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |passes| if passes { "passes" } else { "is refused" };
        write!(f, "{}, {:?}: {}, expected the opposite", self.scheme, self.case, word(self.found))
    }
}

impl Cell {
    pub(crate) fn holds(&self) -> bool {
        self.expected == self.found
    }
}

/// The whole matrix for one body. The body is JSON in a format that no serializer here would produce.
pub(crate) fn matrix(body: &[u8]) -> Vec<Cell> {
    SCHEMES.iter().flat_map(|scheme| CASES.iter().filter_map(|case| cell(scheme, *case, body))).collect()
}

/// One cell; `None` if the case cannot be applied to the scheme.
fn cell(scheme: &SchemeRow, case: Case, body: &[u8]) -> Option<Cell> {
    let recipe = scheme.recipe();
    let (own, other) = (secret(scheme.secret), secret(scheme.other_secret));
    let signed_at = |at: i64| signed(scheme, &recipe, body, at);
    let mut request = signed_at(NOW);
    let mut secrets = vec![own.clone()];
    let mut expected = false;
    match case {
        Case::Untouched => expected = true,
        Case::AlteredByte => {
            expected = !scheme.covers_body;
            let middle = request.body.len() / 2;
            request.body[middle] ^= 1;
        }
        Case::LongerBody => {
            expected = !scheme.covers_body;
            request.body.push(b' ');
        }
        Case::DuplicateHeader => request.headers.push(request.headers.last()?.clone()),
        Case::MissingHeader => drop(request.headers.pop()),
        Case::Stale => request = scheme.has_time.then(|| signed_at(NOW - 3600))?,
        Case::Future => request = scheme.has_time.then(|| signed_at(NOW + 3600))?,
        Case::WrongAlgorithm => {
            let other = Recipe::new(vec![serde_json::from_str(scheme.other_algorithm?).unwrap()]).unwrap();
            let draft = draft(body);
            request = Request::new(body, other.sign(&own, &draft, seconds(NOW)).unwrap());
        }
        Case::OldKey => {
            expected = true;
            secrets = vec![other, own];
        }
        Case::NewKey => {
            expected = true;
            secrets = vec![own, other];
        }
        Case::RetiredKey => secrets = vec![other],
        Case::Reserialised => {
            expected = !scheme.covers_body;
            let value: serde_json::Value = serde_json::from_slice(body).unwrap();
            request.body = serde_json::to_vec(&value).unwrap();
            assert_ne!(request.body, body, "the body has to be written in a way of its own");
        }
        Case::Gzipped => {
            expected = !scheme.covers_body;
            request.body = stored_gzip(body);
        }
    }
    let found = request.passes(&recipe, &secrets, NOW);
    Some(Cell { scheme: scheme.name, case, expected, found })
}

fn draft(body: &[u8]) -> Draft<'_> {
    Draft { method: &Method::POST, path: "/webhooks/any", query: "", id: None, body }
}

/// A request signed at `at`: by the host's own signer, or by the private key if the scheme has a public key.
pub(crate) fn signed(scheme: &SchemeRow, recipe: &Recipe, body: &[u8], at: i64) -> Request {
    if let Some(seed) = scheme.seed {
        let signer = SigningKey::from_bytes(&seed);
        return Request::new(body, scheme.sign_with(&signer, body, at));
    }
    Request::new(body, recipe.sign(&secret(scheme.secret), &draft(body), seconds(at)).unwrap())
}

/// The body in the coding `gzip`, without compression: a proxy in front of the gateway might send it.
fn stored_gzip(body: &[u8]) -> Vec<u8> {
    let mut coded = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    for (index, block) in body.chunks(0xffff).enumerate() {
        let length = u16::try_from(block.len()).unwrap();
        coded.push(u8::from((index + 1) * 0xffff >= body.len()));
        coded.extend_from_slice(&length.to_le_bytes());
        coded.extend_from_slice(&(!length).to_le_bytes());
        coded.extend_from_slice(block);
    }
    coded.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    coded.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
    coded
}

impl SchemeRow {
    /// Signs with the private key.
    fn sign_with(&self, signer: &SigningKey, body: &[u8], at: i64) -> Vec<(String, String)> {
        let time = at.to_string();
        let owned = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        if self.name.starts_with("standard") {
            let message = [b"msg_1.", time.as_bytes(), b".", body].concat();
            let signature = format!("v1a,{}", base64(&signer.sign(&message).to_bytes()));
            owned(&[("webhook-id", "msg_1"), ("webhook-timestamp", &time), ("webhook-signature", &signature)])
        } else {
            let signature = hex::encode(signer.sign(&[time.as_bytes(), body].concat()).to_bytes());
            owned(&[("x-signature-timestamp", &time), ("x-signature-ed25519", &signature)])
        }
    }
}

/// A deterministic sequence of pseudorandom numbers (xorshift).
pub(crate) fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
