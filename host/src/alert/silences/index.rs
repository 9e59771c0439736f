//! Which silences may match labels, without a look at all the others.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::matcher::{Matcher, Matchers, Operator};
use super::super::silence::SilenceId;

/// Silences by one label that each of them needs with one value; those that need none such, apart.
#[derive(Clone, Debug, Default)]
pub(super) struct SilenceIndex {
    by_label: BTreeMap<String, HashMap<String, BTreeSet<SilenceId>>>,
    others: BTreeSet<SilenceId>,
}

impl SilenceIndex {
    /// Of several labels, the one whose value fewest others need.
    pub(super) fn insert(&mut self, id: SilenceId, matchers: &Matchers) {
        let others = |matcher: &&Matcher| self.with(matcher).map_or(0, BTreeSet::len);
        match needed(matchers).min_by_key(others) {
            Some(matcher) => {
                let values = self.by_label.entry(matcher.name().to_owned()).or_default();
                values.entry(matcher.value().to_owned()).or_default().insert(id);
            }
            None => {
                self.others.insert(id);
            }
        }
    }

    pub(super) fn remove(&mut self, id: SilenceId, matchers: &Matchers) {
        self.others.remove(&id);
        for matcher in needed(matchers) {
            let Some(values) = self.by_label.get_mut(matcher.name()) else { continue };
            let Some(ids) = values.get_mut(matcher.value()) else { continue };
            ids.remove(&id);
            if ids.is_empty() {
                values.remove(matcher.value());
            }
            if values.is_empty() {
                self.by_label.remove(matcher.name());
            }
        }
    }

    /// All that may match, and some that do not.
    pub(super) fn candidates<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> impl Iterator<Item = SilenceId> {
        let needed = self.by_label.iter().filter_map(move |(name, values)| values.get(label(name)?));
        needed.flatten().chain(&self.others).copied()
    }

    fn with(&self, matcher: &Matcher) -> Option<&BTreeSet<SilenceId>> {
        self.by_label.get(matcher.name())?.get(matcher.value())
    }
}

/// The matchers that need a label to have one value.
fn needed(matchers: &Matchers) -> impl Iterator<Item = &Matcher> {
    matchers.iter().filter(|matcher| matcher.operator() == Operator::Equal && !matcher.value().is_empty())
}
