//! The canonical form of a request in Atlassian's `qsh`.

use std::borrow::Cow;
use std::fmt::Write;

use crate::verify::query;

/// Name and value of a parameter, decoded.
type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The input of the claim `qsh`: `METHOD&path&query` in canonical form.
///
/// The path is without `base_path`, which the sender omits, and without a trailing slash. The parameters are sorted by name;
/// the values of one name are sorted and joined by commas. The parameter `token`, which carries the token, is omitted.
pub(super) fn canonical(method: &str, path: &str, query: &str, base_path: Option<&str>, token: Option<&str>) -> String {
    let mut text = method.to_ascii_uppercase();
    text.push('&');
    let below =
        base_path.and_then(|base| path.strip_prefix(base)).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let path = below.unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    // An unencoded `&` would make a part of the path look like a part of the query.
    text.push_str(if path.is_empty() { "/" } else { path }.replace('&', "%26").as_str());
    text.push('&');
    let mut pairs: Vec<Pair<'_>> =
        query::pairs(query).filter(|(name, _)| token.is_none_or(|token| **name != *token.as_bytes())).collect();
    pairs.sort();
    let mut last = None;
    for (name, value) in &pairs {
        if last == Some(name) {
            text.push(',');
        } else {
            if last.is_some() {
                text.push('&');
            }
            encode(name, &mut text);
            text.push('=');
        }
        encode(value, &mut text);
        last = Some(name);
    }
    text
}

/// Percent-encodes everything except the unreserved characters of RFC 3986.
fn encode(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(*byte)),
            other => write!(text, "%{other:02X}").expect("writing to memory does not fail"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line was compared with `createCanonicalRequest` of atlassian-jwt 2.0.3.
    #[test]
    fn a_request_has_one_spelling() {
        for (method, target, expected) in [
            ("POST", "/webhooks/jira", "POST&/webhooks/jira&"),
            ("post", "/webhooks/jira/", "POST&/webhooks/jira&"),
            ("GET", "/", "GET&/&"),
            ("POST", "/a&b/c", "POST&/a%26b/c&"),
            ("POST", "/w?user_id=admin&b=2&a=x%20y&a=z", "POST&/w&a=x%20y,z&b=2&user_id=admin"),
            ("POST", "/w?a=z&a=x+y&jwt=e.e.e", "POST&/w&a=x%20y,z"),
            ("POST", "/w?a=1,2&a=0", "POST&/w&a=0,1%2C2"),
            ("POST", "/w?a=%c3%a9&b=*!'()~-._", "POST&/w&a=%C3%A9&b=%2A%21%27%28%29~-._"),
            ("POST", "/w?b&&a=", "POST&/w&a=&b="),
            ("POST", "/w?B=1&a=2", "POST&/w&B=1&a=2"),
        ] {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));

            assert_eq!(canonical(method, path, query, None, Some("jwt")), expected, "{target}");
        }
    }

    #[test]
    fn the_base_path_ends_at_a_segment() {
        for (path, expected) in
            [("/gw/a", "POST&/a&"), ("/gw", "POST&/&"), ("/gw/", "POST&/&"), ("/gwa", "POST&/gwa&"), ("/a", "POST&/a&")]
        {
            assert_eq!(canonical("POST", path, "", Some("/gw"), None), expected, "{path}");
        }
    }

    #[test]
    fn a_parameter_that_carries_no_token_counts() {
        assert_eq!(canonical("POST", "/", "jwt=x", None, None), "POST&/&jwt=x");
    }
}
