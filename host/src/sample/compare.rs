use std::fmt;

use serde_json::Value;

/// One member in which what came is not what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where it stands, such as `events[0].kind`.
    pub member: String,
    /// What was expected; `null` stands for nothing.
    pub expected: Value,
    /// What came.
    pub found: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Value| if value.is_null() { "nothing".to_owned() } else { value.to_string() };
        write!(f, "{}: expected {}, came {}", self.member, shown(&self.expected), shown(&self.found))
    }
}

/// The members of `expected` that `found` does not have like this; what `expected` leaves out may be anything.
pub(super) fn differences(member: &str, expected: &Value, found: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    compare(member, expected, found, &mut differences);
    differences
}

fn compare(member: &str, expected: &Value, found: &Value, differences: &mut Vec<Difference>) {
    match (expected, found) {
        (Value::Object(members), Value::Object(_)) => {
            for (name, expected) in members {
                let member = if member.is_empty() { name.clone() } else { format!("{member}.{name}") };
                compare(&member, expected, &found[name], differences);
            }
        }
        (Value::Array(items), Value::Array(others)) => {
            for index in 0..items.len().max(others.len()) {
                let member = format!("{member}[{index}]");
                match (items.get(index), others.get(index)) {
                    (Some(expected), Some(found)) => compare(&member, expected, found, differences),
                    (expected, found) => differences.push(Difference {
                        member,
                        expected: expected.cloned().unwrap_or_default(),
                        found: found.cloned().unwrap_or_default(),
                    }),
                }
            }
        }
        _ if is_same(expected, found) => {}
        _ => {
            differences.push(Difference { member: member.to_owned(), expected: expected.clone(), found: found.clone() })
        }
    }
}

fn is_same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        // What is JSON came as JSON, and may be expected as the text that it was.
        (Value::String(text), found) if !found.is_string() => {
            serde_json::from_str(text).is_ok_and(|json: Value| json == *found)
        }
        _ => expected == found,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_expected_is_compared() {
        for (expected, found, told) in [
            (json!({}), json!({"kind": "push"}), &[][..]),
            (json!({"kind": "push"}), json!({"kind": "push", "subject": "a"}), &[]),
            (json!({"subject": null}), json!({"kind": "push"}), &[]),
            (json!({"subject": null}), json!({"subject": "a"}), &[r#"subject: expected nothing, came "a""#]),
            (json!({"subject": "a"}), json!({}), &[r#"subject: expected "a", came nothing"#]),
            (
                json!({"events": [{"attributes": {"a": "1"}}]}),
                json!({"events": [{"attributes": {"a": "2", "b": "3"}}, {}]}),
                &[r#"events[0].attributes.a: expected "1", came "2""#, "events[1]: expected nothing, came {}"],
            ),
            (json!({"data": "{\"a\": 1}"}), json!({"data": {"a": 1}}), &[]),
            (json!({"data": "7"}), json!({"data": 7}), &[]),
            (json!({"data": 7}), json!({"data": "7"}), &[r#"data: expected 7, came "7""#]),
        ] {
            let differences: Vec<_> = differences("", &expected, &found).iter().map(ToString::to_string).collect();

            assert_eq!(differences, told, "{expected} {found}");
        }
    }
}
