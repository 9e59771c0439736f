//! Counts of what the machine did, for the metrics.

use std::collections::BTreeMap;

use super::environment::Environment;
use super::escalation::Rule;

/// Counts since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Notifications, by what became of them.
    pub notifications: BTreeMap<&'static str, u64>,
    pub escalations: BTreeMap<(Environment, &'static str), u64>,
    /// Events to agents, by kind.
    pub told: BTreeMap<&'static str, u64>,
    /// Episodes whose signal had no label of an environment.
    pub without_environment: u64,
    /// Notifications with more labels than are kept.
    pub cut: u64,
    /// Notifications that were left out, because too many signals or incidents are known.
    pub crowded: u64,
    /// Times that an agent was asked to begin.
    pub runs: u64,
}

impl Tally {
    pub(super) fn notification(&mut self, fate: &'static str) {
        *self.notifications.entry(fate).or_default() += 1;
    }

    pub(super) fn escalation(&mut self, environment: Environment, rule: Rule) {
        *self.escalations.entry((environment, rule.as_str())).or_default() += 1;
    }

    pub(super) fn told(&mut self, kind: &'static str) {
        *self.told.entry(kind).or_default() += 1;
    }
}
