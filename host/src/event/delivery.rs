//! Deliveries, their attempts, and the status that they give an event.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AgentName, Seq, Timestamp};

/// Identity of a delivery: the position of its event, and its index in the list of that event's deliveries.
///
/// The list only grows: replays add deliveries, so an id is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeliveryId {
    /// Position of the event.
    pub seq: Seq,
    /// Index in the list of deliveries, from 0.
    pub index: u32,
}

/// The urgency of a delivery relative to others of the same agent. It never changes the order within a subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// After the others, but never starved.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Before the others.
    High,
}

impl Priority {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// The name in the configuration, in JSON and in the attribute `priority`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// An agent that gets an event, and how urgently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The destination.
    pub agent: AgentName,
    /// The urgency.
    pub priority: Priority,
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// No attempt yet.
    Pending,
    /// An attempt failed; the next one is due at `next_attempt_at`.
    Retrying,
    /// The agent accepted the event.
    Delivered,
    /// No more attempts; an operator can replay it.
    Dead,
    /// It was dead, and a later delivery of the event to the agent has taken its place. Not stored: its place says so.
    Replayed,
}

impl DeliveryState {
    /// Whether another attempt will follow.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Retrying)
    }

    /// The name in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Replayed => "replayed",
        }
    }

    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Retrying, Self::Delivered, Self::Dead, Self::Replayed];

    /// The names of all of them, for a message.
    pub const NAMES: &'static str = "`pending`, `retrying`, `delivered`, `dead` or `replayed`";

    /// The state with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The agent accepted the event.
    Delivered,
    /// The attempt failed and is retried.
    Retry,
    /// The agent rejected the event permanently, or no attempts are left.
    Dead,
}

/// One finished attempt of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Counts from 1.
    pub number: u32,
    /// The term of the claim under which it was made.
    pub term: u64,
    /// When the agent plugin was called.
    pub started_at: Timestamp,
    /// When the outcome was known.
    pub ended_at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// The error code of the plugin or the host (`timeout`, `plugin`); empty after a success.
    pub code: String,
    /// The error for people; after a success what was odd about it, mostly nothing.
    pub message: String,
}

impl Attempt {
    /// The term of all attempts while one process makes all deliveries.
    pub const FIRST_TERM: u64 = 1;

    /// The code of what is no attempt: an operator has cancelled the delivery.
    pub const CANCELLED: &str = "cancelled";
}

/// One event on its way to one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The destination.
    pub agent: AgentName,
    /// The urgency.
    pub priority: Priority,
    /// The current state.
    pub state: DeliveryState,
    /// When it was added, with the event or by a replay.
    pub created_at: Timestamp,
    /// When the next attempt is due; set if and only if `state` is `Retrying`.
    pub next_attempt_at: Option<Timestamp>,
    /// Who replayed it; `None` if it was added with the event.
    pub replayed_by: Option<String>,
    /// The total number of attempts.
    pub attempts_made: u32,
    /// The latest attempts, oldest first, at most [`Delivery::ATTEMPTS_KEPT`].
    pub attempts: Vec<Attempt>,
}

impl Delivery {
    /// The number of attempts that are stored; `attempts_made` counts all of them.
    pub const ATTEMPTS_KEPT: usize = 20;

    /// A new delivery, added with its event.
    pub fn new(recipient: Recipient, created_at: Timestamp) -> Self {
        let Recipient { agent, priority } = recipient;
        Self {
            agent,
            priority,
            state: DeliveryState::Pending,
            created_at,
            next_attempt_at: None,
            replayed_by: None,
            attempts_made: 0,
            attempts: Vec::new(),
        }
    }

    /// The latest delivery to each agent, with its index. `deliveries` are oldest first.
    pub fn latest(deliveries: &[Self]) -> impl Iterator<Item = (u32, &Self)> {
        let is_latest =
            |index: usize, delivery: &Self| !deliveries[index + 1..].iter().any(|later| later.agent == delivery.agent);
        let places = (0..).zip(deliveries).enumerate();
        places.filter(move |(index, (_, delivery))| is_latest(*index, delivery)).map(|(_, placed)| placed)
    }

    /// The state of the delivery at `index` of all of its event, oldest first.
    pub fn state_at(deliveries: &[Self], index: usize) -> Option<DeliveryState> {
        let delivery = deliveries.get(index)?;
        let is_replaced = || deliveries[index + 1..].iter().any(|later| later.agent == delivery.agent);
        Some(if delivery.state == DeliveryState::Dead && is_replaced() {
            DeliveryState::Replayed
        } else {
            delivery.state
        })
    }

    /// Adds a finished attempt. `next_attempt_at` applies to [`Outcome::Retry`] only.
    pub fn record(&mut self, attempt: Attempt, next_attempt_at: Option<Timestamp>) {
        (self.state, self.next_attempt_at) = match attempt.outcome {
            Outcome::Delivered => (DeliveryState::Delivered, None),
            Outcome::Retry => (DeliveryState::Retrying, Some(next_attempt_at.unwrap_or(attempt.ended_at))),
            Outcome::Dead => (DeliveryState::Dead, None),
        };
        self.attempts_made = attempt.number;
        if self.attempts.len() == Self::ATTEMPTS_KEPT {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt);
    }
}

/// The status of an event, derived from the latest delivery to each agent, unless it is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventStatus {
    /// Stored; no route matched.
    Accepted,
    /// At least one delivery is open.
    Pending,
    /// No delivery is open, and at least one is dead.
    Dead,
    /// All are delivered.
    Delivered,
    /// What it says may be late: it has no deliveries before its window ends.
    Held,
    /// What it says was late: it has no deliveries.
    Dropped,
    /// It does not match the schema of its kind: nobody is told of it before it is released.
    Quarantined,
    /// It was in quarantine; a copy of it was told to everybody.
    Released,
    /// It says again what an earlier event has told: only processors are told of it.
    Repeat,
}

impl EventStatus {
    /// All of them, in the order of the variants.
    pub const ALL: [Self; 9] = [
        Self::Accepted,
        Self::Pending,
        Self::Dead,
        Self::Delivered,
        Self::Held,
        Self::Dropped,
        Self::Quarantined,
        Self::Released,
        Self::Repeat,
    ];

    /// The names of all of them, for a message.
    pub const NAMES: &'static str =
        "`accepted`, `pending`, `dead`, `delivered`, `held`, `dropped`, `quarantined`, `released` or `repeat`";

    /// The status with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// The status of an event with these deliveries, oldest first.
    pub fn of(deliveries: &[Delivery]) -> Self {
        let mut status = if deliveries.is_empty() { Self::Accepted } else { Self::Delivered };
        for (_, delivery) in Delivery::latest(deliveries) {
            match delivery.state {
                DeliveryState::Pending | DeliveryState::Retrying => return Self::Pending,
                DeliveryState::Dead => status = Self::Dead,
                DeliveryState::Delivered | DeliveryState::Replayed => {}
            }
        }
        status
    }

    /// The name in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Pending => "pending",
            Self::Dead => "dead",
            Self::Delivered => "delivered",
            Self::Held => "held",
            Self::Dropped => "dropped",
            Self::Quarantined => "quarantined",
            Self::Released => "released",
            Self::Repeat => "repeat",
        }
    }
}

impl fmt::Display for EventStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(agent: &str, state: DeliveryState) -> Delivery {
        let recipient = Recipient { agent: agent.parse().unwrap(), priority: Priority::Normal };
        Delivery { state, ..Delivery::new(recipient, Timestamp::from_millis(0)) }
    }

    #[test]
    fn the_latest_delivery_to_each_agent_decides_the_status() {
        use DeliveryState::{Dead, Delivered, Pending, Retrying};
        for (deliveries, expected) in [
            (vec![], EventStatus::Accepted),
            (vec![("a", Delivered)], EventStatus::Delivered),
            (vec![("a", Delivered), ("b", Dead)], EventStatus::Dead),
            (vec![("a", Dead), ("b", Retrying)], EventStatus::Pending),
            (vec![("a", Dead), ("a", Delivered)], EventStatus::Delivered),
            (vec![("a", Delivered), ("a", Pending)], EventStatus::Pending),
        ] {
            let deliveries: Vec<_> = deliveries.into_iter().map(|(agent, state)| delivery(agent, state)).collect();

            assert_eq!(EventStatus::of(&deliveries), expected, "{deliveries:?}");
        }
    }

    #[test]
    fn a_dead_delivery_that_has_a_successor_was_replayed() {
        use DeliveryState::{Dead, Delivered, Pending, Replayed};
        let all = [("a", Dead), ("b", Dead), ("a", Dead), ("c", Delivered), ("a", Pending), ("c", Pending)];
        let deliveries: Vec<_> = all.into_iter().map(|(agent, state)| delivery(agent, state)).collect();

        let states: Vec<_> = (0..6).filter_map(|index| Delivery::state_at(&deliveries, index)).collect();

        assert_eq!(states, [Replayed, Dead, Replayed, Delivered, Pending, Pending]);
    }

    #[test]
    fn only_the_latest_attempts_are_kept_but_all_are_counted() {
        let mut delivery = delivery("a", DeliveryState::Pending);
        for number in 1..=25 {
            let moment = Timestamp::from_millis(i64::from(number));
            let attempt = Attempt {
                number,
                term: Attempt::FIRST_TERM,
                started_at: moment,
                ended_at: moment,
                outcome: Outcome::Retry,
                code: "timeout".to_owned(),
                message: "no answer".to_owned(),
            };
            delivery.record(attempt, Some(Timestamp::from_millis(99)));
        }

        assert_eq!(delivery.attempts_made, 25);
        assert_eq!(delivery.attempts.len(), Delivery::ATTEMPTS_KEPT);
        assert_eq!(delivery.attempts[0].number, 6);
        assert_eq!(delivery.state, DeliveryState::Retrying);
        assert_eq!(delivery.next_attempt_at, Some(Timestamp::from_millis(99)));
    }
}
