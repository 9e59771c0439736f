//! SIG4: foreign requests to the admin API, and hostile text in its data.

use crate::github::{PATH, Webhook};
use crate::report::Report;
use crate::suite::Scale;
use crate::support::{Client, Setup, built_in};
use crate::victim::Victim;

use super::Outcome;

const TOKEN: &str = "an-admin-token";

/// The paths of the admin API that change something or return confidential data.
const ADMIN: &[(&str, &str)] = &[
    ("GET", "/admin/stats"),
    ("GET", "/admin/events"),
    ("GET", "/admin/channels"),
    ("GET", "/admin/plugins"),
    ("GET", "/admin/log/backup"),
    ("POST", "/admin/deliveries/replay"),
    ("POST", "/admin/events/1/replay"),
    ("POST", "/admin/channels/dummy/record"),
];

/// Hostile texts for a person's screen: they clear the terminal, set its title, hide a line, or run in a page.
const PAYLOADS: &[&str] = &[
    "\u{1b}[2J\u{1b}[31mred",
    "\u{1b}]0;title\u{7}",
    "\u{9b}31m",
    "a\rb",
    "a\nb",
    "\u{202e}gpj",
    "<script>alert(1)</script>",
];

/// The commands that show received data.
const COMMANDS: &[&[&str]] =
    &[&["events"], &["events", "--format", "json"], &["channels"], &["deliveries"], &["agents"]];

pub(super) async fn run(scale: Scale) -> Outcome {
    let mut report = Report::new(scale.rounds);
    for round in 0..scale.rounds {
        scale.progress(round);
        foreign_requests_are_refused(&mut report).await;
        hostile_text_is_inert(&mut report).await;
    }
    report.note(format!(
        "{} payloads in subjects, kinds, paths and bodies: no control character reaches a terminal",
        PAYLOADS.len()
    ));
    Ok(report)
}

/// Foreign `Host`, foreign `Origin`, proxies, no token.
async fn foreign_requests_are_refused(report: &mut Report) {
    let open = Victim::start(&[]).await;
    let foreign: &[&[(&str, &str)]] = &[
        &[("host", "evil.example")],
        &[("host", "127.0.0.1.evil.example")],
        &[("host", "localhost.evil.example:8080")],
        &[("x-forwarded-for", "127.0.0.1")],
        &[("forwarded", "for=127.0.0.1")],
        &[("via", "1.1 proxy")],
    ];
    let origins: &[&[(&str, &str)]] =
        &[&[("origin", "http://evil.example")], &[("origin", "null")], &[("origin", "https://127.0.0.1")]];
    for (method, path) in ADMIN {
        for headers in foreign {
            ask(&open.door.client(), method, path, headers, 403, report).await;
        }
        if *method == "POST" {
            for headers in origins {
                ask(&open.door.client(), method, path, headers, 403, report).await;
            }
        }
    }
    let setup = Setup::new().plugin(built_in::DUMMY).config("\n[admin]\ntoken = { env = \"ADMIN_TOKEN\" }\n");
    let closed = setup.env("ADMIN_TOKEN", TOKEN).start().await;
    let wrong: &[&[(&str, &str)]] = &[
        &[],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer an-admin-tokem")],
        &[("authorization", "Bearer an-admin-token more")],
        &[("authorization", "Basic YW4tYWRtaW4tdG9rZW4=")],
        &[("x-admin-token", TOKEN)],
        &[("cookie", "token=an-admin-token")],
    ];
    for (method, path) in ADMIN {
        for headers in wrong {
            ask(&closed.client, method, path, headers, 401, report).await;
        }
    }
}

async fn ask(client: &Client, method: &str, path: &str, headers: &[(&str, &str)], status: u16, report: &mut Report) {
    let reply = client.send(method, path, headers, Vec::new()).await;
    report.attacks += 1;
    report.expect(reply.status.as_u16() == status, || {
        format!("{method} {path} with {headers:?} is answered {}, expected {status}", reply.status)
    });
    let allowed = reply.headers.keys().any(|name| name.as_str().starts_with("access-control-"));
    report.expect(!allowed, || format!("{method} {path}: other origins are allowed"));
}

/// Hostile text is stored and shown as data.
async fn hostile_text_is_inert(report: &mut Report) {
    let victim = Victim::start(&[]).await;
    let client = victim.door.client();
    for (number, payload) in PAYLOADS.iter().enumerate() {
        let encoded: String = payload.bytes().map(|byte| format!("%{byte:02X}")).collect();
        client.post(&format!("/webhooks/dummy?subject={encoded}"), &[], *payload).await;
        client.post(&format!("/webhooks/{encoded}"), &[], *payload).await;
        let json = serde_json::json!({
            "action": payload, "repository": {"full_name": payload}, "issue": {"number": number}, "sender": {"login": payload}
        });
        let webhook = Webhook::signed(&format!("inert-{number}"), json.to_string().into_bytes());
        client.post(PATH, &webhook.headers(), webhook.body.clone()).await;
        let broken =
            Webhook::signed(payload.trim_matches(|c: char| c.is_control()), format!("{{\"{payload}").into_bytes());
        let delivery = format!("broken-{number}");
        let broken = Webhook { delivery, ..broken };
        client.post(PATH, &broken.headers(), broken.body.clone()).await;
        report.attacks += 4;
    }
    let stored = victim.stored().await;
    report.expect(stored as usize >= PAYLOADS.len(), || format!("only {stored} events hold a payload"));
    for command in COMMANDS {
        check_output(&victim, command, report);
    }
    for event in victim.gateway.list("events?limit=500").await {
        check_output(&victim, &["events", "show", event["id"].as_str().unwrap()], report);
    }
    for path in ["/admin/events", "/admin/stats", "/webhooks/%3Cscript%3E", "/%3Cscript%3E"] {
        let reply = client.get(path).await;
        let header = |name: &str| reply.headers.get(name).map_or("", |value| value.to_str().unwrap());
        let is_data = header("content-type").contains("json") && header("x-content-type-options") == "nosniff";
        report.expect(is_data, || format!("{path}: a browser could show this as a page: {:?}", reply.headers));
    }
    let log = victim.gateway.log();
    let shown = log.chars().find(|c| is_active(*c) && *c != '\n');
    report.expect(shown.is_none(), || format!("the log shows {shown:?}"));
}

/// Runs a command and scans its output for characters that control a terminal.
fn check_output(victim: &Victim, command: &[&str], report: &mut Report) {
    let (code, out, notes) = victim.gateway.cli(command);
    report.expect(code == 0, || format!("{command:?} ended with {code}: {notes}"));
    for text in [&out, &notes] {
        let shown = text.chars().find(|c| is_active(*c) && *c != '\n');
        report.expect(shown.is_none(), || format!("{command:?} shows {shown:?}"));
    }
}

/// Whether a terminal would do more than show the character: control characters, and characters that change the text direction.
fn is_active(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
