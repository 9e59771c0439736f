//! Variants of a response by the fields that `Vary` names (RFC 9111, section 4.1).

use http::header::{HeaderMap, HeaderName, VARY};

/// More names make every request a variant of its own.
const MOST_NAMES: usize = 16;

/// What the gateway itself tells backends of each request: a response that depends on it is for one request only.
const OF_EACH_REQUEST: [&str; 7] =
    ["forwarded", "traceparent", "tracestate", "via", "x-forwarded-for", "x-real-ip", "x-request-id"];

/// What it tells them that is a part of the key.
const IN_THE_KEY: [&str; 4] = ["host", "x-forwarded-host", "x-forwarded-prefix", "x-forwarded-proto"];

/// Which requests a response is for: those with these values of these fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variant(Vec<(HeaderName, Option<Vec<u8>>)>);

impl Variant {
    /// The variant of a `response` to `request`; `None` when it is for no other request.
    pub(crate) fn of(request: &HeaderMap, response: &HeaderMap) -> Option<Self> {
        let names = names(response)?;
        Some(Self(names.into_iter().map(|name| (name.clone(), value(request, &name))).collect()))
    }

    pub(crate) fn includes(&self, request: &HeaderMap) -> bool {
        self.0.iter().all(|(name, expected)| value(request, name) == *expected)
    }

    /// Whether two requests are for the same variant, if the response to both names the same fields.
    pub(crate) fn unites(&self, one: &HeaderMap, other: &HeaderMap) -> bool {
        self.0.iter().all(|(name, _)| value(one, name) == value(other, name))
    }

    /// Bytes in memory.
    pub(crate) fn weight(&self) -> usize {
        self.0.iter().map(|(name, value)| 64 + name.as_str().len() + value.as_ref().map_or(0, Vec::len)).sum()
    }
}

/// The fields that `Vary` names, each once; `None` for `*`, for what is no name, is different each time, or too many.
pub(super) fn names(response: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for line in response.get_all(VARY) {
        for name in line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty())
        {
            let name = HeaderName::from_bytes(name).ok().filter(|name| name != "*")?;
            if OF_EACH_REQUEST.contains(&name.as_str()) {
                return None;
            }
            if !names.contains(&name) && !IN_THE_KEY.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    (names.len() <= MOST_NAMES).then_some(names)
}

/// All lines of a field as one, without the space around commas, which has no meaning.
fn value(request: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let mut lines = request.get_all(name).iter().peekable();
    lines.peek()?;
    let members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    Some(members.collect::<Vec<_>>().join(&b','))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn a_variant_is_for_requests_with_the_same_values() {
        for (vary, first, second, expected) in [
            (&[][..], &[("a", "1")][..], &[][..], true),
            (&["a"], &[("a", "1")], &[("a", "1")], true),
            (&["A"], &[("a", "1")], &[("a", "1"), ("b", "2")], true),
            (&["a"], &[("a", "1")], &[("a", "2")], false),
            (&["a"], &[("a", "x")], &[("a", "X")], false),
            (&["a"], &[("a", "1")], &[], false),
            (&["a"], &[], &[("a", "1")], false),
            (&["a"], &[], &[("a", "")], false),
            (&["a"], &[], &[], true),
            (&["a, b"], &[("a", "1"), ("b", "2")], &[("a", "1"), ("b", "3")], false),
            (&["a", "b"], &[("a", "1"), ("b", "2")], &[("a", "1"), ("b", "3")], false),
            (&["a", "b"], &[("a", "1"), ("b", "2")], &[("b", "2"), ("a", "1")], true),
            (&["a"], &[("a", "1"), ("a", "2")], &[("a", "1, 2")], true),
            (&["a"], &[("a", "1,2")], &[("a", " 1 , 2 ")], true),
            (&["a"], &[("a", "1"), ("a", "2")], &[("a", "1")], false),
            (&["a"], &[("a", "1,2")], &[("a", "2,1")], false),
            (&["X-Forwarded-Host, Host"], &[("x-forwarded-host", "1")], &[("x-forwarded-host", "2")], true),
        ] {
            let response = headers(&vary.iter().map(|line| ("vary", *line)).collect::<Vec<_>>());
            let variant = Variant::of(&headers(first), &response).unwrap();
            assert_eq!(variant.includes(&headers(second)), expected, "{vary:?} {first:?} {second:?}");
        }
    }

    #[test]
    fn a_response_can_be_for_one_request_only() {
        let many = (0..17).map(|number| format!("x{number}")).collect::<Vec<_>>().join(",");
        for vary in ["*", "a, *", "a b", "\u{e9}", "X-Forwarded-For", "a, via", &many] {
            assert_eq!(Variant::of(&HeaderMap::new(), &headers(&[("vary", vary)])), None, "{vary}");
        }
    }
}
