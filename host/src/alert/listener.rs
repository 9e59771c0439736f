//! Hears how the deliveries to agents end.
//!
//! The end of a delivery of an event of alerts is a value of the log. It is read in pages, given to the processor, and goes in the commit
//! of what follows from it: so each is heard once, however often the gateway is killed, and also those from before the start.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::machine::{About, Report};
use super::processor::{Reply, Request};
use super::told::Kind;
use crate::event::{ChannelName, Delivery, DeliveryState, Event};
use crate::eventlog::{EndedDelivery, EventLog, EventLogError};
use crate::lifecycle::Backoff;

/// How many ends are heard in one commit.
const PAGE: usize = 256;
/// The least time between two looks that found nothing: deliveries of other events end too.
const REST: Duration = Duration::from_millis(20);

/// Has the processor hear how deliveries end.
pub(super) struct Listener {
    pub(super) log: EventLog,
    pub(super) requests: mpsc::Sender<Request>,
    /// Told when any delivery has ended.
    pub(super) ended: Arc<Notify>,
    pub(super) heard: Counter,
}

impl Listener {
    /// Listens until `stop`.
    pub(super) async fn run(self, stop: &CancellationToken) {
        stop.run_until_cancelled(self.listen(stop)).await;
    }

    async fn listen(&self, stop: &CancellationToken) {
        let mut backoff = Backoff::default();
        loop {
            match self.page().await {
                Ok(page) if page.is_empty() => {
                    backoff = Backoff::default();
                    tokio::time::sleep(REST).await;
                    self.ended.notified().await;
                }
                Ok(page) => {
                    // One that is dropped is read again.
                    if self.hear(page).await {
                        backoff = Backoff::default();
                    } else {
                        backoff.wait(stop).await;
                    }
                }
                Err(error) => {
                    tracing::warn!("What became of deliveries to agents cannot be read now: {error}");
                    backoff.wait(stop).await;
                }
            }
        }
    }

    /// The ends that come next, and what they say of an incident, if anything.
    async fn page(&self) -> Result<Vec<(EndedDelivery, Option<Report>)>, EventLogError> {
        let log = self.log.clone();
        let read = move || {
            let ended = EndedDelivery::unheard(&log, PAGE)?;
            ended.into_iter().map(|ended| Ok((ended.clone(), report(&log, &ended)?))).collect()
        };
        tokio::task::spawn_blocking(read).await.map_err(|error| EventLogError::Io(error.to_string()))?
    }

    /// Has the processor hear a page; whether that is durable.
    async fn hear(&self, page: Vec<(EndedDelivery, Option<Report>)>) -> bool {
        let count = page.len() as u64;
        let (durable, answer) = oneshot::channel();
        let request: Request = Box::new(move |machine, now| {
            page.iter().filter_map(|(_, report)| report.as_ref()).for_each(|report| machine.hear(report, now));
            let values = page.iter().map(|(ended, _)| ended.heard()).collect();
            // Whoever waits may be gone.
            let answer = Box::new(move || durable.send(()).unwrap_or_default());
            Reply { values, answer }
        });
        let is_durable = self.requests.send(request).await.is_ok() && answer.await.is_ok();
        if is_durable {
            self.heard.inc_by(count);
        }
        is_durable
    }
}

/// What a delivery that has ended says of an incident; `None` if it told of none, or its event is gone.
fn report(log: &EventLog, ended: &EndedDelivery) -> Result<Option<Report>, EventLogError> {
    let Some(stored) = log.event(ended.id.seq)? else { return Ok(None) };
    Ok(read(&stored.event, &stored.deliveries, ended))
}

fn read(event: &Event, deliveries: &[Delivery], ended: &EndedDelivery) -> Option<Report> {
    let kind = event.kind.strip_prefix(ChannelName::ALERTS)?.strip_prefix('.').and_then(Kind::named)?;
    let reason = event.attribute("reason").unwrap_or_default();
    Some(Report {
        incident: event.subject.as_ref()?.parse().ok()?,
        run: event.attribute("run")?.parse().ok()?,
        about: About::of(kind, reason),
        kind: kind.as_str(),
        agent: deliveries.get(ended.id.index as usize)?.agent.to_string(),
        is_accepted: ended.is_accepted,
        is_lost: deliveries.iter().all(|it| !it.state.is_open() && it.state != DeliveryState::Delivered),
        said: ended.said.clone(),
    })
}
