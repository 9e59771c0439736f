//! Keys in TOML notation.

use std::borrow::Cow;

/// The key of `name` in the table at `path`.
pub(super) fn join(path: &str, name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let name = if !name.is_empty() && name.chars().all(is_bare) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("{name:?}"))
    };
    if path.is_empty() { name.into_owned() } else { format!("{path}.{name}") }
}
