//! Callers with tokens of an issuer, whose keys come from a real server.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Response;
use http_body_util::Full;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use crate::support::{RemoteAgent, Setup, TestGateway, built_in};

/// A key of an issuer, made for one test.
struct Key {
    id: &'static str,
    pair: EcdsaKeyPair,
}

impl Key {
    fn new(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pair.as_ref(), &random).unwrap();
        Self { id, pair }
    }

    fn published(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        json!({"kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "alg": "ES256", "x": x, "y": y})
    }

    fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "kid": self.id});
        let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn set(keys: &[&Key]) -> String {
    json!({"keys": keys.iter().map(|key| key.published()).collect::<Vec<_>>()}).to_string()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({"iss": "https://issuer", "aud": ["gateway", "other"], "exp": now() + 600})
}

/// The status of a webhook with this token.
async fn status(gateway: &TestGateway, token: &str) -> u16 {
    let authorization = format!("Bearer {token}");
    gateway.client.post("/webhooks/dummy", &[("authorization", &*authorization)], "{}").await.status.as_u16()
}

fn setup(keys: &str) -> Setup {
    Setup::new().plugin(built_in::DUMMY).config(&format!(
        "\n[callers.ci]\nkind = \"jwt\"\nissuer = \"https://issuer\"\naudience = \"gateway\"\n{keys}\n\
         [channels.dummy]\ncallers = [\"ci\"]\n"
    ))
}

/// An issuer that serves what is in `body`, or fails while that is empty.
async fn issuer(body: &Arc<Mutex<String>>) -> RemoteAgent {
    let body = Arc::clone(body);
    RemoteAgent::answering(move |_, _| {
        let body = body.lock().unwrap().clone();
        let status = if body.is_empty() { 500 } else { 200 };
        Response::builder().status(status).body(Full::from(body)).unwrap()
    })
    .await
}

#[tokio::test]
async fn a_caller_is_known_by_a_token_of_its_issuer() {
    let (key, stranger) = (Key::new("one"), Key::new("one"));
    let issuer = issuer(&Arc::new(Mutex::new(set(&[&key])))).await;
    let gateway = setup(&format!("jwks_url = \"http://{}/keys\"", issuer.address)).start().await;
    let with = |member: &str, value: Value| {
        let mut claims = claims();
        claims[member] = value;
        claims
    };

    for (what, token, expected) in [
        ("a good token", key.token(&claims()), 202),
        ("no expiry", key.token(&with("exp", Value::Null)), 401),
        ("expired", key.token(&with("exp", (now() - 120).into())), 401),
        ("expired within the tolerance", key.token(&with("exp", (now() - 5).into())), 202),
        ("not yet valid", key.token(&with("nbf", (now() + 120).into())), 401),
        ("another issuer", key.token(&with("iss", "https://other".into())), 401),
        ("another audience", key.token(&with("aud", "other".into())), 401),
        ("another key of that id", stranger.token(&claims()), 401),
        ("no token", "nonsense".to_owned(), 401),
    ] {
        assert_eq!(status(&gateway, &token).await, expected, "{what}");
    }
    assert_eq!(issuer.received().len(), 1, "the keys are fetched once");
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_caller_key_fetches_total{caller=\"ci\",outcome=\"ok\"} 1\n"), "{metrics}");
}

/// A new key is fetched when a token names it, at most once in an interval. If that fails, the last good keys serve on.
#[tokio::test]
async fn keys_are_rotated_and_serve_on_when_the_issuer_fails() {
    let (old, new, unknown) = (Key::new("old"), Key::new("new"), Key::new("unknown"));
    let body = Arc::new(Mutex::new(set(&[&old])));
    let issuer = issuer(&body).await;
    let url = format!("http://{}/keys", issuer.address);
    let gateway = setup(&format!("jwks_url = \"{url}\"\njwks_interval = \"1s\"\njwks_lifetime = \"1s\"")).start().await;
    assert_eq!(status(&gateway, &old.token(&claims())).await, 202);

    *body.lock().unwrap() = set(&[&old, &new]);
    gateway.until("the new key", async || (status(&gateway, &new.token(&claims())).await == 202).then_some(())).await;

    let before = issuer.received().len();
    for _ in 0..50 {
        assert_eq!(status(&gateway, &unknown.token(&claims())).await, 401);
    }
    let fetches = issuer.received().len() - before;
    assert!(fetches < 10, "{fetches} fetches for 50 tokens with an unknown key");

    body.lock().unwrap().clear();
    let failures = "gateway_caller_key_fetches_total{caller=\"ci\",outcome=\"failed\"}";
    gateway
        .until("a failed fetch", async || {
            assert_eq!(status(&gateway, &new.token(&claims())).await, 202, "the last good keys serve on");
            gateway.metrics().await.contains(failures).then_some(())
        })
        .await;
    gateway.logged(&["ERROR", "Keys of the issuer at", "the last ones serve on: its answer has the status 500"]).await;
    assert_eq!(gateway.json("/health/ready").await["status"], "ok");
}

#[tokio::test]
async fn keys_come_from_a_file_and_a_shared_secret_is_for_hs256_only() {
    let key = Key::new("one");
    let gateway = setup("jwks_file = \"keys.json\"").file("keys.json", set(&[&key])).start().await;
    assert_eq!(status(&gateway, &key.token(&claims())).await, 202);

    let signed = |secret: &str| {
        let [header, claims] = [json!({"alg": "HS256"}), claims()].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes())))
    };
    assert_eq!(status(&gateway, &signed("mysecret")).await, 401, "no secret is configured");
    let gateway = setup("secret = { env = \"CI_SECRET\" }").env("CI_SECRET", "mysecret").start().await;
    assert_eq!(status(&gateway, &signed("mysecret")).await, 202);
    assert_eq!(status(&gateway, &signed("another")).await, 401);
    assert_eq!(status(&gateway, &key.token(&claims())).await, 401, "it has no keys");
}

/// The keys of an issuer stay over a reload, also when it is asked in another way from now on; those of a new one are fetched.
#[tokio::test]
async fn a_reload_keeps_the_keys_of_issuers_that_stay() {
    let (first, second) = (Key::new("first"), Key::new("second"));
    let body = Arc::new(Mutex::new(set(&[&first])));
    let (old, new) = (issuer(&body).await, issuer(&Arc::new(Mutex::new(set(&[&second])))).await);
    let url = |issuer: &RemoteAgent| format!("jwks_url = \"http://{}/keys\"", issuer.address);
    let setup = setup(&url(&old)).config("\n[reload]\nwatch = false\n");
    let mut gateway = setup.start().await;
    assert_eq!(status(&gateway, &first.token(&claims())).await, 202);
    assert_eq!(status(&gateway, &second.token(&claims())).await, 401);

    body.lock().unwrap().clear();
    let deploy = "[callers.deploy]\nkind = \"jwt\"\nissuer = \"https://issuer\"\naudience = \"gateway\"\n";
    gateway.reconfigure(&url(&old), &format!("{}\njwks_timeout = \"2s\"\n{deploy}{}", url(&old), url(&new)));
    gateway.reconfigure("callers = [\"ci\"]", "callers = [\"ci\", \"deploy\"]");
    gateway.reload().await.expect_status(200);
    assert_eq!(status(&gateway, &first.token(&claims())).await, 202, "its issuer does not answer any more");
    assert_eq!(status(&gateway, &second.token(&claims())).await, 202);

    gateway.reconfigure("callers = [\"ci\", \"deploy\"]", "callers = [\"deploy\"]");
    gateway.reload().await.expect_status(200);
    assert_eq!(status(&gateway, &first.token(&claims())).await, 401);
    assert_eq!(status(&gateway, &second.token(&claims())).await, 202);
    gateway.reconfigure("callers = [\"deploy\"]", "callers = [\"ci\"]");
    gateway.reload().await.expect_status(200);
    assert_eq!(status(&gateway, &first.token(&claims())).await, 401, "nobody used its keys meanwhile");
}

/// While an issuer has never answered, its callers are refused, and everything else goes on.
#[tokio::test]
async fn without_keys_nobody_is_known() {
    let key = Key::new("one");
    let issuer = issuer(&Arc::default()).await;
    let gateway = setup(&format!("jwks_url = \"http://{}/keys\"", issuer.address)).start().await;

    let authorization = format!("Bearer {}", key.token(&claims()));
    let reply = gateway.client.post("/webhooks/dummy", &[("authorization", &*authorization)], "{}").await;

    assert_eq!(
        reply.expect_problem(401, "unknown_caller"),
        "the channel accepts known callers only: the key of the token is not known"
    );
    assert_eq!(gateway.json("/health/ready").await["status"], "ok");
}
