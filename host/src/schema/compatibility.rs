//! What a new version of a schema takes back, told as the values that it concerns.

use jsonschema::PatternOptions;
use jsonschema::canonical::{CanonicalSchema, Containment, options};
use serde_json::{Map, Value};

use super::document::Schema;
use super::settings::Compatibility;

/// The longest description of values, in bytes.
const SHOWN: usize = 600;

/// Whether `new` may follow `old`, or why not. What cannot be proved is not compatible.
pub(super) fn check(mode: Compatibility, old: &Schema, new: &Schema) -> Result<(), String> {
    let (backward, forward) = match mode {
        Compatibility::None => return Ok(()),
        Compatibility::Backward => (true, false),
        Compatibility::Forward => (false, true),
        Compatibility::Full => (true, true),
    };
    let (old, new) = (canonical(old)?, canonical(new)?);
    if backward {
        covers(&new, &old)
            .map_err(|values| format!("it is not backward compatible: {values} would stop being valid"))?;
    }
    if forward {
        covers(&old, &new)
            .map_err(|values| format!("it is not forward compatible: {values} would be valid, and were not"))?;
    }
    Ok(())
}

fn canonical(schema: &Schema) -> Result<CanonicalSchema, String> {
    let options = options().offline().with_pattern_options(PatternOptions::regex());
    options.canonicalize(schema.document()).map_err(|error| format!("its compatibility cannot be decided: {error}"))
}

/// Whether `outer` takes everything that `inner` takes, or what it does not take.
fn covers(outer: &CanonicalSchema, inner: &CanonicalSchema) -> Result<(), String> {
    match outer.covers(inner) {
        Ok(Containment::Yes) => Ok(()),
        _ => Err(values(outer, inner)),
    }
}

/// The values of `inner` that `outer` does not take, as a schema without what it has in common with `inner`.
fn values(outer: &CanonicalSchema, inner: &CanonicalSchema) -> String {
    let Ok(difference) = inner.subtract(outer) else { return "values that cannot be named".to_owned() };
    let (Value::Object(mut difference), common) = (difference.to_json_schema(), inner.to_json_schema()) else {
        return "all values".to_owned();
    };
    difference.remove("$schema");
    let whole = Value::Object(difference.clone()).to_string();
    difference.retain(|keyword, rule| keyword == "type" || common.get(keyword) != Some(&*rule));
    if let Some(Value::Object(properties)) = difference.get_mut("properties") {
        let before = common.get("properties").and_then(Value::as_object);
        properties.retain(|name, rule| before.and_then(|before: &Map<String, Value>| before.get(name)) != Some(&*rule));
    }
    let mut shown =
        if difference.keys().any(|keyword| keyword != "type") { Value::Object(difference).to_string() } else { whole };
    if shown.len() > SHOWN {
        shown.truncate(shown.floor_char_boundary(SHOWN));
        shown.push_str("...");
    }
    format!("values like {shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"{"type":"object","properties":{"amount":{"type":"integer","minimum":1},
        "currency":{"enum":["EUR","USD"]},"note":{"type":"string"}},"required":["amount"]}"#;

    #[test]
    fn what_stops_being_valid_is_told_as_values() {
        let schema = |text: &str| Schema::read(text.as_bytes()).unwrap();
        let checked = |mode: Compatibility, from: &str, to: &str| {
            check(mode, &schema(OLD), &schema(&OLD.replace(from, to))).err().unwrap_or_default()
        };
        use Compatibility::{Backward, Forward, Full, None};

        let narrower = (r#""minimum":1"#, r#""minimum":10"#);
        assert_eq!(
            checked(Backward, narrower.0, narrower.1),
            "it is not backward compatible: values like \
             {\"properties\":{\"amount\":{\"maximum\":9,\"minimum\":1,\"type\":\"integer\"}},\"type\":\"object\"} \
             would stop being valid"
        );
        assert_eq!(checked(Forward, narrower.0, narrower.1), "");
        assert_eq!(checked(None, narrower.0, narrower.1), "");
        let wider = (r#""EUR","USD""#, r#""EUR","USD","GBP""#);
        assert_eq!(checked(Backward, wider.0, wider.1), "");
        assert_eq!(
            checked(Full, wider.0, wider.1),
            "it is not forward compatible: values like \
             {\"properties\":{\"currency\":{\"const\":\"GBP\"}},\"required\":[\"amount\",\"currency\"],\"type\":\"object\"} \
             would be valid, and were not"
        );
        let required = (r#"["amount"]"#, r#"["amount","currency"]"#);
        assert!(checked(Backward, required.0, required.1).contains(r#""currency":false"#));
        assert_eq!(checked(Full, OLD, OLD), "");
        let closed = (r#""required""#, r#""additionalProperties":false,"required""#);
        assert!(checked(Backward, closed.0, closed.1).contains("propertyNames"));
    }
}
