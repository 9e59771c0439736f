//! `gateway routes test`: where events go with the routes of the configuration, which may not be served yet.

use std::fmt::Display;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::arguments::output::Format;
use super::arguments::routes::RoutesTestArguments;
use super::connection::Connection;
use super::failure::Failure;
use super::list::shown;
use super::output::{self, clean};
use super::plugin::INSTANCES;
use super::query;
use super::request::{LogRequest, Request};
use crate::config::{self, Parts};
use crate::dispatch::{Explanation, Routes};
use crate::event::{ChannelName, Facts, PluginName};
use crate::plugin::{self, StandaloneHost};
use crate::sample::{self, Content, PluginUnderTest, RequestSample, Sample};

/// An event that routes are tried on.
struct Tried {
    channel: ChannelName,
    kind: String,
    subject: Option<String>,
    attributes: Vec<(String, String)>,
    data: Vec<u8>,
}

/// Prints where the events go. Fails if one of them goes nowhere.
pub(super) async fn run(connection: &Connection, arguments: RoutesTestArguments) -> Result<(), Failure> {
    let format = arguments.output.format;
    let parts = connection.parts()?.ok_or_else(|| {
        anyhow!("there is no configuration with routes to test\nhint: name it with `--config`, or run in its folder")
    })?;
    let routes = Routes::new(parts.routes()?);
    let events = events(connection, &parts, arguments).await?;
    let tried: Vec<_> = events.iter().map(|event| (event, routes.explain(&event.facts()))).collect();
    match format {
        Format::Json => {
            let row = |(event, explanation): &(&Tried, Explanation)| {
                let mut row = json!({ "kind": event.kind, "subject": event.subject });
                if let (Value::Object(row), Ok(Value::Object(rest))) = (&mut row, serde_json::to_value(explanation)) {
                    row.extend(rest);
                }
                row
            };
            output::json(&json!({ "events": tried.iter().map(row).collect::<Vec<_>>() }))?;
        }
        Format::Text => {
            let line = |(event, explanation): &(&Tried, Explanation)| sentence(event, explanation) + "\n";
            output::text(&tried.iter().map(line).collect::<String>())?;
        }
    }
    let is_routed = |(_, explanation): &(&Tried, Explanation)| explanation.unrouted.is_none();
    if tried.iter().all(is_routed) { Ok(()) } else { Err(Failure::Reported) }
}

async fn events(connection: &Connection, parts: &Parts, arguments: RoutesTestArguments) -> Result<Vec<Tried>, Failure> {
    let RoutesTestArguments { sample, event, kind, channel, subject, attributes, data, .. } = arguments;
    if let Some(sample) = sample {
        return of_sample(parts, &sample).await;
    }
    if let Some(name) = event {
        let event = query::fetch(connection, &Request::Log(LogRequest::Event(name))).await?;
        return Ok(vec![of_stored(&event)?]);
    }
    let kind = kind.unwrap_or_default();
    let channel = match channel {
        Some(channel) => channel,
        None => {
            let name = kind.split_once('.').map(|(channel, _)| channel).unwrap_or_default();
            name.parse().map_err(|_| {
                anyhow!("`{kind}` names no channel\nhint: write `--kind CHANNEL.KIND`, or add `--channel NAME`")
            })?
        }
    };
    warn_of_absence(parts, &channel);
    let start = format!("{channel}.");
    let kind = if kind.starts_with(&start) { kind } else { start + &kind };
    let data = data.as_deref().map(read).transpose()?.unwrap_or_default();
    Ok(vec![Tried { channel, kind, subject, attributes, data }])
}

/// Routes take events of any channel, so that one which does not exist is easily overlooked.
fn warn_of_absence(parts: &Parts, channel: &ChannelName) {
    let [channels, _] = parts.names();
    let has_plugin = |dir: &Path| dir.join(format!("{channel}.wasm")).exists();
    let exists = channel.is_built_in()
        || channels.iter().any(|name| name == channel.as_str())
        || parts.plugins().is_ok_and(|plugins| has_plugin(&plugins.dir));
    if !exists {
        let near = config::nearest(channel.as_str(), channels.iter().map(String::as_str));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        output::note(&format!("warning: there is no channel `{channel}`{hint}"));
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))
}

/// The events that a plugin makes of a sample inside its file.
async fn of_sample(parts: &Parts, text: &str) -> Result<Vec<Tried>, Failure> {
    let (channel, name) = text.split_once('/').ok_or_else(|| {
        anyhow!(
            "`{text}` is not `CHANNEL/NAME`\nhint: `gateway send CHANNEL --list-samples` lists the samples of a channel"
        )
    })?;
    let channel: ChannelName = channel.parse().map_err(|_| anyhow!("`{channel}` is not the name of a channel"))?;
    let plugin = parts.channel(channel.as_str())?.and_then(|part| part.plugin);
    let settings = parts.plugins()?;
    let file = settings.dir.join(format!("{}.wasm", plugin.as_ref().map_or(channel.as_str(), PluginName::as_str)));
    let settings = plugin::Settings { instances: settings.instances.min(INSTANCES), ..settings };
    Ok(receipt(settings, &file, &channel, name).await?)
}

/// The events of one sample of the plugin in `file`.
async fn receipt(
    settings: plugin::Settings,
    file: &Path,
    channel: &ChannelName,
    name: &str,
) -> anyhow::Result<Vec<Tried>> {
    let unusable = |error: &dyn Display| anyhow!("`{}`: {error}", file.display());
    let bytes = plugin::read_file(file, settings.max_file).map_err(|error| unusable(&error))?;
    let sample = find(sample::embedded(&bytes), name)
        .with_context(|| format!("the plugin `{}` has no sample `{name}` of a request", file.display()))?;
    let host = StandaloneHost::new(settings)?;
    let plugin = PluginUnderTest::load(&host, file, 0).await.map_err(|error| unusable(&error))?;
    let found = plugin.run(&sample).await.found;
    let Ok(Content::Request(request)) = &sample.content else { bail!("`{name}` is not a request") };
    let events = found["receipt"]["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    if events.is_empty() {
        bail!(
            "the plugin makes no event of the sample `{name}`\nhint: `gateway send {channel} --list-samples` shows which become events"
        );
    }
    events.iter().map(|event| of_receipt(channel, event, request)).collect()
}

fn find(samples: Vec<Sample>, name: &str) -> anyhow::Result<Sample> {
    let is_request = |sample: &Sample| matches!(sample.content, Ok(Content::Request(_)));
    let (mut named, others): (Vec<_>, Vec<_>) =
        samples.into_iter().filter(is_request).partition(|sample| sample.name == name);
    named.pop().ok_or_else(|| {
        let names: Vec<_> = others.iter().map(|sample| format!("`{}`", sample.name)).collect();
        let known =
            if names.is_empty() { "none; `gateway plugin pack` puts them in".to_owned() } else { names.join(", ") };
        anyhow!("its samples are {known}")
    })
}

/// An event of a receipt in the form of a sample's file.
fn of_receipt(channel: &ChannelName, event: &Value, request: &RequestSample) -> anyhow::Result<Tried> {
    let own = data(event)?;
    Ok(Tried {
        channel: channel.clone(),
        kind: format!("{channel}.{}", shown(&event["kind"])),
        subject: event["subject"].as_str().map(str::to_owned),
        attributes: attributes(event),
        data: own.unwrap_or_else(|| request.body().to_vec()),
    })
}

/// An event as the admin API shows it.
fn of_stored(event: &Value) -> anyhow::Result<Tried> {
    Ok(Tried {
        channel: shown(&event["channel"]).parse().context("the event has no channel")?,
        kind: shown(&event["kind"]),
        subject: event["subject"].as_str().map(str::to_owned),
        attributes: attributes(event),
        data: data(event)?.unwrap_or_default(),
    })
}

fn attributes(event: &Value) -> Vec<(String, String)> {
    let members = event["attributes"].as_object().into_iter().flatten();
    members.map(|(name, value)| (name.clone(), shown(value))).collect()
}

/// `data` or `data_base64`. Data that is not declared as JSON is shown as a text.
fn data(event: &Value) -> anyhow::Result<Option<Vec<u8>>> {
    if let Some(base64) = event["data_base64"].as_str() {
        return Ok(Some(STANDARD.decode(base64).context("the data is not base64")?));
    }
    Ok(event.get("data").map(|data| data.as_str().map_or_else(|| data.to_string(), str::to_owned).into_bytes()))
}

fn sentence(event: &Tried, explanation: &Explanation) -> String {
    let subject = event.subject.as_ref().map(|subject| format!(" ({subject})")).unwrap_or_default();
    let kind = clean(&format!("{}{subject}", event.kind), false);
    let quoted = |texts: Vec<String>| texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ");
    match &explanation.unrouted {
        Some(sentence) => format!("{kind} goes nowhere: {}", clean(sentence, false)),
        None => {
            let agents = quoted(explanation.recipients.iter().map(|row| row.agent.to_string()).collect());
            let waits = if explanation.sync { "; the sender gets the answer" } else { "" };
            format!("{kind} goes to {agents} by {}{waits}", quoted(explanation.routes.clone()))
        }
    }
}

impl Tried {
    fn facts(&self) -> Facts<'_> {
        Facts {
            channel: &self.channel,
            kind: &self.kind,
            subject: self.subject.as_deref(),
            attributes: &self.attributes,
            data: &self.data,
        }
    }
}
