//! The settings that agents over HTTP share, and the requests built from them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::agent::{Delivery, Failure};
use crate::network::HttpRequest;

/// The units of a size, the longest name first.
const UNITS: [(&str, usize); 3] = [("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Delivery {
    /// A setting; an empty one counts as missing.
    pub fn setting(&self, key: &str) -> Option<String> {
        self.host().config(key).filter(|value| !value.is_empty())
    }

    /// A required setting.
    pub fn required_setting(&self, key: &str) -> Result<String, Failure> {
        self.setting(key).ok_or_else(|| Failure::invalid(format!("`{key}` is missing in the agent's `config`")))
    }

    /// A setting that is one of these words; the first one is the default.
    pub fn choice<'a>(&self, key: &str, words: &[&'a str]) -> Result<&'a str, Failure> {
        let Some(set) = self.setting(key) else { return Ok(words[0]) };
        words.iter().find(|word| **word == set).copied().ok_or_else(|| {
            let (last, others) = words.split_last().expect("a choice has words");
            let others: Vec<_> = others.iter().map(|word| format!("`{word}`")).collect();
            Failure::invalid(format!("`{key}` is `{set}`: expected {} or `{last}`", others.join(", ")))
        })
    }

    /// A setting that is a whole number.
    pub fn number(&self, key: &str) -> Result<Option<u64>, Failure> {
        let parse = |set: String| {
            set.parse().map_err(|_| Failure::invalid(format!("`{key}` is `{set}`: expected a whole number")))
        };
        self.setting(key).map(parse).transpose()
    }

    /// A setting that is a size, such as `32KiB`.
    pub fn size(&self, key: &str) -> Result<Option<usize>, Failure> {
        let parse = |set: String| {
            let unit = UNITS.iter().find_map(|(unit, bytes)| Some((set.strip_suffix(unit)?, bytes)));
            unit.and_then(|(number, bytes)| number.trim().parse::<usize>().ok()?.checked_mul(*bytes)).ok_or_else(|| {
                Failure::invalid(format!("`{key}` is `{set}`: expected a size with a unit, such as `32KiB`"))
            })
        };
        self.setting(key).map(parse).transpose()
    }

    /// Merges a setting that is a table into `body`; its members replace those of the same name.
    pub fn extend(&self, key: &str, body: &mut Map<String, Value>) -> Result<(), Failure> {
        let Some(set) = self.setting(key) else { return Ok(()) };
        let members: Map<String, Value> =
            serde_json::from_str(&set).map_err(|error| Failure::invalid(format!("`{key}` is not a table: {error}")))?;
        body.extend(members);
        Ok(())
    }

    /// A `POST` of JSON, completed from the settings.
    pub fn post(&self, url: impl Into<String>, body: &Value) -> Result<HttpRequest, Failure> {
        self.complete(HttpRequest::new("POST", url).with_body(body.to_string()), "application/json")
    }

    /// Adds the credential and the headers from the settings, the content type of the body, and the event's id as
    /// `idempotency-key`. The key is the same in each attempt, so that the receiver can recognise a retry.
    pub fn complete(&self, request: HttpRequest, content_type: &str) -> Result<HttpRequest, Failure> {
        let mut request = request.with_credential(self.setting("credential"));
        if let Some(headers) = self.setting("headers") {
            let headers: BTreeMap<String, String> = serde_json::from_str(&headers)
                .map_err(|error| Failure::invalid(format!("`headers` is not a table of strings: {error}")))?;
            request.headers.extend(headers);
        }
        // The operator's own headers take precedence.
        for (name, value) in [("content-type", content_type), ("idempotency-key", self.id())] {
            if request.header(name).is_none() {
                request = request.with_header(name, value);
            }
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str, value: &str) -> Delivery {
        Delivery::new("1", "dummy.received").with_config(key, value)
    }

    #[test]
    fn sizes_have_a_unit() {
        for (set, expected) in [("32KiB", Some(32768)), ("7B", Some(7)), ("1 MiB", Some(1 << 20)), ("", None)] {
            assert_eq!(with("max", set).size("max"), Ok(expected), "{set}");
        }
        for set in ["32", "KiB", "-1B", "99999999999999999999MiB"] {
            let expected = format!("`max` is `{set}`: expected a size with a unit, such as `32KiB`");
            assert_eq!(with("max", set).size("max"), Err(Failure::invalid(expected)));
        }
    }

    #[test]
    fn invalid_words_and_numbers_are_reported() {
        assert_eq!(with("api", "").choice("api", &["chat", "responses"]), Ok("chat"));
        assert_eq!(with("api", "responses").choice("api", &["chat", "responses"]), Ok("responses"));
        let expected = Failure::invalid("`api` is `x`: expected `chat` or `responses`");
        assert_eq!(with("api", "x").choice("api", &["chat", "responses"]), Err(expected));
        assert_eq!(with("n", "12").number("n"), Ok(Some(12)));
        let expected = Failure::invalid("`n` is `1.5`: expected a whole number");
        assert_eq!(with("n", "1.5").number("n"), Err(expected));
    }

    #[test]
    fn a_table_replaces_members_of_the_body() {
        let mut body = Map::new();
        body.insert(String::from("a"), Value::from(1));
        with("extra", r#"{"a": 2, "b": [3]}"#).extend("extra", &mut body).unwrap();
        assert_eq!(Value::Object(body.clone()), serde_json::json!({ "a": 2, "b": [3] }));
        let failure = with("extra", "[]").extend("extra", &mut body).unwrap_err();
        let expected = "`extra` is not a table: invalid type: sequence, expected a map at line 1 column 0";
        assert_eq!(failure, Failure::invalid(expected));
    }
}
