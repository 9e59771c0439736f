//! The values of an event that conditions ask for.

use std::cell::OnceCell;

use super::condition::{Condition, Field};
use super::pointer::{PointerTree, Values};
use super::value::Scalar;
use crate::event::Facts;

/// An event whose data is read when it is first asked for.
pub(super) struct Content<'a> {
    pub(super) facts: &'a Facts<'a>,
    pointers: &'a PointerTree,
    data: OnceCell<Values>,
}

impl<'a> Content<'a> {
    pub(super) fn new(facts: &'a Facts<'a>, pointers: &'a PointerTree) -> Self {
        Self { facts, pointers, data: OnceCell::new() }
    }

    pub(super) fn passes(&self, condition: &Condition, slot: Option<usize>) -> bool {
        self.with_values(condition, slot, |values| condition.test.passes(values))
    }

    /// `slot` is that of the condition's pointer.
    pub(super) fn with_values<T>(
        &self,
        condition: &Condition,
        slot: Option<usize>,
        read: impl FnOnce(&[Scalar<'_>]) -> T,
    ) -> T {
        let attribute = |value: Option<&'a str>| value.map(Scalar::Attribute);
        match (&condition.field, slot) {
            (Field::Subject, _) => read(attribute(self.facts.subject).as_slice()),
            (Field::Attribute(name), _) => read(attribute(self.facts.attribute(name)).as_slice()),
            (Field::Data(_), Some(slot)) => {
                let values =
                    self.data.get_or_init(|| self.pointers.read(self.facts.json().as_deref().map(|json| json.get())));
                read(&values[slot])
            }
            (Field::Data(_), None) => read(&[]),
        }
    }
}
