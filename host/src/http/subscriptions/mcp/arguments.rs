//! What `events/poll` and `events/stream` are called with (SEP-3415).

use std::time::Duration;

use serde_json::{Map, Value};

use super::type_catalog::TypeCatalog;
use crate::event::{EventPatterns, Filter, Pattern, Timestamp};
use crate::eventlog::Cursor;
use crate::subscribe::{McpError, Since};

/// Bytes of a name and of a pattern.
const LONGEST: usize = 256;

/// Events of a page when nobody says how many, and at most.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 500;

/// One subscription.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The name of a type, or a pattern of kinds.
    pub(super) name: String,
    /// What the subscriber may read of it.
    pub(super) filter: Filter,
    pub(super) cursor: Option<Cursor>,
    max_age: Option<Duration>,
    pub(super) max_events: usize,
}

impl Wanted {
    /// Reads the parameters of a call and checks them against the rights of the subscriber.
    ///
    /// # Errors
    /// `InvalidParams`, `Forbidden`, `NotFound`.
    pub(super) fn read(params: &Map<String, Value>, grant: &Filter, types: &TypeCatalog) -> Result<Self, McpError> {
        let name = text(params.get("name"), "name")?.ok_or_else(|| invalid("name", "a text"))?;
        let pattern = pattern(&name, "name")?;
        let cursor = text(params.get("cursor"), "cursor")?;
        let cursor = cursor.map(|cursor| cursor.parse().map_err(|_| invalid("cursor", "a cursor of this server")));
        // First, so that a foreign name tells nothing of what there is.
        if !grant.may_pass(&name) {
            return Err(McpError::forbidden("the subscriber may not read such events"));
        }
        if !types.knows(&pattern) {
            return Err(McpError::unknown_event("no channel has such events"));
        }
        Ok(Self {
            cursor: cursor.transpose()?,
            max_age: number(params.get("maxAgeMs"), "maxAgeMs", 0)?.map(Duration::from_millis),
            max_events: number(params.get("maxEvents"), "maxEvents", 1)?
                .map_or(PAGE, |most| usize::try_from(most).unwrap_or(usize::MAX).min(LARGEST_PAGE)),
            filter: narrowed(grant, &pattern, params.get("arguments"))?,
            name,
        })
    }

    /// Where it begins (SEP-3415, "Cursor Lifecycle"): without a cursor now, however old events may be.
    pub(super) fn since(&self) -> Since {
        match (self.cursor, self.max_age) {
            (None, _) => Since::Latest,
            (Some(cursor), None) => Since::After(cursor),
            (Some(cursor), Some(age)) => Since::Recent(cursor, Timestamp::now().before(age)),
        }
    }
}

/// What a name and the arguments of its type leave of a grant.
fn narrowed(grant: &Filter, name: &Pattern, arguments: Option<&Value>) -> Result<Filter, McpError> {
    let kinds = |pattern| EventPatterns { kinds: vec![pattern], ..EventPatterns::default() };
    let mut filter = grant.clone().and(kinds(name.clone()).into());
    let arguments = match arguments {
        None | Some(Value::Null) => return Ok(filter),
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return Err(invalid("arguments", "an object")),
    };
    for (key, value) in arguments {
        let pattern = || pattern(&text(Some(value), key)?.ok_or_else(|| invalid(key, "a text"))?, key);
        let patterns = match key.as_str() {
            "subject" => EventPatterns { subjects: vec![pattern()?], ..EventPatterns::default() },
            "kind" if !name.is_exact() => kinds(pattern()?),
            _ => return Err(invalid(key, "no such argument")),
        };
        filter = filter.and(patterns.into());
    }
    Ok(filter)
}

fn pattern(text: &str, key: &str) -> Result<Pattern, McpError> {
    let pattern = Some(text).filter(|text| !text.is_empty() && text.len() <= LONGEST).map(Pattern::new);
    pattern.and_then(Result::ok).ok_or_else(|| invalid(key, "a short text, or a pattern such as `orders.*`"))
}

/// A text that may be left out.
pub(super) fn text(value: Option<&Value>, key: &str) -> Result<Option<String>, McpError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(invalid(key, "a text")),
    }
}

fn number(value: Option<&Value>, key: &str, least: u64) -> Result<Option<u64>, McpError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|number| *number >= least) {
            Some(number) => Ok(Some(number)),
            None => Err(invalid(key, "a whole number")),
        },
    }
}

fn invalid(key: &str, expected: &str) -> McpError {
    McpError::new(McpError::INVALID_PARAMS, format!("Invalid params: `{key}`: expected {expected}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::Event;

    fn read(params: &Value) -> Result<Wanted, McpError> {
        let own = EventPatterns { channels: vec![Pattern::new("git*").unwrap()], ..EventPatterns::default() };
        let grant = Filter::default().and(own.into());
        Wanted::read(params.as_object().unwrap(), &grant, &super::super::type_catalog::tests::catalog())
    }

    #[test]
    fn parameters_are_understood_or_told_by_their_code() {
        let cursor = "00abcdef01234567.7";
        for (params, code) in [
            (json!({"name": "github.push"}), None),
            (json!({"name": "github.*", "arguments": {"kind": "*.push", "subject": "octo/*"}, "cursor": cursor}), None),
            (json!({"name": "*", "arguments": null, "cursor": null, "maxAgeMs": null, "maxEvents": null}), None),
            (json!({"name": "*", "unknown": 1}), None),
            (json!({}), Some(-32602)),
            (json!({"name": 7}), Some(-32602)),
            (json!({"name": ""}), Some(-32602)),
            (json!({"name": "a["}), Some(-32602)),
            (json!({"name": "x".repeat(257)}), Some(-32602)),
            (json!({"name": "*", "arguments": []}), Some(-32602)),
            (json!({"name": "*", "arguments": {"subject": 7}}), Some(-32602)),
            (json!({"name": "*", "arguments": {"subject": null}}), Some(-32602)),
            (json!({"name": "*", "arguments": {"channel": "github"}}), Some(-32602)),
            (json!({"name": "github.push", "arguments": {"kind": "*"}}), Some(-32602)),
            (json!({"name": "*", "cursor": "7"}), Some(-32602)),
            (json!({"name": "*", "cursor": 7}), Some(-32602)),
            (json!({"name": "*", "maxAgeMs": -1}), Some(-32602)),
            (json!({"name": "*", "maxEvents": 0}), Some(-32602)),
            (json!({"name": "*", "maxEvents": 1.5}), Some(-32602)),
            (json!({"name": "orders.created"}), Some(-32024)),
            (json!({"name": "other.created"}), Some(-32024)),
            (json!({"name": "gitea.push"}), Some(-32023)),
            (json!({"name": "github.pusch"}), Some(-32023)),
        ] {
            assert_eq!(read(&params).err().map(|error| error.code), code, "{params}");
        }
        assert_eq!(read(&json!({"name": "*", "maxEvents": 501})).unwrap().max_events, LARGEST_PAGE);
    }

    #[test]
    fn a_name_and_its_arguments_must_all_match() {
        // A `github.push` of `octo/repo`.
        let event = Event::sample("application/json", b"{}");
        for (arguments, expected) in [
            (json!({}), true),
            (json!({"kind": "*.push", "subject": "octo/*"}), true),
            (json!({"kind": "*.issues.*"}), false),
            (json!({"subject": "other/*"}), false),
        ] {
            let wanted = read(&json!({"name": "github.*", "arguments": arguments})).unwrap();

            assert_eq!(wanted.filter.matches(&event), expected, "{arguments}");
        }
    }

    #[test]
    fn without_a_cursor_it_begins_now() {
        let since = |params| read(&params).unwrap().since();

        assert_eq!(since(json!({"name": "*", "maxAgeMs": 5})), Since::Latest);
        let cursor = "00abcdef01234567.7";
        assert_eq!(since(json!({"name": "*", "cursor": cursor})), Since::After(cursor.parse().unwrap()));
        assert!(matches!(since(json!({"name": "*", "cursor": cursor, "maxAgeMs": 5})), Since::Recent(..)));
    }
}
