//! New events on their way from the commit to subscribers.
//!
//! The log's writer hands them over, so nobody is woken by a commit of which no subscriber wants anything: an event of a kind that
//! nobody wants costs a look into a table, however many subscribers there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::event::{ChannelName, Event, Filter, Seq};
use crate::eventlog::{CommitSink, EventLog, EventLogError, NewDelivery};

/// What the log hands over while somebody reads: the log is opened with it, and subscriptions are loaded with it. Clones are the same.
#[derive(Clone, Default)]
pub struct Arrivals(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// An event has come that somebody may want, or none will come any more.
    changed: Notify,
}

#[derive(Default)]
struct State {
    is_open: bool,
    arrived: Arrived,
    bytes: usize,
    kinds: Kinds,
}

/// What has come since the last look.
#[derive(Default)]
pub(super) struct Arrived {
    /// Without those that no filter lets through, and without those of kinds that nobody wants.
    pub(super) events: Vec<Arc<Event>>,
    /// Everything up to here has come.
    pub(super) upto: Seq,
    /// Whether `events` lacks some that somebody may want. The log has them.
    pub(super) has_gap: bool,
    /// Why nothing will follow any more.
    pub(super) ended: Option<EventLogError>,
}

/// Kinds, by channel, that nobody wants, or wanted once.
#[derive(Default)]
struct Kinds {
    known: HashMap<ChannelName, HashMap<String, Passed>>,
    count: usize,
    /// Up to here, events of kinds that are not known any more were passed by.
    forgotten: Seq,
}

struct Passed {
    /// The last event of the kind that nobody wanted.
    last: Seq,
    is_wanted: bool,
}

impl Arrivals {
    /// What may wait at most.
    const EVENTS: usize = 4096;
    const BYTES: usize = 16 << 20;

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to take what comes after the returned position.
    pub(super) fn open(&self, log: &EventLog) -> Seq {
        let mut state = self.lock();
        // The head is shown before an event is handed over, so this one and those before it need not come.
        let (upto, ended) = (log.head(), state.arrived.ended.take());
        *state = State { is_open: true, arrived: Arrived { upto, ended, ..Arrived::default() }, ..State::default() };
        upto
    }

    /// Nobody reads any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        let ended = state.arrived.ended.take();
        *state = State { arrived: Arrived { ended, ..Arrived::default() }, ..State::default() };
    }

    pub(super) fn take(&self) -> Arrived {
        let mut state = self.lock();
        state.bytes = 0;
        let Arrived { upto, ended, .. } = &state.arrived;
        let next = Arrived { upto: *upto, ended: ended.clone(), ..Arrived::default() };
        std::mem::replace(&mut state.arrived, next)
    }

    /// Waits for something to take.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Somebody begins to want what this filter lets through. Returns the last position of which that may have been passed by.
    pub(super) fn want(&self, filter: &Filter) -> Seq {
        self.lock().kinds.want(filter)
    }

    /// Nobody wants events of the kind, of which this one was the last.
    pub(super) fn pass_by(&self, last: &Event) {
        let mut state = self.lock();
        let upto = state.arrived.upto;
        state.kinds.pass_by(last, upto);
    }
}

impl CommitSink for Arrivals {
    fn committed(&self, event: &Arc<Event>, _: &[NewDelivery]) {
        let mut state = self.lock();
        // A redelivery is of an event that has come already.
        if !state.is_open || event.seq <= state.arrived.upto {
            return;
        }
        let follows = event.seq == state.arrived.upto.next();
        state.arrived.upto = event.seq;
        let is_for_anybody = Filter::default().matches(event);
        if follows && (!is_for_anybody || state.kinds.passes(event)) {
            return;
        }
        state.add(event, follows);
        drop(state);
        self.0.changed.notify_one();
    }

    fn ended(&self, why: &EventLogError) {
        self.lock().arrived.ended.get_or_insert_with(|| why.clone());
        self.0.changed.notify_one();
    }
}

impl State {
    fn add(&mut self, event: &Arc<Event>, follows: bool) {
        let Self { arrived, bytes, .. } = self;
        *bytes += event.data.len();
        arrived.events.push(Arc::clone(event));
        arrived.has_gap |= !follows || arrived.events.len() > Arrivals::EVENTS || *bytes > Arrivals::BYTES;
        if arrived.has_gap {
            arrived.events.clear();
        }
    }
}

impl Kinds {
    /// With more, it begins anew.
    const MOST: usize = 1024;

    /// Whether nobody wants the event, which is noted.
    fn passes(&mut self, event: &Event) -> bool {
        let known = self.known.get_mut(&event.channel).and_then(|kinds| kinds.get_mut(&event.kind));
        known.filter(|passed| !passed.is_wanted).is_some_and(|passed| {
            passed.last = event.seq;
            true
        })
    }

    fn pass_by(&mut self, event: &Event, upto: Seq) {
        if self.count >= Self::MOST {
            *self = Self { forgotten: upto, ..Self::default() };
        }
        let kinds = self.known.entry(event.channel.clone()).or_default();
        let before = kinds.len();
        let passed = kinds.entry(event.kind.clone()).or_insert(Passed { last: event.seq, is_wanted: false });
        (passed.last, passed.is_wanted) = (passed.last.max(event.seq), false);
        self.count += kinds.len() - before;
    }

    fn want(&mut self, filter: &Filter) -> Seq {
        let mut last = self.forgotten;
        for (channel, kinds) in &mut self.known {
            for (_, passed) in kinds.iter_mut().filter(|(kind, _)| filter.matches_kind(channel, kind)) {
                passed.is_wanted = true;
                last = last.max(passed.last);
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventPatterns, Pattern};

    fn of_kind(kind: &str) -> Filter {
        let kinds = vec![Pattern::new(kind).unwrap()];
        Filter::default().and(Arc::new(EventPatterns { kinds, ..EventPatterns::default() }))
    }

    fn event(seq: u64, kind: &str) -> Arc<Event> {
        let sample = Event::sample("application/json", b"{}");
        Arc::new(Event { seq: Seq(seq), channel: "a".parse().unwrap(), kind: kind.to_owned(), ..sample })
    }

    /// Open, and behind the position 0.
    fn open() -> Arrivals {
        let arrivals = Arrivals::default();
        arrivals.lock().is_open = true;
        arrivals
    }

    fn taken(arrivals: &Arrivals) -> (Vec<u64>, u64, bool) {
        let Arrived { events, upto, has_gap, .. } = arrivals.take();
        (events.iter().map(|event| event.seq.0).collect(), upto.0, has_gap)
    }

    #[test]
    fn a_kind_is_passed_by_until_somebody_wants_it_who_learns_what_is_missing() {
        let arrivals = open();
        arrivals.committed(&event(1, "a.x"), &[]);
        assert_eq!(taken(&arrivals), (vec![1], 1, false), "nobody has said yet that nobody wants it");
        arrivals.pass_by(&event(1, "a.x"));
        arrivals.committed(&event(2, "a.x"), &[]);
        arrivals.committed(&event(3, "a.y"), &[]);
        assert_eq!(taken(&arrivals), (vec![3], 3, false));

        assert_eq!(arrivals.want(&of_kind("a.y")), Seq(0));
        assert_eq!(arrivals.want(&of_kind("*")), Seq(2));
        arrivals.committed(&event(4, "a.x"), &[]);
        assert_eq!(taken(&arrivals), (vec![4], 4, false));
        assert_eq!(arrivals.want(&of_kind("a.x")), Seq(2), "the next one lacks them as well");
    }

    #[test]
    fn redeliveries_and_what_no_filter_lets_through_do_not_come() {
        let arrivals = open();
        let first = event(1, "a.x");
        arrivals.committed(&first, &[]);
        arrivals.committed(&first, &[]);
        let suspect = Event { quarantine: Some("why".to_owned()), ..Event::clone(&event(2, "a.x")) };
        arrivals.committed(&Arc::new(suspect), &[]);
        let repeat = Event { repeat_of: Some(first.id), ..Event::clone(&event(3, "a.x")) };
        arrivals.committed(&Arc::new(repeat), &[]);

        assert_eq!(taken(&arrivals), (vec![1], 3, false));
    }

    #[test]
    fn what_comes_before_its_kind_is_found_unwanted_is_not_forgotten() {
        let arrivals = open();
        for seq in 1..=2 {
            arrivals.committed(&event(seq, "a.x"), &[]);
        }
        assert_eq!(taken(&arrivals), (vec![1, 2], 2, false));
        arrivals.committed(&event(3, "a.x"), &[]);
        arrivals.pass_by(&event(2, "a.x"));
        arrivals.committed(&event(4, "a.x"), &[]);

        assert_eq!(taken(&arrivals), (vec![3], 4, false));
        arrivals.pass_by(&event(3, "a.x"));
        assert_eq!(arrivals.want(&of_kind("a.x")), Seq(4), "an older one does not hide a newer one");
    }

    #[test]
    fn nothing_is_kept_while_nobody_reads() {
        let arrivals = open();
        arrivals.committed(&event(1, "a.x"), &[]);
        arrivals.close();
        arrivals.committed(&event(2, "a.x"), &[]);
        arrivals.ended(&EventLogError::Closed);

        assert_eq!(taken(&arrivals), (Vec::new(), 0, false));
        assert_eq!(arrivals.take().ended, Some(EventLogError::Closed), "but the end is");
    }

    #[test]
    fn what_is_too_much_or_was_not_handed_over_is_a_gap() {
        let arrivals = open();
        for seq in 1..=Arrivals::EVENTS as u64 + 2 {
            arrivals.committed(&event(seq, "a.x"), &[]);
        }
        assert_eq!(taken(&arrivals), (Vec::new(), Arrivals::EVENTS as u64 + 2, true));
        arrivals.committed(&event(Arrivals::EVENTS as u64 + 3, "a.x"), &[]);
        assert_eq!(taken(&arrivals), (vec![Arrivals::EVENTS as u64 + 3], Arrivals::EVENTS as u64 + 3, false));

        arrivals.committed(&event(9000, "a.x"), &[]);
        assert_eq!(taken(&arrivals), (Vec::new(), 9000, true));
    }

    #[test]
    fn the_table_of_kinds_is_bounded_and_forgets_no_position() {
        let arrivals = open();
        for seq in 1..=Kinds::MOST as u64 + 1 {
            let event = event(seq, &format!("a.{seq}"));
            arrivals.committed(&event, &[]);
            arrivals.pass_by(&event);
        }

        assert_eq!(arrivals.lock().kinds.count, 1);
        assert_eq!(arrivals.want(&of_kind("a.7")), Seq(Kinds::MOST as u64 + 1));
    }
}
