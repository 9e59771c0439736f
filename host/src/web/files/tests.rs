//! What callers get of the files of a site.

use std::fs;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderName, header};
use http_body_util::BodyExt;

use super::*;

const NAVIGATION: (&str, &str) = ("accept", "text/html,*/*;q=0.8");

struct Site {
    folder: tempfile::TempDir,
    files: Files,
}

impl Site {
    /// A site with `index.html`, `assets/app.js` and the fallback.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let immutable = vec![Pattern::new("assets/*").unwrap()];
        let files = Files::new(Settings { root: folder.path().to_owned(), fallback: true, immutable });
        let site = Self { folder, files };
        site.write("index.html", "<p>index");
        site.write("assets/app.js", "0123456789");
        site
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn touch(&self, name: &str, seconds: i64) {
        let file = fs::File::options().write(true).open(self.folder.path().join(name)).unwrap();
        let offset = Duration::from_secs(seconds.unsigned_abs());
        let now = SystemTime::now();
        file.set_modified(if seconds < 0 { now - offset } else { now + offset }).unwrap();
    }

    async fn answer(&self, method: Method, path: &str, fields: &[(&'static str, &str)]) -> Answer {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let response = self.files.answer(&method, path, &fields.iter().map(field).collect()).await;
        let (head, body) = response.into_parts();
        Answer { status: head.status.as_u16(), headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    async fn get(&self, path: &str, fields: &[(&'static str, &str)]) -> Answer {
        self.answer(Method::GET, path, fields).await
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

#[tokio::test]
async fn a_file_has_its_type_and_its_validators() {
    let site = Site::new();
    let answer = site.get("/assets/app.js", &[]).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"0123456789"[..]));
    assert_eq!(answer.header(header::CONTENT_TYPE), "text/javascript; charset=utf-8");
    assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert_eq!(answer.header(header::CACHE_CONTROL), "public, max-age=31536000, immutable");
    assert_eq!(answer.header(header::ACCEPT_RANGES), "bytes");
    assert!(!answer.headers.contains_key(header::VARY));
    let etag = answer.header(header::ETAG).to_owned();
    assert!(etag.starts_with('"'));

    let answer = site.get("/assets/app.js", &[("if-none-match", &etag)]).await;
    assert_eq!((answer.status, answer.body.len()), (304, 0));
    assert_eq!(answer.header(header::ETAG), etag);
    assert_eq!(answer.header(header::CACHE_CONTROL), "");
    let answer = site.get("/assets/app.js", &[("if-match", "\"other\"")]).await;
    assert_eq!((answer.status, answer.body.len()), (412, 0));
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let site = Site::new();
    site.write("large.bin", vec![0; 1 << 20]);
    for (path, length) in [("/assets/app.js", "10"), ("/large.bin", "1048576")] {
        let answer = site.answer(Method::HEAD, path, &[("range", "bytes=0-1")]).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
        assert_eq!(answer.header(header::CONTENT_LENGTH), length);
    }
    let answer = site.answer(Method::POST, "/assets/app.js", &[]).await;
    assert_eq!((answer.status, answer.header(header::ALLOW)), (405, "GET, HEAD"));
}

#[tokio::test]
async fn a_part_is_a_part_of_the_right_file() {
    let site = Site::new();
    let large: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
    site.write("large.bin", &large);
    let etag = site.get("/assets/app.js", &[]).await.header(header::ETAG).to_owned();
    for (path, fields, status, range, body) in [
        ("/assets/app.js", &[("range", "bytes=2-4")][..], 206, "bytes 2-4/10", &b"234"[..]),
        ("/assets/app.js", &[("range", "bytes=-2")], 206, "bytes 8-9/10", b"89"),
        ("/assets/app.js", &[("range", "bytes=2-4"), ("if-range", &etag)], 206, "bytes 2-4/10", b"234"),
        ("/assets/app.js", &[("range", "bytes=2-4"), ("if-range", "\"other\"")], 200, "", b"0123456789"),
        ("/assets/app.js", &[("range", "bytes=0-1,3-4")], 200, "", b"0123456789"),
        ("/assets/app.js", &[("range", "bytes=10-")], 416, "bytes */10", b""),
        ("/large.bin", &[("range", "bytes=999-300000")], 206, "bytes 999-300000/1000000", &large[999..=300_000]),
        ("/large.bin", &[], 200, "", &large),
    ] {
        let answer = site.get(path, fields).await;
        assert_eq!((answer.status, answer.header(header::CONTENT_RANGE)), (status, range), "{path} {fields:?}");
        assert!(answer.body == body, "{path} {fields:?}");
        let is_immutable = answer.header(header::CACHE_CONTROL).contains("immutable");
        assert_eq!(is_immutable, status == 200 && path.starts_with("/assets"), "{path} {fields:?}");
    }
}

#[tokio::test]
async fn only_a_page_that_is_missing_becomes_the_index() {
    let site = Site::new();
    site.write("docs/index.html", "<p>docs");
    for (path, fields, status, body) in [
        ("/", &[][..], 200, "<p>index"),
        ("/index.html", &[], 200, "<p>index"),
        ("/docs/", &[], 200, "<p>docs"),
        ("/orders/7", &[NAVIGATION], 200, "<p>index"),
        ("/orders/", &[NAVIGATION], 200, "<p>index"),
        ("/orders/7", &[], 404, ""),
        ("/orders/7", &[("accept", "*/*")], 404, ""),
        ("/orders/7", &[("accept", "application/json")], 404, ""),
        ("/assets/app.0f3a.js", &[NAVIGATION], 404, ""),
        ("/favicon.ico", &[NAVIGATION], 404, ""),
        ("/.env", &[NAVIGATION], 404, ""),
        ("/a/../b", &[NAVIGATION], 400, ""),
    ] {
        let answer = site.get(path, fields).await;
        assert_eq!((answer.status, &answer.body[..]), (status, body.as_bytes()), "{path} {fields:?}");
        let expected = if status == 200 { "no-cache" } else { "no-store" };
        assert_eq!(answer.header(header::CACHE_CONTROL), expected, "{path} {fields:?}");
    }
}

#[tokio::test]
async fn without_the_fallback_a_missing_page_is_missing() {
    let site = Site::new();
    let files = Files::new(Settings { root: site.folder.path().to_owned(), fallback: false, immutable: Vec::new() });
    let site = Site { files, ..site };
    assert_eq!(site.get("/orders/7", &[NAVIGATION]).await.status, 404);
    let answer = site.get("/assets/app.js", &[]).await;
    assert_eq!((answer.status, answer.header(header::CACHE_CONTROL)), (200, ""));
}

#[tokio::test]
async fn a_caller_gets_the_form_that_it_accepts() {
    let site = Site::new();
    site.write("app.css", "plain");
    site.write("app.css.br", "br");
    site.write("app.css.gz", "gzip");
    site.write("old.css", "plain");
    site.write("old.css.br", "old");
    site.touch("old.css.br", -60);
    let mut etags = Vec::new();
    for (path, accepted, coding, body) in [
        ("/app.css", None, "", "plain"),
        ("/app.css", Some("br, gzip"), "br", "br"),
        ("/app.css", Some("gzip"), "gzip", "gzip"),
        ("/app.css", Some("br;q=0.5, gzip"), "gzip", "gzip"),
        ("/app.css", Some("identity, br;q=0.5"), "", "plain"),
        ("/app.css", Some("zstd"), "", "plain"),
        ("/old.css", Some("br"), "", "plain"),
    ] {
        let fields: Vec<_> = accepted.iter().map(|accepted| ("accept-encoding", *accepted)).collect();
        let answer = site.get(path, &fields).await;
        assert_eq!((answer.status, &answer.body[..]), (200, body.as_bytes()), "{path} {accepted:?}");
        assert_eq!(answer.header(header::CONTENT_ENCODING), coding, "{path} {accepted:?}");
        assert_eq!(answer.header(header::CONTENT_TYPE), "text/css; charset=utf-8", "{path} {accepted:?}");
        let vary = if path == "/app.css" { "accept-encoding" } else { "" };
        assert_eq!(answer.header(header::VARY), vary, "{path} {accepted:?}");
        etags.push((coding, answer.header(header::ETAG).to_owned()));
    }
    assert!(etags.iter().all(|(coding, etag)| etag.ends_with(&format!("{coding}\""))), "{etags:?}");
}

#[tokio::test]
async fn a_changed_file_has_another_tag_after_a_second() {
    let site = Site::new();
    site.write("a.txt", "one");
    let first = site.get("/a.txt", &[]).await;
    site.write("a.txt", "two");
    site.touch("a.txt", 1);
    let deadline = Instant::now() + Duration::from_secs(20);
    let second = loop {
        let answer = site.get("/a.txt", &[]).await;
        if answer.body == "two" {
            break answer;
        }
        assert!(Instant::now() < deadline, "the old file is still there");
        tokio::task::yield_now().await;
    };
    assert_ne!(first.header(header::ETAG), second.header(header::ETAG));
    fs::remove_file(site.folder.path().join("a.txt")).unwrap();
    while site.get("/a.txt", &[]).await.status != 404 {
        assert!(Instant::now() < deadline, "the file is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_file_that_becomes_shorter_ends_with_an_error() {
    let site = Site::new();
    site.write("large.bin", vec![0; 1 << 20]);
    let response = site.files.answer(&Method::GET, "/large.bin", &HeaderMap::new()).await;
    site.write("large.bin", "short");
    assert!(response.into_body().collect().await.is_err());
}
