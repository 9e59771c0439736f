//! `/admin/log/import`: events of an export become events of this log, each once.
//!
//! A request has some lines, as many as fit into a body. A line that cannot be an event is reported and stops no other.

use std::collections::HashMap;
use std::sync::Arc;

use ::http::StatusCode;
use serde::Serialize;

use super::query::{BadParameter, each};
use super::read::blocking;
use crate::event::{ChannelName, EventId, Facts, PluginName, PortableEvent, RequestId};
use crate::eventlog::{Appended, Batch, EventLogError, Identity, NewEvent};
use crate::http::answer::{Response, with_json};
use crate::http::live_settings::LiveSettings;
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};
use crate::http::shared::Shared;
use crate::http::webhook::body::{self, BodyLimits};

/// Bytes of a line besides the payload.
const FRAME: usize = 64 << 10;

/// Events and bytes of one commit.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 4 << 20;

/// Lines whose reasons are in the report; all are counted.
const REPORTED: usize = 100;

pub(crate) const ROUTES: &[Route] =
    &[Route::post("/admin/log/import", |request| Box::pin(import(request))).with_query()];

/// `POST /admin/log/import`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct ImportReport {
    imported: u64,
    /// Events that this log has already, from an earlier import or as their first owner.
    duplicates: u64,
    refused: u64,
    /// Of the first ones that were refused.
    problems: Vec<LineProblem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct LineProblem {
    /// Counts from 1 within the request.
    line: u64,
    reason: String,
}

/// A line that can be an event.
struct Line {
    number: u64,
    event: PortableEvent,
}

async fn import(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let routed = parse(request.query())?;
    let RouteRequest { shared, context, body, .. } = request;
    let LiveSettings { settings, body_budget, .. } = &*context.live;
    let max = settings.max_body.saturating_mul(4) / 3 + FRAME;
    let limits = BodyLimits { max, time: settings.body_timeout };
    let (body, _share) = body::read(body, limits, body_budget).await?;
    let import = Import { shared, routed, request_id: context.id, plugins: plugins(shared) };
    let mut report = ImportReport::default();
    let (mut lines, mut bytes) = (Vec::new(), 0);
    for (number, text) in (1..).zip(body.split(|byte| *byte == b'\n')) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        match PortableEvent::read(text) {
            Ok(event) => {
                bytes += text.len();
                lines.push(Line { number, event });
            }
            Err(reason) => report.refuse(number, reason),
        }
        if lines.len() >= BATCH || bytes >= BATCH_BYTES {
            bytes = 0;
            import.commit(std::mem::take(&mut lines), &mut report).await?;
        }
    }
    import.commit(lines, &mut report).await?;
    report.problems.sort_by_key(|problem| problem.line);
    tracing::info!(
        imported = report.imported,
        duplicates = report.duplicates,
        refused = report.refused,
        routed,
        "Events imported"
    );
    Ok(with_json(StatusCode::OK, &report))
}

struct Import<'a> {
    shared: &'a Arc<Shared>,
    /// Whether the events are delivered.
    routed: bool,
    /// For events that name no request of their own.
    request_id: RequestId,
    plugins: HashMap<String, PluginName>,
}

impl Import<'_> {
    async fn commit(&self, lines: Vec<Line>, report: &mut ImportReport) -> Result<(), Refusal> {
        let lines = self.unknown(lines, report).await?;
        if lines.is_empty() {
            return Ok(());
        }
        let batch: Vec<_> = lines.iter().map(|line| self.new_event(&line.event)).collect();
        match self.shared.services.log.commit(Batch::from(batch)).await {
            Ok(committed) => committed.events.iter().for_each(|appended| report.count(appended)),
            // One of them is, and a batch is stored as a whole or not at all.
            Err(EventLogError::TooLarge { .. }) => {
                for line in &lines {
                    let batch = Batch::from(vec![self.new_event(&line.event)]);
                    match self.shared.services.log.commit(batch).await {
                        Ok(committed) => committed.events.iter().for_each(|appended| report.count(appended)),
                        Err(error @ EventLogError::TooLarge { .. }) => report.refuse(line.number, error.to_string()),
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Those that did not begin in this log.
    async fn unknown(&self, lines: Vec<Line>, report: &mut ImportReport) -> Result<Vec<Line>, Refusal> {
        let ids: Vec<Option<EventId>> = lines.iter().map(|line| line.event.original.parse().ok()).collect();
        let own = blocking(self.shared, move |log| {
            let head = log.head();
            let is_own = |id: Option<EventId>| match id.filter(|id| id.seq() <= head) {
                Some(id) => log.event(id).map(|found| found.is_some()),
                None => Ok(false),
            };
            ids.into_iter().map(is_own).collect::<Result<Vec<_>, _>>()
        });
        let own = own.await?;
        report.duplicates += own.iter().filter(|own| **own).count() as u64;
        Ok(lines.into_iter().zip(own).filter(|(_, own)| !own).map(|(line, _)| line).collect())
    }

    fn new_event(&self, event: &PortableEvent) -> NewEvent {
        let PortableEvent { original, channel, kind, subject, time, content_type, data, attributes, .. } =
            event.clone();
        let recipients = if self.routed && event.quarantine.is_none() && event.repeat_of.is_none() {
            let facts = Facts {
                channel: &channel,
                kind: &kind,
                subject: subject.as_deref(),
                attributes: &attributes,
                data: &data,
            };
            self.shared.services.dispatch.route(&facts).recipients
        } else {
            Vec::new()
        };
        NewEvent {
            plugin: self.plugin(&channel),
            identity: Some(Identity::of_import(&channel, &original)),
            channel,
            kind,
            subject,
            time,
            verified_at: None,
            content_type,
            data,
            attributes,
            headers: Vec::new(),
            request_id: event.request_id.unwrap_or(self.request_id),
            delivery_id: event.delivery_id.clone(),
            traceparent: None,
            statement: None,
            is_imported: true,
            quarantine: event.quarantine.clone(),
            keep_repeat: false,
            repeat_of: event.repeat_of,
            recipients,
        }
    }

    /// The plugin of the channel here, or else one of its name.
    fn plugin(&self, channel: &ChannelName) -> PluginName {
        let known = self.plugins.get(channel.as_str()).cloned();
        known.unwrap_or_else(|| channel.as_str().parse().expect("names of channels and plugins follow the same rule"))
    }
}

impl ImportReport {
    fn count(&mut self, appended: &Appended) {
        match appended {
            Appended::Accepted(_) | Appended::Held(_) | Appended::Repeat { .. } => self.imported += 1,
            Appended::Duplicate(_) => self.duplicates += 1,
        }
    }

    fn refuse(&mut self, line: u64, reason: String) {
        self.refused += 1;
        if self.problems.len() < REPORTED {
            self.problems.push(LineProblem { line, reason });
        }
    }
}

fn plugins(shared: &Shared) -> HashMap<String, PluginName> {
    let channels = shared.services.ingest.channels().into_iter();
    channels.filter_map(|channel| Some((channel.name.to_string(), channel.plugin.to_string().parse().ok()?))).collect()
}

/// Reads `route`: whether the events are delivered.
fn parse(query: &str) -> Result<bool, BadParameter> {
    let mut routed = false;
    each(query, |parameter| {
        match &*parameter.name {
            "route" => routed = parameter.read("`true` or `false`")?,
            _ => return Err(parameter.bad("`route`")),
        }
        Ok(())
    })?;
    Ok(routed)
}
