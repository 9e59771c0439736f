//! `/admin/silences/export` and `/admin/silences/import`: silences in the shape of Alertmanager's API.

use ::http::StatusCode;

use super::super::read::{blocking, json};
use super::super::replays::parse_by;
use crate::alert::{AlertmanagerSilence, Import, ImportError, Silence, SilenceState, import_silences};
use crate::event::Timestamp;
use crate::http::answer::{Response, with_json_text};
use crate::http::live_settings::LiveSettings;
use crate::http::problem::{HttpProblem, printable};
use crate::http::refusal::Refusal;
use crate::http::route::RouteRequest;
use crate::http::webhook::body::{self, BodyLimits};

/// Those that are not over: Alertmanager takes no others.
pub(super) async fn export(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let alerts = request.shared.services.alerts.clone();
    let text = blocking(request.shared, move |_| {
        let now = Timestamp::now();
        // Copies, because nothing is processed while the silences are looked at.
        let silences: Vec<Silence> = alerts.read(|machine| {
            let silences = machine.silences().iter();
            silences.filter(|silence| silence.state(now) != SilenceState::Expired).cloned().collect()
        });
        Ok(json(&silences.iter().map(|silence| AlertmanagerSilence::new(silence, now)).collect::<Vec<_>>()))
    });
    Ok(with_json_text(StatusCode::OK, text.await?))
}

/// All of them, or none.
pub(super) async fn import(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let by = parse_by(request.query())?;
    let RouteRequest { shared, context, body, .. } = request;
    let LiveSettings { settings, body_budget, .. } = &*context.live;
    let limits = BodyLimits { max: settings.max_body, time: settings.body_timeout };
    let (body, _share) = body::read(body, limits, body_budget).await?;
    let (alerts, author) = (shared.services.alerts.clone(), by.clone());
    let import = blocking(shared, move |_| {
        // Regular expressions take a while to compile, and nothing is processed while the silences are looked at.
        let drafts = import_silences(&body);
        Ok(drafts.and_then(|drafts| {
            alerts.read(|machine| Import::new(drafts, &author, machine.silences(), Timestamp::now()))
        }))
    });
    let Import { drafts, counts } = import.await?.map_err(refusal)?;
    if !drafts.is_empty() {
        shared.services.alerts.put_silences(drafts).await?;
    }
    tracing::info!(
        by,
        added = counts.added,
        changed = counts.changed,
        unchanged = counts.unchanged,
        expired = counts.expired,
        "Silences imported"
    );
    Ok(with_json_text(StatusCode::OK, json(&counts)))
}

fn refusal(error: ImportError) -> Refusal {
    let detail = printable(&error.to_string());
    match error {
        ImportError::NoJson { .. } => Refusal::Malformed(detail),
        ImportError::NoSilence { .. } => {
            HttpProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "silence_unfit", "Silence unfit", detail).into()
        }
    }
}
