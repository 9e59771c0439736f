//! Subscriptions over WebSocket and server-sent events, and pages of events.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::support::{EventStream, Frame, KEY, Setup, TestGateway, WebSocket, built_in, ws};

/// The channel `dummy` and the subscriber `edge`, which may try as often as a test wants.
pub(crate) fn setup() -> Setup {
    setup_with("attempts = { rate = \"1000/s\", burst = 1000 }")
}

/// The same with these keys of `[subscribe]`.
fn setup_with(keys: &str) -> Setup {
    Setup::new().plugin(built_in::DUMMY).env("EDGE_KEY", KEY).config(&format!(
        "[callers.edge]\nkind = \"bearer\"\nsecret = {{ env = \"EDGE_KEY\" }}\n[subscribe]\n{keys}\n\
         [subscribers.edge]\ncallers = [\"edge\"]\nconsumers = [\"audit\"]\n"
    ))
}

/// Stores an event with this number as its data.
async fn store(gateway: &TestGateway, number: u64) -> String {
    let json = [("content-type", "application/json")];
    gateway.client.post("/webhooks/dummy", &json, number.to_string()).await.expect_accepted()
}

async fn get(gateway: &TestGateway, path: &str) -> Value {
    gateway.client.send("GET", path, &[("api-key", KEY)], Vec::new()).await.expect_status(200).json()
}

#[tokio::test]
async fn a_websocket_gets_what_is_stored_and_what_comes() {
    let gateway = setup().start().await;
    store(&gateway, 1).await;
    store(&gateway, 2).await;

    let mut socket = WebSocket::connect(gateway.client.address(), "/api/subscribe?since=earliest").await;
    let ack = socket.message().await;
    assert_eq!((&ack["type"], &ack["subscriber_id"]), (&json!("connection.ack"), &json!("edge")));
    assert_eq!(
        (&ack["ping_ms"], &ack["timeout_ms"], &ack["max_payload"]),
        (&json!(20000), &json!(30000), &json!(1 << 20))
    );
    assert!(ack["connection_id"].is_string() && ack["consumer"].is_null(), "{ack}");
    assert_eq!(socket.data(2).await, [1, 2]);
    let id = store(&gateway, 3).await;

    let message = socket.message_of("event").await;
    assert_eq!((&message["event"]["id"], &message["event"]["data"]), (&json!(id), &json!(3)));
    assert_eq!(message["event"]["type"], "dummy.received");
    let cursor = message["cursor"].as_str().unwrap();
    assert!(cursor.ends_with(".3"), "{cursor}");
    let listed = gateway.json("/admin/subscribers").await;
    assert_eq!((&listed["active"], &listed["sent"]), (&json!(1), &json!(3)));
    let connection = &listed["connections"][0];
    assert_eq!((&connection["transport"], &connection["cursor"]), (&json!("websocket"), &json!(cursor)));

    drop(socket);
    gateway
        .until("nobody is connected", async || (gateway.json("/admin/subscribers").await["active"] == 0).then_some(()))
        .await;
}

#[tokio::test]
async fn a_stream_goes_on_after_the_last_event_that_a_client_has_seen() {
    let gateway = setup().start().await;
    let address = gateway.client.address();
    for number in 1..=3 {
        store(&gateway, number).await;
    }
    let mut stream = EventStream::open(address, "/api/subscribe?since=earliest", &[("api-key", KEY)]).await;
    for line in ["content-type: text/event-stream", "cache-control: no-store, no-transform", "x-accel-buffering: no"] {
        assert!(stream.head.contains(line), "{}", stream.head);
    }
    let ack = stream.next().await.unwrap();
    assert_eq!(ack.event, "connection.ack");
    assert!((2000..4000).contains(&ack.retry.unwrap()), "in one block with the id, which an empty line would clear");
    let first = stream.event("event").await;
    assert_eq!(first.json()["event"]["data"], 1);
    assert_eq!(first.json()["cursor"], first.id);
    drop(stream);

    let headers = [("api-key", KEY), ("last-event-id", first.id.as_str())];
    let mut stream = EventStream::open(address, "/api/subscribe?since=latest", &headers).await;

    for number in 2..=3 {
        assert_eq!(stream.event("event").await.json()["event"]["data"], number);
    }
}

#[tokio::test]
async fn a_subscriber_reads_only_what_it_may_and_asks_for() {
    let gateway = setup()
        .config("channels = [\"dummy\", \"other\"]\n[channels.dummy]\n[channels.other]\nplugin = \"dummy\"\n[channels.secret]\nplugin = \"dummy\"\n")
        .start()
        .await;
    let mut all = WebSocket::connect(gateway.client.address(), "/api/subscribe").await;
    let mut others = WebSocket::connect(gateway.client.address(), "/api/subscribe?channel=o*&kind=*.received").await;
    for socket in [&mut all, &mut others] {
        socket.message().await;
    }
    for (channel, number) in [("secret", "1"), ("dummy", "2"), ("other", "3")] {
        let json = [("content-type", "application/json")];
        gateway.client.post(&format!("/webhooks/{channel}"), &json, number).await.expect_accepted();
    }

    assert_eq!(all.data(2).await, [2, 3]);
    assert_eq!(others.data(1).await, [3]);
    assert_eq!(get(&gateway, "/api/events?since=earliest&channel=secret").await["events"], json!([]));
    let secret = gateway.list("events?channel=secret").await[0]["id"].as_str().unwrap().to_owned();
    let payload =
        gateway.client.send("GET", &format!("/api/events/{secret}/data"), &[("api-key", KEY)], Vec::new()).await;
    payload.expect_problem(404, "unknown_event");
}

#[tokio::test]
async fn who_may_not_subscribe_is_refused_before_the_upgrade() {
    let gateway = setup().start().await;
    let address = gateway.client.address();
    let status = async |path: &str, headers: &[(&str, &str)]| {
        let socket = WebSocket::try_connect(address, path, headers).await;
        socket.head.split(' ').nth(1).unwrap().to_owned()
    };
    let key = ("api-key", KEY);

    assert_eq!(status("/api/subscribe", &[]).await, "401");
    assert_eq!(status("/api/subscribe", &[("api-key", "wrong")]).await, "401");
    assert_eq!(status("/api/subscribe", &[("x-api-key", KEY)]).await, "101");
    assert_eq!(status("/api/subscribe", &[("authorization", "Bearer sesame-sesame")]).await, "101");
    assert_eq!(status("/api/subscribe?since=never", &[key]).await, "400");
    assert_eq!(status("/api/subscribe?api_key=sesame-sesame", &[]).await, "400");
    assert_eq!(status("/api/subscribe?consumer=other", &[key]).await, "403");
    assert_eq!(status("/api/subscribe?consumer=audit", &[key]).await, "404");
    assert_eq!(status("/api/subscribe", &[key, ("origin", "https://evil.example")]).await, "403");
    assert_eq!(status("/api/subscribe", &[key, ("origin", &format!("http://{address}"))]).await, "101");
    assert_eq!(status("/api/other", &[key]).await, "404");
    let plain = gateway.client.send("GET", "/api/subscribe", &[key], Vec::new()).await;
    plain.expect_problem(406, "not_acceptable");
    gateway.client.post("/api/subscribe", &[key], "").await.expect_problem(405, "method_not_allowed");

    let old = [key, ("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "8")];
    let reply = gateway.client.send("GET", "/api/subscribe", &old, Vec::new()).await;
    assert_eq!(reply.headers["sec-websocket-version"], "13");
    reply.expect_problem(426, "upgrade_required");
}

#[tokio::test]
async fn a_browser_sends_its_key_as_a_subprotocol_or_a_ticket() {
    let gateway = setup().start().await;
    let address = gateway.client.address();
    let offered = [("sec-websocket-protocol", "gateway.v1, gateway.bearer.c2VzYW1lLXNlc2FtZQ")];
    let socket = WebSocket::try_connect(address, "/api/subscribe", &offered).await;
    assert!(socket.head.starts_with("http/1.1 101 "), "{}", socket.head);
    let answered = socket.head.lines().find(|line| line.starts_with("sec-websocket-protocol")).unwrap();
    assert_eq!(answered, "sec-websocket-protocol: gateway.v1");

    let ticket = gateway.client.post("/api/tickets", &[("api-key", KEY)], "").await.expect_status(201).json();
    assert_eq!(ticket["expires_in"], 30);
    let path = format!("/api/subscribe?ticket={}", ticket["ticket"].as_str().unwrap());
    let mut socket = WebSocket::try_connect(address, &path, &[]).await;
    assert_eq!(socket.message().await["subscriber_id"], "edge");
    let again = WebSocket::try_connect(address, &path, &[]).await;
    assert!(again.head.starts_with("http/1.1 403 "), "{}", again.head);

    let ticket = gateway.client.post("/api/tickets", &[("api-key", KEY)], "").await.expect_status(201).json();
    let path = format!("/api/subscribe?consumer=other&ticket={}", ticket["ticket"].as_str().unwrap());
    let other = WebSocket::try_connect(address, &path, &[]).await;
    assert!(other.head.starts_with("http/1.1 403 "), "a ticket gives no more rights than its key: {}", other.head);
}

#[tokio::test]
async fn each_message_is_a_cloud_event_if_the_client_wants_it() {
    let gateway = setup().start().await;
    let headers = [("api-key", KEY), ("sec-websocket-protocol", "cloudevents.json")];
    let mut socket = WebSocket::try_connect(gateway.client.address(), "/api/subscribe", &headers).await;
    let ack = socket.message().await;
    assert_eq!((&ack["specversion"], &ack["type"]), (&json!("1.0"), &json!("gateway.connection.ack")));
    store(&gateway, 7).await;

    let event = socket.message().await;

    assert_eq!(
        (&event["specversion"], &event["type"], &event["data"]),
        (&json!("1.0"), &json!("dummy.received"), &json!(7))
    );
}

#[tokio::test]
async fn a_path_of_its_own_speaks_plain_messages_and_tells_of_its_connections() {
    let gateway = setup()
        .config(
            "[[subscribe.paths]]\npath = \"/api/internal/v1/ws/gateways/connect\"\nshape = \"plain\"\n\
             stats = \"/api/internal/v1/stats\"\n",
        )
        .start()
        .await;
    let mut socket = WebSocket::connect(gateway.client.address(), "/api/internal/v1/ws/gateways/connect").await;
    let ack = socket.message().await;
    assert_eq!((&ack["type"], &ack["gatewayId"]), (&json!("connection.ack"), &json!("edge")));
    store(&gateway, 7).await;

    let event = socket.message().await;

    let members: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["correlationId", "payload", "timestamp", "type"]);
    assert_eq!((&event["type"], &event["payload"]), (&json!("dummy.received"), &json!(7)));
    let stats = gateway.json("/api/internal/v1/stats").await;
    assert_eq!(stats["gatewayConnections"]["totalActive"], 1);
    let connection = &stats["gatewayConnections"]["connections"][0];
    assert_eq!((&connection["gatewayId"], &connection["status"]), (&json!("edge"), &json!("connected")));
    assert_eq!(stats["eventDelivery"]["totalEventsSent"], 1);
}

#[tokio::test]
async fn what_a_subscriber_says_wrong_is_answered_or_closes_with_a_code() {
    let gateway = setup().start().await;
    let address = gateway.client.address();
    let mut socket = WebSocket::connect(address, "/api/subscribe").await;
    socket.message().await;
    socket.say(&json!({"type": "dance", "ref": 7})).await;
    let error = socket.message().await;
    assert_eq!((&error["type"], &error["code"], &error["ref"]), (&json!("error"), &json!("unknown_type"), &json!(7)));
    socket.say(&json!({"type": "ack", "cursor": "x"})).await;
    assert_eq!(socket.message().await["code"], "no_consumer");
    store(&gateway, 1).await;
    assert_eq!(socket.data(1).await, [1], "the connection goes on");

    let closes = async |bytes: &[u8], code: u16| {
        let mut socket = WebSocket::connect(address, "/api/subscribe").await;
        socket.send_bytes(bytes).await;
        assert_eq!(socket.closed().await.map(|(code, _)| code), Some(code));
    };
    closes(&ws::frame(ws::FIN | ws::TEXT, b"hello"), 4500).await;
    closes(&ws::frame(ws::FIN | ws::BINARY, b"hello"), 1003).await;
    closes(&ws::frame(ws::FIN | ws::TEXT, &vec![b' '; (64 << 10) + 1]), 1009).await;
    closes(&ws::frame(ws::FIN | ws::TEXT, b"\xff"), 1007).await;
    let pings: Vec<u8> = std::iter::repeat_n(ws::frame(ws::FIN | ws::PING, b"x"), 12).flatten().collect();
    closes(&pings, 1008).await;
}

#[tokio::test]
async fn a_gateway_that_ends_says_so_and_closes() {
    let gateway = setup().start().await;
    let mut socket = WebSocket::connect(gateway.client.address(), "/api/subscribe").await;
    socket.message().await;
    let mut stream = EventStream::open(gateway.client.address(), "/api/subscribe", &[("api-key", KEY)]).await;
    stream.event("connection.ack").await;

    gateway.terminate();

    let close = socket.message_of("connection.close").await;
    assert_eq!((&close["reason"], &close["reconnect"]), (&json!("shutdown"), &json!(true)));
    assert_eq!(socket.frame().await, Frame::Close(Some((1000, "shutdown".to_owned()))));
    socket.send_bytes(&ws::frame(ws::FIN | ws::CLOSE, &1000_u16.to_be_bytes())).await;
    assert_eq!(stream.event("connection.close").await.json()["reason"], "shutdown");
    assert_eq!(stream.next().await, None);
    assert_eq!(gateway.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_large_payload_is_referred_to_and_can_be_read() {
    let gateway = setup_with("max_payload = \"8B\"").start().await;
    let mut socket = WebSocket::connect(gateway.client.address(), "/api/subscribe").await;
    let body = "\"larger than eight bytes\"";
    gateway.post("dummy", body).await.expect_accepted();

    let message = socket.message_of("event").await;

    assert_eq!(message["event"].get("data"), None);
    let dataref = message["event"]["dataref"].as_str().unwrap();
    let payload = gateway.client.send("GET", dataref, &[("api-key", KEY)], Vec::new()).await.expect_status(200);
    assert_eq!(
        (&payload.body[..], &payload.headers["x-content-type-options"]),
        (body.as_bytes(), &"nosniff".parse().unwrap())
    );
    gateway.client.get(dataref).await.expect_status(401);
}

#[tokio::test]
async fn pages_of_events_are_read_one_after_the_other() {
    let gateway = setup().start().await;
    for number in 1..=5 {
        store(&gateway, number).await;
    }
    let first = get(&gateway, "/api/events?since=earliest&limit=3").await;
    assert_eq!(
        (first["events"].as_array().unwrap().len(), &first["more"], &first["gap"]),
        (3, &json!(true), &Value::Null)
    );
    let cursor = first["cursor"].as_str().unwrap();
    let second = get(&gateway, &format!("/api/events?since={cursor}")).await;
    let data: Vec<_> = second["events"].as_array().unwrap().iter().map(|event| event["data"].clone()).collect();
    assert_eq!((data, &second["more"]), (vec![json!(4), json!(5)], &json!(false)));

    let path = format!("/api/events?since={}&wait=30s", second["cursor"].as_str().unwrap());
    let (waited, _) = tokio::join!(get(&gateway, &path), async {
        gateway.until("somebody waits", async || gateway.log().contains("api").then_some(())).await;
        store(&gateway, 6).await
    });
    assert_eq!(waited["events"][0]["data"], 6);

    let mistaken = gateway.client.send("GET", "/api/events?since=7", &[("api-key", KEY)], Vec::new()).await;
    mistaken.expect_problem(400, "invalid_parameter");
}

#[tokio::test]
async fn a_cursor_of_another_log_or_of_the_future_is_told_as_a_gap() {
    let gateway = setup().start().await;
    store(&gateway, 1).await;
    let page = get(&gateway, "/api/events?since=00000000000000ff.5").await;
    assert_eq!((&page["gap"]["reason"], &page["events"][0]["data"]), (&json!("epoch"), &json!(1)));
    let epoch = page["cursor"].as_str().unwrap().split_once('.').unwrap().0.to_owned();

    let page = get(&gateway, &format!("/api/events?since={epoch}.9")).await;
    assert_eq!((&page["gap"]["reason"], page["events"].as_array().unwrap().len()), (&json!("ahead"), 0));
    let path = format!("/api/subscribe?since={epoch}.9&on_gap=close");
    let mut socket = WebSocket::connect(gateway.client.address(), &path).await;
    assert_eq!(socket.message_of("gap").await["reason"], "ahead");
    assert_eq!(socket.closed().await.map(|(code, _)| code), Some(4502));
}

#[tokio::test]
async fn more_connections_than_allowed_are_refused() {
    let gateway = setup_with("max_connections = 3\nmax_connections_per_subscriber = 2").start().await;
    let address = gateway.client.address();
    let first = WebSocket::connect(address, "/api/subscribe").await;
    let _second = WebSocket::connect(address, "/api/subscribe").await;
    let third = WebSocket::try_connect(address, "/api/subscribe", &[("api-key", KEY)]).await;
    assert!(third.head.starts_with("http/1.1 429 ") && third.head.contains("retry-after"), "{}", third.head);
    let mut stream = EventStream::open(address, "/api/subscribe", &[("api-key", KEY)]).await;
    assert!(stream.head.starts_with("http/1.1 200 "), "a browser comes back: {}", stream.head);
    assert!(stream.next().await.unwrap().retry.unwrap() >= 5000);
    let ticket = gateway.client.post("/api/tickets", &[("api-key", KEY)], "").await.expect_status(201).json();
    let with_ticket = format!("/api/subscribe?since=earliest&ticket={}", ticket["ticket"].as_str().unwrap());
    let cursor = "00000000000000ff.5";
    let mut stream = EventStream::open(address, &with_ticket, &[("last-event-id", cursor)]).await;
    assert_eq!(stream.next().await.unwrap().id, cursor, "the empty line would clear it");

    drop(first);
    gateway
        .until("a place is free", async || (gateway.json("/admin/subscribers").await["active"] == 1).then_some(()))
        .await;
    let mut stream = EventStream::open(address, &with_ticket, &[("last-event-id", cursor)]).await;
    assert_eq!(stream.event("connection.ack").await.json()["subscriber_id"], "edge", "its ticket was not used up");
    let refused = gateway.json("/admin/subscribers").await["refused"].clone();
    assert_eq!(refused, 3);
}

#[tokio::test]
async fn attempts_are_counted_by_address_and_subscriber() {
    let gateway = setup_with("").start().await;
    let address = gateway.client.address();
    for _ in 0..10 {
        WebSocket::try_connect(address, "/api/subscribe", &[("api-key", "wrong")]).await;
    }
    let refused = WebSocket::try_connect(address, "/api/subscribe", &[("api-key", "wrong")]).await;
    assert!(refused.head.starts_with("http/1.1 429 ") && refused.head.contains("retry-after"), "{}", refused.head);

    for _ in 0..10 {
        WebSocket::connect(address, "/api/subscribe").await;
    }
    let refused = WebSocket::try_connect(address, "/api/subscribe", &[("api-key", KEY)]).await;
    assert!(refused.head.starts_with("http/1.1 429 "), "{}", refused.head);
}

#[tokio::test]
async fn a_reload_ends_connections_whose_rights_have_changed() {
    let mut gateway = setup().start().await;
    let address = gateway.client.address();
    let mut socket = WebSocket::connect(address, "/api/subscribe").await;
    socket.message().await;

    gateway.reconfigure("consumers = [\"audit\"]", "consumers = [\"audit\"]\nkinds = [\"other.*\"]");
    gateway.reload().await.expect_status(200);
    assert_eq!(socket.closed().await.map(|(code, _)| code), Some(4003));
    let mut socket = WebSocket::connect(address, "/api/subscribe").await;
    socket.message().await;
    gateway.reconfigure("[subscribers.edge]", "[subscribers.other]");
    gateway.reload().await.expect_status(200);
    assert_eq!(socket.closed().await.map(|(code, _)| code), Some(4501));
}

#[tokio::test]
async fn without_subscribers_nothing_is_mounted_and_channels_may_not_be_in_the_way() {
    let gateway = Setup::new().plugin(built_in::DUMMY).start().await;
    gateway.client.get("/api/events").await.expect_problem(404, "not_found");
    drop(gateway);

    let ended = setup().config("[channels.dummy]\npaths = [\"/api/hook\"]\n").try_start().await.err().unwrap();
    assert!(ended.log.contains("subscribe.prefix: expected paths that no channel has"), "{}", ended.log);
}

#[tokio::test]
async fn a_stream_whose_client_is_gone_gives_its_place_back_at_once() {
    let gateway = setup_with("ping = \"1h\"\ntimeout = \"2h\"").config("[consumers.audit]\n").start().await;
    let address = gateway.client.address();
    let path = "/api/subscribe?consumer=audit";
    let mut first = EventStream::open(address, path, &[("api-key", KEY)]).await;
    assert_eq!(first.event("connection.ack").await.json()["consumer"]["role"], "active");
    let mut second = EventStream::open(address, path, &[("api-key", KEY)]).await;
    assert_eq!(second.event("connection.ack").await.json()["consumer"]["role"], "standby");

    drop(first);

    assert_eq!(second.event("consumer").await.json()["role"], "active");
}

/// Bytes that nobody reads would reset the connection, which takes the frame along on some systems.
#[tokio::test]
async fn a_close_frame_comes_before_a_clean_end_although_more_is_sent() {
    let gateway = setup().start().await;
    for (wrong, code) in [
        (ws::frame(ws::FIN | ws::BINARY, b"hello"), 1003),
        (ws::frame(ws::FIN | ws::TEXT, &vec![b' '; (64 << 10) + 1]), 1009),
        (ws::frame(ws::FIN | ws::TEXT, b"\xff"), 1007),
        (ws::frame(ws::FIN | ws::PING, b"x").repeat(12), 1008),
    ] {
        let mut socket = WebSocket::connect(gateway.client.address(), "/api/subscribe").await;
        socket.message().await;

        socket.send_bytes(&[wrong, vec![0; 256 << 10]].concat()).await;

        assert_eq!(socket.closed().await.map(|(code, _)| code), Some(code));
        let rest = socket.stream.read_to_end(&mut Vec::new()).await;
        assert_eq!(rest.map_err(|error| error.kind()), Ok(0), "{code}");
    }
}

#[tokio::test]
async fn a_subscriber_that_sends_too_fast_is_not_read_from_any_longer() {
    /// More than what is read after the close frame, and what the system takes before anybody reads it.
    const MOST: usize = 24 << 20;
    let gateway = setup().start().await;
    let socket = WebSocket::connect(gateway.client.address(), "/api/subscribe").await;
    let (mut reader, mut writer) = socket.stream.into_split();
    let mut reading = JoinSet::new();
    reading.spawn(async move { drop(reader.read_to_end(&mut Vec::new()).await) });
    let pings = ws::frame(ws::FIN | ws::PING, &[7; 125]).repeat(500);
    let mut sent = 0;

    while sent <= MOST && writer.write_all(&pings).await.is_ok() {
        sent += pings.len();
    }

    assert!(sent <= MOST, "it is still read from");
    reading.join_all().await;
}
