//! `Cache-Control` (RFC 9111, section 5.2), of requests and responses.

use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderMap};

/// The largest number of seconds that counts; from here on everything is one (RFC 9111, section 1.2.2).
pub(crate) const LONGEST: u32 = i32::MAX as u32;

/// The directives that the cache understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    pub(crate) no_store: bool,
    /// With or without names of fields: both forbid to use the response without validation.
    pub(crate) no_cache: bool,
    /// With or without names of fields: both forbid to store the response.
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Seconds,
    pub(crate) s_maxage: Seconds,
    pub(crate) stale_while_revalidate: Seconds,
    pub(crate) stale_if_error: Seconds,
}

/// The argument of a directive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Seconds {
    #[default]
    Absent,
    /// No number, or two that differ.
    Bad,
    Of(u32),
}

impl Seconds {
    /// No time at all when it is bad.
    pub(crate) fn duration(self) -> Option<Duration> {
        match self {
            Self::Absent => None,
            Self::Bad => Some(Duration::ZERO),
            Self::Of(seconds) => Some(Duration::from_secs(seconds.into())),
        }
    }

    fn state(&mut self, argument: Option<&[u8]>) {
        let found = argument.and_then(whole_number).map_or(Self::Bad, Self::Of);
        *self = if matches!(self, Self::Absent) || *self == found { found } else { Self::Bad };
    }
}

/// Digits as a number of seconds, at most [`LONGEST`] + 1.
pub(crate) fn whole_number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let sum = digits.iter().fold(0_u64, |sum, digit| (sum * 10 + u64::from(digit - b'0')).min(u64::from(LONGEST) + 1));
    u32::try_from(sum).ok()
}

/// The directives in all lines of `headers`.
pub(crate) fn directives(headers: &HeaderMap) -> Directives {
    let mut all = Directives::default();
    for line in headers.get_all(CACHE_CONTROL) {
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            let (directive, after) = split_at_comma(rest);
            rest = after;
            all.add(directive);
        }
    }
    all
}

impl Directives {
    fn add(&mut self, directive: &[u8]) {
        let equals = directive.iter().position(|byte| *byte == b'=');
        let (name, argument) = match equals {
            Some(at) => (&directive[..at], Some(&directive[at + 1..])),
            None => (directive, None),
        };
        // Space around `=` is an error of syntax, so an argument with it is bad.
        let is_spaced = equals.is_some() && name.last().is_some_and(u8::is_ascii_whitespace);
        let argument = argument.filter(|_| !is_spaced).map(unquoted);
        let name = name.trim_ascii().to_ascii_lowercase();
        match name.as_slice() {
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache = true,
            b"private" => self.private = true,
            b"public" => self.public = true,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"max-age" => self.max_age.state(argument),
            b"s-maxage" => self.s_maxage.state(argument),
            b"stale-while-revalidate" => self.stale_while_revalidate.state(argument),
            b"stale-if-error" => self.stale_if_error.state(argument),
            _ => {}
        }
    }
}

/// Splits at the first comma that is in no quoted string.
fn split_at_comma(list: &[u8]) -> (&[u8], &[u8]) {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in list.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return (list[..at].trim_ascii(), &list[at + 1..]),
            _ => {}
        }
    }
    (list.trim_ascii(), &[])
}

/// Without the quotes around it. Digits need no escapes, so none are removed.
fn unquoted(argument: &[u8]) -> &[u8] {
    argument.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(argument)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parsed(lines: &[&str]) -> Directives {
        let line = |line: &&str| (CACHE_CONTROL, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        directives(&lines.iter().map(line).collect())
    }

    #[test]
    fn max_age_is_a_number_or_bad() {
        use Seconds::{Absent, Bad, Of};

        for (lines, expected) in [
            (&[][..], Absent),
            (&["max-age=60"], Of(60)),
            (&["MaX-aGe=60"], Of(60)),
            (&["max-age=\"60\""], Of(60)),
            (&["max-age=0060"], Of(60)),
            (&[" , ,max-age=60 ,"], Of(60)),
            (&["a=b, max-age=60"], Of(60)),
            (&["a=\"max-age=1\", max-age=60"], Of(60)),
            (&["a=\"b, max-age=1\", max-age=60"], Of(60)),
            (&["a=\"\\\", max-age=1\", max-age=60"], Of(60)),
            (&["a=\"b, max-age=60"], Absent),
            (&["public", "max-age=60"], Of(60)),
            (&["max-age=60", "max-age=60"], Of(60)),
            (&["max-age=60, max-age=60"], Of(60)),
            (&["max-age=60", "max-age=61"], Bad),
            (&["max-age=60, max-age=61, max-age=61"], Bad),
            (&["max-age=60, max-age"], Bad),
            (&["max-age"], Bad),
            (&["max-age="], Bad),
            (&["max-age=\"\""], Bad),
            (&["max-age=-1"], Bad),
            (&["max-age=+1"], Bad),
            (&["max-age=1.0"], Bad),
            (&["max-age=1s"], Bad),
            (&["max-age='60'"], Bad),
            (&["max-age= 60"], Bad),
            (&["max-age =60"], Bad),
            (&["max-age=6\u{e9}0"], Bad),
            (&["max-age:60"], Absent),
            (&["xmax-age=60"], Absent),
            (&["max-age=2147483647"], Of(LONGEST)),
            (&["max-age=2147483648"], Of(LONGEST + 1)),
            (&["max-age=99999999999999999999999999"], Of(LONGEST + 1)),
        ] {
            assert_eq!(parsed(lines).max_age, expected, "{lines:?}");
        }
    }

    #[test]
    fn every_directive_is_found_by_its_name() {
        let has = |name: &str, field: fn(&Directives) -> bool| {
            assert!(field(&parsed(&[name])), "{name}");
            assert!(field(&parsed(&[&format!("a, {},b=c", name.to_uppercase())])), "{name}");
            assert!(!field(&parsed(&[&format!("a=\"{name}\"")])), "{name}");
            assert!(!field(&parsed(&[&format!("x{name}")])), "{name}");
        };
        has("no-store", |all| all.no_store);
        has("no-cache", |all| all.no_cache);
        has("private", |all| all.private);
        has("public", |all| all.public);
        has("must-revalidate", |all| all.must_revalidate);
        has("proxy-revalidate", |all| all.proxy_revalidate);
        has("must-understand", |all| all.must_understand);
        has("only-if-cached", |all| all.only_if_cached);
        has("s-maxage=7", |all| all.s_maxage != Seconds::Absent);
        has("stale-while-revalidate=7", |all| all.stale_while_revalidate != Seconds::Absent);
        has("stale-if-error=7", |all| all.stale_if_error != Seconds::Absent);
    }

    #[test]
    fn a_directive_with_names_of_fields_counts_for_the_whole_response() {
        assert!(parsed(&["no-cache=\"set-cookie, x\""]).no_cache);
        assert!(parsed(&["private=x"]).private);
        assert!(parsed(&["private = x"]).private);
    }
}
