//! Paths of requests: which are refused, and which lie below a prefix.
//!
//! A path goes to a backend as its raw bytes, never decoded and encoded again. So what could be read in two ways is refused.

/// Whether a backend could take the path for another one than the gateway does.
pub(super) fn is_ambiguous(path: &str) -> bool {
    let bytes = path.as_bytes();
    if !bytes.starts_with(b"/") {
        return true;
    }
    // Most paths have none of these, and nothing more is to be looked at.
    if !bytes.iter().any(|byte| matches!(byte, b'%' | b'.' | b'\\' | 0..=0x20 | 0x7f)) {
        return false;
    }
    bytes.iter().any(|byte| matches!(byte, b'\\' | 0..=0x20 | 0x7f))
        || has_bad_escape(bytes)
        || path.split('/').any(is_dots)
}

/// An escape that is none, or one of a slash, a backslash or a control character.
fn has_bad_escape(path: &[u8]) -> bool {
    let mut rest = path;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let decoded = rest.get(at + 1..at + 3).and_then(|digits| {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            Some(digit(digits[0])? << 4 | digit(digits[1])?)
        });
        match decoded {
            None | Some(0x2f | 0x5c | 0x7f | 0..0x20) => return true,
            Some(_) => rest = &rest[at + 3..],
        }
    }
    false
}

/// `.` or `..`, each dot plain or encoded, also before parameters, which some servers cut off first.
fn is_dots(segment: &str) -> bool {
    let mut rest = segment.split(';').next().unwrap_or_default();
    let mut dots = 0;
    while !rest.is_empty() {
        let after = rest.strip_prefix('.').or_else(|| rest.strip_prefix("%2e")).or_else(|| rest.strip_prefix("%2E"));
        let Some(after) = after else { return false };
        (rest, dots) = (after, dots + 1);
    }
    (1..=2).contains(&dots)
}

/// What follows `prefix` in `path`, by whole segments: empty, or beginning with `/`. `None` when the path is not below it.
pub(super) fn below<'p>(prefix: &str, path: &'p str) -> Option<&'p str> {
    if prefix == "/" {
        return Some(path);
    }
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_read_in_two_ways_is_ambiguous() {
        for path in [
            "",
            "*",
            "a",
            "/..",
            "/../a",
            "/a/..",
            "/a/../b",
            "/./a",
            "/a/.",
            "/%2e%2e/a",
            "/.%2E/a",
            "/%2e",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%0d%0ab",
            "/a%7f",
            "/a%",
            "/a%2",
            "/a%zz",
            "/..;/a",
            "/..;x=1/a",
            "/.;/a",
        ] {
            assert!(is_ambiguous(path), "{path}");
        }
        for path in [
            "/",
            "//",
            "/a",
            "/a.b",
            "/.well-known/x",
            "/...",
            "/..a",
            "/a..",
            "/%20",
            "/%25",
            "/%252e%252e/",
            "/ü",
            "/a;b",
            "/.%2e.",
            "/a?b",
            "/~a/b@c:d!$&'()*+,=",
        ] {
            assert!(!is_ambiguous(path), "{path}");
        }
    }

    #[test]
    fn a_prefix_covers_whole_segments() {
        for (prefix, path, rest) in [
            ("/api", "/api", Some("")),
            ("/api", "/api/", Some("/")),
            ("/api", "/api/x", Some("/x")),
            ("/api", "/apix", None),
            ("/api", "/ap", None),
            ("/api", "/API", None),
            ("/", "/", Some("/")),
            ("/", "/x", Some("/x")),
        ] {
            assert_eq!(below(prefix, path), rest, "{prefix} {path}");
        }
    }
}
