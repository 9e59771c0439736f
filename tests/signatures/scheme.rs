//! The verification schemes of the table, as providers use them.

use gateway::verify::Recipe;

/// A scheme as a provider uses it, with the properties that the matrix needs.
pub(crate) struct SchemeRow {
    pub(crate) name: &'static str,
    /// The plugin whose manifest has the recipe; if there is none, `recipe` is used.
    pub(crate) plugin: Option<&'static str>,
    pub(crate) recipe: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) other_secret: &'static str,
    /// The seed of the private key, if the secret is a public key.
    pub(crate) seed: Option<[u8; 32]>,
    /// The same scheme with another algorithm, which a forger might choose.
    pub(crate) other_algorithm: Option<&'static str>,
    pub(crate) covers_body: bool,
    pub(crate) has_time: bool,
}

impl SchemeRow {
    pub(crate) fn recipe(&self) -> Recipe {
        recipe_of(self.plugin, self.recipe)
    }
}

/// The recipe in the manifest of the plugin, or `otherwise` if there is no such plugin.
pub(crate) fn recipe_of(plugin: Option<&str>, otherwise: &str) -> Recipe {
    let manifest = plugin.and_then(|plugin| {
        let path = format!("{}/../plugins/{plugin}/manifest.json", env!("CARGO_MANIFEST_DIR"));
        let manifest: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).unwrap();
        Some(serde_json::from_value(manifest["verification"].clone()).unwrap())
    });
    manifest.unwrap_or_else(|| serde_json::from_str(otherwise).unwrap())
}

const NONE: SchemeRow = SchemeRow {
    name: "",
    plugin: None,
    recipe: "[]",
    secret: "the secret",
    other_secret: "another secret",
    seed: None,
    other_algorithm: None,
    covers_body: true,
    has_time: false,
};

/// Public keys of the seeds 7 and 8.
const PUBLIC: &str = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
const OTHER_PUBLIC: &str = "1398f62c6d1a457c51ba6a4b5f3dbd2f69fca93216218dc8997e416bd17d93ca";

/// All schemes, in all variants that providers use.
pub(crate) const SCHEMES: &[SchemeRow] = &[
    SchemeRow {
        name: "hmac: prefix (GitHub)",
        plugin: Some("github"),
        recipe: r#"[{"scheme":"hmac","algorithm":"sha256","header":"x-hub-signature-256","prefix":"sha256=","encoding":"hex","signed":["body"]}]"#,
        other_algorithm: Some(
            r#"{"scheme":"hmac","algorithm":"sha1","header":"x-hub-signature-256","prefix":"sha1=","encoding":"hex","signed":["body"]}"#,
        ),
        ..NONE
    },
    SchemeRow {
        name: "hmac: method named in the header (Jira)",
        recipe: r#"[{"scheme":"hmac","algorithm":"sha256","header":"x-hub-signature","prefix":"sha256=","encoding":"hex","signed":["body"]}]"#,
        other_algorithm: Some(
            r#"{"scheme":"hmac","algorithm":"sha1","header":"x-hub-signature","prefix":"sha1=","encoding":"hex","signed":["body"]}"#,
        ),
        ..NONE
    },
    SchemeRow {
        name: "hmac: bare (Sentry, Grafana)",
        recipe: r#"[{"scheme":"hmac","algorithm":"sha256","header":"sentry-hook-signature","encoding":"hex","signed":["body"]}]"#,
        other_algorithm: Some(
            r#"{"scheme":"hmac","algorithm":"sha512","header":"sentry-hook-signature","encoding":"hex","signed":["body"]}"#,
        ),
        ..NONE
    },
    SchemeRow {
        name: "hmac: time in a header (Slack)",
        plugin: Some("slack"),
        recipe: r#"[{"scheme":"hmac","algorithm":"sha256","header":"x-slack-signature","prefix":"v0=","encoding":"hex","signed":[{"literal":"v0:"},"timestamp",{"literal":":"},"body"],"timestamp":{"from":{"header":"x-slack-request-timestamp"},"tolerance":"300s"}}]"#,
        has_time: true,
        other_algorithm: Some(
            r#"{"scheme":"hmac","algorithm":"sha1","header":"x-slack-signature","prefix":"v0=","encoding":"hex","signed":[{"literal":"v0:"},"timestamp",{"literal":":"},"body"],"timestamp":{"from":{"header":"x-slack-request-timestamp"},"tolerance":"300s"}}"#,
        ),
        ..NONE
    },
    SchemeRow {
        name: "hmac: time in the list (Stripe)",
        plugin: Some("stripe"),
        recipe: r#"[{"scheme":"hmac","algorithm":"sha256","header":"stripe-signature","prefix":"v1=","separator":",","encoding":"hex","signed":["timestamp",{"literal":"."},"body"],"timestamp":{"from":{"list_key":"t"},"tolerance":"300s"}}]"#,
        has_time: true,
        other_algorithm: Some(
            r#"{"scheme":"hmac","algorithm":"sha256","header":"stripe-signature","prefix":"v0=","separator":",","encoding":"hex","signed":["timestamp",{"literal":"."},"body"],"timestamp":{"from":{"list_key":"t"},"tolerance":"300s"}}"#,
        ),
        ..NONE
    },
    SchemeRow {
        name: "hmac: list (PagerDuty)",
        plugin: Some("pagerduty"),
        recipe: r#"[{"scheme":"hmac","algorithm":"sha256","header":"x-pagerduty-signature","prefix":"v1=","separator":",","encoding":"hex","signed":["body"]}]"#,
        other_algorithm: Some(
            r#"{"scheme":"hmac","algorithm":"sha1","header":"x-pagerduty-signature","prefix":"v1=","separator":",","encoding":"hex","signed":["body"]}"#,
        ),
        ..NONE
    },
    SchemeRow {
        name: "standard-webhooks: v1",
        plugin: Some("standard-webhooks"),
        recipe: r#"[{"scheme":"standard-webhooks"}]"#,
        secret: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        other_secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        has_time: true,
        ..NONE
    },
    SchemeRow {
        name: "standard-webhooks: v1a",
        plugin: Some("standard-webhooks"),
        recipe: r#"[{"scheme":"standard-webhooks"}]"#,
        secret: "whpk_6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=",
        other_secret: "whpk_E5j2LG0aRXxRumpLXz29L2n8qTIWIY3ImX5Ba9F9k8o=",
        seed: Some([7; 32]),
        has_time: true,
        ..NONE
    },
    SchemeRow {
        name: "ed25519 (Discord)",
        plugin: Some("discord"),
        recipe: r#"[{"scheme":"ed25519","header":"x-signature-ed25519","signed":["timestamp","body"],"timestamp":{"from":{"header":"x-signature-timestamp"},"tolerance":"5m"}}]"#,
        secret: PUBLIC,
        other_secret: OTHER_PUBLIC,
        seed: Some([7; 32]),
        has_time: true,
        ..NONE
    },
    SchemeRow {
        name: "jwt: HS256 with the hash of the request (Atlassian Connect)",
        recipe: r#"[{"scheme":"jwt","algorithm":"HS256","prefix":"JWT ","query":"jwt","query_hash":true}]"#,
        covers_body: false,
        has_time: true,
        ..NONE
    },
    SchemeRow {
        name: "token: header (GitLab, Telegram)",
        recipe: r#"[{"scheme":"token","in":"header","name":"x-gitlab-token"}]"#,
        covers_body: false,
        ..NONE
    },
    SchemeRow { name: "token: bearer", recipe: r#"[{"scheme":"token","in":"bearer"}]"#, covers_body: false, ..NONE },
    SchemeRow {
        name: "token: basic",
        recipe: r#"[{"scheme":"token","in":"basic"}]"#,
        secret: "user:password",
        other_secret: "user:another",
        covers_body: false,
        ..NONE
    },
];
