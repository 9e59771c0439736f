//! Secrets that can never verify a webhook are errors of the configuration, and those that the providers' libraries take work.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::support::{Setup, built_in};

/// The key of the examples, without what providers write in front of it.
const KEY: &str = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The plugins with a verification that needs more of a secret than that there is one.
fn with_plugins() -> Setup {
    let plugins = [built_in::STANDARD_WEBHOOKS, built_in::DISCORD, built_in::GITLAB, built_in::ALERTMANAGER];
    plugins.into_iter().fold(Setup::new(), Setup::plugin)
}

/// The error comes before anything is served, and from `gateway check` as well; both show the key and never the secret.
#[tokio::test]
async fn a_secret_that_can_never_work_is_an_error_at_the_start() {
    const KEY_TEXT: &str = "(`standard-webhooks` expected padded base64 after `whsec_`, or alone)";
    for (plugin, secret, expected) in [
        ("standard-webhooks", "hunter two", KEY_TEXT),
        ("standard-webhooks", "whsec_hunter2", KEY_TEXT),
        ("standard-webhooks", "v2,whsec_aHVudGVyMg==", KEY_TEXT),
        ("standard-webhooks", "whsk_aHVudGVyMg==", KEY_TEXT),
        ("standard-webhooks", "whpk_aHVudGVyMg==", "expected `whpk_` followed by an Ed25519 public key"),
        ("discord", "hunter2", "(`ed25519` expected a public key of 64 hexadecimal digits)"),
        ("gitlab", "-----BEGIN PUBLIC KEY-----", "expected a shared secret, found a public key"),
        ("alertmanager", "hunter2\t", "expected a valid header value without white space"),
    ] {
        let config = format!("[channels.hooks]\nplugin = \"{plugin}\"\nsecret = {{ env = \"HOOKS\" }}\n");
        let setup = with_plugins().config(&config).env("HOOKS", secret);

        let checked = setup.command(&["check"]).output().unwrap();
        let told = String::from_utf8(checked.stderr).unwrap();
        let ended = setup.try_start().await.err().expect("the gateway must not start");

        for (code, text) in [(checked.status.code(), &told), (ended.code, &ended.log)] {
            assert_eq!(code, Some(2), "{secret}: {text}");
            let problem =
                format!("channels.hooks.secret: expected a secret that fits the verification of plugin `{plugin}`");
            assert!(text.contains(&problem) && text.contains(expected), "{secret}: {text}");
            assert!(!text.contains(secret.trim()) && !text.contains("Serving on"), "{secret}: {text}");
        }
    }
}

/// Each of several secrets is checked, and a problem in the second one names it.
#[tokio::test]
async fn every_secret_of_a_rotation_is_checked() {
    let config = "[channels.hooks]\nplugin = \"standard-webhooks\"\nsecret = [{ env = \"OLD\" }, { env = \"NEW\" }]\n";
    let setup = with_plugins().config(config).env("OLD", KEY).env("NEW", "not a key");

    let checked = setup.command(&["check"]).output().unwrap();

    let told = String::from_utf8(checked.stderr).unwrap();
    assert_eq!(checked.status.code(), Some(2), "{told}");
    assert!(told.contains("channels.hooks.secret[1]: ") && !told.contains("secret[0]"), "{told}");
}

/// A configuration that is fine stays fine: also one whose plugin is not there yet, or verifies nothing that needs a form.
#[tokio::test]
async fn other_secrets_pass_the_check() {
    for (plugin, secret) in [("gitlab", "hunter2"), ("alertmanager", "user:password"), ("later", "hunter2")] {
        let config = format!("[channels.hooks]\nplugin = \"{plugin}\"\nsecret = {{ env = \"HOOKS\" }}\n");
        let setup = with_plugins().config(&config).env("HOOKS", secret);

        let checked = setup.command(&["check"]).output().unwrap();

        assert_eq!(checked.status.code(), Some(0), "{plugin}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}

/// The forms in which consoles show one key: all of them mean it.
#[tokio::test]
async fn a_key_is_understood_with_and_without_its_prefix() {
    for secret in [KEY.to_owned(), format!("whsec_{KEY}"), format!("v1,whsec_{KEY}")] {
        let config = "[channels.hooks]\nplugin = \"standard-webhooks\"\nsecret = { env = \"HOOKS\" }\n";
        let gateway = with_plugins().config(config).env("HOOKS", &secret).start().await;
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().to_string();
        let body = r#"{"type":"user.created"}"#;
        let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
        mac.update(format!("msg_1.{now}.{body}").as_bytes());
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let headers = [
            ("content-type", "application/json"),
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", &now),
            ("webhook-signature", &signature),
        ];

        gateway.client.post("/webhooks/hooks", &headers, body).await.expect_accepted();
        let forged = gateway.client.post("/webhooks/hooks", &headers, "{}").await;
        forged.expect_problem(401, "verification_failed");
    }
}
