//! Any event is found by what somebody knows of it, and moves from one log to another, once.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::fs;

use serde_json::{Value, json};

use crate::support::{Setup, TO_STUB, TestGateway, built_in};

const DELIVERY: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

fn dummy() -> Setup {
    Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB)
}

async fn found(gateway: &TestGateway, query: &str) -> Vec<(String, String)> {
    let page = gateway.json(&format!("/admin/events?{query}")).await;
    let rows = page["events"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.map(|row| (text(&row["id"]), text(&row["found_in"]))).collect()
}

#[tokio::test]
async fn an_event_is_found_by_everything_that_names_it() {
    let gateway = Setup::new().github().start().await;
    let headers = [("content-type", "application/json"), ("x-github-delivery", DELIVERY)];
    let body = json!({"ref": "refs/heads/main", "repository": {"full_name": "acme/api"}, "sender": {"login": "octo-cat"}, "note": "hello there"});
    let reply = gateway.client.post_github("push", &headers, body.to_string()).await;
    let request = reply.headers["x-request-id"].to_str().unwrap().to_owned();
    let id = reply.expect_accepted();
    gateway.client.post_github("push", &[("content-type", "application/json")], "{}").await.expect_accepted();

    for (text, place) in [
        (DELIVERY, "delivery_id"),
        (&DELIVERY[..8].to_uppercase(), "delivery_id"),
        (&request, "request_id"),
        (&id[..13], "id"),
        ("acme/api", "subject"),
        ("OCTO-cat", "attributes"),
        ("hello%20th", "data"),
    ] {
        let all = found(&gateway, &format!("q={text}")).await;
        assert!(all.contains(&(id.clone(), place.to_owned())), "{text}: {all:?}");
    }
    assert_eq!(found(&gateway, "q=nowhere").await, []);

    let (_, setup) = gateway.stop().await;
    let gateway = setup.start().await;
    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!((&event["delivery_id"], &event["request_id"]), (&json!(DELIVERY), &json!(request)));
    let (code, shown, _) = gateway.cli(&["events", "show", &id]);
    assert!(code == 0 && shown.contains(&format!("delivery id {DELIVERY}\n")), "{shown}");
    let (code, table, notes) = gateway.cli(&["events", "find", DELIVERY]);
    assert_eq!((code, table.lines().count()), (0, 2), "{table}{notes}");
    assert!(table.contains(&id) && table.ends_with("delivery id\n"), "{table}");
    assert!(notes.contains("searched 2 events, back to 20"), "{notes}");
}

#[tokio::test]
async fn a_search_says_how_far_it_got_and_goes_on_from_there() {
    let gateway = dummy().start().await;
    for number in 0..5 {
        gateway.post("dummy", format!("{{\"number\":\"n-{number}\"}}")).await.expect_accepted();
    }

    let first = gateway.json("/admin/events?q=n-&limit=2").await;
    assert_eq!((first["events"].as_array().unwrap().len(), &first["searched"]["events"]), (2, &json!(2)));
    let cursor = first["next"].as_str().unwrap();
    let rest = gateway.json(&format!("/admin/events?q=n-&cursor={cursor}")).await;
    assert_eq!((rest["events"].as_array().unwrap().len(), &rest["next"]), (3, &Value::Null));
    gateway.client.get("/admin/events?q=").await.expect_problem(400, "invalid_parameter");

    let (code, table, notes) = gateway.cli(&["events", "find", "n-3", "--limit", "1"]);
    assert_eq!((code, table.lines().count()), (0, 2), "{table}{notes}");
    assert!(notes.contains("more rows: add `--cursor"), "{notes}");
    let (_, setup) = gateway.stop().await;
    let output = setup.command(&["events", "find", "n-3"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2, "without a gateway the log is read");
}

#[tokio::test]
async fn exported_events_are_imported_once_with_their_time_and_first_id() {
    let gateway = dummy().start().await;
    let mut ids = Vec::new();
    for body in ["{\n  \"a\": 1\n}", "\"text\"", "{\"b\":12345678901234567890123}"] {
        let headers = [("content-type", "application/json"), ("x-delivery-id", body)];
        let headers = if body.contains('\n') { &headers[..1] } else { &headers[..] };
        ids.push(gateway.client.post("/webhooks/dummy", headers, body).await.expect_accepted());
    }
    let first = gateway.json(&format!("/admin/events/{}", ids[0])).await;
    let (code, _, notes) = gateway.cli(&["events", "export", "--data", "--since", "1h", "all.ndjson"]);
    assert_eq!(code, 0, "{notes}");
    assert!(notes.contains("3 events exported"), "{notes}");
    let lines = fs::read_to_string(gateway.path().join("all.ndjson")).unwrap();
    let read: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.iter().map(|event| event["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    let (code, piped, _) = gateway.cli(&["events", "export", "--kind", "dummy.*"]);
    assert_eq!((code, piped.lines().count()), (0, 3));
    assert!(!piped.contains("\"data\""), "{piped}");
    let (code, _, notes) = gateway.cli(&["events", "export", "all.ndjson"]);
    assert_eq!(code, 1);
    assert!(notes.contains("`all.ndjson` already exists"), "{notes}");
    let (code, report, _) = gateway.cli(&["events", "import", "all.ndjson"]);
    assert_eq!((code, &*report), (0, "0 imported, 3 duplicates, 0 refused\n"), "they are there under their own ids");

    let other = dummy().file("in.ndjson", format!("not json\n{lines}\n{{\"id\":\"x\"}}\n")).start().await;
    let (code, report, notes) = other.cli(&["events", "import", "in.ndjson"]);
    assert_eq!((code, &*report), (1, "3 imported, 0 duplicates, 2 refused\n"), "{notes}");
    assert!(notes.contains("line 1 refused: not a JSON object: "), "{notes}");
    assert!(notes.contains("line 6 refused: `source` is missing"), "{notes}");
    let (_, report, _) = other.cli(&["events", "import", "in.ndjson", "--format", "json"]);
    let expected = json!({"imported": 0, "duplicates": 3, "refused": 2});
    assert_eq!(serde_json::from_str::<Value>(&report).unwrap(), expected, "{report}");

    let rows = other.list("events").await;
    assert_eq!(rows.len(), 3);
    let imported = other.json(&format!("/admin/events/{}", rows[2]["id"].as_str().unwrap())).await;
    assert_eq!(imported["attributes"]["originalid"], json!(ids[0]));
    assert_eq!((&imported["status"], &imported["seq"]), (&json!("accepted"), &json!(1)), "nothing is routed");
    for member in ["received_at", "kind", "subject", "content_type", "data", "request_id", "delivery_id"] {
        assert_eq!(imported[member], first[member], "{member}");
    }
    assert_ne!(imported["id"], first["id"]);
}

#[tokio::test]
async fn imported_events_are_delivered_if_asked_for() {
    let gateway = dummy().start().await;
    let line = json!({
        "specversion": "1.0", "id": "old-1", "source": "/channels/dummy", "type": "dummy.event", "time": "2020-01-31T12:00:00Z",
        "datacontenttype": "text/plain", "data": "hello", "severity": "high", "number": 7,
    });

    let reply =
        gateway.client.post("/admin/log/import?route=true", &[], line.to_string()).await.expect_status(200).json();

    assert_eq!(reply, json!({"imported": 1, "duplicates": 0, "refused": 0, "problems": []}));
    let id = gateway.list("events").await[0]["id"].as_str().unwrap().to_owned();
    let event = gateway.event_until(&id, "delivered").await;
    assert_eq!(event["attributes"], json!({"number": "7", "originalid": "old-1", "severity": "high"}));
    assert_eq!((&event["data"], &event["received_at"]), (&json!("hello"), &json!("2020-01-31T12:00:00.000Z")));
}
