//! How urgent a delivery is, among all deliveries to one agent.

use super::{Delivery, Priority};

/// How urgent a delivery is beside others to the same agent. In the order of urgency, so that a greater one goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// An operator replayed it. A level of its own, so that live deliveries do not wait for it.
    #[default]
    Replay,
    Low,
    Normal,
    High,
}

impl Level {
    /// All levels, the least urgent first.
    pub const ALL: [Self; 4] = [Self::Replay, Self::Low, Self::Normal, Self::High];

    pub const fn new(priority: Priority, is_replay: bool) -> Self {
        match priority {
            _ if is_replay => Self::Replay,
            Priority::Low => Self::Low,
            Priority::Normal => Self::Normal,
            Priority::High => Self::High,
        }
    }

    pub const fn of(delivery: &Delivery) -> Self {
        Self::new(delivery.priority, delivery.replayed_by.is_some())
    }
}
