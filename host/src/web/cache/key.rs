//! What a response is stored under, before `Vary`.

use std::sync::Arc;

/// Scheme, host, path and query of a request, as the caller sent them: `http://example.org/a?b`. Clones share the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(Arc<str>);

impl Key {
    /// `host` is the value of `Host`. Its case and the scheme's own port do not matter, the path and the query are taken as they are.
    pub(crate) fn new(scheme: &str, host: &str, path_and_query: &str) -> Self {
        let port = if scheme == "https" { ":443" } else { ":80" };
        let host = host.strip_suffix(port).unwrap_or(host);
        let mut text = String::with_capacity(scheme.len() + 3 + host.len() + path_and_query.len());
        text.push_str(scheme);
        text.push_str("://");
        text.push_str(host);
        text.make_ascii_lowercase();
        text.push_str(path_and_query);
        Self(text.into())
    }

    /// The same request as a backend sees it that is told something else of it, such as another host. Nothing said changes
    /// nothing.
    pub(crate) fn told(self, said: &str) -> Self {
        // No address has a space.
        if said.is_empty() { self } else { Self(format!("{} {said}", self.0).into()) }
    }

    /// The key of another address, told the same.
    pub(crate) fn beside(&self, url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (host, path) = rest.split_at(rest.find('/')?);
        Some(Self::new(scheme, host, path).told(self.0.split_once(' ').map_or("", |(_, said)| said)))
    }

    /// The address.
    pub(crate) fn url(&self) -> &str {
        self.0.split_once(' ').map_or(&self.0, |(url, _)| url)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the key begins with `prefix`, or its path does when `prefix` begins with `/`.
    pub(crate) fn is_below(&self, prefix: &str) -> bool {
        let start = if prefix.starts_with('/') { self.path_start() } else { 0 };
        self.0[start..].starts_with(prefix)
    }

    fn path_start(&self) -> usize {
        let host = self.0.find("://").map_or(0, |at| at + 3);
        self.0[host..].find('/').map_or(self.0.len(), |at| host + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_means_the_same_is_the_same_key() {
        for (scheme, host, path, expected) in [
            ("http", "Example.ORG", "/A?b", "http://example.org/A?b"),
            ("http", "h:80", "/", "http://h/"),
            ("https", "h:443", "/", "https://h/"),
            ("https", "h:80", "/", "https://h:80/"),
            ("http", "h:8080", "/%41/../b", "http://h:8080/%41/../b"),
        ] {
            let key = Key::new(scheme, host, path);
            assert_eq!(key.url(), expected);
            assert_eq!(key.beside(expected).as_ref(), Some(&key));
            assert_eq!(key.beside("nowhere"), None);
            assert_eq!(key.clone().told(""), key);

            let told = key.clone().told("other");
            assert_eq!(told.url(), expected);
            assert_ne!(told, key);
            assert_eq!(told.beside(expected), Some(told));
        }
    }

    #[test]
    fn a_prefix_is_of_the_whole_or_of_the_path() {
        let key = Key::new("http", "h:81", "/a/b?c");
        for (prefix, expected) in [
            ("/", true),
            ("/a", true),
            ("/a/b?c", true),
            ("/b", false),
            ("http://h:81/a", true),
            ("http://h", true),
            ("http://other", false),
            ("a", false),
            ("", true),
        ] {
            assert_eq!(key.is_below(prefix), expected, "{prefix}");
        }
    }
}
