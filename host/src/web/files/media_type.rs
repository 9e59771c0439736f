//! Media types of files by the end of their names.

use http::HeaderValue;

/// What browsers get that must not guess.
pub(crate) const UNKNOWN: HeaderValue = HeaderValue::from_static("application/octet-stream");

const TYPES: [(&str, &str); 44] = [
    ("atom", "application/atom+xml"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("eot", "application/vnd.ms-fontobject"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/vnd.microsoft.icon"),
    ("ics", "text/calendar; charset=utf-8"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("jsonld", "application/ld+json"),
    ("m4a", "audio/mp4"),
    ("map", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("ogg", "audio/ogg"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("rss", "application/rss+xml"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xhtml", "application/xhtml+xml"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("zip", "application/zip"),
];

/// The media type of the file `name`.
pub(crate) fn media_type(name: &str) -> HeaderValue {
    let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default();
    let found = TYPES.binary_search_by(|(known, _)| (*known).cmp(&end));
    found.map_or(UNKNOWN, |at| HeaderValue::from_static(TYPES[at].1))
}

/// Whether the file is a page, whose address stays while its content changes.
pub(crate) fn is_page(name: &str) -> bool {
    media_type(name).as_bytes().starts_with(b"text/html")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(TYPES.is_sorted_by(|one, next| one.0 < next.0));
    }

    #[test]
    fn the_end_of_a_name_is_its_type() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a/b.min.JS", "text/javascript; charset=utf-8"),
            ("a.tar.gz", "application/gzip"),
            ("a.exe", "application/octet-stream"),
            ("a", "application/octet-stream"),
            ("a.", "application/octet-stream"),
            ("js", "application/octet-stream"),
            ("zip.zip", "application/zip"),
            ("a.atom", "application/atom+xml"),
        ] {
            assert_eq!(media_type(name), expected, "{name}");
        }
    }
}
