//! Subscriptions: services and agents that read the log themselves, from where they left off.
//!
//! It owns cursors, gaps, consumers with their acknowledgements, and the connections of subscribers. It promises that a subscriber
//! gets every event that its filter lets through, in the order of the log, or is told of a gap; that what was confirmed as
//! acknowledged is never sent again; that events of one subject keep their order in a consumer; and that a slow reader costs
//! neither memory nor anybody else's time: it is a position in the log. Deliberately absent: HTTP, and who a caller is.

mod arrivals;
mod close;
mod connections;
mod consumer;
mod consumers;
mod error;
mod form;
mod grant;
mod hub;
mod mcp;
mod message;
mod metrics;
mod open;
mod operate;
mod read;
mod relay;
mod response_body;
mod session;
mod settings;
mod shared_event;
mod sse;
mod start;
mod tickets;
mod transport;
mod websocket;
mod whole;

pub use self::arrivals::Arrivals;
pub use self::close::Close;
pub use self::connections::{ConnectionStatus, Totals};
pub use self::consumer::Confirmed;
pub use self::consumer::lease::{ConsumerError, Lease};
pub use self::consumer::record::Parked;
pub use self::consumer::spec::{ConsumerSpec, SpecError};
pub use self::consumer::status::ConsumerStatus;
pub use self::error::SubscribeError;
pub use self::form::Form;
pub use self::grant::Grant;
pub use self::hub::{SUBSCRIPTIONS, Subscriptions};
pub use self::mcp::{McpError, McpStream, McpSubscription, named_occurrence};
pub use self::message::{Ack, Nack, NackAction};
pub use self::open::Asked;
pub use self::read::{PageLimits, Pulled, ReadEvents, Settling};
pub use self::session::{OnGap, Session};
pub use self::settings::{AliasSettings, Limits, McpSettings, Settings, SubscriberSettings};
pub use self::sse::Sse;
pub use self::start::{Gap, GapReason, Since, SinceError, Start};
pub use self::tickets::Ticket;
pub use self::websocket::WebSocket;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Arrivals;
    use crate::event::Timestamp;
    use crate::eventlog::contract::new_event;
    use crate::eventlog::{CommitSink, EngineKind, EventLog, NewEvent, Settings};
    use crate::metrics::Metrics;

    /// An empty log, and what comes of it.
    pub(super) fn log() -> (EventLog, Arrivals) {
        let arrivals = Arrivals::default();
        let sinks: Vec<Arc<dyn CommitSink>> = vec![Arc::new(arrivals.clone())];
        (EventLog::open(&Settings::new(EngineKind::Memory), &Metrics::new(), sinks).unwrap(), arrivals)
    }

    /// Stores an event of channel `a`.
    pub(super) async fn commit(log: &EventLog, kind: &str, subject: Option<&str>) {
        let event = NewEvent {
            channel: "a".parse().unwrap(),
            kind: kind.to_owned(),
            subject: subject.map(str::to_owned),
            time: Timestamp::now(),
            ..new_event("{}")
        };
        log.commit(vec![event].into()).await.unwrap();
    }
}
