//! JSON Web Tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};

use super::super::mac::Algorithm;
use super::super::{Draft, Secret, VerifyError};
use super::refusals::outcome;
use super::{Request, connect, recipe, seconds, secret};

const NOW: i64 = 1_700_000_001;

/// Made with OpenSSL, for these tests only.
pub(super) const RSA_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyWR+dLKM8r/LjeFc+rJo\n\
1vez/+gV0DnWLMNi2CzI2Y6iy4gRFGe63kxGZ0jljiZA9AXcAiCvOVy/BK7coA6P\n\
eU053vFvrxAzXFZ1IWK2TI/n50ffFoVuy+UKMG9FQCWe2o+58aaCsM7JHI1akgvo\n\
jw0UvzB0URO2Lmv2K9T1VjIL6CYrjQ8nSPI7pQ2r03oZz7+lZrMRaPwnwFiYI34A\n\
cmpvDR8HS2abVMmzfjJnlcBgJdE4buU8/T/lYBI1rUdb5u31hU+OlhXw9kqcmGqy\n\
aQ4y0kX1t8KQubG+DL8xg4g42Z4MIIOHUPzE/LDUo7Qo4BR8cyb6CciMsNwOsJlV\n\
xQIDAQAB\n\
-----END PUBLIC KEY-----\n";
/// Made with OpenSSL, for these tests only.
pub(super) const P256_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAElKfyPj3qtuHlv0QD1aPXakqXvZmn\n\
HVQJuLFuJqJR7Wz1WU5BYHwO4J4azRqDfejMfWtIznmhUTBIHkL019/Vzg==\n\
-----END PUBLIC KEY-----\n";
/// 1024 bits.
pub(super) const RSA_TOO_SMALL: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDgvhxbKvrA3630tjT8C+MIQkKu\n\
HlsiM1WzPN94fIgGCha/D6GdTDwyD5i1L59zaMjEu0j3aZTdwLdTHbstKGzOTlvD\n\
y/jhQIS9B4QkOnhv098cuDzGwN5oqzr0pAHU4fmydaXySLMzllAeITRizvpawgfI\n\
1fp/ksehhUBEqoLY5QIDAQAB\n\
-----END PUBLIC KEY-----\n";
/// With one coordinate instead of two.
pub(super) const P256_COMPRESSED: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADTa3UrfWsgqVZGsU1162wBa0Bl5dJ\n\
/afUkvtEhSG1FWI=\n\
-----END PUBLIC KEY-----\n";
/// Signed by Node's crypto with the private key of [`RSA_PUBLIC`]: issuer `issuer`, audiences `other` and `gateway`.
const RS256: &str = "\
eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpc3N1ZXIiLCJhdWQiOlsib3RoZXIiLCJnYXRld2F5Il0sImlhdCI\
6MTcwMDAwMDAwMCwiZXhwIjoxNzAwMDAwMTgwfQ.gn49yyLpP8KZT_6BlsUtr5V9Rt8VCra32QkKMPuDATYGlCKfb96WNe2MIORJ\
cIXQQm661KCihMfIn0yk1ywhrk5GJ2RDZw3wVHwaMxPYTzag0QiuuMQaQJm_o1V4pektMWU10i4LD6O8bHe-KU2uarnZc-ScnGfn\
izC1_HxnZS7huIKeGo21JwyBCT8dR6RPYO1dQdGhQKynBCQ1CnEMfN0s3by0a4Dl7VO9TdvXvLCgmnu2p0T1CP8bQYNzJrLtSlDO\
jCR7Cc8KtoWqDnBmw0GLozud3rgo1-JsL5EA_LLYFoTe0tTkgVBDQr2Y13TDuP3CSZEskxOoH1HmpCn31w";
/// The same claims, signed with the private key of [`P256_PUBLIC`].
const ES256: &str = "\
eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJpc3N1ZXIiLCJhdWQiOlsib3RoZXIiLCJnYXRld2F5Il0sImlhdCI\
6MTcwMDAwMDAwMCwiZXhwIjoxNzAwMDAwMTgwfQ.BqrFYSeEWW2Fp5PtdIoK1i7R2bNXDy1F8-mWf5LBfXR3XVC3xgQ8tPyFKOt4\
97NKTd9qzVcwp4-JzPVytP9K4Q";

/// A token with this header and these claims, signed with HMAC-SHA-256 whatever the header says.
fn token(header: &str, claims: &str, key: &[u8]) -> String {
    let unsigned = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let feed = |sink: &mut dyn FnMut(&[u8])| {
        sink(unsigned.as_bytes());
        Ok::<(), VerifyError>(())
    };
    let tag = Algorithm::Sha256.tag(key, feed).unwrap();
    format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(tag.as_bytes()))
}

fn bearer(token: &str) -> Request {
    Request::new(b"{}", [("authorization".to_owned(), format!("Bearer {token}"))])
}

fn check(schemes: &Value, key: &str, request: &Request, expected: &str) {
    let result = request.verify(&recipe(schemes.clone()), &[secret("whsec_b3RoZXI="), secret(key)], seconds(NOW));

    assert_eq!(outcome(&result), expected, "{schemes} {:?} {} {result:?}", request.headers, request.query);
}

fn hs256() -> Value {
    json!([{"scheme": "jwt", "algorithm": "HS256"}])
}

/// The token that atlassian-jwt makes passes for the request it was made for, and for no other.
#[test]
fn a_token_of_atlassian_connect_passes_for_its_request_only() {
    let file: Value = serde_json::from_str(include_str!("../../../../tests/vectors.json")).unwrap();
    let vector = &file["atlassian_jwt"];
    let (key, text) = (vector["secret"].as_str().unwrap(), vector["token"].as_str().unwrap());
    let mut request = Request::new(b"{}", [("authorization".to_owned(), format!("JWT {text}"))]);
    request.path = "/webhooks/jira".to_owned();
    let mut in_query = request.clone();
    in_query.headers.clear();
    in_query.query = format!("jwt={text}");
    let with = |query: &str| Request { query: query.to_owned(), ..request.clone() };
    let at = |path: &str| Request { path: path.to_owned(), ..request.clone() };
    for (request, expected) in [
        (request.clone(), "passes"),
        (in_query.clone(), "passes"),
        (at("/webhooks/jira/"), "passes"),
        (at("/webhooks/jira/x"), "claim"),
        (at("/gateway/webhooks/jira"), "claim"),
        (with("a=1"), "claim"),
        (with(&format!("jwt={text}")), "duplicate"),
        (Request { query: format!("jwt={text}&jwt={text}"), ..in_query.clone() }, "duplicate"),
        (Request { query: format!("jwt={text}&a=1"), ..in_query }, "claim"),
    ] {
        check(&connect(), key, &request, expected);
    }
    check(&connect(), "another secret", &request, "mismatch");
    let mut below = connect();
    below[0]["base_path"] = json!("/gateway");
    check(&below, key, &at("/gateway/webhooks/jira"), "passes");
    check(&below, key, &at("/gatewaywebhooks/jira"), "claim");
}

#[test]
fn the_hash_of_a_request_is_atlassians() {
    let file: Value = serde_json::from_str(include_str!("../../../../tests/vectors.json")).unwrap();
    for vector in file["atlassian_qsh"].as_array().unwrap() {
        let (method, url) = vector["method_url"].as_str().unwrap().split_once(' ').unwrap();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let claims = json!({"exp": NOW, "qsh": vector["qsh"]}).to_string();
        let headers = [("authorization".to_owned(), format!("JWT {}", token(r#"{"alg":"HS256"}"#, &claims, b"key")))];
        let request = Request { path: path.to_owned(), query: query.to_owned(), ..Request::new(b"", headers) };

        assert_eq!(method, "POST");
        check(&connect(), "key", &request, "passes");
    }
}

#[test]
fn a_token_with_a_public_key_passes_with_that_key_only() {
    let check = |algorithm: &str, text: &str, key: &str, expected: &str| {
        let schemes = json!([{"scheme": "jwt", "algorithm": algorithm, "issuer": "issuer", "audience": "gateway"}]);
        check(&schemes, key, &bearer(text), expected);
    };
    check("RS256", RS256, RSA_PUBLIC, "passes");
    check("ES256", ES256, P256_PUBLIC, "passes");
    for (algorithm, text, key) in [("RS256", RS256, RSA_PUBLIC), ("ES256", ES256, P256_PUBLIC)] {
        let start = text.rfind('.').unwrap() + 1;
        for place in [start, start + 40, text.len() - 2] {
            let mut changed = text.to_owned();
            let other = if &text[place..=place] == "A" { "B" } else { "A" };
            changed.replace_range(place..=place, other);
            check(algorithm, &changed, key, "mismatch");
        }
        check(algorithm, &text[..start + 8], key, "mismatch");
        check(algorithm, &text[..start], key, "mismatch");
    }
    // The same algorithm with a key of the other kind is no secret at all.
    check("RS256", RS256, P256_PUBLIC, "no secret");
    check("ES256", ES256, RSA_PUBLIC, "no secret");
}

#[test]
fn the_algorithm_is_the_recipes_and_never_the_tokens() {
    let claims = r#"{"exp":1700000100}"#;
    for (header, expected) in [
        (r#"{"alg":"HS256"}"#, "passes"),
        (r#"{"typ":"JWT","alg":"HS256","kid":"../../etc/passwd","jku":"http://127.0.0.1/"}"#, "passes"),
        (r#"{"alg":"hs256"}"#, "malformed"),
        (r#"{"alg":"HS384"}"#, "malformed"),
        (r#"{"alg":"RS256"}"#, "malformed"),
        (r#"{"alg":"none"}"#, "malformed"),
        (r#"{"alg":"None"}"#, "malformed"),
        (r#"{"alg":""}"#, "malformed"),
        (r#"{"alg":null}"#, "malformed"),
        (r#"{"typ":"JWT"}"#, "malformed"),
        (r#"{"alg":"none","alg":"HS256"}"#, "malformed"),
        (r#"{"alg":"HS256","crit":["exp"]}"#, "malformed"),
        (r#"{"alg":"HS256","crit":null}"#, "malformed"),
        (r#"["HS256"]"#, "malformed"),
        ("HS256", "malformed"),
    ] {
        check(&hs256(), "key", &bearer(&token(header, claims, b"key")), expected);
    }
    // The classic confusion: a public key taken for the secret of an HMAC.
    let forged = bearer(&token(r#"{"alg":"HS256"}"#, claims, RSA_PUBLIC.as_bytes()));
    check(&json!([{"scheme": "jwt", "algorithm": "RS256"}]), RSA_PUBLIC, &forged, "malformed");
    let result = forged.verify(&recipe(hs256()), &[secret(RSA_PUBLIC)], seconds(NOW));
    assert_eq!(result, Err(VerifyError::NoSecret));
    let unsigned = token(r#"{"alg":"none"}"#, claims, b"key");
    let unsigned = &unsigned[..=unsigned.rfind('.').unwrap()];
    check(&hs256(), "key", &bearer(unsigned), "malformed");
}

#[test]
fn a_token_is_three_parts_in_unpadded_base64url() {
    let good = token(r#"{"alg":"HS256"}"#, r#"{"exp":1700000100,"x":"??>>"}"#, b"key");
    let (unsigned, signature) = good.rsplit_once('.').unwrap();
    for (text, expected) in [
        (good.clone(), "passes"),
        (format!("{good}="), "malformed"),
        (format!("{good}."), "malformed"),
        (format!("{good}.x"), "malformed"),
        (format!(" {good}"), "malformed"),
        (format!("{good} "), "malformed"),
        (format!("{good}\t"), "malformed"),
        (format!("{unsigned}."), "mismatch"),
        (unsigned.to_owned(), "malformed"),
        (format!("{unsigned}.{}", &signature[..40]), "mismatch"),
        (format!("{unsigned}.{signature}AAAA"), "mismatch"),
        // The last digit carries two bits that are not part of the signature, and must be zero.
        (format!("{}{}", &good[..good.len() - 1], next_digit(&good)), "malformed"),
        (format!(".{good}"), "malformed"),
        (format!("{}.{signature}", "A".repeat(9000)), "malformed"),
        (String::new(), "malformed"),
    ] {
        check(&hs256(), "key", &bearer(&text), expected);
    }
    let mut request = bearer(&good);
    *request.header("authorization") = format!("bEARER {good}").into_bytes();
    check(&hs256(), "key", &request, "passes");
    for value in
        [good.clone(), format!("JWT {good}"), format!("Bearer{good}"), "Bearer".to_owned(), "Bearer ".to_owned()]
    {
        *request.header("authorization") = value.into_bytes();
        check(&hs256(), "key", &request, "malformed");
    }
    request.headers.clear();
    check(&hs256(), "key", &request, "missing");
    let mut twice = bearer(&good);
    twice.headers.push(twice.headers[0].clone());
    check(&hs256(), "key", &twice, "duplicate");
}

/// The base64url digit after the last one, which decodes to the same bytes where decoding is lax.
fn next_digit(token: &str) -> char {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = digits.find(&token[token.len() - 1..]).unwrap();
    char::from(digits.as_bytes()[place + 1])
}

#[test]
fn no_bit_of_a_token_can_change() {
    let good = token(r#"{"alg":"HS256"}"#, r#"{"exp":1700000100}"#, b"key");
    let recipe = recipe(hs256());
    let prefix = "Bearer ".len();
    for bit in prefix * 8..(prefix + good.len()) * 8 {
        let mut request = bearer(&good);
        let value = request.header("authorization");
        value[bit / 8] ^= 1 << (bit % 8);
        if http::HeaderValue::from_bytes(value).is_err() {
            continue;
        }

        assert!(request.verify(&recipe, &[secret("key")], seconds(NOW)).is_err(), "bit {bit}");
    }
}

#[test]
fn claims_hold_now_and_here_or_the_token_is_refused() {
    let mut bound = hs256();
    bound[0]["issuer"] = json!("i");
    bound[0]["audience"] = json!("a");
    for (schemes, claims, expected) in [
        (hs256(), r#"{"exp":1700000001}"#, "passes"),
        (hs256(), r#"{"exp":1699999942}"#, "passes"),
        (hs256(), r#"{"exp":1699999941}"#, "claim"),
        (hs256(), r#"{"exp":9223372036854775807}"#, "passes"),
        (hs256(), r#"{"exp":1700000100,"iat":1700000061,"nbf":1700000061}"#, "passes"),
        (hs256(), r#"{"exp":1700000100,"iat":1700000062}"#, "claim"),
        (hs256(), r#"{"exp":1700000100,"nbf":1700000062}"#, "claim"),
        (hs256(), r#"{"iat":1700000000}"#, "missing"),
        (hs256(), r#"{"exp":null}"#, "missing"),
        (hs256(), r#"{"exp":"1700000100"}"#, "malformed"),
        (hs256(), r#"{"exp":1700000100.5}"#, "malformed"),
        (hs256(), r#"{"exp":1e99}"#, "malformed"),
        (hs256(), r#"{"exp":1,"exp":1700000100}"#, "malformed"),
        (hs256(), "[]", "malformed"),
        (hs256(), r#"[null,null,1700000000,null,1700000100,null]"#, "malformed"),
        (hs256(), "1700000100", "malformed"),
        (hs256(), "", "malformed"),
        (bound.clone(), r#"{"exp":1700000100,"iss":"i","aud":"a"}"#, "passes"),
        (bound.clone(), r#"{"exp":1700000100,"iss":"i","aud":["b","a"]}"#, "passes"),
        (bound.clone(), r#"{"exp":1700000100,"aud":"a"}"#, "claim"),
        (bound.clone(), r#"{"exp":1700000100,"iss":"I","aud":"a"}"#, "claim"),
        (bound.clone(), r#"{"exp":1700000100,"iss":"i"}"#, "claim"),
        (bound.clone(), r#"{"exp":1700000100,"iss":"i","aud":["b"]}"#, "claim"),
        (bound, r#"{"exp":1700000100,"iss":"i","aud":"ab"}"#, "claim"),
        (connect(), r#"{"exp":1700000100}"#, "claim"),
        (connect(), r#"{"exp":1700000100,"qsh":"context-qsh"}"#, "claim"),
    ] {
        let mut request = bearer(&token(r#"{"alg":"HS256"}"#, claims, b"key"));
        if schemes == connect() {
            let value = request.header("authorization");
            value.splice(.."Bearer ".len(), *b"JWT ");
        }

        check(&schemes, "key", &request, expected);
        check(&schemes, "other", &request, "mismatch");
    }
}

#[test]
fn a_token_that_the_host_signs_passes() {
    let mut schemes = connect();
    schemes[0]["issuer"] = json!("jira:client-key");
    schemes[0]["audience"] = json!("gateway");
    let (recipe, key) = (recipe(schemes.clone()), secret("shared-secret"));
    let draft =
        Draft { method: &Method::POST, path: "/webhooks/jira", query: "b=2&a=x%20y&a=z", id: None, body: b"{}" };

    let headers = recipe.sign(&key, &draft, seconds(NOW)).unwrap();
    let request =
        Request { path: draft.path.to_owned(), query: draft.query.to_owned(), ..Request::new(draft.body, headers) };

    check(&schemes, "shared-secret", &request, "passes");
    check(&schemes, "shared-secret", &Request { query: "b=2".to_owned(), ..request.clone() }, "claim");
    let late = request.verify(&recipe, &[key], seconds(NOW + 180 + 60));
    assert_eq!(outcome(&late), "claim");
}

#[test]
fn a_public_key_is_not_there_to_sign_with() {
    for (algorithm, key) in [("RS256", RSA_PUBLIC), ("ES256", P256_PUBLIC)] {
        let recipe = recipe(json!([{"scheme": "jwt", "algorithm": algorithm}]));
        let key = Secret::new(key.as_bytes().to_vec()).unwrap();

        let error = recipe.sign(&key, &super::draft(b""), seconds(NOW)).unwrap_err();

        assert!(error.to_string().contains("only the provider has the private key"), "{error}");
    }
}
