//! Valid and invalid schemes.

use serde_json::{Value, json};

use super::super::{Recipe, Scheme};
use super::{recipe, secret};

fn with(mut schemes: Value, key: &str, value: Value) -> Value {
    schemes[0][key] = value;
    schemes
}

fn without(mut schemes: Value, key: &str) -> Value {
    schemes[0].as_object_mut().unwrap().remove(key);
    schemes
}

#[test]
fn a_recipe_reads_back_what_it_writes_in_json_and_toml() {
    for written in [
        super::github(),
        super::slack(),
        super::grafana_with_timestamp(),
        super::stripe(),
        super::linear(),
        super::discord(),
        json!([{"scheme": "standard-webhooks"}]),
        json!([{"scheme": "standard-webhooks", "tolerance": "1m"}, {"scheme": "token", "in": "header", "name": "x-t"}]),
        super::connect(),
        json!([{"scheme": "jwt", "algorithm": "RS256", "header": "x-token", "prefix": "", "issuer": "i", "audience": "a",
                "tolerance": "5s"}, {"scheme": "jwt", "algorithm": "ES256"}]),
        json!([{"scheme": "hmac", "algorithm": "sha512", "header": "x-s", "encoding": "base64", "secret_encoding": "whsec",
                "signed": [{"header": "x-id"}, "body"]}]),
        json!([]),
    ] {
        let recipe = recipe(written);
        #[derive(serde::Serialize, serde::Deserialize)]
        struct File {
            verification: Vec<Scheme>,
        }

        let json: Recipe = serde_json::from_value(serde_json::to_value(&recipe).unwrap()).unwrap();
        let text = toml::to_string(&File { verification: recipe.schemes().to_vec() }).unwrap();
        let toml: File = toml::from_str(&text).unwrap();

        assert_eq!(json, recipe);
        assert_eq!(toml.verification, recipe.schemes(), "{text}");
    }
}

#[test]
fn what_is_wrong_in_a_recipe_is_named() {
    let hmac = super::github;
    for (written, expected) in [
        (json!([{"scheme": "jwt"}]), "missing field `algorithm`"),
        (json!([{"scheme": "jwt", "algorithm": "none"}]), "unknown variant `none`"),
        (json!([{"scheme": "jwt", "algorithm": "HS256", "query": ""}]), "`query` is empty"),
        (json!([{"scheme": "jwt", "algorithm": "HS256", "base_path": "/gw"}]), "`base_path` needs"),
        (with(super::connect(), "base_path", json!("gw")), "expected a path such as"),
        (json!([super::connect()[0], {"scheme": "jwt", "algorithm": "RS256"}]), "expected `jwt` without `jwt`"),
        (json!([{"scheme": "jwt", "algorithm": "ES256"}, super::github()[0]]), "expected `jwt` without `hmac`"),
        (json!([{"scheme": "none"}]), "unknown variant `none`"),
        (json!([{"in": "bearer"}]), "missing field `scheme`"),
        (with(hmac(), "colour", json!("red")), "unknown field `colour`"),
        (with(hmac(), "algorithm", json!("md5")), "unknown variant `md5`"),
        (with(hmac(), "header", json!("x y")), "expected a header name, found `x y`"),
        (with(hmac(), "separator", json!("")), "`separator` is empty"),
        (with(hmac(), "signed", json!(["path"])), "unknown variant `path`"),
        (with(hmac(), "signed", json!([])), "`signed` needs"),
        (with(hmac(), "signed", json!([{"literal": "x"}])), "`signed` needs"),
        (with(hmac(), "signed", json!(["body", "timestamp"])), "the key `timestamp` is missing"),
        (without(hmac(), "encoding"), "missing field `encoding`"),
        (with(super::slack(), "signed", json!(["body"])), "an unsigned timestamp"),
        (
            with(super::slack(), "timestamp", json!({"from": {"header": "x"}, "tolerance": "5"})),
            "a duration with a unit",
        ),
        (with(super::slack(), "timestamp", json!({"from": {"header": "x"}, "tolerance": "0s"})), "longer than zero"),
        (with(super::slack(), "timestamp", json!({"from": {"header": "x"}})), "missing field `tolerance`"),
        (
            with(super::slack(), "timestamp", json!({"from": {"header": "x"}, "tolerance": "5m", "max": 1})),
            "unknown field `max`",
        ),
        (
            with(super::linear(), "timestamp", json!({"from": {"pointer": "x"}, "tolerance": "5m"})),
            "expected a JSON pointer",
        ),
        (with(super::linear(), "signed", json!([{"header": "x"}])), "`signed` does not name `body`"),
        (with(super::linear(), "signed", json!(["timestamp", "body"])), "the timestamp is in the body"),
        (with(super::discord(), "timestamp", json!({"from": {"list_key": "t"}, "tolerance": "5m"})), "`list_key`"),
        (super::token("header", None), "`name` is missing"),
        (super::token("query", None), "`name` is missing"),
        (super::token("query", Some("")), "`name` is empty"),
        (super::token("header", Some("x y")), "expected a header name"),
        (super::token("bearer", Some("x")), "`name` is not allowed"),
        (super::token("cookie", Some("x")), "unknown variant `cookie`"),
        (json!([{"scheme": "standard-webhooks", "secret": "x"}]), "unknown field `secret`"),
        (json!([super::discord()[0], super::github()[0]]), "expected `ed25519` without `hmac`"),
        (Value::from(vec![super::github()[0].clone(); 9]), "at most 8 alternatives"),
    ] {
        let error = serde_json::from_value::<Recipe>(written.clone()).unwrap_err().to_string();

        assert!(error.contains(expected), "{written}: {error}");
    }
}

#[test]
fn a_toml_error_names_the_field() {
    let text = "scheme = 'token'\nin = 'bearer'\ncolour = 'red'";

    let error = toml::from_str::<Scheme>(text).unwrap_err().to_string();

    assert!(error.contains("unknown field `colour`"), "{error}");
}

#[test]
fn a_secret_of_the_wrong_form_is_noticed_before_a_request_comes() {
    let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let weak = "0100000000000000000000000000000000000000000000000000000000000000";
    let either = json!([super::token("header", Some("x-gitlab-token"))[0], super::standard_webhooks()[0]]);
    for (schemes, text, accepted) in [
        (json!([]), "anything", true),
        (super::github(), "anything", true),
        (with(super::github(), "secret_encoding", json!("base64")), "c2VjcmV0", true),
        (with(super::github(), "secret_encoding", json!("base64")), "c2VjcmV", false),
        (with(super::github(), "secret_encoding", json!("whsec")), "whsec_c2VjcmV0", true),
        (with(super::github(), "secret_encoding", json!("whsec")), "c2VjcmV0", true),
        (with(super::github(), "secret_encoding", json!("whsec")), "not base64", false),
        (super::standard_webhooks(), "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", true),
        (super::standard_webhooks(), "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", true),
        (super::standard_webhooks(), "v1,whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", true),
        (super::standard_webhooks(), "v1,C2FVsBQIhrscChlQIMV+b5sSYspob7oD", false),
        (super::standard_webhooks(), "whsec_whsec_c2VjcmV0", false),
        (super::standard_webhooks(), "whsec_c2VjcmV", false),
        (super::standard_webhooks(), "polar_whs_c2VjcmV0", false),
        (super::standard_webhooks(), "whsk_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", false),
        (super::standard_webhooks(), "v1a,whpk_AAAA", false),
        (super::standard_webhooks(), "whsec_", false),
        (super::standard_webhooks(), "whsec_c2VjcmV0\n", false),
        (super::standard_webhooks(), "secret", false),
        (either, "secret", true),
        (super::discord(), key, true),
        (super::discord(), &key[2..], false),
        (super::discord(), weak, false),
        (super::token("basic", None), "user:password", true),
        (super::token("basic", None), "password", false),
        (super::token("bearer", None), "token", true),
        (super::token("bearer", None), "token\n", false),
        (super::token("query", Some("token")), "token\n", true),
        (super::token("bearer", None), "whpk_a2V5", false),
        (super::github(), "-----BEGIN PUBLIC KEY-----", false),
        (super::connect(), "shared-secret", true),
        (super::connect(), super::jwt::RSA_PUBLIC, false),
        (json!([{"scheme": "jwt", "algorithm": "RS256"}]), super::jwt::RSA_PUBLIC, true),
        (json!([{"scheme": "jwt", "algorithm": "RS256"}]), super::jwt::P256_PUBLIC, false),
        (json!([{"scheme": "jwt", "algorithm": "RS256"}]), "shared-secret", false),
        (json!([{"scheme": "jwt", "algorithm": "ES256"}]), super::jwt::P256_PUBLIC, true),
        (json!([{"scheme": "jwt", "algorithm": "ES256"}]), super::jwt::RSA_PUBLIC, false),
        (json!([{"scheme": "jwt", "algorithm": "RS256"}]), super::jwt::RSA_TOO_SMALL, false),
        (json!([{"scheme": "jwt", "algorithm": "ES256"}]), super::jwt::P256_COMPRESSED, false),
    ] {
        let result = recipe(schemes.clone()).accepts_secret(&secret(text));

        assert_eq!(result.is_ok(), accepted, "{schemes} {result:?}");
    }
}

#[test]
fn credentials_and_signatures_are_hidden_and_nothing_else() {
    for (schemes, hidden) in [
        (json!([]), &[][..]),
        (super::github(), &["x-hub-signature-256"]),
        (super::slack(), &["x-slack-signature"]),
        (super::discord(), &["x-signature-ed25519"]),
        (super::standard_webhooks(), &["webhook-signature", "svix-signature"]),
        (super::token("header", Some("X-Gitlab-Token")), &["x-gitlab-token"]),
        (super::token("bearer", None), &["authorization"]),
        (super::token("basic", None), &["authorization"]),
        (super::connect(), &["authorization"]),
        (super::token("query", Some("token")), &[]),
    ] {
        let recipe = recipe(schemes);
        for name in [
            "x-hub-signature-256",
            "x-slack-signature",
            "x-signature-ed25519",
            "webhook-signature",
            "svix-signature",
            "x-gitlab-token",
            "authorization",
            "webhook-id",
            "x-slack-request-timestamp",
            "content-type",
        ] {
            assert_eq!(recipe.hides_header(name), hidden.contains(&name), "{name} {recipe:?}");
            assert_eq!(recipe.hides_header(&name.to_ascii_uppercase()), hidden.contains(&name), "{name} {recipe:?}");
        }
    }
}

#[test]
fn the_credential_is_taken_out_of_the_query() {
    let recipe = recipe(super::token("query", Some("token")));

    assert_eq!(recipe.strip_query("a=1&token=x&to%6ben=y&b=%20"), "a=1&b=%20");
    assert_eq!(recipe.strip_query("a=1"), "a=1");
    assert_eq!(self::recipe(super::connect()).strip_query("a=1&jwt=x.y.z&b=%20"), "a=1&b=%20");
    assert_eq!(Recipe::open().strip_query("token=x"), "token=x");
}
