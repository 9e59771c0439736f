//! WEB4: bodies that are small to send and large to parse or decode.

mod codings;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::github::{PATH, Webhook};
use crate::report::Report;
use crate::suite::Scale;
use crate::traffic::Callers;
use crate::victim::Victim;

use self::codings::Encoded;
use super::Outcome;

/// The most time for one body. A plugin's call is stopped at its limits long before.
const TIME: Duration = Duration::from_secs(20);

/// Concurrent senders of the same encoded body.
const AT_ONCE: usize = 8;

/// The most memory for bombs: `http.max_buffered`, for bodies as sent and as decoded, and half as much for plugins.
const MEMORY: u64 = 384 << 20;

/// A body that is small to send, or large to parse.
struct Bomb {
    name: &'static str,
    content_type: &'static str,
    body: Vec<u8>,
}

/// Bombs are signed for `github`, as if the attacker could write content that the provider signs. `generic` parses every format.
pub(super) async fn run(scale: Scale) -> Outcome {
    let mut report = Report::new(scale.rounds);
    let mut slowest = (Duration::ZERO, "");
    let mut answers = BTreeMap::new();
    let encoded = codings::all();
    for round in 0..scale.rounds {
        scale.progress(round);
        let mut victim = Victim::start_with_readers().await;
        let before = Callers::alone(&victim, Duration::from_secs(2)).await;
        victim.watch_memory();
        let good = Callers::start(&victim);
        for (number, bomb) in bombs().into_iter().enumerate() {
            let webhook = Webhook::signed(&format!("bomb-{number}"), bomb.body);
            let mut headers = webhook.headers();
            headers[0].1 = bomb.content_type;
            for path in [PATH, "/webhooks/generic"] {
                let sent = Instant::now();
                let answer = victim.door.client().try_send("POST", path, &headers, webhook.body.clone()).await;
                let took = sent.elapsed();
                slowest = slowest.max((took, bomb.name));
                report.attacks += 1;
                let answer = answer.ok().map(|reply| reply.status.as_u16());
                // Accepted, refused, or stopped at a limit of the plugin.
                let fine = answer.is_none_or(|status| [202, 400, 413, 415, 422, 502].contains(&status)) && took < TIME;
                report.expect(fine, || format!("{path}, {}: {answer:?} after {took:.1?}", bomb.name));
                *answers.entry(label(answer)).or_insert(0) += 1;
            }
        }
        for encoded in &encoded {
            // A channel without content codings refuses the body unread.
            for (path, expected, times) in [("/webhooks/dummy", 415, 1), ("/webhooks/encoded", encoded.answer, AT_ONCE)]
            {
                for (answer, took) in send(&victim, path, encoded, times).await {
                    slowest = slowest.max((took, encoded.name));
                    report.attacks += 1;
                    let fine = answer.is_none_or(|status| status == expected) && took < TIME;
                    report.expect(fine, || format!("{path}, {}: {answer:?} after {took:.1?}", encoded.name));
                    *answers.entry(label(answer)).or_insert(0) += 1;
                }
            }
        }
        report.good_callers(before, good.end().await, 0.5);
        report.memory(victim.memory_grown(), MEMORY);
    }
    let (took, name) = slowest;
    let counted: Vec<_> = answers.iter().map(|(answer, times)| format!("{times} x {answer}")).collect();
    report.note(format!("answered {}; the slowest answer took {took:.1?}, to `{name}`", counted.join(", ")));
    Ok(report)
}

/// The status, or `closed`: a request that is refused by its head or length may find the connection closed while it still sends.
fn label(answer: Option<u16>) -> String {
    answer.map_or_else(|| "closed".to_owned(), |status| status.to_string())
}

/// Sends the same body several times at once; returns status and time of each response.
async fn send(victim: &Victim, path: &'static str, encoded: &Encoded, times: usize) -> Vec<(Option<u16>, Duration)> {
    let mut senders = JoinSet::new();
    for _ in 0..times {
        let (client, coding, body) = (victim.door.client(), encoded.coding, encoded.body.clone());
        senders.spawn(async move {
            let sent = Instant::now();
            let reply = client.try_send("POST", path, &[("content-encoding", coding)], body).await;
            (reply.ok().map(|reply| reply.status.as_u16()), sent.elapsed())
        });
    }
    senders.join_all().await
}

fn bombs() -> Vec<Bomb> {
    const JSON: &str = "application/json";
    const XML: &str = "application/xml";
    const FORM: &str = "application/x-www-form-urlencoded";
    let bomb = |name: &'static str, content_type: &'static str, body: String| Bomb {
        name,
        content_type,
        body: body.into_bytes(),
    };
    let fields = |field: fn(usize) -> String| (0..1_000_000).map(field).collect::<Vec<_>>();
    vec![
        bomb("arrays in arrays", JSON, "[".repeat(1_000_000)),
        bomb("arrays in arrays, closed", JSON, format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000))),
        bomb("objects in objects", JSON, format!("{}1{}", "{\"a\":".repeat(1_000_000), "}".repeat(1_000_000))),
        bomb(
            "deep where a plugin looks",
            JSON,
            format!("{{\"repository\":{}1{}}}", "[".repeat(500_000), "]".repeat(500_000)),
        ),
        bomb("a million members", JSON, format!("{{{}}}", fields(|number| format!("\"{number}\":{number}")).join(","))),
        bomb(
            "a million times the same member",
            JSON,
            format!("{{{}}}", fields(|_| "\"action\":\"a\"".to_owned()).join(",")),
        ),
        bomb("a million numbers", JSON, format!("[{}]", fields(|_| "1e308".to_owned()).join(","))),
        bomb("a number of a million digits", JSON, format!("{{\"issue\":{{\"number\":{}}}}}", "9".repeat(1_000_000))),
        bomb("a name of 5 MB", JSON, format!("{{\"repository\":{{\"full_name\":\"{}\"}}}}", "a".repeat(5_000_000))),
        bomb("escapes", JSON, format!("{{\"action\":\"{}\"}}", "\\ud83d\\ude00".repeat(500_000))),
        bomb("a million fields", FORM, fields(|number| format!("f{number}=1")).join("&")),
        bomb("a million times the field", FORM, fields(|_| "payload={}".to_owned()).join("&")),
        bomb("a million percent signs", FORM, format!("payload={}", "%25".repeat(1_000_000))),
        bomb("a billion laughs", XML, laughs()),
        bomb(
            "an entity of a file",
            XML,
            "<!DOCTYPE a [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><a>&f;</a>".to_owned(),
        ),
        bomb("a large entity, often", XML, {
            let entity = "y".repeat(100_000);
            format!("<!DOCTYPE a [<!ENTITY y \"{entity}\">]><a>{}</a>", "&y;".repeat(100_000))
        }),
        bomb("elements in elements", XML, format!("{}{}", "<a>".repeat(500_000), "</a>".repeat(500_000))),
        bomb("a million elements", XML, format!("<a>{}</a>", "<b/>".repeat(1_000_000))),
        bomb(
            "many attributes",
            XML,
            format!("<a {}/>", fields(|number| format!("a{number}=\"\"")).split_at(300_000).0.join(" ")),
        ),
        bomb("the same attribute", XML, format!("<a {}/>", "a=\"\" ".repeat(500_000))),
        bomb("a million parts", "multipart/form-data; boundary=b", fields(|_| "--b\r\n\r\n\r\n".to_owned()).concat()),
    ]
}

/// Ten entities, each of which is ten times the previous one.
fn laughs() -> String {
    let lines = (1..10).map(|line| format!("<!ENTITY l{line} \"{}\">", format!("&l{};", line - 1).repeat(10)));
    format!("<!DOCTYPE l [<!ENTITY l0 \"lol\">{}]><l>&l9;</l>", lines.collect::<String>())
}
