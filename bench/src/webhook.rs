//! The requests: GitHub's `issues` webhooks with a body of exactly 1 KiB.
//!
//! They are made and signed before anything is measured. Sending one costs no more than writing new digits into its
//! `X-GitHub-Delivery`, which is what makes it a distinct event and is not covered by the signature.

use std::fmt::Write as _;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The secret of the channel.
pub(crate) const SECRET: &str = "It's a Secret to Everybody";

/// The path of the channel.
pub(crate) const PATH: &str = "/webhooks/github";

/// Bytes of a body.
pub(crate) const BODY: usize = 1024;

/// What subjects begin with; the number of the issue follows.
pub(crate) const REPOSITORY: &str = "octo-org/kettle";

/// Issues that the closed-loop rows are about: many, because events of one subject are delivered one after the other.
pub(crate) const ISSUES: u32 = 4096;

/// What the id of every delivery begins with.
const DELIVERY: &str = "72d3162e-cc78-11f0-81ab-";

/// Digits of the delivery id that differ between requests.
const DIGITS: usize = 12;

/// Requests for issues 1, 2, 3, and so on, and then from the first again.
pub(crate) struct Requests {
    /// One after the other, all of the same length.
    bytes: Vec<u8>,
    length: usize,
    /// The positions of these digits in a request; empty if all requests are the same.
    digits: Vec<usize>,
    sent: usize,
}

impl Requests {
    /// Requests to `/webhooks/github` about `issues` different issues.
    pub(crate) fn new(issues: u32) -> Self {
        Self::to(issues, |_| PATH.to_owned())
    }

    /// Requests about `issues` different issues, each to the path of its issue; all paths are of one length.
    pub(crate) fn to(issues: u32, path: impl Fn(u32) -> String) -> Self {
        Self::of((1..=issues).map(|issue| {
            let body = body(issue);
            request(&path(issue), &signature(body.as_bytes()), "", &body)
        }))
    }

    /// Requests that are no webhooks of GitHub's: the signature is that of another body.
    pub(crate) fn forged() -> Self {
        Self::of([request(PATH, &signature(b""), "", &body(1))])
    }

    /// The same, each from another network: a proxy says so.
    pub(crate) fn forged_everywhere() -> Self {
        let from = "X-Forwarded-For: 2001:0db8:0000:0000::1";
        let mut requests = Self::of([request(PATH, &signature(b""), &format!("{from}\r\n"), &body(1))]);
        let start = memchr::memmem::find(&requests.bytes, from.as_bytes()).expect("the request has this header");
        let groups = start + "X-Forwarded-For: 2001:0db8:".len();
        requests.digits = (groups..groups + 4).chain(groups + 5..groups + 9).collect();
        requests
    }

    /// Alertmanager's notifications of one alert each, every one another alert. Their numbers are where those of issues are.
    pub(crate) fn alerts(count: u32) -> Self {
        let mut requests = Self::same(Vec::new());
        for number in 1..=count {
            let request = notification(&format!("Alert{number:07}"), number, 1, "");
            requests.length = request.len();
            requests.bytes.extend(request);
        }
        requests
    }

    /// One request, again and again as it is.
    pub(crate) fn same(request: Vec<u8>) -> Self {
        Self { length: request.len(), bytes: request, digits: Vec::new(), sent: 0 }
    }

    /// GitHub's webhooks, all of one length.
    fn of(all: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut requests = Self::same(Vec::new());
        for request in all {
            let id = memchr::memmem::find(&request, b"X-GitHub-Delivery: ").expect("the request has this header");
            let digits = id + "X-GitHub-Delivery: ".len() + DELIVERY.len();
            requests.length = request.len();
            requests.digits = (digits..digits + DIGITS).collect();
            requests.bytes.extend(request);
        }
        requests
    }

    /// The next request, with digits that no other had.
    pub(crate) fn next(&mut self) -> &[u8] {
        let start = self.sent * self.length % self.bytes.len();
        let request = &mut self.bytes[start..start + self.length];
        let mut rest = self.sent;
        for digit in self.digits.iter().rev() {
            request[*digit] = b"0123456789abcdef"[rest % 16];
            rest /= 16;
        }
        self.sent += 1;
        request
    }
}

/// The body of one request alone.
pub(crate) fn body(issue: u32) -> String {
    let mut body = format!(
        r#"{{"action":"opened","issue":{{"url":"https://api.github.com/repos/{REPOSITORY}/issues/{issue}","id":{id},"number":{issue},"title":"Kettle does not stop when the water boils","state":"open","locked":false,"comments":0,"user":{{"login":"octo-cat","id":583231,"type":"User","site_admin":false}},"labels":[{{"id":208045946,"name":"bug","color":"d73a4a","default":true}}],"created_at":"2026-11-21T09:00:00Z","updated_at":"2026-11-21T09:00:00Z","body":""#,
        id = 2_900_000_000_u64 + u64::from(issue),
    );
    let tail = format!(
        r#""}},"repository":{{"id":1296269,"name":"kettle","full_name":"{REPOSITORY}","private":false,"owner":{{"login":"octo-org","id":6811672,"type":"Organization"}}}},"organization":{{"login":"octo-org","id":6811672}},"sender":{{"login":"octo-cat","id":583231,"type":"User"}}}}"#
    );
    let text = "It boiled, it whistled, and then it went on boiling. ";
    let room = BODY - body.len() - tail.len();
    body.extend(text.chars().cycle().take(room));
    body + &tail
}

/// A whole notification of Alertmanager's, with `more` lines in its head: `count` alerts of this name, which carry `number` as the number of
/// an issue.
pub(crate) fn notification(name: &str, number: u32, count: u32, more: &str) -> Vec<u8> {
    let alert = |instance: u32| {
        format!(
            r#"{{"status":"firing","labels":{{"alertname":"{name}","env":"prod","instance":"host-{instance:04}","severity":"warning","subject":"{REPOSITORY}#{number:07}"}},"annotations":{{"summary":"The disk of the instance will be full within four hours."}},"startsAt":"2026-11-21T09:00:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus/graph"}}"#
        )
    };
    let alerts: Vec<String> = (0..count).map(alert).collect();
    let body = format!(
        r#"{{"receiver":"gateway","status":"firing","alerts":[{}],"groupLabels":{{"alertname":"{name}"}},"commonLabels":{{}},"commonAnnotations":{{}},"externalURL":"http://alertmanager:9093","version":"4","groupKey":"{{}}:{{alertname=\"{name}\"}}","truncatedAlerts":0}}"#,
        alerts.join(",")
    );
    format!(
        "POST /webhooks/alertmanager HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{more}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A whole request with a body of `bytes`, the text of an issue.
pub(crate) fn large(issue: u32, bytes: usize) -> Vec<u8> {
    let body = body(issue);
    let text = "x".repeat(bytes - BODY);
    let body = body.replacen("It boiled", &(text + "It boiled"), 1);
    let signature = signature(body.as_bytes());
    let request = request(PATH, &signature, "Connection: close\r\n", &body);
    let (common, own) = (delivery(0), delivery(issue as usize));
    let id = memchr::memmem::find(&request, common.as_bytes()).expect("the request has this id");
    [&request[..id], own.as_bytes(), &request[id + own.len()..]].concat()
}

/// The value of `X-Hub-Signature-256`.
pub(crate) fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// The id of a delivery.
pub(crate) fn delivery(number: usize) -> String {
    format!("{DELIVERY}{number:0DIGITS$x}")
}

/// The headers that GitHub sends.
pub(crate) fn headers(signature: &str, body: &str) -> [(&'static str, String); 11] {
    [
        ("Host", "127.0.0.1"),
        ("User-Agent", "GitHub-Hookshot/044aadd"),
        ("Accept", "*/*"),
        ("Content-Type", "application/json"),
        ("Content-Length", &body.len().to_string()),
        ("X-GitHub-Event", "issues"),
        ("X-GitHub-Delivery", &delivery(0)),
        ("X-GitHub-Hook-ID", "292430182"),
        ("X-GitHub-Hook-Installation-Target-ID", "1296269"),
        ("X-GitHub-Hook-Installation-Target-Type", "repository"),
        ("X-Hub-Signature-256", signature),
    ]
    .map(|(name, value)| (name, value.to_owned()))
}

/// The headers that GitHub sends, `more` lines, and the body.
fn request(path: &str, signature: &str, more: &str, body: &str) -> Vec<u8> {
    let mut request = String::with_capacity(BODY + 512);
    write!(request, "POST {path} HTTP/1.1\r\n").expect("writing to a String cannot fail");
    for (name, value) in headers(signature, body) {
        write!(request, "{name}: {value}\r\n").expect("writing to a String cannot fail");
    }
    (request + more + "\r\n" + body).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_has_the_same_size_whatever_the_number() {
        for issue in [1, 4096, 100_000] {
            assert_eq!(body(issue).len(), BODY, "{issue}");
        }
    }

    #[test]
    fn no_two_requests_are_the_same() {
        let mut requests = Requests::new(2);
        let all: Vec<_> = (0..40).map(|_| String::from_utf8(requests.next().to_vec()).unwrap()).collect();

        for (index, request) in all.iter().enumerate() {
            assert!(!all[index + 1..].contains(request), "{index}");
        }
        assert!(all[17].contains("X-GitHub-Delivery: 72d3162e-cc78-11f0-81ab-000000000011\r\n"), "{}", all[17]);
        assert!(all[2].ends_with(&body(1)));
    }

    #[test]
    fn networks_are_told_apart_by_their_first_64_bits() {
        let mut requests = Requests::forged_everywhere();
        let all: Vec<_> = (0..=0x10001).map(|_| String::from_utf8(requests.next().to_vec()).unwrap()).collect();

        assert!(all[1].contains("X-Forwarded-For: 2001:0db8:0000:0001::1\r\n"), "{}", all[1]);
        assert!(all[0x10001].contains("X-Forwarded-For: 2001:0db8:0001:0001::1\r\n"));
    }

    #[test]
    fn deliveries_are_numbered_alike_by_every_load() {
        let mut requests = Requests::new(1);
        for number in 0..300 {
            let request = String::from_utf8(requests.next().to_vec()).unwrap();
            assert!(request.contains(&format!("X-GitHub-Delivery: {}\r\n", delivery(number))), "{request}");
        }
    }

    /// The example of GitHub's documentation.
    #[test]
    fn signatures_are_those_of_github() {
        assert_eq!(
            signature(b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
