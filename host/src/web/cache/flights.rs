//! Requests to backends that others wait for or read along with: one for each key and variant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::HeaderMap;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::fill::Source;
use super::key::Key;
use super::policy::Variant;
use super::status::Forwarded;
use super::stored::{Head, Stored};

/// The requests on their way.
pub(crate) struct Flights(Mutex<HashMap<Key, Open>>);

/// The requests for one key.
#[derive(Default)]
struct Open {
    /// Those that others may join.
    joinable: Vec<Arc<Flight>>,
    /// How many there are, and how often their key was invalidated meanwhile.
    tickets: usize,
    invalidations: u64,
}

/// A request on its way.
struct Flight {
    /// The fields of the request.
    request: HeaderMap,
    landing: watch::Sender<Landing>,
}

/// What is known of a request on its way.
#[derive(Clone)]
pub(crate) enum Landing {
    Pending,
    /// The response is for others too, and is being received.
    Shared(Arc<Head>, Source),
    /// There is a stored response for others too.
    Stored(Arc<Stored>, Forwarded),
    /// The response is for nobody else: whoever waits must ask on his own.
    Alone,
    Failed,
}

/// What to do with a request.
pub(crate) enum Joined {
    /// An equal one is on its way.
    Follow(watch::Receiver<Landing>),
    /// Another one has just stored the response.
    Stored(Arc<Stored>),
    Lead(Ticket),
}

/// The right to fetch. Dropped before it has landed, it fails those who wait.
pub(crate) struct Ticket {
    flights: Arc<Flights>,
    key: Key,
    flight: Arc<Flight>,
    /// As they were counted at the start.
    invalidations: u64,
}

/// What has become of the request that is followed; `None` if nothing is known at the deadline.
pub(crate) async fn landed(mut landing: watch::Receiver<Landing>, deadline: Instant) -> Option<Landing> {
    let landed = timeout_at(deadline, landing.wait_for(|landing| !matches!(landing, Landing::Pending))).await;
    Some(landed.ok()?.map_or(Landing::Failed, |landing| landing.clone()))
}

impl Flights {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Key, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins an equal request, or leads. With `waits` one whose response is not there yet is joined, and others may wait for this
    /// one. `known` is a variant of the key, and `find` looks for a response that another request may have stored just now.
    pub(crate) fn join(
        self: &Arc<Self>,
        key: &Key,
        request: &HeaderMap,
        waits: bool,
        known: Option<&Variant>,
        find: impl FnOnce() -> Option<Arc<Stored>>,
    ) -> Joined {
        let mut open = self.open();
        for flight in open.get(key).into_iter().flat_map(|open| &open.joinable) {
            let is_equal = match &*flight.landing.borrow() {
                Landing::Shared(head, _) => head.variant.includes(request),
                Landing::Pending => waits && known.is_none_or(|known| known.unites(&flight.request, request)),
                Landing::Stored(..) | Landing::Alone | Landing::Failed => false,
            };
            if is_equal {
                return Joined::Follow(flight.landing.subscribe());
            }
        }
        if let Some(stored) = find() {
            return Joined::Stored(stored);
        }
        Joined::Lead(self.take_off(&mut open, key, request, waits))
    }

    /// Leads, unless an equal request is on its way.
    pub(crate) fn lead(self: &Arc<Self>, key: &Key, request: &HeaderMap, known: &Variant) -> Option<Ticket> {
        let mut open = self.open();
        let mut flights = open.get(key).into_iter().flat_map(|open| &open.joinable);
        if flights.any(|flight| known.unites(&flight.request, request)) {
            return None;
        }
        Some(self.take_off(&mut open, key, request, true))
    }

    fn take_off(
        self: &Arc<Self>,
        open: &mut HashMap<Key, Open>,
        key: &Key,
        request: &HeaderMap,
        is_awaited: bool,
    ) -> Ticket {
        let flight = Arc::new(Flight { request: request.clone(), landing: watch::Sender::new(Landing::Pending) });
        let open = open.entry(key.clone()).or_default();
        open.tickets += 1;
        if is_awaited {
            open.joinable.push(Arc::clone(&flight));
        }
        Ticket { flights: Arc::clone(self), key: key.clone(), flight, invalidations: open.invalidations }
    }

    /// Has `remove` take responses to `key` out of the store, and keeps those out of it that are on their way.
    pub(crate) fn invalidate(&self, key: &Key, remove: impl FnOnce()) {
        let mut open = self.open();
        open.get_mut(key).into_iter().for_each(Open::invalidate);
        remove();
    }

    /// The same for all keys below `prefix`.
    pub(crate) fn purge(&self, prefix: &str, remove: impl FnOnce() -> usize) -> usize {
        let mut open = self.open();
        open.iter_mut().filter(|(key, _)| key.is_below(prefix)).for_each(|(_, open)| open.invalidate());
        remove()
    }
}

impl Open {
    fn invalidate(&mut self) {
        self.invalidations += 1;
        self.joinable.clear();
    }
}

impl Ticket {
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// The fields of the request.
    pub(crate) fn request(&self) -> &HeaderMap {
        &self.flight.request
    }

    /// Tells those who wait. Requests may join from now on if the response is shared.
    pub(crate) fn land(&self, landing: Landing) {
        let mut open = self.flights.open();
        if let Some(open) = open.get_mut(&self.key) {
            open.joinable.retain(|flight| !Arc::ptr_eq(flight, &self.flight));
            if matches!(landing, Landing::Shared(..)) && open.invalidations == self.invalidations {
                open.joinable.push(Arc::clone(&self.flight));
            }
        }
        self.flight.landing.send_replace(landing);
    }

    /// Has `store` change the store, unless the response was invalidated while it was on its way.
    pub(crate) fn store(&self, store: impl FnOnce()) {
        let open = self.flights.open();
        if open.get(&self.key).is_some_and(|open| open.invalidations == self.invalidations) {
            store();
        }
    }

    /// No request joins any more.
    pub(crate) fn close(&self) {
        if let Some(open) = self.flights.open().get_mut(&self.key) {
            open.joinable.retain(|flight| !Arc::ptr_eq(flight, &self.flight));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.close();
        let mut open = self.flights.open();
        if let Some(of_key) = open.get_mut(&self.key) {
            of_key.tickets -= 1;
            if of_key.tickets == 0 {
                open.remove(&self.key);
            }
        }
        drop(open);
        self.flight.landing.send_if_modified(|landing| {
            let is_pending = matches!(landing, Landing::Pending);
            if is_pending {
                *landing = Landing::Failed;
            }
            is_pending
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new("http", "h", "/")
    }

    fn join(flights: &Arc<Flights>, waits: bool) -> Joined {
        flights.join(&key(), &HeaderMap::new(), waits, None, || None)
    }

    fn led(joined: Joined) -> Ticket {
        match joined {
            Joined::Lead(ticket) => ticket,
            Joined::Follow(_) | Joined::Stored(_) => panic!("an equal request is on its way"),
        }
    }

    fn follows(joined: &Joined) -> bool {
        matches!(joined, Joined::Follow(_))
    }

    #[test]
    fn one_leads_and_the_others_follow_until_it_lands() {
        let flights = Flights::new();
        let ticket = led(join(&flights, true));
        let Joined::Follow(landing) = join(&flights, true) else { panic!("must follow") };
        assert!(!follows(&join(&flights, false)));
        ticket.land(Landing::Alone);
        assert!(matches!(*landing.borrow(), Landing::Alone));
        assert!(!follows(&join(&flights, true)));
    }

    #[test]
    fn nobody_waits_for_what_is_gone() {
        let flights = Flights::new();
        let ticket = led(join(&flights, true));
        let Joined::Follow(landing) = join(&flights, true) else { panic!("must follow") };
        drop(ticket);
        assert!(matches!(*landing.borrow(), Landing::Failed));
        assert!(flights.open().is_empty());
    }

    #[test]
    fn an_invalidated_response_is_not_stored_nor_joined() {
        let flights = Flights::new();
        for invalidate in [
            |flights: &Flights| flights.invalidate(&key(), || {}),
            |flights: &Flights| assert_eq!(flights.purge("/", || 7), 7),
        ] {
            let ticket = led(join(&flights, true));
            invalidate(&flights);
            ticket.store(|| panic!("it is outdated"));
            assert!(!follows(&join(&flights, true)));
            led(join(&flights, true)).store(|| {});
        }
    }
}
