//! Letting subscribers in.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connections::NoPlace;
use super::consumer::holder::Holder;
use super::error::SubscribeError;
use super::form::Form;
use super::grant::Grant;
use super::hub::{Hub, Subscriptions};
use super::metrics::ByTransport;
use super::session::{OnGap, Place, Session};
use super::settings::Limits;
use super::start::{Since, Start};
use super::tickets::{Ticket, Tickets};
use crate::event::EventPatterns;
use crate::eventlog::EventLogError;

/// What a subscriber asks for when it connects.
#[derive(Clone, Debug)]
pub struct Asked {
    pub grant: Grant,
    /// Narrows what it may read.
    pub patterns: EventPatterns,
    /// `None` means from now on.
    pub since: Option<Since>,
    pub consumer: Option<String>,
    pub on_gap: OnGap,
    pub form: Form,
    pub transport: &'static str,
    pub remote: IpAddr,
}

impl Subscriptions {
    /// How long a ticket is good for.
    pub const TICKET_LIFETIME: Duration = Tickets::LIFETIME;

    /// A ticket for one connection with these rights.
    ///
    /// # Errors
    /// `Io` while the system has no random numbers.
    pub fn ticket(&self, grant: Grant) -> Result<String, EventLogError> {
        let mut random = [0; 24];
        getrandom::fill(&mut random).map_err(|error| EventLogError::Io(format!("no random numbers: {error}")))?;
        let ticket = hex::encode(random);
        self.0.tickets.add(&ticket, grant, Instant::now());
        Ok(ticket)
    }

    /// Uses a ticket up.
    pub fn redeem(&self, ticket: &str) -> Option<Ticket> {
        self.0.tickets.take(ticket, Instant::now())
    }

    /// Makes a ticket good again, until its time is over, because its subscriber could not be let in now.
    pub fn give_back(&self, ticket: Ticket) {
        self.0.tickets.give_back(ticket);
    }

    /// Lets a subscriber in. Waits for the disk if it asks for older events.
    ///
    /// # Errors
    /// Why it is not let in.
    pub async fn open(&self, asked: Asked) -> Result<Session, SubscribeError> {
        let hub = &self.0;
        let settings = hub.settings.load_full();
        let held = asked.consumer.as_deref().map(|name| hub.held(&asked.grant, name)).transpose()?;
        let Asked { grant, patterns, since, consumer, on_gap, form, transport, remote } = asked;
        let place = enter(hub, &settings.limits, &grant.subscriber, transport, remote, consumer.as_deref())?;
        let grant = grant.filter.and(Arc::new(patterns));
        let holder = held.map(Holder::attach).transpose()?;
        let (start, reader) = match &holder {
            Some(holder) => {
                let start = Start { after: holder.consumer.position(), gap: None };
                (start, holder.consumer.reader(&hub.relay, &grant))
            }
            None => {
                let start = hub.start(since.unwrap_or_default()).await?;
                let reader = hub.relay.reader(start.after, grant.clone());
                (start, reader)
            }
        };
        place.connection.is_at(start.after, 0);
        let Limits { max_payload, .. } = settings.limits;
        let encoding = hub.encoding(&settings, max_payload);
        let leaving = hub.leaving.clone();
        let limits = settings.limits.clone();
        Ok(Session { place, reader, holder, grant, start, form, encoding, on_gap, limits, leaving })
    }
}

/// A place among the connections.
fn enter(
    hub: &Arc<Hub>,
    limits: &Limits,
    subscriber: &str,
    transport: &'static str,
    remote: IpAddr,
    consumer: Option<&str>,
) -> Result<Place, SubscribeError> {
    let connection = match hub.connections.enter(limits, subscriber, transport, remote, consumer) {
        Ok(connection) => connection,
        Err(NoPlace::Connections) => {
            hub.refuse("connections");
            return Err(SubscribeError::Connections);
        }
        Err(NoPlace::Subscriber) => {
            hub.refuse("connections_per_subscriber");
            return Err(SubscribeError::OfSubscriber);
        }
    };
    hub.metrics.connections.get_or_create(&ByTransport::new(transport)).inc();
    Ok(Place { hub: Arc::clone(hub), connection })
}
