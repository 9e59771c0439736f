//! `gateway send`: a signed webhook, as the provider would send it.

mod fresh_id;

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use ::http::HeaderValue;
use anyhow::{Context, anyhow, bail};

use super::arguments::SendArguments;
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::output;
use super::table::table;
use super::webhook::{Known, Webhook};
use crate::plugin::Settings;
use crate::sample;
use crate::verify::Recipe;

pub(super) async fn run(connection: &Connection, arguments: SendArguments) -> Result<(), Failure> {
    let SendArguments { channel, file, sample, list_samples, headers, query, same_id, to } = arguments;
    let listed = Client::admin(connection)?.get("/admin/channels").await?;
    let parts = connection.parts()?;
    let part = parts.as_ref().map(|parts| parts.channel(channel.as_str())).transpose()?.flatten();
    let channel = Known::find(&channel, part, &listed)?;
    let plugins = || match &parts {
        Some(parts) => parts.plugins().map_err(Failure::from),
        None => Err(anyhow!(
            "the samples are in the plugin folder, and there is no configuration that names it\n\
             hint: name the configuration with `--config`, or a file with the body"
        )
        .into()),
    };
    if list_samples {
        return list(&channel, &plugins()?);
    }
    let recipe = channel.recipe()?;
    let body = if sample.is_some() { None } else { read_body(file.as_deref())? };
    let path = channel.paths().into_iter().next().context("the channel has no path")?;
    let mut webhook = match body {
        Some(body) => channel.with_body(&path, body),
        None => of_sample(&channel, &plugins()?, &recipe, &path, sample.as_deref(), same_id)?,
    };
    let given = read_headers(&headers)?;
    webhook.headers.retain(|(name, _)| !given.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)));
    webhook.headers.extend(given);
    if let Some(query) = query {
        query.trim_start_matches('?').clone_into(&mut webhook.query);
    }
    channel.sign(&mut webhook, &recipe)?;
    let Webhook { method, path, query, headers, body } = webhook;
    let target = if query.is_empty() { path } else { format!("{path}?{query}") };
    let reply = Client::webhooks(connection, to.as_ref())?.send(method, &target, headers, body.into()).await?;
    output::note(&reply.status.to_string());
    output::bytes(&reply.body)?;
    if !reply.body.is_empty() && !reply.body.ends_with(b"\n") {
        output::text("\n")?;
    }
    if reply.status.is_success() { Ok(()) } else { Err(Failure::Reported) }
}

/// The body from the file or from stdin. `None` means that a sample of the plugin is sent.
fn read_body(file: Option<&Path>) -> anyhow::Result<Option<Vec<u8>>> {
    if let Some(file) = file.filter(|file| *file != Path::new("-")) {
        return fs::read(file).map(Some).with_context(|| format!("cannot read `{}`", file.display()));
    }
    let mut stdin = io::stdin().lock();
    match (file, stdin.is_terminal()) {
        (None, true) => return Ok(None),
        (Some(_), true) => output::note("type the body, then Ctrl-D"),
        (_, false) => {}
    }
    let mut body = Vec::new();
    stdin.read_to_end(&mut body).context("cannot read stdin")?;
    // Stdin is empty in a script that runs without a terminal.
    Ok((file.is_some() || !body.is_empty()).then_some(body))
}

/// The request of a sample inside the plugin file: the one of this name, or a typical one.
fn of_sample(
    channel: &Known<'_>,
    plugins: &Settings,
    recipe: &Recipe,
    path: &str,
    name: Option<&str>,
    same_id: bool,
) -> anyhow::Result<Webhook> {
    let samples = channel.samples(plugins)?;
    let named = |name: &str| samples.iter().find(|(own, _)| own == name);
    let Some((found, sample)) = name.map_or_else(|| channel.typical(&samples), named) else {
        let names: Vec<_> = samples.iter().map(|(name, _)| format!("`{name}`")).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        match name {
            Some(name) => bail!("channel `{}` has no sample `{name}`, expected {known}", channel.name),
            None => bail!(
                "the plugin of channel `{}` has no sample that becomes an event\nhint: name a file with the body, or `-` for stdin",
                channel.name
            ),
        }
    };
    if name.is_none() {
        output::note(&format!("sample `{found}`"));
    }
    let mut webhook = channel.with_sample(path, sample, recipe);
    if !same_id {
        fresh_id::renew(&mut webhook, &sample.identities());
    }
    Ok(webhook)
}

/// Prints the samples inside the plugin file.
fn list(channel: &Known<'_>, plugins: &Settings) -> Result<(), Failure> {
    let samples = channel.samples(plugins)?;
    if samples.is_empty() {
        output::note(&format!("the plugin file of channel `{}` has no samples", channel.name));
        return Ok(());
    }
    let kind = |kind: &str| format!("{}.{kind}", channel.name);
    let rows: Vec<_> =
        samples.iter().map(|(name, sample)| vec![name.clone(), sample.kind().map(kind).unwrap_or_default()]).collect();
    output::text(&table(&["sample", "becomes"], &rows))
}

/// Headers as `Name: value`, or `@FILE` with one per line.
fn read_headers(arguments: &[String]) -> anyhow::Result<Vec<(String, HeaderValue)>> {
    let mut headers = Vec::new();
    for argument in arguments {
        match argument.strip_prefix('@') {
            None => headers.push(header(argument)?),
            Some(file) => {
                let text = fs::read_to_string(file).with_context(|| format!("cannot read `{file}`"))?;
                for line in text.lines().filter(|line| !line.trim().is_empty()) {
                    headers.push(header(line)?);
                }
            }
        }
    }
    Ok(headers)
}

fn header(text: &str) -> anyhow::Result<(String, HeaderValue)> {
    // No message shows the text: the value may be a credential.
    let (name, value) = sample::header(text).ok_or_else(|| anyhow!("expected a header of the form `Name: value`"))?;
    Ok((name.as_str().to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_given_one_by_one_or_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "X-GitHub-Event: ping\n\nX-Other:1\n").unwrap();
        let from_file = format!("@{}", file.path().display());

        let headers = read_headers(&["Content-Type: text/plain".to_owned(), from_file]).unwrap();

        let shown: Vec<_> = headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
        assert_eq!(shown, ["content-type=text/plain", "x-github-event=ping", "x-other=1"]);
        assert!(read_headers(&["no colon".to_owned()]).is_err());
    }
}
