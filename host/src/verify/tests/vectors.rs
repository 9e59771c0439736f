//! Signatures published by providers.

use serde_json::Value;

use super::super::{Recipe, Secret, VerifyError};
use super::{Request, recipe, seconds, secret};
use crate::event::Timestamp;

struct Vector {
    name: String,
    recipe: Recipe,
    signature: &'static str,
    secret: Secret,
    now: Timestamp,
    request: Request,
}

/// Every vector of `tests/vectors.json`, with the recipe of its provider.
fn all() -> Vec<Vector> {
    let file: Value = serde_json::from_str(include_str!("../../../../tests/vectors.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 16);
    vectors.iter().map(read).collect()
}

fn read(vector: &Value) -> Vector {
    let text = |key: &str| vector[key].as_str().unwrap_or_default();
    let headers = vector["headers"].as_object().unwrap();
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    let request = Request::new(text("body").as_bytes(), headers);
    let has_timestamp = request.headers.iter().any(|(name, _)| name == "X-Timestamp");
    let (schemes, signature) = match text("provider") {
        "github" => (super::github(), "X-Hub-Signature-256"),
        "slack" => (super::slack(), "X-Slack-Signature"),
        "jira" => (super::jira(), "X-Hub-Signature"),
        "grafana" if has_timestamp => (super::grafana_with_timestamp(), "X-Grafana-Alerting-Signature"),
        "grafana" => (super::grafana(), "X-Grafana-Alerting-Signature"),
        "sentry" => (super::sentry(), "Sentry-Hook-Signature"),
        "standard-webhooks" => (super::standard_webhooks(), "webhook-signature"),
        "stripe" => (super::stripe(), "Stripe-Signature"),
        "linear" => (super::linear(), "Linear-Signature"),
        "discord" => (super::discord(), "X-Signature-Ed25519"),
        "pagerduty" => (super::pagerduty(), "X-PagerDuty-Signature"),
        other => panic!("no recipe for `{other}`"),
    };
    Vector {
        name: format!("{}: {}", text("provider"), text("name")),
        recipe: recipe(schemes),
        signature,
        secret: secret(vector["secret"].as_str().unwrap_or_else(|| text("public_key"))),
        now: seconds(vector["now"].as_i64().unwrap_or(1_700_000_000)),
        request,
    }
}

#[test]
fn every_official_signature_passes() {
    for vector in all() {
        let result = vector.request.verify(&vector.recipe, &[vector.secret], vector.now);

        assert_eq!(result, Ok(()), "{}", vector.name);
    }
}

#[test]
fn one_changed_byte_of_the_body_is_refused() {
    for mut vector in all() {
        match vector.request.body.last_mut() {
            Some(byte) => *byte ^= 1,
            None => vector.request.body.push(0),
        }

        let result = vector.request.verify(&vector.recipe, &[vector.secret], vector.now);

        assert_eq!(result, Err(VerifyError::Mismatch), "{}", vector.name);
    }
}

#[test]
fn one_changed_digit_of_the_signature_is_refused() {
    for mut vector in all() {
        let value = vector.request.header(vector.signature);
        let place = value.len() - 10;
        value[place] = if value[place] == b'0' { b'1' } else { b'0' };

        let result = vector.request.verify(&vector.recipe, &[vector.secret], vector.now);

        assert_eq!(result, Err(VerifyError::Mismatch), "{}", vector.name);
    }
}

#[test]
fn another_secret_is_refused() {
    for vector in all() {
        let other = match vector.name.as_str() {
            name if name.starts_with("discord") => "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            name if name.starts_with("standard-webhooks") => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            _ => "another secret",
        };

        let result = vector.request.verify(&vector.recipe, &[secret(other)], vector.now);

        assert_eq!(result, Err(VerifyError::Mismatch), "{}", vector.name);
    }
}

#[test]
fn a_secret_passes_among_others_in_any_place() {
    for vector in all() {
        let others = [secret("old"), secret("whsec_b2xk"), secret("older")];
        for place in 0..=others.len() {
            let mut secrets = others.to_vec();
            secrets.insert(place, vector.secret.clone());

            let result = vector.request.verify(&vector.recipe, &secrets, vector.now);

            assert_eq!(result, Ok(()), "{} at {place}", vector.name);
        }
        assert!(vector.request.verify(&vector.recipe, &others, vector.now).is_err(), "{}", vector.name);
    }
}

#[test]
fn each_header_of_a_recipe_is_needed_and_taken_once() {
    for vector in all() {
        for index in 0..vector.request.headers.len() {
            let mut without = vector.request.clone();
            without.headers.remove(index);
            let mut twice = vector.request.clone();
            twice.headers.push(twice.headers[index].clone());

            let without = without.verify(&vector.recipe, std::slice::from_ref(&vector.secret), vector.now);
            let twice = twice.verify(&vector.recipe, std::slice::from_ref(&vector.secret), vector.now);

            assert!(matches!(without, Err(VerifyError::Missing { .. })), "{}: {without:?}", vector.name);
            assert!(matches!(twice, Err(VerifyError::Duplicate { .. })), "{}: {twice:?}", vector.name);
        }
    }
}
