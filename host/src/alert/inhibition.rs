//! Inhibition: a signal that fires keeps others quiet, which are its consequences.
//!
//! By the rules of Alertmanager: a source matches `source`, a target matches `target`, and both have the same values of the labels in
//! `equal`, where a label that is missing equals the empty text. A signal that matches both sides is not inhibited by another
//! that does, and so not by itself. A source that is suppressed still inhibits.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::Hash;

use super::matcher::{MatcherError, Matchers};

/// Which signals keep which others quiet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InhibitionRule {
    source: Matchers,
    target: Matchers,
    equal: BTreeSet<String>,
}

/// The rules, and the sources that fire. `I` identifies a signal.
///
/// To ask for a signal costs its matchers and a lookup for each rule, however many sources there are.
#[derive(Debug)]
pub(super) struct Inhibition<I> {
    rules: Vec<InhibitionRule>,
    /// By the rule, and the values of its labels in `equal`.
    firing: HashMap<Place, Sources<I>>,
    /// Where each source is.
    places: HashMap<I, Vec<Place>>,
}

/// A rule by its number, and the values of its labels in `equal`.
type Place = (usize, Box<[Box<str>]>);

/// Sources of one place.
#[derive(Debug)]
struct Sources<I> {
    /// Those that are no targets of the rule.
    plain: BTreeSet<I>,
    /// Those that are targets as well.
    two_sided: BTreeSet<I>,
}

impl InhibitionRule {
    /// Both sides need a matcher.
    pub fn new(source: Matchers, target: Matchers, equal: BTreeSet<String>) -> Result<Self, MatcherError> {
        Ok(Self { source: source.present()?, target: target.present()?, equal })
    }

    fn values<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> Box<[Box<str>]> {
        self.equal.iter().map(|name| label(name).unwrap_or_default().into()).collect()
    }
}

impl fmt::Display for InhibitionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keeps quiet {}", self.source, self.target)?;
        for (index, label) in self.equal.iter().enumerate() {
            write!(f, "{} {label}", if index == 0 { " with equal" } else { "," })?;
        }
        Ok(())
    }
}

impl<I: Clone + Ord + Hash> Inhibition<I> {
    pub(super) fn new(rules: Vec<InhibitionRule>) -> Self {
        Self { rules, firing: HashMap::new(), places: HashMap::new() }
    }

    /// Notes that a signal fires; what it fired with before is forgotten. Whether it is a source of a rule.
    pub(super) fn source_fired<'l>(&mut self, id: I, label: impl Fn(&str) -> Option<&'l str> + Copy) -> bool {
        self.source_ended(&id);
        let mut places = Vec::new();
        for (number, rule) in self.rules.iter().enumerate().filter(|(_, rule)| rule.source.matches(label)) {
            let place = (number, rule.values(label));
            let sources = self.firing.entry(place.clone()).or_default();
            let side = if rule.target.matches(label) { &mut sources.two_sided } else { &mut sources.plain };
            side.insert(id.clone());
            places.push(place);
        }
        let is_source = !places.is_empty();
        if is_source {
            self.places.insert(id, places);
        }
        is_source
    }

    /// Whether a source of the rule with this number fires.
    pub(super) fn is_active(&self, number: usize) -> bool {
        self.firing.keys().any(|(rule, _)| *rule == number)
    }

    /// Notes that a signal is over. Whether it was a source, so that what it inhibited has to be looked at again.
    pub(super) fn source_ended(&mut self, id: &I) -> bool {
        let Some(places) = self.places.remove(id) else { return false };
        for place in places {
            let Some(sources) = self.firing.get_mut(&place) else { continue };
            sources.plain.remove(id);
            sources.two_sided.remove(id);
            if sources.plain.is_empty() && sources.two_sided.is_empty() {
                self.firing.remove(&place);
            }
        }
        true
    }

    /// A source that inhibits a signal with these labels: of the first rule that has one, the lowest id.
    pub(super) fn inhibits<'l>(&self, label: impl Fn(&str) -> Option<&'l str> + Copy) -> Option<&I> {
        let targets = self.rules.iter().enumerate().filter(|(_, rule)| rule.target.matches(label));
        targets.filter_map(|(number, rule)| self.source_of(number, rule, label)).next()
    }

    fn source_of<'l>(
        &self,
        number: usize,
        rule: &InhibitionRule,
        label: impl Fn(&str) -> Option<&'l str> + Copy,
    ) -> Option<&I> {
        let sources = self.firing.get(&(number, rule.values(label)))?;
        let two_sided = || sources.two_sided.first().filter(|_| !rule.source.matches(label));
        sources.plain.first().or_else(two_sided)
    }
}

impl<I> Default for Sources<I> {
    fn default() -> Self {
        Self { plain: BTreeSet::new(), two_sided: BTreeSet::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(source: &str, target: &str, equal: &[&str]) -> InhibitionRule {
        let equal = equal.iter().map(|name| (*name).to_owned()).collect();
        InhibitionRule::new(source.parse().unwrap(), target.parse().unwrap(), equal).unwrap()
    }

    /// Signals are numbers here, and their labels one text, `name=value name=value`.
    fn label<'l>(labels: &'l str, name: &str) -> Option<&'l str> {
        labels
            .split(' ')
            .find_map(|label| label.split_once('=').filter(|(label, _)| *label == name))
            .map(|(_, value)| value)
    }

    fn fire(inhibition: &mut Inhibition<u32>, id: u32, labels: &str) -> bool {
        inhibition.source_fired(id, |name| label(labels, name))
    }

    fn inhibits(inhibition: &Inhibition<u32>, labels: &str) -> Option<u32> {
        inhibition.inhibits(|name| label(labels, name)).copied()
    }

    #[test]
    fn a_source_inhibits_targets_with_equal_labels() {
        let check = |equal: &[&str], source: &str, target: &str, expected: bool| {
            let mut inhibition = Inhibition::new(vec![rule("severity=critical", "severity=warning", equal)]);
            fire(&mut inhibition, 1, source);
            assert_eq!(inhibits(&inhibition, target).is_some(), expected, "{equal:?}: {source}: {target}");
        };

        check(&[], "severity=critical", "severity=warning", true);
        check(&[], "severity=critical", "severity=info", false);
        check(&[], "severity=high", "severity=warning", false);
        check(&["host"], "severity=critical host=a", "severity=warning host=a", true);
        check(&["host"], "severity=critical host=a", "severity=warning host=b", false);
        check(&["host"], "severity=critical host=a", "severity=warning", false);
        check(&["host", "job"], "severity=critical host=a job=b", "severity=warning job=b host=a", true);
        check(&["host", "job"], "severity=critical host=a job=b", "severity=warning host=b job=a", false);
        // Missing on both sides, or empty on one.
        check(&["host"], "severity=critical", "severity=warning", true);
        check(&["host"], "severity=critical host=", "severity=warning", true);
        check(&["host"], "severity=critical", "severity=warning host=", true);
    }

    #[test]
    fn a_signal_on_both_sides_is_inhibited_only_by_one_that_is_not() {
        let mut inhibition =
            Inhibition::new(vec![rule("severity=~critical|down", "severity=~critical|warning", &["host"])]);
        assert!(fire(&mut inhibition, 1, "severity=critical host=a"));
        assert_eq!(inhibits(&inhibition, "severity=critical host=a"), None);
        assert_eq!(inhibits(&inhibition, "severity=warning host=a"), Some(1));

        assert!(fire(&mut inhibition, 2, "severity=down host=a"));
        assert_eq!(inhibits(&inhibition, "severity=critical host=a"), Some(2));
        assert_eq!(inhibits(&inhibition, "severity=warning host=a"), Some(2));
        assert_eq!(inhibits(&inhibition, "severity=down host=a"), None);
    }

    #[test]
    fn a_source_inhibits_until_it_ends() {
        let mut inhibition = Inhibition::new(vec![
            rule("severity=critical", "severity=warning", &["host"]),
            rule("alertname=Down", "alertname!=Down", &["host"]),
        ]);
        let target = "severity=warning host=a";
        assert!(!fire(&mut inhibition, 7, target));
        assert!(fire(&mut inhibition, 2, "severity=critical host=a"));
        assert!(fire(&mut inhibition, 1, "severity=critical alertname=Down host=a"));
        assert_eq!(inhibits(&inhibition, target), Some(1));

        assert!(inhibition.source_ended(&1));
        assert!(!inhibition.source_ended(&1) && !inhibition.source_ended(&7));
        assert_eq!(inhibits(&inhibition, target), Some(2));
        // The same signal with other labels is no longer where it was.
        assert!(fire(&mut inhibition, 2, "severity=critical host=b"));
        assert_eq!(inhibits(&inhibition, target), None);
        assert_eq!(inhibits(&inhibition, "severity=warning host=b"), Some(2));

        assert!(inhibition.source_ended(&2));
        assert!(inhibition.firing.is_empty() && inhibition.places.is_empty());
    }

    #[test]
    fn a_rule_needs_matchers_on_both_sides() {
        let (some, none) = (|| "a=b".parse().unwrap(), Matchers::default);
        assert_eq!(InhibitionRule::new(some(), none(), BTreeSet::new()), Err(MatcherError::Missing));
        assert_eq!(InhibitionRule::new(none(), some(), BTreeSet::new()), Err(MatcherError::Missing));
    }

    /// What a pass over all sources by the words of Alertmanager's documentation finds, the index finds as well.
    #[test]
    fn the_index_agrees_with_the_rule_as_it_is_written() {
        let rules =
            [rule("a=~\"1|2\"", "a=~\"2|3\"", &["b"]), rule("b=1", "c=~\".+\"", &["a", "c"]), rule("c!=1", "a=1", &[])];
        let signals: Vec<String> = (0..64_u32)
            .map(|number| {
                let label = |name, value| if value == 0 { String::new() } else { format!("{name}={value} ") };
                label("a", number % 4) + &label("b", number / 4 % 4) + &label("c", number / 16)
            })
            .collect();
        let mut random = 0x9e37_79b9_u32;
        let mut firing = BTreeSet::new();
        let mut inhibition = Inhibition::new(rules.to_vec());
        for _ in 0..300 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let id = random >> 26;
            if random >> 24 & 3 == 0 {
                firing.insert(id);
                fire(&mut inhibition, id, &signals[id as usize]);
            } else {
                firing.remove(&id);
                inhibition.source_ended(&id);
            }
            for target in &signals {
                let matches = |matchers: &Matchers, labels: &str| matchers.matches(|name| label(labels, name));
                let expected = rules.iter().any(|rule| {
                    matches(&rule.target, target)
                        && firing.iter().map(|id| &signals[*id as usize]).any(|source| {
                            let equal =
                                |name: &String| label(source, name).unwrap_or("") == label(target, name).unwrap_or("");
                            let on_both_sides =
                                |labels: &str| matches(&rule.source, labels) && matches(&rule.target, labels);
                            matches(&rule.source, source)
                                && rule.equal.iter().all(equal)
                                && !(on_both_sides(source) && on_both_sides(target))
                        })
                });
                assert_eq!(inhibits(&inhibition, target).is_some(), expected, "{target}: {firing:?}");
            }
        }
    }
}
