//! The part of the admin API that has events delivered again.

use std::sync::Arc;

use ::http::StatusCode;

use crate::event::DeliveryId;
use crate::eventlog::{ReplayId, Stored};

use super::query::{DeliveryText, OneQuery, ReplayQuery};
use super::view;
use super::{blocking, event_id};
use crate::http::refusal::Refusal;
use crate::http::respond::{Answer, with_json};
use crate::http::shared::Front;

/// Delivers one event again to the agents of its routes.
pub(crate) async fn event(front: &Arc<Front>, id: &str, query: &OneQuery) -> Result<Answer, Refusal> {
    let known = event_id(id)?;
    let found = blocking(front, move |log| log.find(known)).await?;
    let Some(Stored { event, .. }) = found else { return Err(Refusal::UnknownEvent(id.to_owned())) };
    let mut recipients = front.services.dispatch.recipients(&event.channel, &event.kind, &event.attributes);
    recipients.retain(|recipient| query.agent.as_ref().is_none_or(|only| *only == recipient.agent));
    if recipients.is_empty() {
        return Err(Refusal::Unrouted);
    }
    let deliveries = front.services.log.replay(known, recipients, &query.by).await?;
    tracing::info!(event = %known, by = query.by, deliveries = deliveries.len(), "Event replayed");
    Ok(with_json(StatusCode::ACCEPTED, &view::Replayed::new(known, &deliveries)))
}

/// Makes one delivery again.
pub(crate) async fn delivery(front: &Arc<Front>, id: &str, by: &str) -> Result<Answer, Refusal> {
    let unknown = || Refusal::UnknownDelivery(id.to_owned());
    let DeliveryText(known) = id.parse().map_err(|()| unknown())?;
    let DeliveryId { seq, .. } = known;
    let Stored { event, deliveries } = blocking(front, move |log| log.get(seq)).await?.ok_or_else(unknown)?;
    let new = front.services.replays.renew(known, &deliveries, by).await?;
    Ok(with_json(StatusCode::ACCEPTED, &view::Replayed::new(event.id, &[new])))
}

/// Counts what a filter takes, or begins to make it again.
pub(crate) async fn deliveries(front: &Arc<Front>, query: ReplayQuery) -> Result<Answer, Refusal> {
    let replays = &front.services.replays;
    if query.dry_run {
        let count = replays.count(&query.filter).await?;
        return Ok(with_json(StatusCode::OK, &view::dry_run(count)));
    }
    let replay = replays.begin(&query.filter, query.by, query.rate).await?;
    Ok(with_json(StatusCode::ACCEPTED, &view::replay(replay)))
}

/// One replay as it stands.
pub(crate) fn show(front: &Front, id: &str) -> Result<Answer, Refusal> {
    Ok(with_json(StatusCode::OK, &view::replay(front.services.replays.find(replay_id(id)?)?)))
}

/// Ends one replay.
pub(crate) async fn cancel(front: &Front, id: &str) -> Result<Answer, Refusal> {
    Ok(with_json(StatusCode::OK, &view::replay(front.services.replays.cancel(replay_id(id)?).await?)))
}

fn replay_id(id: &str) -> Result<ReplayId, Refusal> {
    id.parse().map_err(|_| Refusal::UnknownReplay(id.to_owned()))
}
