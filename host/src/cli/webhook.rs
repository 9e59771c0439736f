//! A webhook as a provider would send it, and the channel that it goes to.

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, Method};
use anyhow::{Context, anyhow, bail};
use serde_json::Value;

use super::list::shown;
use crate::config::{ChannelPart, SecretPart};
use crate::event::{ChannelName, Timestamp};
use crate::plugin::{self, Settings};
use crate::sample::{self, Content, RequestSample};
use crate::verify::{Draft, Recipe, Scheme, SignError, standard_webhooks};

/// A request to a channel.
pub(super) struct Webhook {
    pub(super) method: Method,
    pub(super) path: String,
    /// Without `?`, may be empty.
    pub(super) query: String,
    pub(super) headers: Vec<(String, HeaderValue)>,
    pub(super) body: Vec<u8>,
}

/// A channel of the running gateway, and what the configuration says of it.
pub(super) struct Known<'a> {
    pub(super) name: ChannelName,
    /// `None` for a channel without a table in the configuration, or without a configuration.
    pub(super) part: Option<ChannelPart>,
    /// Its row in `/admin/channels`.
    pub(super) row: &'a Value,
}

impl<'a> Known<'a> {
    /// Finds the channel of this name among those that the gateway lists.
    pub(super) fn find(name: &ChannelName, part: Option<ChannelPart>, listed: &'a Value) -> anyhow::Result<Self> {
        let rows = listed["channels"].as_array().map(Vec::as_slice).unwrap_or_default();
        let row = rows.iter().find(|row| row["name"] == name.as_str()).ok_or_else(|| {
            let names: Vec<_> = rows.iter().map(|row| format!("`{}`", shown(&row["name"]))).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            anyhow!("the gateway has no channel `{name}`, expected {known}\nhint: `gateway channels` lists them")
        })?;
        Ok(Self { name: name.clone(), part, row })
    }

    /// The verification of its requests.
    pub(super) fn recipe(&self) -> anyhow::Result<Recipe> {
        if let Some(recipe) = self.part.as_ref().and_then(|part| part.verification.clone()) {
            return Ok(recipe);
        }
        let schemes: Vec<Scheme> = match &self.row["verification"] {
            Value::Null => Vec::new(),
            schemes => serde_json::from_value(schemes.clone()).context("cannot read the channel's verification")?,
        };
        Ok(Recipe::new(schemes)?)
    }

    /// The sample requests inside its plugin file, by name.
    pub(super) fn samples(&self, plugins: &Settings) -> anyhow::Result<Vec<(String, Box<RequestSample>)>> {
        let file = plugins.dir.join(format!("{}.wasm", shown(&self.row["plugin"])));
        let bytes = plugin::read_file(&file, plugins.max_file)
            .map_err(|error| anyhow!("{}: {error}", file.display()))
            .with_context(|| format!("cannot read the samples of channel `{}`", self.name))?;
        let requests = sample::embedded(&bytes).into_iter().filter_map(|sample| match sample.content {
            Ok(Content::Request(request)) => Some((sample.name, request)),
            Ok(Content::Delivery(_)) | Err(_) => None,
        });
        Ok(requests.collect())
    }

    /// The most typical sample: one that becomes an event, preferably with the settings of this channel.
    pub(super) fn typical<'s>(
        &self,
        samples: &'s [(String, Box<RequestSample>)],
    ) -> Option<&'s (String, Box<RequestSample>)> {
        let fits = |sample: &RequestSample| {
            let config = self.part.as_ref().map(|part| &part.config);
            sample.config().iter().all(|(key, value)| config.and_then(|config| config.get(key)) == Some(value))
        };
        let is_event = |sample: &RequestSample| sample.kind().is_some();
        let found = samples.iter().find(|(_, sample)| is_event(sample) && fits(sample));
        found.or_else(|| samples.iter().find(|(_, sample)| is_event(sample)))
    }

    /// The paths of the channel; webhooks are sent to the first one.
    pub(super) fn paths(&self) -> Vec<String> {
        self.row["paths"].as_array().into_iter().flatten().map(shown).collect()
    }

    pub(super) fn with_body(&self, path: &str, body: Vec<u8>) -> Webhook {
        let methods = self.row["methods"].as_array();
        let method = if methods.is_none_or(|methods| methods.iter().any(|method| method == "POST")) {
            Method::POST
        } else {
            shown(&self.row["methods"][0]).parse().unwrap_or(Method::POST)
        };
        Webhook { method, path: path.to_owned(), query: String::new(), headers: Vec::new(), body }
    }

    /// The request of a sample, with the current time in it.
    pub(super) fn with_sample(&self, path: &str, sample: &RequestSample, recipe: &Recipe) -> Webhook {
        let body = recipe.refresh_timestamp(sample.body(), Timestamp::now()).unwrap_or_else(|| sample.body().to_vec());
        let (below, query) = sample.target();
        let mut webhook = self.with_body(&format!("{path}{below}"), body);
        query.clone_into(&mut webhook.query);
        webhook.headers.extend(sample.headers().iter().map(|(name, value)| (name.as_str().to_owned(), value.clone())));
        if let Some(method) = sample.method() {
            webhook.method = method.clone();
        }
        webhook
    }

    /// Adds content type and signature. Headers that are there stay, because they may be wrong on purpose.
    pub(super) fn sign(&self, webhook: &mut Webhook, recipe: &Recipe) -> anyhow::Result<()> {
        let body_type = sample::content_type(&webhook.body);
        webhook.add(CONTENT_TYPE.as_str(), || Ok(HeaderValue::from_static(body_type)))?;
        if recipe.is_open() {
            return Ok(());
        }
        let channel = &self.name;
        let secret = match self.part.as_ref().map_or(&SecretPart::Absent, |part| &part.secret) {
            SecretPart::Present(secret) => secret,
            // The caller has passed a signature.
            _ if webhook.headers.iter().any(|(name, _)| recipe.hides_header(name)) => return Ok(()),
            SecretPart::Missing(reason) => bail!(
                "cannot sign for channel `{channel}`: {reason}\nhint: run this command with the secret that the gateway uses"
            ),
            SecretPart::Absent => bail!(
                "cannot sign for channel `{channel}`: it has no secret\nhint: add `[channels.{channel}]` with `secret = {{ env = \"...\" }}` to the configuration"
            ),
        };
        let Webhook { method, path, query, headers, body } = &*webhook;
        let id = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(standard_webhooks::ID));
        let id = id.and_then(|(_, value)| value.to_str().ok());
        let signature = match recipe.sign(secret, &Draft { method, path, query, id, body }, Timestamp::now()) {
            // Only the provider has the private key, but the caller may have passed a signature of it.
            Err(SignError::Unsupported { .. } | SignError::PrivateKey { .. })
                if webhook.headers.iter().any(|(name, _)| recipe.hides_header(name)) =>
            {
                return Ok(());
            }
            signature => signature.with_context(|| format!("cannot sign for channel `{channel}`"))?,
        };
        for (name, value) in signature {
            webhook.add(&name, || {
                let mut value = HeaderValue::from_str(&value).context("the signature is not a valid header value")?;
                value.set_sensitive(true);
                Ok(value)
            })?;
        }
        Ok(())
    }
}

impl Webhook {
    fn add(&mut self, name: &str, value: impl FnOnce() -> anyhow::Result<HeaderValue>) -> anyhow::Result<()> {
        if !self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
            self.headers.push((name.to_owned(), value()?));
        }
        Ok(())
    }
}
