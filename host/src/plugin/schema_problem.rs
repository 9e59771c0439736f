//! What is wrong with a manifest, in words for its author: the place, what was found, and what was expected.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

/// The longest value that is shown, in characters.
const MAX_SHOWN: usize = 60;

/// The problem on one line.
pub(super) fn describe(error: &ValidationError<'_>) -> String {
    if let Kind::OneOfNotValid { context } | Kind::AnyOf { context } = error.kind() {
        return nearest(error, context);
    }
    let place = place(error);
    match expected(error) {
        Some(expected) => format!("{place} {expected}"),
        None => format!("{place}: {error}"),
    }
}

fn place(error: &ValidationError<'_>) -> String {
    let path = error.instance_path().to_string();
    if path.is_empty() { "the manifest".to_owned() } else { format!("`{path}`") }
}

fn expected(error: &ValidationError<'_>) -> Option<String> {
    let found = || shown(error.instance());
    Some(match error.kind() {
        Kind::Required { property } => format!("has no member {}", shown(property)),
        Kind::Enum { options } => format!("is {}, expected {}", found(), alternatives(options.as_array()?)),
        Kind::Constant { expected_value } => format!("is {}, expected {}", found(), shown(expected_value)),
        Kind::Type { kind: TypeKind::Single(kind) } => format!("is {}, expected the type {kind}", found()),
        Kind::Pattern { pattern } => format!("is {}, expected a text like `{pattern}`", found()),
        Kind::MaxLength { limit } => format!("is too long, expected at most {limit} characters"),
        Kind::MinLength { limit } => format!("is too short, expected at least {limit} characters"),
        Kind::MinItems { limit } => format!("has too few items, expected at least {limit}"),
        _ => return None,
    })
}

/// The problem of a value with several forms: that of the form which was meant, or the forms.
fn nearest(error: &ValidationError<'_>, forms: &[Vec<ValidationError<'static>>]) -> String {
    // A constant tells the forms apart, such as `scheme`; so does the type of the value as a whole.
    let tells = |problem: &&ValidationError<'static>| match problem.kind() {
        Kind::Constant { .. } => true,
        Kind::Type { .. } | Kind::Enum { .. } => problem.instance_path() == error.instance_path(),
        _ => false,
    };
    let meant: Vec<_> = forms.iter().filter(|problems| !problems.iter().any(|problem| tells(&problem))).collect();
    if let [problems] = meant.as_slice() {
        return problems.iter().map(describe).collect::<Vec<_>>().join("; ");
    }
    let constants: Vec<_> =
        forms.iter().flatten().filter(|problem| matches!(problem.kind(), Kind::Constant { .. })).collect();
    if meant.is_empty()
        && let Some(first) = constants.first()
    {
        let values: Vec<_> = constants
            .iter()
            .filter_map(|problem| match problem.kind() {
                Kind::Constant { expected_value } => Some(Value::clone(expected_value)),
                _ => None,
            })
            .collect();
        return format!("{} is {}, expected {}", place(first), shown(first.instance()), alternatives(&values));
    }
    let own = forms.iter().flatten().filter(|problem| problem.instance_path() == error.instance_path());
    if let Some(problem) =
        own.clone().find(|problem| matches!(problem.kind(), Kind::Enum { .. }) && !problem.instance().is_object())
    {
        return describe(problem);
    }
    // Each form lacks something else.
    let mut lacks: Vec<String> = forms.iter().filter_map(|problems| problems.iter().find_map(expected)).collect();
    lacks.dedup();
    format!("{} has none of its forms: it {}", place(error), lacks.join(", or it "))
}

/// "`a`, `b` or `c`".
fn alternatives(values: &[Value]) -> String {
    let shown: Vec<_> = values.iter().map(shown).collect();
    match shown.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "nothing".to_owned(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => format!("`{}`", short(text)),
        other => format!("`{other}`"),
    }
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        short.push_str("...");
    }
    short
}
