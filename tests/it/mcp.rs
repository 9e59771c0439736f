//! MCP Events at `/mcp`: types, polls and streams, and what is refused.

use serde_json::{Value, json};

use crate::gaps::with_holes;
use crate::subscriptions::setup;
use crate::support::{EventStream, KEY, Reply, Setup, TestGateway, built_in};

const REVISION: &str = "2026-07-28";
const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

fn headers(method: &str) -> [(&'static str, &str); 4] {
    [("api-key", KEY), ("content-type", "application/json"), ("mcp-protocol-version", REVISION), ("mcp-method", method)]
}

/// A request as it should be.
fn message(id: &Value, method: &str, mut params: Value) -> String {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/events": {}}},
    });
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

async fn send(gateway: &TestGateway, method: &str, params: Value) -> Reply {
    gateway.client.post("/mcp", &headers(method), message(&json!(7), method, params)).await
}

/// The result of a call.
async fn call(gateway: &TestGateway, method: &str, params: Value) -> Value {
    let reply = send(gateway, method, params).await.expect_status(200).json();
    assert_eq!((&reply["jsonrpc"], &reply["id"], reply.get("error")), (&json!("2.0"), &json!(7), None), "{reply}");
    assert_eq!(reply["result"]["resultType"], "complete");
    reply["result"].clone()
}

/// The status and the error of a call that fails.
async fn fails(gateway: &TestGateway, method: &str, params: Value) -> (u16, Value) {
    let reply = send(gateway, method, params).await;
    (reply.status.as_u16(), reply.json()["error"].clone())
}

/// The next message of a stream.
async fn next(stream: &mut EventStream) -> Value {
    let block = stream.next().await.expect("the stream goes on");
    assert_eq!((block.id.as_str(), block.event.as_str()), ("", ""), "{block:?}");
    assert!(!block.data.contains('\n'), "one line for those who read line by line: {block:?}");
    block.json()
}

/// Asks for a stream.
async fn stream(gateway: &TestGateway, id: Value, params: Value) -> EventStream {
    let body = message(&id, "events/stream", params);
    let headers = [&headers("events/stream")[..], &[("connection", "close")]].concat();
    EventStream::ask(gateway.client.address(), "POST", "/mcp", &headers, &body).await
}

/// The next message of a stream, which has this method; its parameters.
async fn notified(stream: &mut EventStream, name: &str) -> Value {
    let message = next(stream).await;
    assert_eq!(message["method"], format!("notifications/events/{name}"), "{message}");
    message["params"].clone()
}

async fn now(gateway: &TestGateway, name: &str) -> Value {
    call(gateway, "events/poll", json!({"name": name, "cursor": null})).await["cursor"].clone()
}

async fn store(gateway: &TestGateway, body: &str) -> String {
    let json = [("content-type", "application/json")];
    gateway.client.post("/webhooks/dummy", &json, body).await.expect_accepted()
}

/// How many subscribers are connected.
async fn until_connected(gateway: &TestGateway, count: u64) {
    let connected = async || (gateway.json("/admin/subscribers").await["active"] == count).then_some(());
    gateway.until("as many subscribers", connected).await;
}

#[tokio::test]
async fn a_client_learns_what_there_is_and_what_it_may_read() {
    let config = "channels = [\"github\", \"other\"]\nkinds = [\"github.issue*\", \"other.*\"]\n\
                  [channels.dummy]\n[channels.github]\noptional = true\n[channels.other]\nplugin = \"dummy\"\n";
    let gateway = setup().plugin(built_in::GITHUB).config(config).start().await;

    let discovered = call(&gateway, "server/discover", json!({})).await;
    assert_eq!(discovered["supportedVersions"], json!([REVISION]));
    assert_eq!(
        discovered["capabilities"],
        json!({"extensions": {"io.modelcontextprotocol/events": {"listChanged": false}}})
    );
    assert_eq!(discovered["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "gateway");
    assert_eq!(discovered["cacheScope"], "private");

    let listed = call(&gateway, "events/list", json!({})).await;
    let types = listed["events"].as_array().unwrap();
    let names: Vec<_> = types.iter().map(|known| known["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"*") && names.contains(&"github.*") && names.contains(&"other.received"), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("github.issue")), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("dummy") || *name == "github.push"), "{names:?}");
    for known in types {
        assert_eq!(known["delivery"], json!(["poll", "push"]), "{known}");
        assert_eq!(
            (&known["inputSchema"]["type"], &known["payloadSchema"]["type"]),
            (&json!("object"), &json!("object"))
        );
        let has_kind = known["inputSchema"]["properties"].get("kind").is_some();
        assert_eq!(has_kind, known["name"].as_str().unwrap().contains('*'), "{known}");
    }
    assert_eq!(listed.get("nextCursor"), None);
    let rest = call(&gateway, "events/list", json!({"cursor": "other.*"})).await;
    assert_eq!(rest["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_poll_begins_now_and_goes_on_after_a_restart() {
    let gateway = setup().start().await;
    store(&gateway, "{\"number\": 0}").await;
    let first = call(&gateway, "events/poll", json!({"name": "dummy.received"})).await;
    assert_eq!(
        (&first["events"], &first["truncated"], &first["hasMore"], &first["nextPollMs"]),
        (&json!([]), &json!(false), &json!(false), &json!(5000))
    );
    let one = store(&gateway, "{\"number\": 1}").await;
    store(&gateway, "{\"number\": 2}").await;
    let three = store(&gateway, "{ \"number\":\r\n12345678901234567890123 }").await;

    let wanted = json!({"name": "dummy.received", "arguments": {}, "cursor": first["cursor"], "maxEvents": 2});
    let page = call(&gateway, "events/poll", wanted).await;
    assert_eq!((page["events"].as_array().unwrap().len(), &page["hasMore"]), (2, &json!(true)));
    let event = &page["events"][0];
    assert_eq!((&event["eventId"], &event["name"]), (&json!(one), &json!("dummy.received")));
    assert_eq!((&event["data"], event.get("cursor")), (&json!({"number": 1}), None));
    assert!(event["timestamp"].as_str().unwrap().ends_with('Z'));
    let attributes = &event["_meta"]["gateway/cloudevent"];
    assert_eq!((&attributes["source"], &attributes["type"]), (&json!("/channels/dummy"), &json!("dummy.received")));

    let gateway = gateway.kill().start().await;
    let reply = send(&gateway, "events/poll", json!({"name": "*", "cursor": page["cursor"]})).await;
    assert!(String::from_utf8_lossy(&reply.body).contains("12345678901234567890123"), "all digits are kept");
    let rest = reply.expect_status(200).json()["result"].clone();
    assert_eq!((&rest["events"][0]["eventId"], &rest["events"][0]["name"]), (&json!(three), &json!("*")));
    assert_eq!((rest["events"].as_array().unwrap().len(), &rest["hasMore"]), (1, &json!(false)));
    let end = call(&gateway, "events/poll", json!({"name": "*", "cursor": rest["cursor"]})).await;
    assert_eq!((&end["events"], &end["truncated"]), (&json!([]), &json!(false)));
}

#[tokio::test]
async fn a_stream_replays_what_is_there_and_goes_on_with_what_comes() {
    let gateway = setup().env("GATEWAY__SUBSCRIBE__PING", "100ms").start().await;
    let cursor = now(&gateway, "dummy.*").await;
    for number in 1..=2 {
        store(&gateway, &format!("{{\r\n\"number\":\n{number}}}")).await;
    }

    let mut stream = stream(&gateway, json!("s-1"), json!({"name": "dummy.*", "cursor": cursor})).await;

    for line in ["http/1.1 200 ok", "content-type: text/event-stream", "x-accel-buffering: no"] {
        assert!(stream.head.contains(line), "{}", stream.head);
    }
    let active = notified(&mut stream, "active").await;
    assert_eq!(active, json!({"cursor": cursor, "truncated": false, "_meta": {SUBSCRIPTION_ID: "s-1"}}));
    let mut seen = Vec::new();
    let three = store(&gateway, "{\"number\": 3}").await;
    let mut heartbeats = 0;
    while seen.len() < 3 || heartbeats < 2 {
        let message = next(&mut stream).await;
        let params = &message["params"];
        assert_eq!(params["_meta"][SUBSCRIPTION_ID], "s-1", "{message}");
        assert!(params["cursor"].is_string(), "{message}");
        if message["method"] == "notifications/events/event" {
            seen.push(params.clone());
        } else {
            assert_eq!(message["method"], "notifications/events/heartbeat");
            heartbeats += 1;
        }
    }
    let numbers: Vec<_> = seen.iter().map(|event| event["data"]["number"].clone()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!((&seen[2]["eventId"], &seen[2]["name"]), (&json!(three), &json!("dummy.*")));
    assert_eq!(seen[2]["_meta"]["gateway/cloudevent"]["type"], "dummy.received");
    let connection = gateway.json("/admin/subscribers").await["connections"][0].clone();
    assert_eq!((&connection["transport"], &connection["subscriber_id"]), (&json!("mcp"), &json!("edge")));

    let again = call(&gateway, "events/poll", json!({"name": "dummy.*", "cursor": seen[0]["cursor"]})).await;
    assert_eq!(again["events"][0]["eventId"], seen[1]["eventId"], "a poll goes on where a stream was");
    drop(stream);
    until_connected(&gateway, 0).await;
}

#[tokio::test]
async fn arguments_narrow_a_subscription() {
    let channels = "[channels.orders]\nemit = true\ncallers = [\"edge\"]\n";
    let gateway = setup().config("channels = [\"*\"]\n").config(channels).start().await;
    let cursor = now(&gateway, "*").await;
    for (kind, subject) in [("created", "orders/1"), ("paid", "orders/1"), ("created", "orders/2")] {
        let event = json!({"specversion": "1.0", "id": format!("{kind}{subject}"), "source": "/shop", "type": kind,
                           "subject": subject, "data": {"subject": subject}});
        let headers = [("api-key", KEY), ("content-type", "application/cloudevents+json")];
        gateway.client.post("/api/events?channel=orders", &headers, event.to_string()).await.expect_status(202);
    }
    let found = async |name: &str, arguments: Value| {
        let page = call(&gateway, "events/poll", json!({"name": name, "arguments": arguments, "cursor": cursor})).await;
        let events = page["events"].as_array().unwrap().clone();
        events.iter().map(|event| event["_meta"]["gateway/cloudevent"]["seq"].as_u64().unwrap()).collect::<Vec<_>>()
    };

    assert_eq!(found("*", json!({})).await, [1, 2, 3]);
    assert_eq!(found("orders.created", json!({})).await, [1, 3]);
    assert_eq!(found("orders.*", json!({"subject": "*/1"})).await, [1, 2]);
    assert_eq!(found("orders.*", json!({"subject": "*/1", "kind": "*.paid"})).await, [2]);
    assert_eq!(found("orders.created", json!({"subject": "nothing"})).await, [0_u64; 0]);
}

#[tokio::test]
async fn what_is_gone_is_told_as_truncated() {
    // It holds 4, 10 and 27 to 30.
    let (gateway, epoch) = with_holes().await;
    let at = |seq: u64| json!(format!("{epoch}.{seq}"));

    let page = call(&gateway, "events/poll", json!({"name": "*", "cursor": at(26)})).await;
    assert_eq!((page["events"].as_array().unwrap().len(), &page["truncated"]), (4, &json!(false)));
    let page = call(&gateway, "events/poll", json!({"name": "*", "cursor": at(0)})).await;
    assert_eq!((&page["truncated"], &page["cursor"], &page["hasMore"]), (&json!(true), &at(4), &json!(true)));
    for (cursor, count) in [(json!("00000000000000ff.5"), 1), (at(99), 0)] {
        let page = call(&gateway, "events/poll", json!({"name": "*", "cursor": cursor})).await;
        assert_eq!((page["events"].as_array().unwrap().len(), &page["truncated"]), (count, &json!(true)), "{page}");
    }
    let recent = json!({"name": "*", "cursor": at(27), "maxAgeMs": 0});
    let page = call(&gateway, "events/poll", recent).await;
    assert_eq!((&page["events"], &page["truncated"], &page["cursor"]), (&json!([]), &json!(true), &at(30)));
    let recent = json!({"name": "*", "cursor": at(27), "maxAgeMs": 3_600_000});
    let page = call(&gateway, "events/poll", recent).await;
    assert_eq!((page["events"].as_array().unwrap().len(), &page["truncated"]), (3, &json!(false)));

    let mut stream = stream(&gateway, json!(1), json!({"name": "*", "cursor": at(0)})).await;
    for expected in [(true, 3), (false, 4), (true, 9), (false, 10), (true, 26), (false, 27), (false, 28)] {
        let (truncated, seq) = expected;
        let params = notified(&mut stream, if truncated { "active" } else { "event" }).await;
        assert_eq!((&params["cursor"], params["truncated"] == true), (&at(seq), truncated), "{params}");
    }
}

#[tokio::test]
async fn a_payload_that_is_no_object_or_too_large_is_one_all_the_same() {
    let gateway = setup().env("GATEWAY__SUBSCRIBE__MAX_PAYLOAD", "20B").start().await;
    let cursor = now(&gateway, "*").await;
    let large = "{\"text\": \"larger than twenty bytes\"}";
    let id = store(&gateway, large).await;
    store(&gateway, "[1, 2]").await;
    gateway.client.post("/webhooks/dummy", &[("content-type", "text/plain")], "hello").await.expect_accepted();

    let page = call(&gateway, "events/poll", json!({"name": "*", "cursor": cursor})).await;

    let dataref = format!("/api/events/{id}/data");
    let data: Vec<_> = page["events"].as_array().unwrap().iter().map(|event| event["data"].clone()).collect();
    assert_eq!(data, [json!({"dataref": dataref}), json!({"data": [1, 2]}), json!({"data": "hello"})]);
    let payload = gateway.client.send("GET", &dataref, &[("api-key", KEY)], Vec::new()).await.expect_status(200);
    assert_eq!(payload.body, large);
}

#[tokio::test]
async fn what_a_subscriber_may_not_read_is_refused_and_what_is_not_there_as_well() {
    let channels = "[channels.dummy]\n[channels.secret]\nplugin = \"dummy\"\n";
    let gateway = setup().config("channels = [\"dummy\"]\n").config(channels).start().await;
    for (method, name, code, text) in [
        ("events/poll", "secret.received", -32024, "Forbidden"),
        ("events/stream", "secret.*", -32024, "Forbidden"),
        ("events/stream", "gateway.*", -32024, "Forbidden"),
        ("events/poll", "nowhere.received", -32024, "Forbidden"),
        ("events/poll", "dummy.other", -32023, "NotFound"),
        ("events/stream", "dummy", -32023, "NotFound"),
        ("events/poll", "a[", -32602, "Invalid params: `name`: expected a short text, or a pattern such as `orders.*`"),
    ] {
        let (status, error) = fails(&gateway, method, json!({"name": name, "cursor": null})).await;
        assert_eq!(status, if code == -32602 { 400 } else { 200 }, "{name}");
        assert_eq!((&error["code"], &error["message"]), (&json!(code), &json!(text)), "{name}: {error}");
    }
    for (method, params) in
        [("events/subscribe", json!({"name": "*", "delivery": {}})), ("events/unsubscribe", json!({}))]
    {
        let (status, error) = fails(&gateway, method, params).await;
        assert_eq!((status, &error["code"]), (200, &json!(-32026)));
        assert_eq!(error["data"], json!({"feature": "deliveryMode", "value": "webhook"}));
    }
    assert_eq!(gateway.json("/admin/subscribers").await["connections"], json!([]));
    let cursor = now(&gateway, "*").await;
    gateway.post("secret", "{}").await.expect_accepted();
    let page = call(&gateway, "events/poll", json!({"name": "*", "cursor": cursor})).await;
    assert_eq!(page["events"], json!([]), "a type that covers everything has what the subscriber may read");
}

#[tokio::test]
async fn hostile_requests_are_answered_with_their_codes() {
    let gateway = setup().config("[subscribe.mcp]\npath = \"/agents/mcp\"\n").start().await;
    let whole = message(&json!(1), "server/discover", json!({}));
    let large = message(&json!(1), "server/discover", json!({"padding": "x".repeat(64 << 10)}));
    let handshake = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize",
                           "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}}});
    let handshake = handshake.to_string();
    let key = ("api-key", KEY);
    let version = ("mcp-protocol-version", REVISION);
    let method = ("mcp-method", "server/discover");
    for (headers, body, status, code) in [
        (&[key, version, method][..], "", 400, -32700),
        (&[key, version, method], "{\"jsonrpc\"", 400, -32700),
        (&[key, version, method], "\u{0}\u{1}", 400, -32700),
        (&[key, version, method], "[]", 400, -32600),
        (&[key, version, method], "null", 400, -32600),
        (&[key, version, method], &format!("[{whole}]"), 400, -32600),
        (&[key, version, method], "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", 400, -32600),
        (&[key, version, method], "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\"}", 400, -32602),
        (
            &[key, version, method],
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\",\"params\":[]}",
            400,
            -32602,
        ),
        (&[key, version, method], &large, 413, -32600),
        (&[key, version, method], &"[".repeat(60_000), 400, -32700),
        (&[key, method], &whole, 400, -32020),
        (&[key, version], &whole, 400, -32020),
        (&[key, version, ("mcp-method", "events/list")], &whole, 400, -32020),
        (&[key, version, version, method], &whole, 400, -32020),
        (&[key, ("mcp-protocol-version", "2025-11-25"), method], &whole, 400, -32022),
        (&[key], &handshake, 400, -32022),
        (&[key, version, ("mcp-method", "ping")], &message(&json!(1), "ping", json!({})), 404, -32601),
        (&[key, version, ("mcp-method", "tools/list")], &message(&json!(1), "tools/list", json!({})), 404, -32601),
    ] {
        let reply = gateway.client.post("/agents/mcp", headers, body).await;
        assert_eq!(reply.headers["content-type"], "application/json", "{body:.80}");
        let answer = reply.expect_status(status).json();
        assert_eq!(answer["error"]["code"], code, "{headers:?} {body:.80}: {answer}");
        if code == -32022 {
            assert_eq!(answer["error"]["data"]["supported"], json!([REVISION]));
            assert_eq!(answer["error"]["data"]["requested"], "2025-11-25");
        }
    }
    for notification in ["notifications/initialized", "notifications/cancelled"] {
        let body = json!({"jsonrpc": "2.0", "method": notification}).to_string();
        let accepted = gateway.client.post("/agents/mcp", &[key], body).await.expect_status(202);
        assert!(accepted.body.is_empty());
    }
    for refused in ["GET", "DELETE", "PUT", "OPTIONS"] {
        let reply = gateway.client.send(refused, "/agents/mcp", &[key], Vec::new()).await;
        assert_eq!(reply.headers["allow"], "POST");
        reply.expect_problem(405, "method_not_allowed");
    }
    gateway.client.post("/agents/mcp", &[version, method], whole.clone()).await.expect_problem(401, "unknown_caller");
    let answer = gateway.client.post("/agents/mcp", &[key, version, method], whole.clone()).await.expect_status(200);
    assert_eq!(answer.json()["id"], 1, "after all that it still answers");
    gateway.client.post("/mcp", &[key, version, method], whole).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_page_of_another_origin_needs_to_be_listed() {
    let gateway = setup().env("GATEWAY__SUBSCRIBE__ORIGINS", "[\"https://app.example.com\"]").start().await;
    let own = headers("server/discover");
    let body = message(&json!(1), "server/discover", json!({}));
    let evil = [&own[..], &[("origin", "https://evil.example")]].concat();
    gateway.client.post("/mcp", &evil, body.clone()).await.expect_problem(403, "forbidden");
    let preflight = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
    gateway.client.send("OPTIONS", "/mcp", &preflight, Vec::new()).await.expect_status(403);

    let page = [("origin", "https://app.example.com")];
    let allowed = gateway.client.send("OPTIONS", "/mcp", &page, Vec::new()).await.expect_status(204);
    assert_eq!(allowed.headers["access-control-allow-origin"], "https://app.example.com");
    assert!(allowed.headers["access-control-allow-headers"].to_str().unwrap().contains("mcp-protocol-version"));
    let answered = gateway.client.post("/mcp", &[&own[..], &page].concat(), body.clone()).await.expect_status(200);
    assert_eq!(answered.headers["access-control-allow-origin"], "https://app.example.com");
    let refused = gateway.client.post("/mcp", &[page[0], own[2], own[3]], body).await.expect_status(401);
    assert_eq!(refused.headers["access-control-allow-origin"], "https://app.example.com", "it may read why");
}

#[tokio::test]
async fn a_stream_ends_with_a_result_and_says_when_the_key_is_revoked() {
    let mut gateway = setup().start().await;
    let complete = json!({
        "jsonrpc": "2.0", "id": 5, "result": {"resultType": "complete", "_meta": {SUBSCRIPTION_ID: 5}},
    });
    let mut moved = stream(&gateway, json!(5), json!({"name": "*"})).await;
    notified(&mut moved, "active").await;
    gateway.reconfigure("consumers = [\"audit\"]", "consumers = [\"audit\"]\nkinds = [\"dummy.*\"]");
    gateway.reload().await.expect_status(200);
    assert_eq!(next(&mut moved).await, complete, "its rights have changed: it may come back");
    assert_eq!(moved.next().await, None);

    let mut revoked = stream(&gateway, json!(5), json!({"name": "*"})).await;
    notified(&mut revoked, "active").await;
    gateway.reconfigure("[subscribers.edge]", "[subscribers.other]");
    gateway.reload().await.expect_status(200);
    let terminated = notified(&mut revoked, "terminated").await;
    assert_eq!(
        (&terminated["error"]["code"], &terminated["error"]["message"], &terminated["_meta"][SUBSCRIPTION_ID]),
        (&json!(-32024), &json!("Forbidden"), &json!(5))
    );
    assert_eq!(next(&mut revoked).await, complete);
    assert_eq!(revoked.next().await, None);

    let mut last = stream(&gateway, json!(5), json!({"name": "*"})).await;
    notified(&mut last, "active").await;
    gateway.terminate();
    assert_eq!(next(&mut last).await, complete);
    assert_eq!(last.next().await, None);
    assert_eq!(gateway.ended().await.code, Some(0));
}

#[tokio::test]
async fn streams_count_as_connections_and_attempts() {
    let gateway = setup()
        .env("GATEWAY__SUBSCRIBE__MAX_CONNECTIONS", "2")
        .env("GATEWAY__SUBSCRIBE__MAX_CONNECTIONS_PER_SUBSCRIBER", "1")
        .start()
        .await;
    let mut first = stream(&gateway, json!(1), json!({"name": "*"})).await;
    notified(&mut first, "active").await;

    let reply = send(&gateway, "events/stream", json!({"name": "*"})).await.expect_status(429);

    assert!(reply.headers.contains_key("retry-after"));
    let error = reply.json()["error"].clone();
    assert_eq!((&error["code"], &error["data"]["limit"]), (&json!(-32025), &json!("subscriptions")));
    assert_eq!(reply.json()["id"], 7);
    call(&gateway, "events/poll", json!({"name": "*"})).await;
    drop(first);
    until_connected(&gateway, 0).await;
    let mut again = stream(&gateway, json!(1), json!({"name": "*"})).await;
    notified(&mut again, "active").await;
    drop((again, gateway));

    let gateway = setup()
        .env("GATEWAY__SUBSCRIBE__ATTEMPTS__RATE", "1/h")
        .env("GATEWAY__SUBSCRIBE__ATTEMPTS__BURST", "1")
        .start()
        .await;
    let mut only = stream(&gateway, json!(1), json!({"name": "*"})).await;
    notified(&mut only, "active").await;
    let reply = send(&gateway, "events/stream", json!({"name": "*"})).await.expect_status(429);
    assert_eq!(reply.json()["error"]["data"]["limit"], "attempts");
    let plain = [&headers("events/stream")[..], &[("accept", "application/json")]].concat();
    let reply = gateway.client.post("/mcp", &plain, message(&json!(7), "events/stream", json!({"name": "*"}))).await;
    assert_eq!(reply.expect_status(406).json()["error"]["code"], -32600);
}

#[tokio::test]
async fn without_subscribers_nothing_is_mounted_and_channels_may_not_be_in_the_way() {
    let gateway = Setup::new().plugin(built_in::DUMMY).start().await;
    gateway.client.post("/mcp", &[], "{}").await.expect_problem(404, "not_found");
    drop(gateway);

    let ended = setup().config("[channels.dummy]\npaths = [\"/mcp\"]\n").try_start().await.err().unwrap();
    assert!(ended.log.contains("subscribe.mcp.path: expected a path that no channel has"), "{}", ended.log);
}
