//! `gateway check --live`: would the running gateway accept the webhooks of each channel? None is sent.

use std::collections::BTreeSet;

use ::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cli::arguments::output::Format;
use crate::cli::client::Client;
use crate::cli::connection::Connection;
use crate::cli::failure::Failure;
use crate::cli::list::{is_set_up, shown};
use crate::cli::output;
use crate::cli::table::table;
use crate::cli::webhook::{Known, Webhook};
use crate::config::Parts;
use crate::event::ChannelName;
use crate::sample::RequestSample;
use crate::verify::SignError;

/// The result for one channel.
struct Finding {
    channel: ChannelName,
    /// `None` if only the provider can sign its webhooks.
    accepted: Option<bool>,
    paths: Vec<String>,
    /// Names of the verification schemes.
    verified: Vec<String>,
    /// The sample that was tried.
    sample: Option<String>,
    /// Kinds of the events that the sample would become.
    events: Vec<String>,
    /// What else senders need.
    asks: Vec<String>,
    detail: String,
}

/// Tries a webhook of each channel and prints the results.
pub(super) async fn run(connection: &Connection, format: Format) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    let parts = connection.parts()?;
    let listed = client.get("/admin/channels").await?;
    let configured = parts.as_ref().map(|parts| parts.names()[0].clone()).unwrap_or_default();
    let configured = configured.iter().filter_map(|name| name.parse().ok());
    let rows = listed["channels"].as_array().into_iter().flatten().filter(|row| is_set_up(row));
    let running = rows.filter_map(|row| shown(&row["name"]).parse().ok());
    let names: BTreeSet<ChannelName> = configured.chain(running).collect();
    let mut findings = Vec::new();
    for name in names {
        findings.push(find(&client, parts.as_ref(), &listed, name).await?);
    }
    match format {
        Format::Json => output::json(&json!({ "channels": findings.iter().map(Finding::json).collect::<Vec<_>>() }))?,
        Format::Text => output::text(&text(&findings))?,
    }
    if findings.iter().all(|finding| finding.accepted != Some(false)) { Ok(()) } else { Err(Failure::Reported) }
}

async fn find(client: &Client, parts: Option<&Parts>, listed: &Value, name: ChannelName) -> Result<Finding, Failure> {
    let mut finding = Finding {
        channel: name.clone(),
        accepted: Some(false),
        paths: Vec::new(),
        verified: Vec::new(),
        sample: None,
        events: Vec::new(),
        asks: Vec::new(),
        detail: String::new(),
    };
    let part = parts.map(|parts| parts.channel(name.as_str())).transpose()?.flatten();
    let Ok(channel) = Known::find(&name, part, listed) else {
        "unknown to the running gateway: `gateway reload` has it read its configuration again"
            .clone_into(&mut finding.detail);
        return Ok(finding);
    };
    finding.paths = channel.paths();
    finding.verified =
        channel.row["verification"].as_array().into_iter().flatten().map(|scheme| shown(&scheme["scheme"])).collect();
    if channel.part.as_ref().is_some_and(|part| part.paths != finding.paths) {
        "other paths in the configuration: `gateway reload` applies them".clone_into(&mut finding.detail);
        return Ok(finding);
    }
    if channel.row["state"] != "serving" {
        finding.detail = format!("waiting: {}", shown(&channel.row["detail"]));
        return Ok(finding);
    }
    // The secret can be tried even if the plugin folder cannot be read here.
    let plugins = parts.and_then(|parts| parts.plugins().ok());
    let samples = plugins.and_then(|plugins| channel.samples(&plugins).ok()).unwrap_or_default();
    let sample = channel.typical(&samples);
    finding.sample = sample.map(|(name, _)| name.clone());
    for path in finding.paths.clone() {
        match signed(&channel, sample.map(|(_, sample)| &**sample), &path) {
            Ok(webhook) => {
                let report = client.post(&format!("/admin/channels/{name}/try"), &described(&webhook)).await;
                judge(&mut finding, &report?);
            }
            Err(error) => {
                let only_its_provider_can =
                    matches!(error.downcast_ref(), Some(SignError::Unsupported { .. } | SignError::PrivateKey { .. }));
                finding.accepted = if only_its_provider_can { None } else { Some(false) };
                finding.detail = format!("{error:#}").lines().next().unwrap_or_default().to_owned();
                break;
            }
        }
        if finding.accepted != Some(true) {
            finding.detail = format!("{path}: {}", finding.detail);
            break;
        }
    }
    Ok(finding)
}

/// The channel's sample, or an empty object, signed with the secret of the configuration.
fn signed(channel: &Known<'_>, sample: Option<&RequestSample>, path: &str) -> anyhow::Result<Webhook> {
    let recipe = channel.recipe()?;
    let mut webhook = match sample {
        Some(sample) => channel.with_sample(path, sample, &recipe),
        None => channel.with_body(path, b"{}".to_vec()),
    };
    channel.sign(&mut webhook, &recipe)?;
    Ok(webhook)
}

/// A webhook as the admin API reads it.
fn described(webhook: &Webhook) -> Value {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    json!({
        "method": webhook.method.as_str(),
        "path": webhook.path,
        "query": webhook.query,
        "headers": webhook.headers.iter().map(|(name, value)| (name, text(value))).collect::<Vec<_>>(),
        "body_base64": STANDARD.encode(&webhook.body),
    })
}

fn judge(finding: &mut Finding, report: &Value) {
    finding.asks = report["asks"].as_array().into_iter().flatten().map(shown).collect();
    finding.events = report["events"].as_array().into_iter().flatten().map(|event| shown(&event["kind"])).collect();
    let is_good = report["status"].as_u64().is_some_and(|status| status < 400);
    let is_refused_content = report["code"] == "rejected" && finding.sample.is_none();
    finding.accepted = Some(is_good || is_refused_content);
    finding.detail = if is_refused_content {
        "accepted; the plugin file has no sample to show the resulting events".to_owned()
    } else if is_good {
        finding.events.join(", ")
    } else {
        let reason = [&report["internal"], &report["detail"]].into_iter().map(shown).find(|reason| !reason.is_empty());
        let hint =
            if report["code"] == "verification_failed" { "; does this command use the gateway's secret?" } else { "" };
        format!("{} {}{hint}", report["status"], reason.unwrap_or_default())
    };
}

impl Finding {
    fn json(&self) -> Value {
        json!({
            "channel": self.channel.as_str(),
            "accepted": self.accepted,
            "paths": self.paths,
            "verified": self.verified,
            "sample": self.sample,
            "events": self.events,
            "asks": self.asks,
            "detail": self.detail,
        })
    }
}

fn text(findings: &[Finding]) -> String {
    let row = |finding: &Finding| {
        let accepted = match finding.accepted {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        let verified = if finding.verified.is_empty() { "no".to_owned() } else { finding.verified.join(", ") };
        let paths = finding.paths.join(", ");
        let asks = finding.asks.join(", ");
        vec![finding.channel.to_string(), accepted.to_owned(), paths, verified, asks, finding.detail.clone()]
    };
    table(
        &["channel", "accepted", "paths", "verified", "also needed", "detail"],
        &findings.iter().map(row).collect::<Vec<_>>(),
    )
}
