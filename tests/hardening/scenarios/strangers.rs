use crate::github::{PATH, Webhook};
use crate::report::Report;
use crate::suite::Scale;
use crate::support::{Client, Setup, built_in};
use crate::victim::Victim;

use super::Outcome;

const TOKEN: &str = "an-admin-token";

/// Every path of the admin API that changes something or tells what others must not know.
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

/// What a sender may put where a person looks later: it clears the terminal, sets its title, hides a line, runs in a page.
const PAYLOADS: &[&str] = &[
    "\u{1b}[2J\u{1b}[31mred",
    "\u{1b}]0;title\u{7}",
    "\u{9b}31m",
    "a\rb",
    "a\nb",
    "\u{202e}gpj",
    "<script>alert(1)</script>",
];

/// The command lines that show what came in.
const COMMANDS: &[&[&str]] =
    &[&["events"], &["events", "--format", "json"], &["channels"], &["deliveries"], &["agents"]];

pub(super) async fn run(scale: Scale) -> Outcome {
    let mut report = Report::new(scale.rounds);
    for round in 0..scale.rounds {
        scale.progress(round);
        refused(&mut report).await;
        inert(&mut report).await;
    }
    report.note(format!(
        "{} payloads in subjects, kinds, paths and bodies: no control character reaches a terminal",
        PAYLOADS.len()
    ));
    Ok(report)
}

/// Foreign `Host`, foreign `Origin`, proxies, no token.
async fn refused(report: &mut Report) {
    let open = Victim::start(&[]).await;
    let strangers: &[&[(&str, &str)]] = &[
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
        for headers in strangers {
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
    report.expect(!allowed, || format!("{method} {path}: other origins are let in"));
}

/// What comes in is shown as what it is.
async fn inert(report: &mut Report) {
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
        tell(&victim, command, report);
    }
    for event in victim.gateway.list("events?limit=500").await {
        tell(&victim, &["events", "show", event["id"].as_str().unwrap()], report);
    }
    for path in ["/admin/events", "/admin/stats", "/webhooks/%3Cscript%3E", "/%3Cscript%3E"] {
        let reply = client.get(path).await;
        let header = |name: &str| reply.headers.get(name).map_or("", |value| value.to_str().unwrap());
        let is_data = header("content-type").contains("json") && header("x-content-type-options") == "nosniff";
        report.expect(is_data, || format!("{path}: a browser could take this for a page: {:?}", reply.headers));
    }
    let log = victim.gateway.log();
    let shown = log.chars().find(|c| is_active(*c) && *c != '\n');
    report.expect(shown.is_none(), || format!("the log shows {shown:?}"));
}

/// Runs a command line and looks for what a terminal would obey.
fn tell(victim: &Victim, command: &[&str], report: &mut Report) {
    let (code, out, notes) = victim.gateway.cli(command);
    report.expect(code == 0, || format!("{command:?} ended with {code}: {notes}"));
    for text in [&out, &notes] {
        let shown = text.chars().find(|c| is_active(*c) && *c != '\n');
        report.expect(shown.is_none(), || format!("{command:?} shows {shown:?}"));
    }
}

/// Whether a terminal does something else with it than to show it: control characters, and those that turn the order of
/// others around.
fn is_active(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
