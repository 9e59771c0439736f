//! What the host signs, it verifies.

use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use super::super::{Recipe, Secret};
use super::{Request, draft, recipe, seconds, secret};

const NOW: i64 = 1_700_000_000;

fn bodies() -> Vec<Vec<u8>> {
    vec![
        Vec::new(),
        vec![b'x'],
        r#"{"title":"café 😀"}"#.as_bytes().to_vec(),
        vec![0xff, 0x00, 0xfe, b'\n', 0x80],
        (0..64 * 1024_u32).map(|index| index.to_le_bytes()[usize::from(index % 3 == 0)]).collect(),
    ]
}

fn hmac(algorithm: &str, encoding: &str, secret_encoding: &str) -> Value {
    json!([{"scheme": "hmac", "algorithm": algorithm, "header": "x-signature", "encoding": encoding,
            "secret_encoding": secret_encoding, "prefix": "v1=", "separator": ";",
            "signed": [{"header": "x-id"}, {"literal": "."}, "timestamp", {"literal": "."}, "body"],
            "timestamp": {"from": {"header": "x-time"}, "unit": "ms", "tolerance": "1m"}}])
}

/// A recipe that signs, the secret, and the header whose every bit counts from this place on.
fn signatures() -> Vec<(Value, &'static str, &'static str, usize)> {
    vec![
        (super::github(), "key", "x-hub-signature-256", 7),
        (super::slack(), "key", "x-slack-signature", 3),
        (super::grafana(), "key", "x-grafana-alerting-signature", 0),
        (super::stripe(), "whsec_raw", "stripe-signature", 16),
        (super::standard_webhooks(), "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "webhook-signature", 3),
        (hmac("sha1", "hex", "raw"), "key", "x-signature", 3),
        (hmac("sha256", "base64", "base64"), "a2V5", "x-signature", 3),
        (hmac("sha512", "base64", "whsec"), "whsec_a2V5", "x-signature", 3),
        (hmac("sha512", "hex", "raw"), "key", "x-signature", 3),
    ]
}

fn passes(request: &Request, recipe: &Recipe, secret: &Secret) -> bool {
    request.verify(recipe, std::slice::from_ref(secret), seconds(NOW)).is_ok()
}

#[test]
fn what_is_signed_passes_and_no_bit_of_it_can_change() {
    for (schemes, text, header, start) in signatures() {
        let (recipe, key) = (recipe(schemes), secret(text));
        for body in bodies() {
            let request = Request::new(&body, recipe.sign(&key, &draft(&body), seconds(NOW)).unwrap());

            assert!(passes(&request, &recipe, &key), "{recipe:?}");
            assert!(!passes(&request, &recipe, &secret("whsec_b3RoZXI=")), "{recipe:?}");
            // A large body makes every check slow, and the signature has the same length for all of them.
            let step = if body.len() > 1024 { 37 } else { 1 };
            no_flip_of_the_signature_passes(&request, &recipe, &key, header, start, step);
            no_flip_of_the_body_passes(&request, &recipe, &key);
        }
    }
}

fn no_flip_of_the_signature_passes(
    request: &Request,
    recipe: &Recipe,
    key: &Secret,
    header: &str,
    start: usize,
    step: usize,
) {
    let original = request.clone().header(header).clone();
    for bit in (start * 8..original.len() * 8).step_by(step) {
        let mut changed = original.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let is_other_case =
            changed.eq_ignore_ascii_case(&original) && original[start..].iter().all(u8::is_ascii_hexdigit);
        // What HTTP does not let into a header never gets here.
        if is_other_case || http::HeaderValue::from_bytes(&changed).is_err() {
            continue;
        }
        let mut request = request.clone();
        *request.header(header) = changed;

        assert!(!passes(&request, recipe, key), "bit {bit} of {header}");
    }
}

fn no_flip_of_the_body_passes(request: &Request, recipe: &Recipe, key: &Secret) {
    let bits = request.body.len() * 8;
    for bit in (0..bits).step_by((bits / 64).max(1)) {
        let mut request = request.clone();
        request.body[bit / 8] ^= 1 << (bit % 8);

        assert!(!passes(&request, recipe, key), "bit {bit} of the body");
    }
    let mut longer = request.clone();
    longer.body.push(0);
    assert!(!passes(&longer, recipe, key));
}

#[test]
fn signed_headers_cannot_change() {
    let (recipe, key) = (recipe(hmac("sha256", "hex", "raw")), secret("key"));
    let request = Request::new(b"{}", recipe.sign(&key, &draft(b"{}"), seconds(NOW)).unwrap());
    assert!(passes(&request, &recipe, &key));
    for header in ["x-id", "x-time"] {
        let mut changed = request.clone();
        *changed.header(header).last_mut().unwrap() ^= 1;

        assert!(!passes(&changed, &recipe, &key), "{header}");
    }
}

#[test]
fn a_body_with_a_fresh_timestamp_is_signed_and_another_is_not() {
    let (recipe, key) = (recipe(super::linear()), secret("key"));
    let fresh = br#"{"webhookTimestamp":1700000000000}"#;
    let request = Request::new(fresh, recipe.sign(&key, &draft(fresh), seconds(NOW)).unwrap());

    assert!(passes(&request, &recipe, &key));
    assert!(recipe.sign(&key, &draft(br#"{"webhookTimestamp":1}"#), seconds(NOW)).is_err());
    assert!(recipe.sign(&key, &draft(b"{}"), seconds(NOW)).is_err());
}

#[test]
fn tokens_are_sent_as_they_are_checked() {
    for schemes in [super::token("header", Some("X-Token")), super::token("bearer", None), super::token("basic", None)]
    {
        let (recipe, key) = (recipe(schemes), secret("user:pass wörd"));
        let request = Request::new(b"", recipe.sign(&key, &draft(b""), seconds(NOW)).unwrap());

        assert!(passes(&request, &recipe, &key), "{recipe:?}");
        assert!(!passes(&request, &recipe, &secret("user:other")), "{recipe:?}");
    }
    assert!(recipe(super::token("query", Some("t"))).sign(&secret("key"), &draft(b""), seconds(NOW)).is_err());
}

#[test]
fn signing_takes_the_first_alternative_that_fits_the_secret() {
    let recipe = recipe(json!([super::standard_webhooks()[0], super::token("header", Some("x-gitlab-token"))[0]]));
    let first = |text: &str| recipe.sign(&secret(text), &draft(b""), seconds(NOW)).unwrap().swap_remove(0).0;

    assert_eq!(first("whsec_a2V5"), "webhook-id");
    assert_eq!(first("plain"), "x-gitlab-token");
    assert_eq!(Recipe::open().sign(&secret("any"), &draft(b""), seconds(NOW)), Ok(Vec::new()));
}

#[test]
fn no_bit_of_an_ed25519_signature_or_its_message_can_change() {
    let signer = SigningKey::from_bytes(&[7; 32]);
    let (hex_recipe, key) = (recipe(super::discord()), secret(&hex::encode(signer.verifying_key().as_bytes())));
    for body in bodies() {
        let message = [NOW.to_string().as_bytes(), &body].concat();
        let signature = hex::encode(signer.sign(&message).to_bytes());
        let headers = [("x-signature-timestamp", NOW.to_string()), ("x-signature-ed25519", signature)];
        let request = Request::new(&body, headers.map(|(name, value)| (name.to_owned(), value)));

        assert!(passes(&request, &hex_recipe, &key));
        // Curve arithmetic is slow without optimisation, so every bit is tried with one of the bodies only.
        let step = if body.len() == 1 { 1 } else { 37 };
        no_flip_of_the_signature_passes(&request, &hex_recipe, &key, "x-signature-ed25519", 0, step);
        no_flip_of_the_body_passes(&request, &hex_recipe, &key);
    }
}
