//! Unknown keys and variables, and what was probably meant.

use toml::{Table, Value};

use super::asked::{Asked, Environment, Role};
use super::key::join;
use super::problem::{ConfigProblem, quoted};

/// Removed keys and their successors.
const RETIRED: &[(&str, &str)] = &[("eventlog.capacity", "eventlog.retention.max_events")];

/// Reports every unknown key of the table at `path`.
pub(super) fn unknown_keys(table: &Table, path: &str, asked: &Asked, problems: &mut Vec<ConfigProblem>) {
    for (name, value) in table {
        let key = join(path, name);
        match (asked.keys.get(&key), value) {
            (Some(Role::Leaf), _) => {}
            (Some(_), Value::Table(inner)) => unknown_keys(inner, &key, asked, problems),
            (Some(_), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    if let Value::Table(inner) = item {
                        unknown_keys(inner, &format!("{key}[{index}]"), asked, problems);
                    }
                }
            }
            (Some(_), _) => {}
            (None, _) => problems.push(unknown_key(path, name, asked)),
        }
    }
}

/// Reports every variable with the prefix that overrides no key.
pub(super) fn unknown_variables(
    prefix: &str,
    environment: &Environment,
    asked: &Asked,
    problems: &mut Vec<ConfigProblem>,
) {
    let unused = |name: &&String| name.starts_with(prefix) && !asked.variables.contains_key(*name);
    for name in environment.keys().filter(unused) {
        problems.push(ConfigProblem {
            key: name.clone(),
            expected: "a variable that names a key, such as `GATEWAY__HTTP__LISTEN`".to_owned(),
            found: Some(quoted(name)),
            hint: Some(unknown_variable_hint(prefix, name, asked)),
        });
    }
}

fn unknown_variable_hint(prefix: &str, name: &str, asked: &Asked) -> String {
    let variable = |key: &str| format!("{prefix}{}", key.to_ascii_uppercase().replace('.', "__"));
    if let Some((_, successor)) = RETIRED.iter().find(|(retired, _)| variable(retired) == name) {
        return format!("use `{}` instead", variable(successor));
    }
    match nearest(name, asked.variables.keys().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "a variable overrides a key; tables such as `[channels.NAME]` must be in the file; `-` in a name becomes `_`".to_owned(),
    }
}

fn unknown_key(path: &str, name: &str, asked: &Asked) -> ConfigProblem {
    let start = if path.is_empty() { String::new() } else { format!("{path}.") };
    let known: Vec<&str> = asked
        .keys
        .keys()
        .filter_map(|key| key.strip_prefix(&start))
        .filter(|name| !name.is_empty() && !name.contains(['.', '[']))
        .collect();
    let key = join(path, name);
    let retired = RETIRED.iter().find(|(retired, _)| *retired == key);
    let hint = match (retired, nearest(name, known.iter().copied())) {
        (Some((_, successor)), _) => format!("use `{successor}` instead of `{key}`"),
        (None, Some(near)) => format!("did you mean `{near}` instead of `{name}`?"),
        (None, None) if path.is_empty() => format!("the tables are `{}`", known.join("`, `")),
        (None, None) => format!("the keys of `{path}` are `{}`", known.join("`, `")),
    };
    let expected = if path.is_empty() { "the name of a table".to_owned() } else { format!("a key of `{path}`") };
    ConfigProblem { key, expected, found: Some(quoted(name)), hint: Some(hint) }
}

/// The known text that is most similar to `name`, if one is close.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|known| (strsim::jaro_winkler(name, known), known)).filter(|(score, _)| *score > 0.85);
    scored.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, known)| known)
}
