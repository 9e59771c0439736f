use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, Method};
use anyhow::{Context, anyhow, bail};
use serde_json::Value;

use super::arguments::SendArguments;
use super::client::Client;
use super::failure::Failure;
use super::list::shown;
use super::output;
use crate::config::Config;
use crate::event::{ChannelName, Timestamp};
use crate::ingest::ChannelSettings;
use crate::sample;
use crate::verify::{Draft, Recipe, Scheme};

/// Sends a body to a channel as its provider would.
pub(super) async fn run(config: &Config, arguments: SendArguments) -> Result<(), Failure> {
    let SendArguments { channel, file, headers, query } = arguments;
    let body = read_body(file.as_deref())?;
    let listed = Client::admin(config).get("/admin/channels").await.map_err(anyhow::Error::from)?;
    let row = row_of(&channel, &listed)?;
    let path = row["paths"][0].as_str().context("the channel has no path")?;
    let mut headers = read_headers(&headers)?;
    if !headers.iter().any(|(name, _)| name == CONTENT_TYPE.as_str()) {
        headers.push((CONTENT_TYPE.as_str().to_owned(), HeaderValue::from_static(sample::content_type(&body))));
    }
    let query = query.as_deref().unwrap_or_default().trim_start_matches('?');
    let method = if row["methods"].as_array().is_none_or(|methods| methods.iter().any(|method| method == "POST")) {
        Method::POST
    } else {
        shown(&row["methods"][0]).parse().unwrap_or(Method::POST)
    };
    let draft = Draft { method: &method, path, query, body: &body };
    let settings = config.ingest.channels.iter().find(|settings| settings.name == channel);
    for (name, value) in signature(&channel, settings, row, &draft)? {
        // A header that was given by hand stays: it may be wrong on purpose.
        if !headers.iter().any(|(given, _)| *given == name) {
            let mut value = HeaderValue::from_str(&value).context("the signature is no header value")?;
            value.set_sensitive(true);
            headers.push((name, value));
        }
    }
    let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let reply =
        Client::webhooks(config).send(method, &target, headers, body.into()).await.map_err(anyhow::Error::from)?;
    output::note(&reply.status.to_string());
    output::bytes(&reply.body)?;
    if !reply.body.is_empty() && !reply.body.ends_with(b"\n") {
        output::text("\n")?;
    }
    if reply.status.is_success() { Ok(()) } else { Err(Failure::Told) }
}

fn row_of<'a>(channel: &ChannelName, listed: &'a Value) -> anyhow::Result<&'a Value> {
    let rows = listed["channels"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().find(|row| row["name"] == channel.as_str()).ok_or_else(|| {
        let names: Vec<_> = rows.iter().map(|row| format!("`{}`", shown(&row["name"]))).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        anyhow!("the gateway has no channel `{channel}`, but {known}\nhint: `gateway channels` lists them")
    })
}

/// The headers that make the draft a correct request of the channel.
fn signature(
    channel: &ChannelName,
    settings: Option<&ChannelSettings>,
    row: &Value,
    draft: &Draft<'_>,
) -> anyhow::Result<Vec<(String, String)>> {
    let recipe = match settings.and_then(|settings| settings.verification.clone()) {
        Some(recipe) => recipe,
        None => {
            let schemes: Vec<Scheme> = match &row["verification"] {
                Value::Null => Vec::new(),
                schemes => serde_json::from_value(schemes.clone()).context("cannot read the channel's verification")?,
            };
            Recipe::new(schemes)?
        }
    };
    if recipe.is_open() {
        return Ok(Vec::new());
    }
    let Some(secret) = settings.and_then(|settings| settings.secrets.first()) else {
        match settings.and_then(|settings| settings.missing_secret.as_deref()) {
            Some(reason) => bail!(
                "cannot sign for channel `{channel}`: {reason}\nhint: give this command the secret that the gateway has"
            ),
            None => bail!(
                "cannot sign for channel `{channel}`: it has no secret\nhint: add `[channels.{channel}]` with `secret = {{ env = \"...\" }}` to the configuration"
            ),
        }
    };
    recipe.sign(secret, draft, Timestamp::now()).with_context(|| format!("cannot sign for channel `{channel}`"))
}

fn read_body(file: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    match file {
        Some(file) if file != Path::new("-") => {
            fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))
        }
        _ => {
            let mut stdin = io::stdin().lock();
            if stdin.is_terminal() {
                output::note("type the body, and end it with Ctrl-D");
            }
            let mut body = Vec::new();
            stdin.read_to_end(&mut body).context("cannot read stdin")?;
            Ok(body)
        }
    }
}

/// `Name: value`, or `@FILE` with one on each line.
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
    // What stands after the colon may be a credential.
    let (name, value) = sample::header(text).ok_or_else(|| anyhow!("a header is not of the form `Name: value`"))?;
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
