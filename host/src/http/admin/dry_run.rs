//! What a webhook would be answered right now, for whoever looks after a channel: nothing of it is stored, kept or counted.

use std::sync::Arc;

use ::http::header::EXPECT;
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};

use crate::caller::Access;
use crate::event::Timestamp;
use crate::ingest::{IngestError, Rehearsed, WebhookRequest};

use crate::http::encoding;
use crate::http::refusal::Refusal;
use crate::http::respond::{Answer, Problem, with_json};
use crate::http::shared::{Call, Front};
use crate::http::webhook::body::{self, Limits};
use crate::http::webhook::{Terms, terms};

/// Bytes of a description beside the body that it holds.
const FRAME: usize = 64 << 10;

/// A webhook that nobody has sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    method: String,
    path: String,
    #[serde(default)]
    query: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body_base64: String,
}

/// What it would come to.
#[derive(Serialize)]
struct Told {
    /// The status of the answer.
    status: u16,
    /// The code of the problem, none when there is none.
    code: Option<&'static str>,
    detail: Option<String>,
    /// What the sender is not told.
    internal: Option<String>,
    /// What senders must have besides, which nobody can show for them.
    asks: Vec<String>,
    events: Vec<Event>,
}

#[derive(Serialize)]
struct Event {
    kind: String,
    subject: Option<String>,
}

/// Answers what the channel would answer to the webhook that the body describes.
pub(crate) async fn answer(front: &Arc<Front>, call: &Call, name: &str, body: Incoming) -> Result<Answer, Refusal> {
    let max = front.settings.max_body.saturating_mul(4) / 3 + FRAME;
    let limits = Limits { max, time: front.settings.body_timeout };
    let (body, _share) = body::read(body, limits, &front.budget, call.head.headers.contains_key(EXPECT)).await?;
    let described: Described = serde_json::from_slice(&body).map_err(|error| Refusal::Malformed(error.to_string()))?;
    let request = described.request(call)?;
    let mount = front.services.ingest.mount(&request.path);
    let asks = mount.map(|mount| asks(mount.channel.access())).unwrap_or_default();
    let told = match rehearse(front, name, request).await {
        Ok(Rehearsed { response, events }) => {
            let events: Vec<_> = events.into_iter().map(|(kind, subject)| Event { kind, subject }).collect();
            let usual = if events.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
            let status = response.map_or(usual.as_u16(), |response| response.status);
            Told { status, code: None, detail: None, internal: None, asks, events }
        }
        Err(refusal) => {
            let Problem { status, code, detail, internal, .. } = Problem::from(&refusal);
            let detail = Some(detail.into_owned());
            Told { status: status.as_u16(), code: Some(code), detail, internal, asks, events: Vec::new() }
        }
    };
    Ok(with_json(StatusCode::OK, &told))
}

/// The way of a webhook through its channel, as far as nothing is left behind.
async fn rehearse(front: &Arc<Front>, name: &str, mut request: WebhookRequest) -> Result<Rehearsed, Refusal> {
    let ingest = &front.services.ingest;
    ingest.admits()?;
    let mount = ingest.mount(&request.path).filter(|mount| mount.channel.name().as_str() == name);
    let mount = mount.ok_or(Refusal::UnknownChannel)?;
    let open = ingest.open(&mount)?;
    let Terms { coding, max } = terms(front, &open, &request.method, &request.headers)?;
    if request.body.len() > max {
        return Err(Refusal::TooLarge { limit: max });
    }
    request.path = mount.rest;
    let verified = open.verify(request).map_err(IngestError::from)?;
    let (verified, _share) = encoding::decode_request(coding, verified, max, &front.budget).await?;
    Ok(ingest.rehearse(&open, verified).await?)
}

fn asks(access: &Access) -> Vec<String> {
    let callers: Vec<_> = access.callers.iter().map(|caller| format!("`{}`", caller.name)).collect();
    let address = access.from.as_ref().map(|_| "an address of `allow_from`".to_owned());
    let key = (!callers.is_empty()).then(|| format!("the key or certificate of {}", callers.join(" or ")));
    address.into_iter().chain(key).collect()
}

impl Described {
    fn request(self, call: &Call) -> Result<WebhookRequest, Refusal> {
        let Self { method, path, query, headers, body_base64 } = self;
        let wrong = |what: &str| Refusal::Malformed(format!("`{what}` is no {what} of a request"));
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            // What stands in a header may be a credential, and is not told.
            let name: HeaderName = name.parse().map_err(|_| wrong("headers"))?;
            let value = HeaderValue::try_from(value).map_err(|_| wrong("headers"))?;
            all.try_append(name, value).map_err(|_| wrong("headers"))?;
        }
        Ok(WebhookRequest {
            method: Method::from_bytes(method.as_bytes()).map_err(|_| wrong("method"))?,
            full_path: path.clone(),
            path,
            query,
            headers: all,
            body: Bytes::from(STANDARD.decode(body_base64).map_err(|_| wrong("body_base64"))?),
            received_at: Timestamp::now(),
            id: call.id,
        })
    }
}
