//! Builds an object from a sequence of named values: a form, a multipart body, the children of an element.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::Value;

/// Values by name. The values of a repeated name become an array.
#[derive(Debug, Default)]
pub(crate) struct Members(BTreeMap<String, Value>);

impl Members {
    /// Adds a value, which must not be an array.
    pub(crate) fn add(&mut self, name: String, value: Value) {
        match self.0.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Value::Array(values) => values.push(value),
                first => *first = Value::Array(vec![first.take(), value]),
            },
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.0.into_iter().collect())
    }
}
