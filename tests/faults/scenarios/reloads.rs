//! DEL7: reloads under load.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::journal::Bodies;
use crate::load::{Load, resend_acknowledged, resend_unanswered};
use crate::report::Report;
use crate::suite::{Scale, percentiles};
use crate::support::{Setup, TestGateway, built_in, github_signature};
use crate::trial::{Trial, random};

use super::Outcome;

/// Every so many rounds a secret is rotated, the file is broken, or the gateway is killed during the reload.
const ROTATE: u32 = 4;
const BREAK: u32 = 5;
const KILL: u32 = 40;

/// A channel with a secret in a file, and what each reload changes.
const TABLES: &str = r#"
[reload]
watch = false
[channels.github]
secret = [{ file = "new.secret" }, { file = "old.secret" }]
[channels.extra-0]
plugin = "dummy"
[agents.extra-0]
plugin = "http"
config = { url = "http://127.0.0.1:9/" }
allow_hosts = ["127.0.0.1:9"]
"#;

/// Each reload replaces a channel and an agent by others, and changes the agent that gets the events, a rate and a limit.
pub(super) async fn run(scale: Scale) -> Outcome {
    let mut trial = Trial::new(Bodies::Usual).await;
    let mut report = Report::new(scale.rounds);
    let mut gateway = setup(&trial).start().await;
    let mut load = Load::start(&gateway, &trial);
    let (mut took, mut rotations, mut refused, mut kills) = (Vec::new(), 0, 0, 0);
    for round in 0..scale.rounds {
        scale.progress(round);
        tokio::time::sleep(random(Duration::from_millis(100))).await;
        if round % ROTATE == 0 {
            rotate(&gateway, round);
            rotations += 1;
        }
        change(&mut gateway, round);
        if round % KILL == KILL - 1 || round + 1 == scale.rounds {
            let (client, wait) = (gateway.client.clone(), random(Duration::from_millis(20)));
            let asked = async move { drop(client.try_send("POST", "/admin/reload", &[], Vec::new()).await) };
            tokio::select! {
                () = asked => {}
                () = tokio::time::sleep(wait) => {}
            }
            let setup = trial.kill(gateway).await;
            let refusals = load.end().await;
            report.expect(refusals.is_empty(), || format!("refused: {refusals:?}"));
            gateway = trial.recover(setup).await;
            resend_unanswered(&gateway, &trial).await;
            // What the kill cut off is delivered again in this run, and not after its clean stop.
            trial.settled(&gateway).await;
            load = Load::start(&gateway, &trial);
            kills += 1;
            continue;
        }
        if round % BREAK == 0 {
            gateway.reconfigure("[reload]", "[relaod]");
            gateway.reload().await.expect_problem(422, "configuration_refused");
            gateway.reconfigure("[relaod]", "[reload]");
            refused += 1;
        }
        let began = Instant::now();
        let reply = gateway.reload().await.expect_status(200).json();
        took.push(began.elapsed());
        report.expect(reply["outcome"] == "applied", || format!("{reply}"));
        let secret = format!("secret {}", round / ROTATE * ROTATE);
        let answer = try_signed(&gateway, &secret).await;
        report.expect(answer["status"] == 202, || format!("with the new secret: {answer}"));
    }
    let setup = trial.stop(gateway).await;
    let refusals = load.end().await;
    report.expect(refusals.is_empty(), || format!("refused: {refusals:?}"));
    let gateway = trial.recover(setup).await;
    resend_acknowledged(&gateway, &trial).await;
    resend_unanswered(&gateway, &trial).await;
    report.add(&trial.judge(&gateway).await);
    let [median, longest] = percentiles(&took).unwrap_or_default();
    report.note(format!(
        "{} reloads, {rotations} rotations of a secret, {refused} broken files, {kills} kills; a reload took {median:.0?}, p99 {longest:.0?}",
        took.len()
    ));
    report.recoveries = trial.recoveries;
    Ok(report)
}

fn setup(trial: &Trial) -> Setup {
    let setup = trial.setup_with("concurrency = 16").plugin(built_in::GITHUB).config(TABLES);
    let setup = setup.file("new.secret", "first").file("old.secret", "first");
    // The table of the trial, which every round changes.
    setup.config("[http.address_limit]\nrate = \"1000000/s\"\n[http.rate_limit]\nrate = \"1000000/s\"\n")
}

/// What is different after this round.
fn change(gateway: &mut TestGateway, round: u32) {
    let next = round + 1;
    for name in ["channels.extra", "agents.extra"] {
        gateway.reconfigure(&format!("[{name}-{round}]"), &format!("[{name}-{next}]"));
    }
    let concurrency = |round: u32| format!("concurrency = {}\n", 16 + round % 8);
    gateway.reconfigure(&concurrency(round), &concurrency(next));
    let rate = |round: u32| format!("rate = \"{}/s\"", 1_000_000 + round);
    gateway.reconfigure(&rate(round), &rate(next));
}

/// The secret of before stays valid, as during a real rotation.
fn rotate(gateway: &TestGateway, round: u32) {
    let [new, old] = ["new.secret", "old.secret"].map(|name| gateway.path().join(name));
    std::fs::copy(&new, old).unwrap();
    std::fs::write(new, format!("secret {round}")).unwrap();
}

/// What a webhook with this secret would be answered.
async fn try_signed(gateway: &TestGateway, secret: &str) -> Value {
    let body = b"{\"zen\": \"Keep it logically awesome.\"}";
    let webhook = json!({
        "method": "POST",
        "path": "/webhooks/github",
        "headers": [
            ["content-type", "application/json"],
            ["x-github-event", "ping"],
            ["x-hub-signature-256", github_signature(secret, body)],
        ],
        "body_base64": STANDARD.encode(body),
    });
    let reply = gateway.client.post("/admin/channels/github/try", &[], webhook.to_string()).await;
    reply.expect_status(200).json()
}
