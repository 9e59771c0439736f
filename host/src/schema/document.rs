//! One version of a schema.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::mismatch::{Mismatch, Violation, printable};
use super::strict_json;

/// A schema of JSON Schema draft 2020-12, ready to check with.
pub struct Schema {
    version: String,
    text: Arc<str>,
    document: Value,
    validator: Validator,
}

/// Why a file is no schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaProblem {
    #[error("it is not JSON: {0}")]
    NotJson(String),
    #[error("`$schema` is `{found}`, expected `{}`", Schema::DRAFT)]
    Draft { found: String },
    /// Not a schema, or one that refers to something else.
    #[error("it is not a JSON Schema: {0}")]
    NotASchema(String),
}

impl Schema {
    /// The largest file that is read.
    pub const MAX_BYTES: usize = 256 << 10;
    /// Data up to this size has all of its violations listed.
    const LISTED_BYTES: usize = 16 << 10;
    pub const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(content: &[u8]) -> Result<Self, SchemaProblem> {
        let not_json = |problem: String| SchemaProblem::NotJson(problem);
        let text = std::str::from_utf8(content).map_err(|error| not_json(error.to_string()))?;
        let document = strict_json::parse(content).map_err(not_json)?;
        if let Some(draft) = document.get("$schema").and_then(Value::as_str)
            && draft.trim_end_matches('#') != Self::DRAFT
        {
            return Err(SchemaProblem::Draft { found: draft.chars().take(100).collect() });
        }
        let validator = jsonschema::draft202012::options()
            .with_pattern_options(PatternOptions::regex())
            .offline()
            .build(&document)
            .map_err(|error| SchemaProblem::NotASchema(printable(&error.to_string())))?;
        let version = hex::encode(&Sha256::digest(content)[..16]);
        Ok(Self { version, text: text.into(), document, validator })
    }

    /// The first 128 bits of the SHA-256 of the file, in hex.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The file as it was.
    pub const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The schema itself.
    pub const fn document(&self) -> &Value {
        &self.document
    }

    /// What of `data` breaks which rule: nothing if it matches.
    pub(super) fn violations(&self, data: &[u8]) -> Vec<Violation> {
        // As a payload is read elsewhere.
        let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
        let instance = match strict_json::parse(data) {
            Ok(instance) => instance,
            Err(problem) => return vec![Violation::new("", &format!("is not JSON: {problem}"))],
        };
        // A fault of the library must not cost the event.
        let checked = std::panic::catch_unwind(AssertUnwindSafe(|| self.check(&instance, data.len())));
        checked.unwrap_or_else(|_| vec![Violation::new("", "cannot be checked: the check failed")])
    }

    fn check(&self, instance: &Value, bytes: usize) -> Vec<Violation> {
        let violation =
            |error: &ValidationError<'_>| Violation::new(error.instance_path().as_str(), &error.masked().to_string());
        if bytes <= Self::LISTED_BYTES {
            return self
                .validator
                .iter_errors(instance)
                .take(Mismatch::LISTED)
                .map(|error| violation(&error))
                .collect();
        }
        // All violations are made at once, so of larger data there is only the first.
        self.validator.validate(instance).err().iter().map(violation).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",
        "properties":{"amount":{"type":"integer","minimum":1},"note":{"pattern":"^(a+)+$"}},"required":["amount"]}"#;

    #[test]
    fn what_does_not_match_is_named_without_its_value() {
        let schema = Schema::read(ORDER.as_bytes()).unwrap();
        let violations = |data: &str| -> Vec<String> {
            schema.violations(data.as_bytes()).iter().map(ToString::to_string).collect()
        };

        assert_eq!(violations(r#"{"amount":1}"#), [""; 0]);
        assert_eq!(violations(r#"{"amount":0}"#), ["#/amount value is less than the minimum of 1"]);
        assert_eq!(violations("{}"), [r##"# "amount" is a required property"##]);
        assert_eq!(violations("{"), ["# is not JSON: EOF while parsing an object at line 1 column 1"]);
        assert_eq!(
            violations(r#"{"amount":1,"amount":2}"#),
            ["# is not JSON: the member `amount` is there twice at line 1 column 20"]
        );
        let secret = violations(r#"{"amount":"hunter2"}"#);
        assert!(secret.len() == 1 && !secret[0].contains("hunter2"), "{secret:?}");
        // Would take longer than a life with an engine that goes back.
        assert_eq!(violations(&format!(r#"{{"amount":1,"note":"{}!"}}"#, "a".repeat(60))).len(), 1);
        let wide: Vec<_> = (0..100).map(|index| format!("\"{index}\"")).collect();
        let hostile = Schema::read(br#"{"properties":{},"additionalProperties":{"type":"null"}}"#).unwrap();
        let found = hostile.violations(b"{\"a\\nb c\":1}");
        assert_eq!(found[0].to_string(), "#/a%0Ab%20c value is not of type \"null\"");
        let strict = Schema::read(br#"{"items":{"type":"integer"}}"#).unwrap();
        assert_eq!(strict.violations(format!("[{}]", "null,".repeat(10_000) + "null").as_bytes()).len(), 1);
        assert_eq!(strict.violations(format!("[{}]", wide.join(",")).as_bytes()).len(), Mismatch::LISTED);
    }

    #[test]
    fn a_file_that_is_no_schema_says_why() {
        for (text, problem) in [
            ("{", "it is not JSON: EOF"),
            (r#"{"type":"objekt"}"#, "it is not a JSON Schema: "),
            (r#"{"$ref":"https://example.com/other.json"}"#, "it is not a JSON Schema: "),
            (r#"{"$ref":"file:///etc/passwd"}"#, "it is not a JSON Schema: "),
            (r#"{"pattern":"(?=a)"}"#, "it is not a JSON Schema: "),
            (
                r#"{"$schema":"http://json-schema.org/draft-07/schema#"}"#,
                "`$schema` is `http://json-schema.org/draft-07",
            ),
        ] {
            let found = Schema::read(text.as_bytes()).err().map(|problem| problem.to_string()).unwrap_or_default();
            assert!(found.starts_with(problem), "{text}: {found}");
        }
    }
}
