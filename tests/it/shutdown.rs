//! The gateway shuts down gracefully: it announces the end, finishes requests in progress, and leaves the rest to the next start.

use crate::support::{Message, Setup, SlowAgent, TO_STUB, TestGateway, Wire, built_in};

fn to_stub() -> Setup {
    Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB)
}

#[tokio::test]
async fn readiness_fails_before_the_intake_ends_and_a_second_signal_ends_at_once() {
    let gateway = to_stub().env("GATEWAY__HTTP__DRAIN", "1h").start().await;
    let mut probe = Wire::connect(gateway.client.address()).await.unwrap();
    assert_eq!(probe.ask("GET", "/health/ready", "").await.unwrap().status(), 200);

    gateway.terminate();
    gateway.logged(&["Stopping on SIGTERM"]).await;

    gateway.until("not ready", async || (gateway.client.get("/health/ready").await.status == 503).then_some(())).await;
    let ready = probe.ask("GET", "/health/ready", "").await.unwrap();
    assert_eq!(ready.status(), 503, "{ready:?}");
    assert_eq!(ready.json()["failing"][0]["part"], "gateway", "{ready:?}");
    assert!(ready.head.contains("\r\nconnection: close"), "{ready:?}");
    let id = gateway.post("dummy", "{}").await.expect_accepted();

    gateway.terminate();

    let ended = gateway.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains("Ending at once on a second signal, SIGTERM"), "{}", ended.log);
    ended.setup.start().await.event_until(&id, "delivered").await;
}

#[tokio::test]
async fn a_request_in_progress_is_still_accepted() {
    let gateway = to_stub().start().await;
    let mut wire = Wire::connect(gateway.client.address()).await.unwrap();
    wire.send("POST /webhooks/dummy HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2\r\n\r\n{").await.unwrap();
    gateway
        .until("the request", async || {
            let metrics = gateway.metrics().await;
            metrics.contains("gateway_http_connections 2\n").then_some(())
        })
        .await;

    gateway.terminate();
    gateway.logged(&["Stopping on SIGTERM"]).await;
    wire.send("}").await.unwrap();

    let reply = wire.receive().await.unwrap();
    assert_eq!(reply.status(), 202, "{reply:?}");
    let id = reply.json()["events"][0]["id"].as_str().unwrap().to_owned();
    let ended = gateway.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    ended.setup.start().await.event_until(&id, "delivered").await;
}

async fn gateway_to(agent: &SlowAgent, grace: &str) -> TestGateway {
    let setup = Setup::new().plugin(built_in::DUMMY).plugin(built_in::HTTP).config(&agent.configuration());
    setup.config("[[routes]]\nagents = [\"slow\"]\n").env("GATEWAY__HTTP__SHUTDOWN_GRACE", grace).start().await
}

#[tokio::test]
async fn an_attempt_that_ends_within_the_grace_is_recorded() {
    let agent = SlowAgent::start().await;
    let gateway = gateway_to(&agent, "1h").await;
    let id = gateway.post("dummy", "{}").await.expect_accepted();
    let (mut wire, _) = agent.attempt().await;

    gateway.terminate();
    gateway.logged(&["Stopping on SIGTERM"]).await;
    wire.say_ok().await;

    let ended = gateway.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let gateway = ended.setup.start().await;
    let event = gateway.event_until(&id, "delivered").await;
    assert_eq!(event["deliveries"][0]["attempts"].as_array().unwrap().len(), 1, "{event}");
}

#[tokio::test]
async fn an_interrupted_attempt_is_repeated_and_does_not_count() {
    let agent = SlowAgent::start().await;
    let gateway = gateway_to(&agent, "200ms").await;
    let id = gateway.post("dummy", "{}").await.expect_accepted();
    let (_wire, first) = agent.attempt().await;

    gateway.terminate();
    let ended = gateway.ended().await;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains("their deliveries go on after the next start"), "{}", ended.log);
    let gateway = ended.setup.start().await;
    let (mut wire, second) = agent.attempt().await;
    let key = |request: &Message| {
        request.head.lines().find_map(|line| line.strip_prefix("idempotency-key: ").map(str::to_owned)).unwrap()
    };
    assert_eq!((key(&first), key(&second)), (id.clone(), id.clone()));
    assert_eq!((&first.json()["attempt"], &second.json()["attempt"]), (&1.into(), &1.into()));
    wire.say_ok().await;
    let event = gateway.event_until(&id, "delivered").await;
    let attempts = event["deliveries"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "{event}");
    assert_eq!(attempts[0]["number"], 1, "{event}");
}
