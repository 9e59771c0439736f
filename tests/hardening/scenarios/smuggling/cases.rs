//! The requests. Where RFC 9112 leaves a choice, the cases fix this gateway's behaviour, so that a change is noticed.

/// The bytes for one connection, and the expected result.
pub(super) struct Case {
    /// Also the subject of its event.
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) expected: Expected,
}

/// The expected result for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// One refusal and the end of the connection; nothing is stored.
    Refused,
    /// One event and the end of the connection.
    One,
    /// One event; the rest is refused, and the connection ends.
    OneThenRefused,
    /// Two unambiguous requests: one event each.
    Both,
    /// One response from a path that stores nothing, whatever the body is.
    Elsewhere(u16),
}

use Expected::{Both, Elsewhere, One, OneThenRefused, Refused};

impl Case {
    fn new(name: &'static str, expected: Expected, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name, expected, bytes: bytes.into() }
    }

    /// The subject of the request that is hidden in this one or follows it.
    pub(super) fn hidden(&self) -> String {
        hidden(self.name)
    }
}

fn hidden(name: &str) -> String {
    format!("{name}-hidden")
}

fn target(subject: &str) -> String {
    format!("/webhooks/dummy?subject={subject}")
}

/// An acceptable request with another subject.
fn other(name: &str) -> String {
    format!("POST {} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 2\r\n\r\n{{}}", target(&hidden(name)))
}

/// A request with these header lines, which include their line ends.
fn post(name: &str, headers: &str, body: &str) -> String {
    format!("POST {} HTTP/1.1\r\nHost: gateway\r\n{headers}\r\n{body}", target(name))
}

/// All cases. A refused request is always followed by one that must not be processed.
pub(super) fn all() -> Vec<Case> {
    [both_lengths(), lengths(), codings(), chunks(), heads(), request_lines(), connections()]
        .into_iter()
        .flatten()
        .collect()
}

/// Two contradicting lengths of the body.
fn both_lengths() -> Vec<Case> {
    let chunked = |name: &'static str, expected: Expected, coding: &str| {
        let body = format!("0\r\n\r\n{}", other(name));
        Case::new(name, expected, post(name, &format!("Content-Length: {}\r\n{coding}", body.len()), &body))
    };
    // The length covers everything; a server that parses chunks would see another request after them.
    let mut cases = vec![
        chunked("cl-te", One, "Transfer-Encoding: chunked\r\n"),
        chunked("cl-te-upper", One, "TRANSFER-ENCODING: CHUNKED\r\n"),
        chunked("cl-te-tab", One, "Transfer-Encoding:\tchunked\r\n"),
        chunked("cl-te-trailing-space", One, "Transfer-Encoding: chunked \r\n"),
        chunked("cl-te-bare-lf", One, "X: y\nTransfer-Encoding: chunked\n"),
        chunked("cl-te-twice", One, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        chunked("cl-te-underscore", One, "Transfer_Encoding: chunked\r\n"),
        chunked("cl-te-in-te", One, "TE: chunked\r\n"),
        chunked("cl-te-unknown", Refused, "Transfer-Encoding: xchunked\r\n"),
        chunked("cl-te-quoted", Refused, "Transfer-Encoding: \"chunked\"\r\n"),
        chunked("cl-te-identity-last", Refused, "Transfer-Encoding: chunked, identity\r\n"),
        chunked("cl-te-unknown-last", Refused, "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"),
        chunked("cl-te-empty", Refused, "Transfer-Encoding:\r\n"),
        chunked("cl-te-vertical-tab", Refused, "Transfer-Encoding: \u{b}chunked\r\n"),
        chunked("cl-te-nul", Refused, "Transfer-Encoding: chunked\0\r\n"),
        chunked("cl-te-space-before-colon", Refused, "Transfer-Encoding : chunked\r\n"),
        chunked("cl-te-leading-space", Refused, " Transfer-Encoding: chunked\r\n"),
        chunked("cl-te-folded", Refused, "X: y\r\n Transfer-Encoding: chunked\r\n"),
        chunked("cl-te-folded-value", Refused, "Transfer-Encoding:\r\n chunked\r\n"),
        chunked("cl-te-bare-cr", Refused, "X: y\rTransfer-Encoding: chunked\r\n"),
    ];
    // The chunks cover everything; a server that uses the length would see another request after it.
    let te_cl = |name: &'static str, headers: &str| {
        let hidden = other(name);
        Case::new(name, One, post(name, headers, &format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len())))
    };
    cases.push(te_cl("te-cl", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"));
    cases.push(te_cl("te-cl-zero", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"));
    cases
}

/// Invalid or repeated lengths.
fn lengths() -> Vec<Case> {
    let of = |name: &'static str, expected: Expected, headers: &str| {
        let after = if expected == One { String::new() } else { other(name) };
        Case::new(name, expected, post(name, headers, &format!("{{}}{after}")))
    };
    vec![
        of("cl-zeros", One, "Content-Length: 0002\r\n"),
        of("cl-trailing-tab", One, "Content-Length: 2\t\r\n"),
        of("cl-same-twice", One, "Content-Length: 2\r\nContent-Length: 2\r\n"),
        of("cl-underscore", One, "Content_Length: 99\r\nContent-Length: 2\r\n"),
        of("cl-two-values", Refused, "Content-Length: 2\r\nContent-Length: 0\r\n"),
        of("cl-list", Refused, "Content-Length: 2, 2\r\n"),
        of("cl-plus", Refused, "Content-Length: +2\r\n"),
        of("cl-minus", Refused, "Content-Length: -2\r\n"),
        of("cl-hex", Refused, "Content-Length: 0x2\r\n"),
        of("cl-fraction", Refused, "Content-Length: 2.0\r\n"),
        of("cl-exponent", Refused, "Content-Length: 2e0\r\n"),
        of("cl-empty", Refused, "Content-Length:\r\n"),
        of("cl-inner-space", Refused, "Content-Length: 2 2\r\n"),
        of("cl-space-before-colon", Refused, "Content-Length : 2\r\n"),
        of("cl-letters", Refused, "Content-Length: two\r\n"),
        of("cl-nul", Refused, "Content-Length: 2\0\r\n"),
        of("cl-wraps", Refused, "Content-Length: 18446744073709551618\r\n"),
        of("cl-largest", Refused, "Content-Length: 18446744073709551615\r\n"),
        of("cl-too-large", Refused, "Content-Length: 9223372036854775807\r\n"),
        // The body is shorter than its length, and the connection is ended at its timeout.
        Case::new("cl-short", Refused, post("cl-short", "Content-Length: 9\r\n", "{}")),
    ]
}

/// Transfer codings without a length.
fn codings() -> Vec<Case> {
    let of = |name: &'static str, expected: Expected, version: &str, coding: &str| {
        let target = target(name);
        let head = format!("POST {target} HTTP/{version}\r\nHost: gateway\r\n{coding}\r\n");
        let after = if expected == One { String::new() } else { other(name) };
        Case::new(name, expected, format!("{head}2\r\n{{}}\r\n0\r\n\r\n{after}"))
    };
    vec![
        of("te", One, "1.1", "Transfer-Encoding: chunked\r\n"),
        of("te-http-1-0", Refused, "1.0", "Transfer-Encoding: chunked\r\n"),
        of("te-http-1-0-keep-alive", Refused, "1.0", "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n"),
        of("te-gzip", Refused, "1.1", "Transfer-Encoding: gzip\r\n"),
        of("te-semicolon", Refused, "1.1", "Transfer-Encoding: chunked;x\r\n"),
    ]
}

/// Malformed or unusual chunks.
fn chunks() -> Vec<Case> {
    let of = |name: &'static str, expected: Expected, chunks: &str| {
        let after = if expected == One { String::new() } else { other(name) };
        Case::new(name, expected, post(name, "Transfer-Encoding: chunked\r\n", &format!("{chunks}{after}")))
    };
    let long = "a".repeat(20 << 10);
    let many: String = (0..2000).map(|number| format!("X-{number}: y\r\n")).collect();
    vec![
        of("chunk-extension", One, "2;a=b\r\n{}\r\n0\r\n\r\n"),
        of("chunk-quoted-extension", One, "2;a=\"b;c\"\r\n{}\r\n0\r\n\r\n"),
        of("chunk-zeros", One, "00000002\r\n{}\r\n0\r\n\r\n"),
        of("chunk-trailer", One, "2\r\n{}\r\n0\r\nX-Checked: y\r\n\r\n"),
        of("chunk-trailer-length", One, "2\r\n{}\r\n0\r\nContent-Length: 99\r\nHost: other\r\n\r\n"),
        of("chunk-long-extension", Refused, &format!("2;{long}\r\n{{}}\r\n0\r\n\r\n")),
        of("chunk-size-wraps", Refused, "10000000000000002\r\n{}\r\n0\r\n\r\n"),
        of("chunk-size-largest", Refused, "ffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        of("chunk-size-prefixed", Refused, "0x2\r\n{}\r\n0\r\n\r\n"),
        of("chunk-size-minus", Refused, "-2\r\n{}\r\n0\r\n\r\n"),
        of("chunk-size-plus", Refused, "+2\r\n{}\r\n0\r\n\r\n"),
        of("chunk-size-underscore", Refused, "0_2\r\n{}\r\n0\r\n\r\n"),
        of("chunk-size-empty", Refused, "\r\n{}\r\n0\r\n\r\n"),
        of("chunk-size-letters", Refused, "xyz\r\n{}\r\n0\r\n\r\n"),
        of("chunk-bare-lf", Refused, "2\n{}\n0\n\n"),
        of("chunk-extension-bare-lf", Refused, "2;\n{}\r\n0\r\n\r\n"),
        of("chunk-extension-bare-cr", Refused, "2;a\rb\r\n{}\r\n0\r\n\r\n"),
        of("chunk-too-long", Refused, "2\r\n{}{}\r\n0\r\n\r\n"),
        of("chunk-data-without-end", Refused, "2\r\n{}0\r\n\r\n"),
        of("chunk-many-trailers", Refused, &format!("2\r\n{{}}\r\n0\r\n{many}\r\n")),
        of("chunk-long-trailer", Refused, &format!("2\r\n{{}}\r\n0\r\nX: {long}{long}\r\n\r\n")),
        Case::new("chunk-missing", Refused, post("chunk-missing", "Transfer-Encoding: chunked\r\n", "2\r\n{}")),
    ]
}

/// Malformed header lines, and `Host`.
fn heads() -> Vec<Case> {
    let of = |name: &'static str, expected: Expected, headers: &str| {
        let after = if expected == One { String::new() } else { other(name) };
        Case::new(name, expected, post(name, &format!("Content-Length: 2\r\n{headers}"), &format!("{{}}{after}")))
    };
    let long = "a".repeat(64 << 10);
    let many: String = (0..200).map(|number| format!("X-{number}: y\r\n")).collect();
    let bare_lf = post("head-bare-lf", "Content-Length: 2\r\n", "{}").replace("\r\n", "\n");
    let bare_cr = post("head-bare-cr", "Content-Length: 2\r\n", "{}").replace("\r\n", "\r");
    let hosted = |name, host| format!("POST {} HTTP/1.1\r\n{host}Content-Length: 2\r\n\r\n{{}}", target(name));
    let mut high = post("head-high-bytes", "Content-Length: 2\r\nX: ", "").into_bytes();
    high.truncate(high.len() - 2);
    high.extend(b"\xff\xfe\r\n\r\n{}");
    vec![
        of("head-nul-in-value", Refused, "X: a\0b\r\n"),
        of("head-nul-in-name", Refused, "X\0: a\r\n"),
        of("head-cr-in-value", Refused, "X: a\rContent-Length: 9\r\n"),
        of("head-bell", Refused, "X: \u{7}\r\n"),
        of("head-no-colon", Refused, "Content-Length\r\n"),
        of("head-no-name", Refused, ": 9\r\n"),
        of("head-name-with-space", Refused, "Content Length: 9\r\n"),
        of("head-name-with-brackets", Refused, "X[y]: 9\r\n"),
        of("head-name-with-umlaut", Refused, "Länge: 9\r\n"),
        of("head-folded", Refused, "X: a\r\n b\r\n"),
        of("head-folded-by-tab", Refused, "X: a\r\n\tContent-Length: 9\r\n"),
        of("head-long-line", Refused, &format!("X: {long}\r\n")),
        of("head-many-lines", Refused, &many),
        of("host-twice", Refused, "Host: other\r\n"),
        of("host-same-twice", Refused, "Host: gateway\r\n"),
        Case::new("host-missing", Refused, format!("{}{}", hosted("host-missing", ""), other("host-missing"))),
        Case::new("host-empty", One, hosted("host-empty", "Host:\r\n")),
        Case::new("head-bare-lf", One, bare_lf),
        Case::new("head-bare-cr", Refused, format!("{bare_cr}{}", other("head-bare-cr"))),
        Case::new("head-high-bytes", One, high),
        Case::new(
            "head-blank-lines-before",
            One,
            format!("\r\n\r\n{}", post("head-blank-lines-before", "Content-Length: 2\r\n", "{}")),
        ),
    ]
}

/// Request lines, and requests to paths that read no body.
fn request_lines() -> Vec<Case> {
    let rest = "Host: gateway\r\nContent-Length: 2\r\n\r\n{}";
    let of = |name: &'static str, expected: Expected, line: &str| {
        let line = line.replace("TARGET", &target(name));
        let after = if expected == One { String::new() } else { other(name) };
        Case::new(name, expected, format!("{line}\r\n{rest}{after}"))
    };
    let elsewhere = |name: &'static str, status: u16, line: &str| {
        let hidden = other(name);
        let head = format!("{line} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {}\r\n\r\n", hidden.len());
        Case::new(name, Elsewhere(status), head + &hidden)
    };
    let long = "a".repeat(70 << 10);
    vec![
        of("line-absolute", One, "POST http://gatewayTARGET HTTP/1.1"),
        of("line-absolute-other-host", One, "POST http://otherTARGET HTTP/1.1"),
        of("line-http-1-0", One, "POST TARGET HTTP/1.0"),
        of("line-http-0-9", Refused, "POST TARGET"),
        of("line-http-1-2", Refused, "POST TARGET HTTP/1.2"),
        of("line-http-2-0", Refused, "POST TARGET HTTP/2.0"),
        of("line-http-11", Refused, "POST TARGET HTTP/11"),
        of("line-lower-case-version", Refused, "POST TARGET http/1.1"),
        of("line-no-version-number", Refused, "POST TARGET HTTP/"),
        of("line-two-spaces", Refused, "POST  TARGET HTTP/1.1"),
        of("line-tab", Refused, "POST\tTARGET HTTP/1.1"),
        of("line-space-in-path", Refused, "POST /webhooks/dummy x HTTP/1.1"),
        of("line-nul-in-path", Refused, "POST /webhooks/dummy\0 HTTP/1.1"),
        of("line-brackets-in-method", Refused, "PO{}ST TARGET HTTP/1.1"),
        of("line-leading-space", Refused, " POST TARGET HTTP/1.1"),
        of("line-long", Refused, &format!("POST /webhooks/dummy?{long} HTTP/1.1")),
        Case::new("line-http-0-9-alone", Refused, format!("GET /health\r\n{}", other("line-http-0-9-alone"))),
        elsewhere("body-for-health", 200, "GET /health"),
        elsewhere("body-for-metrics-by-post", 405, "POST /metrics"),
        elsewhere("body-for-nothing", 404, "POST /nowhere"),
        elsewhere("body-for-unknown-channel", 404, "POST /webhooks/nowhere"),
        elsewhere("body-for-verified-channel", 401, "POST /webhooks/github"),
        elsewhere("body-for-admin", 403, "GET /admin/stats"),
        elsewhere("body-for-head", 200, "HEAD /health"),
        elsewhere("body-for-asterisk", 404, "OPTIONS *"),
    ]
}

/// Connections that are kept open, upgraded or closed.
fn connections() -> Vec<Case> {
    let one = |name: &'static str, headers: &str| {
        Case::new(name, One, post(name, &format!("Content-Length: 2\r\n{headers}"), "{}"))
    };
    let followed = |name: &'static str, expected: Expected, headers: &str, after: &str| {
        Case::new(name, expected, post(name, &format!("Content-Length: 2\r\n{headers}"), &format!("{{}}{after}")))
    };
    let http_1_0 = |name: &'static str, expected: Expected, headers: &str| {
        let target = target(name);
        Case::new(name, expected, format!("POST {target} HTTP/1.0\r\n{headers}\r\n{{}}{}", other(name)))
    };
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = "\0\0\0\u{4}\0\0\0\0\0";
    vec![
        followed("pipelined", Both, "", &other("pipelined")),
        followed("pipelined-after-close", One, "Connection: close\r\n", &other("pipelined-after-close")),
        followed("garbage-after", OneThenRefused, "", "\u{1}\u{2}\u{3}\r\n\r\n"),
        followed("http2-preface-after", One, "", &format!("{preface}{settings}")),
        followed("http2-preface-after-upgrade", One, UPGRADE, &format!("{preface}{settings}")),
        http_1_0("http-1-0-length", One, "Content-Length: 2\r\n"),
        http_1_0("http-1-0-no-length", One, ""),
        http_1_0("http-1-0-keep-alive", Both, "Connection: keep-alive\r\nContent-Length: 2\r\n"),
        one("upgrade-h2c", UPGRADE),
        one("upgrade-websocket", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        one("expect-continue", "Expect: 100-continue\r\n"),
        one("expect-else", "Expect: 200-ok\r\n"),
        one("connection-names-length", "Connection: Content-Length\r\n"),
        Case::new("connect", Elsewhere(404), "CONNECT gateway:80 HTTP/1.1\r\nHost: gateway\r\n\r\n"),
        Case::new(
            "http2-preface-cut",
            Refused,
            format!("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n{}", other("http2-preface-cut")),
        ),
    ]
}

const UPGRADE: &str = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
