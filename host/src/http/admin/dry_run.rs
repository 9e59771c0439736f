//! `/admin/channels/{id}/try`: what a webhook would be answered right now. Nothing of it is stored, kept or counted.

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::caller::Access;
use crate::event::{RequestId, Timestamp};
use crate::http::answer::{Response, with_json};
use crate::http::live_settings::LiveSettings;
use crate::http::problem::HttpProblem;
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};
use crate::http::shared::Shared;
use crate::http::webhook::body::{self, BodyLimits};
use crate::ingest::{DryEvent, DryRun, WebhookRequest};

/// Bytes of the JSON around the body of the webhook.
const FRAME: usize = 64 << 10;

pub(crate) const ROUTES: &[Route] = &[Route::post("/admin/channels/{id}/try", |request| Box::pin(answer(request)))];

/// A webhook that nobody has sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DryRunRequest {
    method: String,
    path: String,
    #[serde(default)]
    query: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body_base64: String,
}

#[derive(Serialize)]
struct DryRunReport {
    status: u16,
    /// Of the problem, when the answer would be one.
    code: Option<&'static str>,
    detail: Option<String>,
    /// What the sender would not be told.
    internal: Option<String>,
    /// What else the channel requires of senders, which cannot be part of the request.
    asks: Vec<String>,
    events: Vec<EventReport>,
}

#[derive(Serialize)]
struct EventReport {
    kind: String,
    subject: Option<String>,
    /// Why it does not match the schema of its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    mismatch: Option<String>,
}

async fn answer(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let RouteRequest { shared, context, id: name, body } = request;
    let LiveSettings { settings, body_budget, .. } = &*context.live;
    let max = settings.max_body.saturating_mul(4) / 3 + FRAME;
    let limits = BodyLimits { max, time: settings.body_timeout };
    let (body, _share) = body::read(body, limits, body_budget).await?;
    let asked: DryRunRequest = serde_json::from_slice(&body).map_err(|error| Refusal::Malformed(error.to_string()))?;
    let webhook = asked.webhook(context.id)?;
    let mount = shared.services.ingest.mount(&webhook.path);
    let asks = mount.map(|mount| asks(mount.channel.access())).unwrap_or_default();
    let report = match dry_run(shared, &context.live, name, webhook).await {
        Ok(DryRun { response, events }) => {
            let report = |DryEvent { kind, subject, mismatch }| {
                let mismatch = mismatch.map(|mismatch| mismatch.summary());
                EventReport { kind, subject, mismatch }
            };
            let events: Vec<_> = events.into_iter().map(report).collect();
            let usual = if events.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
            let status = response.map_or(usual.as_u16(), |response| response.status);
            DryRunReport { status, code: None, detail: None, internal: None, asks, events }
        }
        Err(refusal) => {
            let HttpProblem { status, code, detail, internal, .. } = HttpProblem::from(&refusal);
            let detail = Some(detail.into_owned());
            DryRunReport { status: status.as_u16(), code: Some(code), detail, internal, asks, events: Vec::new() }
        }
    };
    Ok(with_json(StatusCode::OK, &report))
}

async fn dry_run(
    shared: &Shared,
    live: &LiveSettings,
    name: &str,
    mut webhook: WebhookRequest,
) -> Result<DryRun, Refusal> {
    let ingest = &shared.services.ingest;
    ingest.admits()?;
    let mount = ingest.mount(&webhook.path).filter(|mount| mount.channel.name().as_str() == name);
    let mount = mount.ok_or(Refusal::UnknownChannel)?;
    let channel = ingest.open(&mount)?;
    let policy = channel.check_head(&webhook.method, &webhook.headers)?.at_most(live.settings.max_body);
    webhook.path = mount.rest;
    Ok(ingest.dry_run(&channel, policy, webhook, &live.body_budget).await?)
}

fn asks(access: &Access) -> Vec<String> {
    let callers: Vec<_> = access.callers.iter().map(|caller| format!("`{}`", caller.name)).collect();
    let address = access.from.as_ref().map(|_| "an address of `allow_from`".to_owned());
    let key = (!callers.is_empty()).then(|| format!("the key or certificate of {}", callers.join(" or ")));
    address.into_iter().chain(key).collect()
}

impl DryRunRequest {
    fn webhook(self, id: RequestId) -> Result<WebhookRequest, Refusal> {
        let Self { method, path, query, headers, body_base64 } = self;
        let invalid = |member: &str| Refusal::Malformed(format!("`{member}` is not valid in a request"));
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            // A header may be a credential, so it is not quoted.
            let name: HeaderName = name.parse().map_err(|_| invalid("headers"))?;
            let value = HeaderValue::try_from(value).map_err(|_| invalid("headers"))?;
            all.try_append(name, value).map_err(|_| invalid("headers"))?;
        }
        Ok(WebhookRequest {
            method: Method::from_bytes(method.as_bytes()).map_err(|_| invalid("method"))?,
            full_path: path.clone(),
            path,
            query,
            headers: all,
            body: Bytes::from(STANDARD.decode(body_base64).map_err(|_| invalid("body_base64"))?),
            received_at: Timestamp::now(),
            id,
        })
    }
}
