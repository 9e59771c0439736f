use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AgentName, Seq, Timestamp};

/// Names one delivery: the event's position and the delivery's place in the list of that event's deliveries.
///
/// The list only grows: a replay adds deliveries, so an id never names another delivery later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeliveryId {
    /// Position of the event.
    pub seq: Seq,
    /// Place in the event's list of deliveries, from 0.
    pub index: u32,
}

/// How urgent a delivery is, beside others to the same agent; never beside others of its own subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// After the others, but always moving.
    Low,
    /// What nothing was said about.
    #[default]
    Normal,
    /// Before the others.
    High,
}

impl Priority {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// The word for it in the configuration, in JSON and in an event's attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// Who is to get an event, and how urgently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The destination.
    pub agent: AgentName,
    /// How urgent it is.
    pub priority: Priority,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Not tried yet.
    Pending,
    /// Tried, failed, and due again at `next_attempt_at`.
    Retrying,
    /// The agent has it.
    Delivered,
    /// Given up; an operator may replay it.
    Dead,
}

impl DeliveryState {
    /// Whether another attempt is still to come.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Retrying)
    }

    /// The word for it in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The agent took the event.
    Delivered,
    /// The attempt failed and is worth repeating.
    Retry,
    /// The agent refused the event for good, or there are no attempts left.
    Dead,
}

/// One finished try of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Counts from 1.
    pub number: u32,
    /// When the agent plugin was called.
    pub started_at: Timestamp,
    /// When the outcome was known.
    pub ended_at: Timestamp,
    /// What it came to.
    pub outcome: Outcome,
    /// Why it failed: a code of the plugin or of the host (`timeout`, `plugin`); empty when it did not.
    pub code: String,
    /// The same for people; empty when it did not fail.
    pub message: String,
}

/// One event on its way to one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The destination.
    pub agent: AgentName,
    /// How urgent it is.
    pub priority: Priority,
    /// Where it stands.
    pub state: DeliveryState,
    /// When it was added: with the event, or by a replay.
    pub created_at: Timestamp,
    /// When the next attempt is due; set exactly while `state` is `Retrying`.
    pub next_attempt_at: Option<Timestamp>,
    /// Who asked for it again; none when it came with the event.
    pub replayed_by: Option<String>,
    /// How often it was tried in all.
    pub attempts_made: u32,
    /// The latest attempts, oldest first, at most [`Delivery::ATTEMPTS_KEPT`].
    pub attempts: Vec<Attempt>,
}

impl Delivery {
    /// How many attempts are kept in full; `attempts_made` counts all of them.
    pub const ATTEMPTS_KEPT: usize = 20;

    /// A delivery that came with the event and was not tried yet.
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

    /// The latest delivery to each agent among `deliveries`, which are oldest first, with its place.
    pub fn latest(deliveries: &[Self]) -> impl Iterator<Item = (u32, &Self)> {
        let is_latest =
            |index: usize, delivery: &Self| !deliveries[index + 1..].iter().any(|later| later.agent == delivery.agent);
        let places = (0..).zip(deliveries).enumerate();
        places.filter(move |(index, (_, delivery))| is_latest(*index, delivery)).map(|(_, placed)| placed)
    }

    /// Adds a finished attempt; `next_attempt_at` says when to try again and counts only for [`Outcome::Retry`].
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

/// Where an event stands, from the latest delivery to each agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventStatus {
    /// Stored; no route asked for it.
    Accepted,
    /// At least one delivery is open.
    Pending,
    /// None is open, at least one is dead.
    Dead,
    /// All are delivered.
    Delivered,
}

impl EventStatus {
    /// All of them, in the order of the variants.
    pub const ALL: [Self; 4] = [Self::Accepted, Self::Pending, Self::Dead, Self::Delivered];

    /// The status that `deliveries`, oldest first, give their event.
    pub fn of(deliveries: &[Delivery]) -> Self {
        let mut status = if deliveries.is_empty() { Self::Accepted } else { Self::Delivered };
        for (_, delivery) in Delivery::latest(deliveries) {
            match delivery.state {
                DeliveryState::Pending | DeliveryState::Retrying => return Self::Pending,
                DeliveryState::Dead => status = Self::Dead,
                DeliveryState::Delivered => {}
            }
        }
        status
    }

    /// The word for it in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Pending => "pending",
            Self::Dead => "dead",
            Self::Delivered => "delivered",
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
    fn only_the_latest_attempts_are_kept_but_all_are_counted() {
        let mut delivery = delivery("a", DeliveryState::Pending);
        for number in 1..=25 {
            let moment = Timestamp::from_millis(i64::from(number));
            let attempt = Attempt {
                number,
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
