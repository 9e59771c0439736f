//! Differences between a result and the expected one.

use std::fmt;

use serde_json::Value;

/// One member that differs from the expected one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its path, such as `events[0].kind`.
    pub member: String,
    /// `null` if the member should be absent.
    pub expected: Value,
    /// `null` if the member is absent.
    pub found: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Value| if value.is_null() { "nothing".to_owned() } else { value.to_string() };
        write!(f, "{}: expected {}, found {}", self.member, shown(&self.expected), shown(&self.found))
    }
}

/// Compares the members that `expected` has; members that it omits may be anything.
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
        // A text that is JSON is found as JSON, and may be expected as the text.
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
        for (expected, found, shown) in [
            (json!({}), json!({"kind": "push"}), &[][..]),
            (json!({"kind": "push"}), json!({"kind": "push", "subject": "a"}), &[]),
            (json!({"subject": null}), json!({"kind": "push"}), &[]),
            (json!({"subject": null}), json!({"subject": "a"}), &[r#"subject: expected nothing, found "a""#]),
            (json!({"subject": "a"}), json!({}), &[r#"subject: expected "a", found nothing"#]),
            (
                json!({"events": [{"attributes": {"a": "1"}}]}),
                json!({"events": [{"attributes": {"a": "2", "b": "3"}}, {}]}),
                &[r#"events[0].attributes.a: expected "1", found "2""#, "events[1]: expected nothing, found {}"],
            ),
            (json!({"data": "{\"a\": 1}"}), json!({"data": {"a": 1}}), &[]),
            (json!({"data": "7"}), json!({"data": 7}), &[]),
            (json!({"data": 7}), json!({"data": "7"}), &[r#"data: expected 7, found "7""#]),
        ] {
            let differences: Vec<_> = differences("", &expected, &found).iter().map(ToString::to_string).collect();

            assert_eq!(differences, shown, "{expected} {found}");
        }
    }
}
