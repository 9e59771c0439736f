//! From the path of a request to the name of a file.

/// Why a path names no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoName {
    /// 400: servers disagree about what it means.
    Ambiguous,
    /// 404: a name that is not for the public.
    Hidden,
}

/// The name of a file below the root, for the `path` of a request as it was sent: decoded once, without the first slash. A path
/// that ends with a slash names the `index.html` there.
pub(crate) fn name(path: &str) -> Result<String, NoName> {
    let decoded = decoded(path.strip_prefix('/').ok_or(NoName::Ambiguous)?)?;
    let mut name = String::from_utf8(decoded).map_err(|_| NoName::Hidden)?;
    let mut parts = name.split('/').peekable();
    while let Some(part) = parts.next() {
        match part {
            "." | ".." => return Err(NoName::Ambiguous),
            "" if parts.peek().is_none() => {}
            // Two slashes in a row: no file system has a name for that.
            "" => return Err(NoName::Hidden),
            ".well-known" => {}
            part if part.starts_with('.') => return Err(NoName::Hidden),
            _ => {}
        }
    }
    if name.is_empty() || name.ends_with('/') {
        name.push_str("index.html");
    }
    Ok(name)
}

/// Percent-decodes, but nothing that would then be another path.
fn decoded(path: &str) -> Result<Vec<u8>, NoName> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        let is_encoded = byte == b'%';
        let byte = if is_encoded {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            let (Some(high), Some(low)) = (digit(), digit()) else { return Err(NoName::Ambiguous) };
            (high * 16 + low) as u8
        } else {
            byte
        };
        if byte == b'\\' || byte.is_ascii_control() || (is_encoded && byte == b'/') {
            return Err(NoName::Ambiguous);
        }
        decoded.push(byte);
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_file_below_the_root_or_none() {
        use NoName::{Ambiguous, Hidden};

        for (path, expected) in [
            ("/", Ok("index.html")),
            ("/a.js", Ok("a.js")),
            ("/a/b.js", Ok("a/b.js")),
            ("/a/", Ok("a/index.html")),
            ("/a", Ok("a")),
            ("/a%20b", Ok("a b")),
            ("/%C3%A9", Ok("\u{e9}")),
            ("/a..b/c...", Ok("a..b/c...")),
            ("/a+b&c=d", Ok("a+b&c=d")),
            ("/.well-known/acme", Ok(".well-known/acme")),
            ("/%252e%252e/x", Ok("%2e%2e/x")),
            ("/%252fetc", Ok("%2fetc")),
            ("/..", Err(Ambiguous)),
            ("/../etc/passwd", Err(Ambiguous)),
            ("/a/../b", Err(Ambiguous)),
            ("/a/..", Err(Ambiguous)),
            ("/a/./b", Err(Ambiguous)),
            ("/%2e%2e/etc/passwd", Err(Ambiguous)),
            ("/%2E./etc/passwd", Err(Ambiguous)),
            ("/a/%2e%2e", Err(Ambiguous)),
            ("/..%2fetc", Err(Ambiguous)),
            ("/a%2fb", Err(Ambiguous)),
            ("/a%5cb", Err(Ambiguous)),
            ("/a\\b", Err(Ambiguous)),
            ("/..\\b", Err(Ambiguous)),
            ("/a%00", Err(Ambiguous)),
            ("/a%0ab", Err(Ambiguous)),
            ("/a%7f", Err(Ambiguous)),
            ("/a%", Err(Ambiguous)),
            ("/a%2", Err(Ambiguous)),
            ("/a%zz", Err(Ambiguous)),
            ("/a%+1", Err(Ambiguous)),
            ("", Err(Ambiguous)),
            ("*", Err(Ambiguous)),
            ("/.git/config", Err(Hidden)),
            ("/.env", Err(Hidden)),
            ("/%2eenv", Err(Hidden)),
            ("/a/.htpasswd", Err(Hidden)),
            ("/a/.b/", Err(Hidden)),
            ("/.well-known/.x", Err(Hidden)),
            ("//etc/passwd", Err(Hidden)),
            ("/a//b", Err(Hidden)),
            ("/a//", Err(Hidden)),
            ("//", Err(Hidden)),
            ("/%ff", Err(Hidden)),
            ("/%c0%ae%c0%ae/x", Err(Hidden)),
        ] {
            assert_eq!(name(path), expected.map(str::to_owned), "{path}");
        }
    }
}
