//! Requests that must not pass.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use super::super::{Secret, VerifyError, standard_webhooks};
use super::{Request, draft, recipe, seconds, secret};

const NOW: i64 = 1_700_000_000;

/// The kind of outcome, for tables.
pub(super) fn outcome(result: &Result<(), VerifyError>) -> &'static str {
    match result {
        Ok(()) => "passes",
        Err(VerifyError::Missing { .. }) => "missing",
        Err(VerifyError::Duplicate { .. }) => "duplicate",
        Err(VerifyError::Malformed { .. }) => "malformed",
        Err(VerifyError::Stale { .. }) => "stale",
        Err(VerifyError::Mismatch) => "mismatch",
        Err(VerifyError::Claim { .. }) => "claim",
        Err(VerifyError::NoSecret) => "no secret",
    }
}

fn check(schemes: &Value, text: &str, request: &Request, expected: &str) {
    let result = request.verify(&recipe(schemes.clone()), &[secret(text)], seconds(NOW));

    assert_eq!(outcome(&result), expected, "{schemes} {:?} {result:?}", request.headers);
    if let Err(failure) = result {
        assert!(!failure.to_string().contains(text), "{failure}");
    }
}

fn signed(schemes: &Value, text: &str, at: i64) -> Request {
    let body = br#"{"a":1,"webhookTimestamp":1700000000000}"#;
    Request::new(body, recipe(schemes.clone()).sign(&secret(text), &draft(body), seconds(at)).unwrap())
}

#[test]
fn a_malformed_signature_never_matches() {
    let good = signed(&super::github(), "key", NOW);
    let hex = String::from_utf8(good.headers[0].1.clone()).unwrap().split_off("sha256=".len());
    for (value, expected) in [
        (format!("sha256={hex}"), "passes"),
        (format!("sha256={}", hex.to_uppercase()), "passes"),
        (format!("SHA256={hex}"), "malformed"),
        (format!("sha1={hex}"), "malformed"),
        (hex.clone(), "malformed"),
        (format!("sha256={}", &hex[..62]), "malformed"),
        (format!("sha256={hex}00"), "malformed"),
        (format!("sha256={}z", &hex[..63]), "malformed"),
        (format!("sha256= {hex}"), "malformed"),
        (format!("sha256={hex},sha256={hex}"), "malformed"),
        ("sha256=".to_owned(), "malformed"),
        (String::new(), "malformed"),
        (format!("sha256={}", "0".repeat(64)), "mismatch"),
    ] {
        let mut request = good.clone();
        *request.header("x-hub-signature-256") = value.into_bytes();

        check(&super::github(), "key", &request, expected);
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_in_every_header() {
    for (schemes, header, text) in [
        (super::github(), "x-hub-signature-256", "key"),
        (super::stripe(), "stripe-signature", "key"),
        (super::slack(), "x-slack-request-timestamp", "key"),
        (super::standard_webhooks(), "webhook-signature", "whsec_a2V5"),
    ] {
        let mut request = signed(&schemes, text, NOW);
        *request.header(header) = vec![0xff, 0xfe];

        check(&schemes, text, &request, "malformed");
    }
}

#[test]
fn standard_webhooks_takes_complete_v1_entries_only() {
    let text = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let good = signed(&super::standard_webhooks(), text, NOW);
    let entry = String::from_utf8(good.headers[2].1.clone()).unwrap();
    for (value, expected) in [
        (entry.clone(), "passes"),
        (format!("v1, v1a,AAAA v2,AAAA {entry}"), "passes"),
        (format!("{entry} {entry}"), "passes"),
        ("v1,".to_owned(), "malformed"),
        ("v1".to_owned(), "malformed"),
        ("v1,AAAA".to_owned(), "malformed"),
        (entry.replace("v1,", "v2,"), "malformed"),
        (entry.replace("v1,", "v1a,"), "malformed"),
        (entry.replace('=', ""), "malformed"),
        (format!("{entry}="), "malformed"),
        (format!("{}{entry}", "v1, ".repeat(16)), "malformed"),
        (format!("v1,{}=", "A".repeat(43)), "mismatch"),
    ] {
        let mut request = good.clone();
        *request.header("webhook-signature") = value.into_bytes();

        check(&super::standard_webhooks(), text, &request, expected);
    }
}

/// During a rotation a request is signed with both secrets, and passes with either of them.
#[test]
fn standard_webhooks_are_signed_with_each_secret() {
    let (new, old) = (secret("whsec_bmV3"), secret("whsec_b2xk"));
    let signed = standard_webhooks::sign(&[&new, &old], "msg_1", seconds(NOW), b"{}").unwrap();
    let alone = standard_webhooks::sign(&[&old], "msg_1", seconds(NOW), b"{}").unwrap();

    let signatures: Vec<_> = signed[2].1.split(' ').collect();
    assert_eq!(signatures.len(), 2);
    assert_eq!(signatures[1], alone[2].1);
    assert_ne!(signatures[0], signatures[1]);
    assert_eq!(signed[..2], alone[..2]);
    let public = secret("whpk_11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert!(standard_webhooks::sign(&[&new, &public], "msg_1", seconds(NOW), b"{}").is_err());
}

/// A sender may go from shared secrets to a key pair while both stand in the configuration.
#[test]
fn standard_webhooks_takes_ed25519_signatures_with_a_public_key_only() {
    let signer = SigningKey::from_bytes(&[7; 32]);
    let body = br#"{"a":1}"#;
    let message = [&b"msg_1.1700000000."[..], body].concat();
    let entry = format!("v1a,{}", STANDARD.encode(signer.sign(&message).to_bytes()));
    let public = format!("whpk_{}", STANDARD.encode(signer.verifying_key().as_bytes()));
    let other = format!("whpk_{}", STANDARD.encode(SigningKey::from_bytes(&[8; 32]).verifying_key().as_bytes()));
    let shared = "whsec_a2V5";
    let by_shared = {
        let headers = standard_webhooks::sign(&[&secret(shared)], "msg_1", seconds(NOW), body).unwrap();
        headers[2].1.clone()
    };
    for (value, text, expected) in [
        (entry.clone(), public.as_str(), "passes"),
        (format!("{by_shared} {entry}"), &public, "passes"),
        (format!("{by_shared} {entry}"), shared, "passes"),
        (by_shared.clone(), &public, "mismatch"),
        (entry.clone(), shared, "mismatch"),
        (entry.clone(), &other, "mismatch"),
        (entry.replace("v1a,", "v1,"), &public, "malformed"),
        (entry.replace('=', ""), &public, "malformed"),
        ("v1a,".to_owned(), &public, "malformed"),
        (format!("v1a,{}==", "A".repeat(86)), &public, "mismatch"),
        (entry.clone(), "whpk_AAAA", "no secret"),
    ] {
        let headers = [("webhook-id", "msg_1"), ("webhook-timestamp", "1700000000"), ("webhook-signature", &value)];
        let request = Request::new(body, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));

        check(&super::standard_webhooks(), text, &request, expected);
        let mut changed = request.clone();
        changed.body[3] ^= 1;
        let result = changed.verify(&recipe(super::standard_webhooks()), &[secret(text)], seconds(NOW));
        assert!(result.is_err(), "{value}");
    }
    // Whoever knows the public key must not be able to sign with it as if it were shared.
    let forged = Request::new(body, [("x-gitlab-token".to_owned(), public.clone())]);
    let either = json!([super::token("header", Some("x-gitlab-token"))[0], super::standard_webhooks()[0]]);
    assert!(forged.verify(&recipe(either), &[secret(&public)], seconds(NOW)).is_err());
    assert!(standard_webhooks::sign(&[&secret(&public)], "msg_1", seconds(NOW), body).is_err());
}

#[test]
fn standard_webhooks_reads_one_complete_set_of_headers() {
    let text = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let good = signed(&super::standard_webhooks(), text, NOW);
    let mut svix = good.clone();
    for (name, _) in &mut svix.headers {
        *name = name.replace("webhook-", "svix-");
    }
    let mut mixed = good.clone();
    mixed.headers[0].0 = "svix-id".to_owned();
    let mut crossed = svix.clone();
    crossed.headers.push(("webhook-id".to_owned(), b"other".to_vec()));
    let mut dotted = good.clone();
    *dotted.header("webhook-id") = b"msg.1".to_vec();
    let mut empty = good.clone();
    *empty.header("webhook-id") = Vec::new();
    for (request, expected) in [
        (good, "passes"),
        (svix, "passes"),
        (mixed, "missing"),
        (crossed, "missing"),
        (dotted, "malformed"),
        (empty, "malformed"),
        (Request::default(), "missing"),
    ] {
        check(&super::standard_webhooks(), text, &request, expected);
    }
}

#[test]
fn an_id_with_a_dot_is_not_signed_either() {
    for id in ["", "a.b", "a b", "é"] {
        assert!(standard_webhooks::sign(&[&secret("whsec_a2V5")], id, seconds(NOW), b"").is_err(), "{id}");
    }
}

#[test]
fn a_timestamp_is_digits_near_now() {
    for (value, expected) in [
        ("1700000000", "passes"),
        ("1699999699", "stale"),
        ("1700000301", "stale"),
        ("9223372036854775807", "stale"),
        ("9223372036854775808", "malformed"),
        ("+1700000000", "malformed"),
        ("-1700000000", "malformed"),
        ("1700000000.0", "malformed"),
        ("17000000 00", "malformed"),
        ("NaN", "malformed"),
        ("", "malformed"),
        ("1700000001", "mismatch"),
    ] {
        for (schemes, header, text) in [
            (super::slack(), "x-slack-request-timestamp", "key"),
            (super::standard_webhooks(), "webhook-timestamp", "whsec_a2V5"),
        ] {
            let mut request = signed(&schemes, text, NOW);
            *request.header(header) = value.as_bytes().to_vec();

            check(&schemes, text, &request, expected);
        }
        let mut request = signed(&super::stripe(), "key", NOW);
        let header = request.header("stripe-signature");
        let text = String::from_utf8(header.clone()).unwrap().replace("t=1700000000", &format!("t={value}"));
        *header = text.into_bytes();
        check(&super::stripe(), "key", &request, expected);
    }
}

#[test]
fn a_correct_signature_does_not_make_a_stale_request_pass() {
    for (schemes, text) in [
        (super::slack(), "key"),
        (super::stripe(), "key"),
        (super::grafana_with_timestamp(), "key"),
        (super::standard_webhooks(), "whsec_a2V5"),
    ] {
        for (at, expected) in
            [(NOW - 300, "passes"), (NOW + 300, "passes"), (NOW - 301, "stale"), (NOW + 301, "stale"), (0, "stale")]
        {
            check(&schemes, text, &signed(&schemes, text, at), expected);
        }
    }
}

#[test]
fn a_list_without_its_timestamp_or_with_two_is_refused() {
    let good = signed(&super::stripe(), "key", NOW);
    let value = String::from_utf8(good.headers[0].1.clone()).unwrap();
    let (time, signature) = value.split_once(',').unwrap();
    for (value, expected) in [
        (value.clone(), "passes"),
        (format!("{signature},v0=00,{time}"), "passes"),
        (format!("{time}, {signature}"), "passes"),
        (signature.to_owned(), "missing"),
        (format!("{time},{value}"), "duplicate"),
        (format!("{value},t=1"), "duplicate"),
        (time.to_owned(), "malformed"),
        (format!("{time},v0={}", &signature[3..]), "malformed"),
    ] {
        let mut request = good.clone();
        *request.header("stripe-signature") = value.into_bytes();

        check(&super::stripe(), "key", &request, expected);
    }
}

#[test]
fn a_timestamp_in_the_body_counts_once_the_signature_matches() {
    let body_only = {
        let mut schemes = super::linear();
        schemes[0].as_object_mut().unwrap().remove("timestamp");
        recipe(schemes)
    };
    for (body, expected) in [
        (r#"{"webhookTimestamp":1700000000000}"#, "passes"),
        (r#"{"webhookTimestamp":1699999940000}"#, "passes"),
        (r#"{"webhookTimestamp":1699999939999}"#, "stale"),
        (r#"{"webhookTimestamp":1700000060001}"#, "stale"),
        (r#"{"webhookTimestamp":1700000000}"#, "stale"),
        (r#"{"webhookTimestamp":1.7e12}"#, "malformed"),
        (r#"{"webhookTimestamp":1700000000000,"webhookTimestamp":1}"#, "malformed"),
        (r#"{"data":{"webhookTimestamp":1700000000000}}"#, "missing"),
        ("no json", "malformed"),
        ("", "malformed"),
    ] {
        let headers = body_only.sign(&secret("key"), &draft(body.as_bytes()), seconds(NOW)).unwrap();
        let request = Request::new(body.as_bytes(), headers);

        check(&super::linear(), "key", &request, expected);
        check(&super::linear(), "other", &request, "mismatch");
    }
}

#[test]
fn a_token_is_the_whole_secret_in_its_place() {
    let header = |name: &str, value: &str| Request::new(b"", [(name.to_owned(), value.to_owned())]);
    let query = |query: &str| Request { query: query.to_owned(), ..Request::default() };
    let (named, bearer, basic, parameter) = (
        super::token("header", Some("X-Token")),
        super::token("bearer", None),
        super::token("basic", None),
        super::token("query", Some("token")),
    );
    for (schemes, request, expected) in [
        (&named, header("x-token", "us:er"), "passes"),
        (&named, header("x-token", "us:e"), "mismatch"),
        (&named, header("x-token", "us:err"), "mismatch"),
        (&named, header("x-token", "US:ER"), "mismatch"),
        (&named, header("x-token", ""), "mismatch"),
        (&named, header("authorization", "us:er"), "missing"),
        (&bearer, header("authorization", "Bearer us:er"), "passes"),
        (&bearer, header("authorization", "bearer  us:er"), "passes"),
        (&bearer, header("authorization", "Bearer us:er x"), "mismatch"),
        (&bearer, header("authorization", "Bearer "), "mismatch"),
        (&bearer, header("authorization", "Bearer"), "malformed"),
        (&bearer, header("authorization", "Bearerus:er"), "malformed"),
        (&bearer, header("authorization", "us:er"), "malformed"),
        (&bearer, header("authorization", "Basic dXM6ZXI="), "malformed"),
        (&bearer, header("x-token", "us:er"), "missing"),
        (&basic, header("authorization", "Basic dXM6ZXI="), "passes"),
        (&basic, header("authorization", "BASIC dXM6ZXI="), "passes"),
        (&basic, header("authorization", "Basic dXM6ZXI"), "malformed"),
        (&basic, header("authorization", "Basic dXM6ZXE="), "mismatch"),
        (&basic, header("authorization", "Basic "), "mismatch"),
        (&basic, header("authorization", "Bearer us:er"), "malformed"),
        (&parameter, query("token=us:er"), "passes"),
        (&parameter, query("a=1&tok%65n=us%3Aer"), "passes"),
        (&parameter, query("token=us:er&token=us:er"), "duplicate"),
        (&parameter, query("token=x&t%6Fken=us:er"), "duplicate"),
        (&parameter, query("token=us"), "mismatch"),
        (&parameter, query("token="), "mismatch"),
        (&parameter, query("token"), "mismatch"),
        (&parameter, query("tokens=us:er"), "missing"),
        (&parameter, query(""), "missing"),
    ] {
        check(schemes, "us:er", &request, expected);
    }
    let mut twice = header("x-token", "us:er");
    twice.headers.push(twice.headers[0].clone());
    check(&named, "us:er", &twice, "duplicate");
}

#[test]
fn a_request_passes_by_any_alternative_and_fails_by_the_closest() {
    let either = json!([super::slack()[0], super::token("header", Some("x-token"))[0]]);
    let by_token = Request::new(b"", [("x-token".to_owned(), "key".to_owned())]);
    let by_signature = signed(&super::slack(), "key", NOW);
    let stale = signed(&super::slack(), "key", 0);
    let mut both = stale.clone();
    both.headers.push(("x-token".to_owned(), b"key".to_vec()));

    check(&either, "key", &by_token, "passes");
    check(&either, "key", &by_signature, "passes");
    check(&either, "key", &both, "passes");
    check(&either, "key", &stale, "stale");
    check(&either, "other", &by_token, "mismatch");
    check(&either, "key", &Request::default(), "missing");
}

#[test]
fn without_a_usable_secret_only_an_open_recipe_passes() {
    let request = signed(&super::standard_webhooks(), "whsec_a2V5", NOW);
    let closed = recipe(super::standard_webhooks());
    let none: [Secret; 0] = [];

    assert_eq!(request.verify(&closed, &none, seconds(NOW)), Err(VerifyError::NoSecret));
    assert_eq!(request.verify(&closed, &[secret("key")], seconds(NOW)), Err(VerifyError::NoSecret));
    assert_eq!(request.verify(&recipe(json!([])), &none, seconds(NOW)), Ok(()));
}

#[test]
fn a_private_key_is_not_there_to_sign_with() {
    let key = secret("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");

    let error = recipe(super::discord()).sign(&key, &draft(b""), seconds(NOW)).unwrap_err();

    assert_eq!(
        error.to_string(),
        "cannot sign for `ed25519`: the secret is a public key; only the provider has the private key"
    );
}
