//! One route as a candidate for an event: whether it matches, or why not.

use super::condition::{Condition, Field};
use super::content::Content;
use super::pointer::PointerTree;
use super::settings::RouteSettings;
use crate::event::Pattern;

pub(super) struct Candidate {
    pub(super) settings: RouteSettings,
    /// Where each condition on the data finds its value.
    slots: Vec<Option<usize>>,
}

/// Why a route does not match an event.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mismatch<'a> {
    Channel(&'a [Pattern]),
    Kind(&'a [Pattern]),
    Condition {
        condition: &'a Condition,
        slot: Option<usize>,
        /// How many conditions are met before it.
        passed: usize,
    },
}

impl Candidate {
    /// Adds the route's pointers to `pointers`.
    pub(super) fn new(settings: RouteSettings, pointers: &mut PointerTree) -> Self {
        let slot = |condition: &Condition| match &condition.field {
            Field::Data(pointer) => Some(pointers.add(pointer)),
            Field::Subject | Field::Attribute(_) => None,
        };
        let slots = settings.conditions.iter().map(slot).collect();
        Self { settings, slots }
    }

    /// Whether it takes such an event, leaving aside whether another route does.
    pub(super) fn check(&self, content: &Content<'_>) -> Result<(), Mismatch<'_>> {
        let covers = |patterns: &[Pattern], name: &str| patterns.iter().any(|pattern| pattern.matches(name));
        let Self { settings, slots } = self;
        if !settings.channels.iter().any(|pattern| pattern.matches_channel(content.facts.channel)) {
            return Err(Mismatch::Channel(&settings.channels));
        }
        if !covers(&settings.kinds, content.facts.kind) {
            return Err(Mismatch::Kind(&settings.kinds));
        }
        let mut conditions = settings.conditions.iter().zip(slots).enumerate();
        match conditions.find(|(_, (condition, slot))| !content.passes(condition, **slot)) {
            Some((passed, (condition, slot))) => Err(Mismatch::Condition { condition, slot: *slot, passed }),
            None => Ok(()),
        }
    }
}
