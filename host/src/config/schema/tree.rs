//! Keys as a tree: what is asked of any channel is asked of all.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::config::asked::{Asked, Role};

/// The schema of a document, while it is made.
pub(super) struct Tree {
    root: Node,
    /// Where each key that was asked is in the tree.
    places: BTreeMap<String, Vec<String>>,
}

#[derive(Default)]
struct Node {
    /// `None` for a table.
    value: Option<Value>,
    /// What the tables below have in common is that of the child `*`.
    form: Form,
    children: BTreeMap<String, Node>,
    description: Option<String>,
    default: Option<Value>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Form {
    #[default]
    Section,
    Named,
    List,
}

/// Stands for every name and every index.
const ANY: &str = "*";

impl Tree {
    pub(super) fn of(asked: &Asked) -> Self {
        let mut tree = Self { root: Node::default(), places: BTreeMap::new() };
        let is = |key: &str, role: Role| asked.keys.get(key) == Some(&role);
        for (key, role) in &asked.keys {
            let (mut raw, mut place) = (String::new(), Vec::new());
            for part in key.split('.') {
                let is_name = is(&raw, Role::Named);
                raw = if raw.is_empty() { part.to_owned() } else { format!("{raw}.{part}") };
                let (name, index) = part.split_once('[').map_or((part, None), |(name, index)| (name, Some(index)));
                place.push(if is_name { ANY.to_owned() } else { name.to_owned() });
                place.extend(index.map(|_| ANY.to_owned()));
            }
            let node = tree.node(&place);
            match role {
                Role::Leaf => {
                    let value = asked.values.get(key).cloned();
                    node.value = value.or(node.value.take()).or_else(|| Some(json!({})));
                }
                Role::Table => {}
                Role::Named => node.form = Form::Named,
                Role::List => node.form = Form::List,
            }
            tree.places.insert(key.clone(), place);
        }
        tree
    }

    fn node(&mut self, place: &[String]) -> &mut Node {
        place.iter().fold(&mut self.root, |node, name| node.children.entry(name.clone()).or_default())
    }

    /// Sets the description of a key. The first one counts.
    pub(super) fn describe(&mut self, key: &str, description: &str) {
        if let Some(place) = self.places.get(key).cloned() {
            self.node(&place).description.get_or_insert_with(|| description.to_owned());
        }
    }

    /// Every key that was asked for a value.
    pub(super) fn leaves(&mut self) -> Vec<String> {
        let places: Vec<_> = self.places.clone().into_iter().collect();
        places.into_iter().filter(|(_, place)| self.node(place).value.is_some()).map(|(key, _)| key).collect()
    }

    pub(super) fn set_default(&mut self, key: &str, default: Value) {
        if let Some(place) = self.places.get(key).cloned() {
            self.node(&place).default = Some(default);
        }
    }

    pub(super) fn into_schema(self) -> Value {
        self.root.into_schema()
    }
}

impl Node {
    fn into_schema(self) -> Value {
        let Self { value, form, mut children, description, default } = self;
        let mut schema = match (value, form) {
            (Some(value), _) => value,
            (None, Form::Section) => {
                let properties: Map<_, _> =
                    children.into_iter().map(|(name, node)| (name, node.into_schema())).collect();
                json!({ "type": "object", "properties": properties, "additionalProperties": false })
            }
            (None, form) => {
                let each = children.remove(ANY).unwrap_or_default().into_schema();
                match form {
                    Form::List => json!({ "type": "array", "items": each }),
                    _ => json!({ "type": "object", "additionalProperties": each }),
                }
            }
        };
        if let Some(description) = description {
            schema["description"] = json!(description);
        }
        if let Some(default) = default {
            schema["default"] = default;
        }
        schema
    }
}
