//! Tickets: secrets for one connection, for browsers, which cannot send a key with it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::grant::Grant;

/// By digest, so that no time shows how much of a guess is right.
#[derive(Default)]
pub(super) struct Tickets(Mutex<HashMap<[u8; 32], (Grant, Instant)>>);

/// A ticket that was used.
#[derive(Debug)]
pub struct Ticket {
    /// What its holder may do.
    pub grant: Grant,
    digest: [u8; 32],
    until: Instant,
}

impl Tickets {
    /// How long a ticket is good for.
    pub(super) const LIFETIME: Duration = Duration::from_secs(30);
    /// Tickets at once; with as many, the oldest one is given up.
    const MOST: usize = 10_000;

    fn all(&self) -> MutexGuard<'_, HashMap<[u8; 32], (Grant, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, ticket: &str, grant: Grant, now: Instant) {
        let mut tickets = self.all();
        tickets.retain(|_, (_, until)| *until > now);
        if tickets.len() >= Self::MOST
            && let Some(oldest) = tickets.iter().min_by_key(|(_, (_, until))| *until).map(|(digest, _)| *digest)
        {
            tickets.remove(&oldest);
        }
        tickets.insert(Sha256::digest(ticket).into(), (grant, now + Self::LIFETIME));
    }

    pub(super) fn take(&self, ticket: &str, now: Instant) -> Option<Ticket> {
        let digest: [u8; 32] = Sha256::digest(ticket).into();
        let (grant, until) = self.all().remove(&digest)?;
        (until > now).then_some(Ticket { grant, digest, until })
    }

    /// Makes a ticket good again, unless there are as many as may be.
    pub(super) fn give_back(&self, ticket: Ticket) {
        let mut tickets = self.all();
        if tickets.len() < Self::MOST {
            tickets.insert(ticket.digest, (ticket.grant, ticket.until));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Filter;

    #[test]
    fn a_ticket_is_good_once_and_for_a_while() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let grant = |subscriber: &str| Grant {
            subscriber: subscriber.to_owned(),
            filter: Filter::default(),
            consumers: Vec::new(),
        };
        tickets.add("a", grant("one"), now);
        tickets.add("b", grant("two"), now);

        let ticket = tickets.take("a", now).unwrap();
        assert_eq!(ticket.grant.subscriber, "one");
        assert!(tickets.take("a", now).is_none(), "it is used up");
        tickets.give_back(ticket);
        assert!(tickets.take("a", now).is_some(), "it was given back");
        assert!(tickets.take("b", now + Tickets::LIFETIME).is_none(), "it is too old");
        for number in 0..=Tickets::MOST {
            tickets.add(&number.to_string(), grant("many"), now + Duration::from_micros(number as u64));
        }
        assert!(tickets.take("0", now).is_none(), "the oldest one is given up");
        assert!(tickets.take("1", now).is_some());
    }
}
