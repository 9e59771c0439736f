//! The part of the admin API that has events delivered again.

use std::sync::Arc;

use ::http::StatusCode;

use crate::event::DeliveryId;
use crate::eventlog::{Batch, Redelivery, RedeliveryTarget, Stored};
use crate::replay::ReplayId;

use super::query::{DeliveryText, OneQuery, ReplayQuery};
use super::view;
use super::{blocking, event_id};
use crate::http::refusal::Refusal;
use crate::http::respond::{Answer, with_json};
use crate::http::shared::Front;

/// Delivers one event again to the agents of its routes.
pub(crate) async fn event(front: &Arc<Front>, id: &str, query: &OneQuery) -> Result<Answer, Refusal> {
    let known = event_id(id)?;
    let found = blocking(front, move |log| log.event(known)).await?;
    let Some(Stored { event, .. }) = found else { return Err(Refusal::UnknownEvent(id.to_owned())) };
    let mut recipients = front.services.dispatch.recipients(&event.channel, &event.kind, &event.attributes);
    recipients.retain(|recipient| query.agent.as_ref().is_none_or(|only| *only == recipient.agent));
    if recipients.is_empty() {
        return Err(Refusal::Unrouted);
    }
    let redelivery =
        Redelivery { event: Arc::new(event), target: RedeliveryTarget::Recipients(recipients), by: query.by.clone() };
    let batch = Batch { redeliveries: vec![redelivery], ..Batch::default() };
    let deliveries = front.services.log.commit(batch).await?.redelivered.concat();
    tracing::info!(event = %known, by = query.by, deliveries = deliveries.len(), "Event replayed");
    Ok(with_json(StatusCode::ACCEPTED, &view::Replayed::new(known, &deliveries)))
}

/// Makes one delivery again.
pub(crate) async fn delivery(front: &Arc<Front>, id: &str, by: &str) -> Result<Answer, Refusal> {
    let unknown = || Refusal::UnknownDelivery(id.to_owned());
    let DeliveryText(known) = id.parse().map_err(|()| unknown())?;
    let DeliveryId { seq, .. } = known;
    let stored = blocking(front, move |log| log.event(seq)).await?.ok_or_else(unknown)?;
    let event = stored.event.id;
    let new = front.services.replays.redeliver(stored, known.index, by).await?;
    Ok(with_json(StatusCode::ACCEPTED, &view::Replayed::new(event, &[new])))
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
