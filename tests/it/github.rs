//! Real payloads of GitHub: the recordings of `@octokit/webhooks-examples`, signed, at a running gateway.

use std::fs;

use serde_json::Value;

use crate::support::{Setup, github_signature, npm_packages};

/// The number of payloads of that version, in `api.github.com`.
const PAYLOADS: usize = 329;

/// Each becomes one event, with the kind and the subject that GitHub's documentation suggests.
#[tokio::test]
async fn every_recorded_payload_is_an_event_of_the_right_kind_and_subject() {
    let Some(modules) = npm_packages("github") else { return };
    let corpus = modules.join("@octokit/webhooks-examples/api.github.com/index.json");
    let corpus: Value = serde_json::from_slice(&fs::read(corpus).unwrap()).unwrap();
    let gateway = Setup::new().github().start().await;

    let mut count = 0;
    for (event, payload) in corpus.as_array().unwrap().iter().flat_map(|event| {
        let payloads = event["examples"].as_array().unwrap();
        payloads.iter().map(|payload| (event["name"].as_str().unwrap(), payload))
    }) {
        count += 1;
        let body = serde_json::to_vec(payload).unwrap();
        let delivery = format!("delivery-{count}");
        let headers = [
            ("content-type", "application/json"),
            ("x-github-event", event),
            ("x-github-delivery", &delivery),
            ("x-hub-signature-256", &github_signature("mysecret", &body)),
        ];

        let id = gateway.client.post("/webhooks/github", &headers, body).await.expect_accepted();

        let stored = gateway.json(&format!("/admin/events/{id}")).await;
        assert_eq!(stored["kind"], kind(event, payload).as_str(), "{payload:#}");
        assert_eq!(stored["subject"], subject(payload), "{event} {payload:#}");
        assert_eq!(&stored["data"], payload);
    }
    assert_eq!(count, PAYLOADS);
}

/// Gitea sends the headers and members of GitHub beside its own, with the same signature twice.
#[tokio::test]
async fn a_webhook_of_gitea_is_an_event_of_github() {
    let body = include_bytes!("../../plugins/github/samples/gitea.issue_comment.created.json");
    let gateway = Setup::new().github().start().await;
    let signature = github_signature("mysecret", body);
    let post = async |signature: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("x-gitea-event", "issue_comment"),
            ("x-gitea-signature", signature.trim_start_matches("sha256=")),
            ("x-github-delivery", "f6266f16-1bf3-46a5-9ea4-602e06ead473"),
            ("x-github-event", "issue_comment"),
            ("x-hub-signature-256", signature),
        ];
        gateway.client.post("/webhooks/github", &headers, body.to_vec()).await
    };

    post(&format!("sha256={}", "0".repeat(64))).await.expect_problem(401, "verification_failed");
    let id = post(&signature).await.expect_accepted();

    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!(
        (&event["kind"], &event["subject"]),
        (&"github.issue_comment.created".into(), &"kitchen/kettle#7".into())
    );
    assert_eq!((&event["attributes"]["sender"], &event["attributes"]["command"]), (&"ada".into(), &"fix".into()));
}

fn kind(event: &str, payload: &Value) -> String {
    let action = payload["action"].as_str().map(|action| format!(".{action}")).unwrap_or_default();
    format!("github.{event}{action}")
}

/// The subject of a payload, derived from the parsed JSON: a numbered object of a repository, a reference of it, the
/// repository; else the organization or the account.
fn subject(payload: &Value) -> Value {
    let at = |pointer: &str| payload.pointer(pointer).filter(|value| !value.is_null());
    let text = |pointer: &str| at(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(repository) = text("/repository/full_name") else {
        let accounts = [
            "/organization/login",
            "/installation/account/login",
            "/marketplace_purchase/account/login",
            "/sponsorship/sponsorable/login",
            "/security_advisory/ghsa_id",
            "/sender/login",
        ];
        return accounts.into_iter().find_map(at).cloned().unwrap_or_default();
    };
    let numbers = ["/issue/number", "/pull_request/number", "/discussion/number"];
    if let Some(number) = numbers.into_iter().find_map(at) {
        return format!("{repository}#{number}").into();
    }
    if let Some(reference) = text("/ref") {
        let kind = match text("/ref_type") {
            Some("branch") => "refs/heads/",
            Some("tag") => "refs/tags/",
            _ => "",
        };
        return format!("{repository}@{kind}{reference}").into();
    }
    let runs = ["/workflow_run", "/workflow_job", "/check_suite", "/check_run/check_suite"];
    match runs.into_iter().find_map(|run| text(&format!("{run}/head_branch"))) {
        Some(branch) => format!("{repository}@refs/heads/{branch}").into(),
        None => repository.into(),
    }
}
