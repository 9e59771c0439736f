//! Access at the front door: TLS, callers, addresses, proxies, rates.

use http::Version;

use crate::support::{Authority, Client, Identity, Setup, TO_STUB, TestGateway, Wire, built_in};

const TLS: &str = r#"
[http.tls]
certificate = "tls/cert.pem"
key = "tls/key.pem"
"#;

/// A gateway that serves TLS with a certificate of `authority`.
async fn encrypted(authority: &Authority, config: &str) -> TestGateway {
    let setup = Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB).config(TLS).config(config);
    authority.issue("127.0.0.1").write(setup.path());
    setup.start().await
}

fn client(gateway: &TestGateway, authority: &Authority, own: Option<&Identity>) -> Client {
    Client::over_tls(gateway.client.address(), authority, own)
}

#[tokio::test]
async fn webhooks_are_received_over_tls_with_http_2() {
    let authority = Authority::new();
    let gateway = encrypted(&authority, "").await;

    let reply = client(&gateway, &authority, None).post("/webhooks/dummy", &[], "hello").await;
    assert_eq!(reply.version, Version::HTTP_2);
    reply.expect_accepted();

    let (address, old) = (gateway.client.address(), &[&rustls::version::TLS12]);
    Client::over_tls_versions(address, &authority, None, old).get("/health").await.expect_status(200);
    let stranger = client(&gateway, &Authority::new(), None);
    assert!(stranger.try_send("GET", "/health", &[], Vec::new()).await.is_err(), "another authority is not believed");
    let plain = gateway.client.get("/health").await;
    assert_eq!((plain.status.as_u16(), &*plain.body), (400, &b"expected https, found plain http"[..]));
}

#[tokio::test]
async fn the_command_line_knows_the_certificate_of_its_gateway() {
    let authority = Authority::new();
    let gateway = encrypted(&authority, "").await;

    let (code, told, notes) = gateway.cli(&["send", "dummy", "gateway.toml"]);
    assert_eq!(code, 0, "{told}{notes}");
    let (code, _, notes) = gateway.cli(&["events"]);
    assert_eq!(code, 0, "{notes}");
    assert!(notes.contains("from the gateway at https://127.0.0.1:"), "{notes}");

    // A certificate for another name is not the gateway's, whoever issued it.
    authority.issue("127.0.0.1").write(gateway.path());
    gateway.logged(&["Certificate replaced"]).await;
    let file = gateway.path().join("tls/cert.pem");
    std::fs::write(file, authority.issue("127.0.0.1").certificate).unwrap();
    let (code, _, notes) = gateway.cli(&["channels"]);
    assert_eq!(code, 1, "{notes}");
}

#[tokio::test]
async fn a_certificate_is_replaced_while_requests_go_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let gateway = encrypted(&old, "").await;
    let held = client(&gateway, &old, None);
    held.post("/webhooks/dummy", &[], "before").await.expect_accepted();

    new.issue("127.0.0.1").write(gateway.path());
    gateway
        .until("the new certificate", async || {
            client(&gateway, &new, None).try_send("GET", "/health", &[], Vec::new()).await.ok()
        })
        .await
        .expect_status(200);

    held.post("/webhooks/dummy", &[], "after").await.expect_accepted();
    assert!(client(&gateway, &old, None).try_send("GET", "/health", &[], Vec::new()).await.is_err());

    std::fs::write(gateway.path().join("tls/cert.pem"), "nonsense").unwrap();
    gateway.logged(&["Certificate not replaced, the last one stays", "cert.pem"]).await;
    client(&gateway, &new, None).get("/health").await.expect_status(200);
}

#[tokio::test]
async fn only_callers_with_a_certificate_connect_where_that_is_required() {
    let authority = Authority::new();
    let config = "min_version = \"1.3\"\nclient_authorities = \"tls/callers.pem\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";
    let setup = Setup::new().plugin(built_in::DUMMY).config(TLS).config(config);
    authority.issue("127.0.0.1").write(setup.path());
    std::fs::write(setup.path().join("tls/callers.pem"), authority.pem()).unwrap();
    let gateway = setup.start().await;
    let own = authority.issue("caller.example.com");

    client(&gateway, &authority, Some(&own)).post("/webhooks/dummy", &[], "hello").await.expect_accepted();
    assert!(client(&gateway, &authority, None).try_send("GET", "/health", &[], Vec::new()).await.is_err());
    let (address, old) = (gateway.client.address(), &[&rustls::version::TLS12]);
    let old = Client::over_tls_versions(address, &authority, Some(&own), old);
    assert!(old.try_send("GET", "/health", &[], Vec::new()).await.is_err(), "TLS 1.2 is not spoken");
    // The admin API has an address of its own on loopback, where nobody can eavesdrop.
    gateway.logged(&["Serving on http://127.0.0.1:"]).await;
}

#[tokio::test]
async fn a_gateway_without_its_certificate_does_not_start() {
    let setup = Setup::new().plugin(built_in::DUMMY).config(TLS);
    let output = setup.command(&["check"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("tls/cert.pem"), "{told}");

    let ended = setup.try_start().await.err().unwrap();
    assert_eq!(ended.code, Some(1));
    assert!(ended.log.contains("cannot read") && ended.log.contains("tls/cert.pem"), "{}", ended.log);
}

#[tokio::test]
async fn a_caller_can_authenticate_with_its_certificate() {
    let (authority, callers) = (Authority::new(), Authority::new());
    let config = r#"
        client_authorities = "tls/callers.pem"
        client_certificates = "optional"

        [callers.mesh]
        kind = "certificate"
        names = ["mesh.example.com"]

        [channels.dummy]
        callers = ["mesh"]

        [channels.open]
        plugin = "dummy"
    "#;
    let setup = Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB).config(TLS).config(config);
    authority.issue("127.0.0.1").write(setup.path());
    std::fs::write(setup.path().join("tls/callers.pem"), callers.pem()).unwrap();
    let gateway = setup.start().await;
    let post = async |own: Option<&Identity>, path: &str| {
        client(&gateway, &authority, own).try_send("POST", path, &[], b"hello".to_vec()).await
    };

    let mesh = callers.issue("mesh.example.com");
    post(Some(&mesh), "/webhooks/dummy").await.unwrap().expect_accepted();
    let other = callers.issue("other.example.com");
    post(Some(&other), "/webhooks/dummy").await.unwrap().expect_problem(401, "unknown_caller");
    post(None, "/webhooks/dummy").await.unwrap().expect_problem(401, "unknown_caller");
    post(None, "/webhooks/open").await.unwrap().expect_accepted();
    let forged = Authority::new().issue("mesh.example.com");
    assert!(post(Some(&forged), "/webhooks/open").await.is_err(), "a certificate of another authority");
}

#[tokio::test]
async fn a_channel_accepts_requests_of_its_callers_and_reveals_no_key() {
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(built_in::STUB)
        .config(TO_STUB)
        .config(
            r#"
            [callers.ci]
            kind = "bearer"
            secret = { env = "CI_TOKEN" }

            [callers.shop]
            kind = "header"
            header = "x-api-key"
            secret = { env = "SHOP_TOKEN" }

            [channels.dummy]
            callers = ["ci", "shop"]
            keep_headers = ["x-api-key", "x-kept"]
        "#,
        )
        .env("CI_TOKEN", "sesame-ci")
        .env("SHOP_TOKEN", "sesame-shop")
        .start()
        .await;
    let post = async |headers: &[(&str, &str)]| gateway.client.post("/webhooks/dummy", headers, "hello").await;

    post(&[("authorization", "Bearer sesame-ci")]).await.expect_accepted();
    let id = post(&[("x-api-key", "sesame-shop"), ("x-kept", "yes")]).await.expect_accepted();
    post(&[]).await.expect_problem(401, "unknown_caller");
    post(&[("authorization", "Bearer sesame-shop")]).await.expect_problem(401, "unknown_caller");
    let detail = post(&[("x-api-key", "guess-it")]).await.expect_problem(401, "unknown_caller");
    assert!(!detail.contains("guess-it"), "{detail}");

    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!(event["headers"], serde_json::json!([["x-kept", "yes"]]), "{event}");
    assert!(!gateway.log().contains("sesame"), "{}", gateway.log());
}

#[tokio::test]
async fn a_channel_accepts_requests_from_its_addresses() {
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(built_in::STUB)
        .config(TO_STUB)
        .config(
            r#"
            [channels.far]
            plugin = "dummy"
            allow_from = ["192.0.2.0/24"]

            [channels.near]
            plugin = "dummy"
            allow_from = ["192.0.2.0/24", "127.0.0.0/8"]

            [channels.named]
            plugin = "dummy"
            allow_from = ["localhost"]
        "#,
        )
        .start()
        .await;

    gateway.post("far", "hello").await.expect_problem(403, "address_refused");
    gateway.post("near", "hello").await.expect_accepted();
    gateway.post("named", "hello").await.expect_accepted();
}

#[tokio::test]
async fn a_trusted_proxy_reports_the_address_of_a_caller() {
    let setup = || {
        let config = "[admin]\ntoken = { env = \"TOKEN\" }\n[channels.dummy]\nallow_from = [\"198.51.100.7\"]\n";
        Setup::new().plugin(built_in::DUMMY).config(config).env("TOKEN", "t")
    };
    let from = |address| [("x-forwarded-for", address)];

    let gateway = setup().env("GATEWAY__HTTP__TRUSTED_PROXIES", "['127.0.0.0/8']").start().await;
    let post = async |address| gateway.client.post("/webhooks/dummy", &from(address), "hello").await;
    post("198.51.100.7").await.expect_status(202);
    post("198.51.100.7, 203.0.113.9").await.expect_problem(403, "address_refused");
    post("203.0.113.9, 198.51.100.7").await.expect_status(202);

    let gateway = setup().start().await;
    let forged = gateway.client.post("/webhooks/dummy", &from("198.51.100.7"), "hello").await;
    forged.expect_problem(403, "address_refused");
}

#[tokio::test]
async fn a_proxy_can_report_it_with_the_proxy_protocol() {
    let config = "[admin]\ntoken = { env = \"TOKEN\" }\n[channels.dummy]\nallow_from = [\"198.51.100.7\"]\n";
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .config(config)
        .env("TOKEN", "t")
        .env("GATEWAY__HTTP__TRUSTED_PROXIES", "['127.0.0.1']")
        .env("GATEWAY__HTTP__PROXY_PROTOCOL", "true")
        .start()
        .await;
    let ask = async |header: &str| {
        let mut wire = Wire::connect(gateway.client.address()).await.unwrap();
        wire.send(header).await.unwrap();
        wire.ask("POST", "/webhooks/dummy", "hello").await.ok().map(|answer| answer.head[9..12].to_owned())
    };

    assert_eq!(ask("PROXY TCP4 198.51.100.7 10.0.0.1 4711 80\r\n").await.as_deref(), Some("202"));
    assert_eq!(ask("PROXY TCP4 203.0.113.9 10.0.0.1 4711 80\r\n").await.as_deref(), Some("403"));
    assert_eq!(ask("").await, None, "a trusted proxy that says nothing is not heard");
    gateway.logged(&["No header of the PROXY protocol from `127.0.0.1"]).await;
}

#[tokio::test]
async fn webhooks_are_received_under_the_gateways_own_names() {
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .config("[admin]\ntoken = { env = \"TOKEN\" }\n")
        .env("TOKEN", "t")
        .env("GATEWAY__HTTP__HOSTS", "['hooks.example.com']")
        .start()
        .await;
    let post = async |host| gateway.client.post("/webhooks/dummy", &[("host", host)], "hello").await;

    post("Hooks.example.com:8080").await.expect_status(202);
    post("hooks.example.com.").await.expect_status(202);
    post("hooks.example.com.:8080").await.expect_status(202);
    post("hooks.example.com..").await.expect_problem(421, "misdirected");
    post("other.example.com").await.expect_problem(421, "misdirected");
    gateway.client.get("/health").await.expect_status(200);
}

/// An IPv4 network means the same in the notation of IPv6.
#[tokio::test]
async fn mapped_networks_mean_what_they_say() {
    let config = r#"
        [admin]
        token = { env = "TOKEN" }
        [channels.dummy]
        allow_from = ["::ffff:198.51.100.0/120"]
        [channels.here]
        plugin = "dummy"
        allow_from = ["::ffff:127.0.0.0/104"]
    "#;
    let setup = Setup::new().plugin(built_in::DUMMY).config(config).env("TOKEN", "t");
    let gateway = setup.env("GATEWAY__HTTP__TRUSTED_PROXIES", "['::ffff:127.0.0.0/104']").start().await;
    let post = async |channel: &str, client: &str| {
        let headers = [("x-forwarded-for", client)];
        gateway.client.post(&format!("/webhooks/{channel}"), &headers, "hello").await.status.as_u16()
    };

    assert_eq!(post("dummy", "198.51.100.7").await, 202);
    assert_eq!(post("dummy", "198.51.101.7").await, 403);
    assert_eq!(gateway.post("here", "hello").await.status, 202);
}

#[tokio::test]
async fn rates_are_enforced_and_reported() {
    let config = r#"
        [http.address_limit]
        rate = "1/h"
        burst = 2

        [channels.dummy]

        [channels.patient]
        plugin = "dummy"
        overload_status = 503

        [channels.slow]
        plugin = "dummy"
        rate_limit = { rate = "1/h" }

        [channels.waiting]
        plugin = "github"

        [admin]
        token = { env = "TOKEN" }
    "#;
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(built_in::GITHUB)
        .config(config)
        .env("TOKEN", "t")
        .env("GATEWAY__HTTP__TRUSTED_PROXIES", "['127.0.0.1']")
        .start()
        .await;
    let post = async |channel: &str, address: &str| {
        let path = format!("/webhooks/{channel}");
        gateway.client.post(&path, &[("x-forwarded-for", address)], "hello").await
    };

    let first = post("dummy", "192.0.2.1").await.expect_status(202);
    assert_eq!([&first.headers["ratelimit-limit"], &first.headers["ratelimit-remaining"]], ["2", "1"]);
    post("dummy", "192.0.2.1").await.expect_status(202);
    let third = post("dummy", "192.0.2.1").await;
    let told: u64 = third.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3500..=3600).contains(&told), "{told}");
    third.expect_problem(429, "rate_limited");
    post("unheard-of", "192.0.2.1").await.expect_problem(429, "rate_limited");
    post("patient", "192.0.2.1").await.expect_problem(503, "rate_limited");
    // It is not known whether the sender of a waiting channel understands a 429.
    post("waiting", "192.0.2.1").await.expect_problem(503, "rate_limited");

    post("dummy", "192.0.2.2").await.expect_status(202);
    post("slow", "2001:db8::1").await.expect_status(202);
    post("slow", "2001:db8:1::1").await.expect_problem(429, "rate_limited");

    let metrics = gateway.metrics().await;
    for line in ["gateway_rate_limited_total{scope=\"address\"} 4", "gateway_rate_limited_total{scope=\"channel\"} 1"] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
}

#[tokio::test]
async fn verification_can_be_switched_off_only_for_known_callers() {
    let config = "[channels.github]\nverification = \"none\"\n";
    let gateway = Setup::new().plugin(built_in::GITHUB).config(config).start().await;
    let headers = [("content-type", "application/json"), ("x-github-event", "push")];

    gateway.client.post("/webhooks/github", &headers, "{}").await.expect_problem(503, "channel_waiting");
    let detail = gateway.list("channels").await[0]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("`channels.github.allow_from`"), "{detail}");

    let config = format!("{config}allow_from = [\"127.0.0.1\"]\n");
    let gateway = Setup::new().plugin(built_in::GITHUB).config(&config).start().await;
    gateway.client.post("/webhooks/github", &headers, "{}").await.expect_status(202);
}

#[tokio::test]
async fn every_request_has_a_line_in_the_access_log_without_secrets() {
    let config = r#"
        [callers.ci]
        kind = "bearer"
        secret = { env = "CI_TOKEN" }

        [channels.dummy]
        callers = ["ci"]
    "#;
    let gateway = Setup::new()
        .plugin(built_in::DUMMY)
        .config(config)
        .env("CI_TOKEN", "sesame")
        .env("GATEWAY__LOG__ACCESS", "true")
        .env("GATEWAY__LOG__LEVEL", "info")
        .start()
        .await;
    let headers = [("authorization", "Bearer sesame"), ("user-agent", "probe/1")];

    gateway.client.post("/webhooks/dummy/hidden-below?token=hidden-query", &headers, "hello").await.expect_accepted();
    gateway.client.get("/nowhere").await.expect_status(404);

    gateway
        .logged(&[
            "gateway::access",
            "client=127.0.0.1",
            "path=\"/webhooks/dummy\"",
            "status=202",
            "channel=\"dummy\"",
            "caller=\"ci\"",
            "user_agent=\"probe/1\"",
        ])
        .await;
    gateway.logged(&["gateway::access", "path=\"/nowhere\"", "status=404"]).await;
    let log = gateway.log();
    assert!(!log.contains("hidden") && !log.contains("sesame"), "{log}");

    // With `log.level = "debug"` the lines have the same content.
    let gateway = Setup::new().plugin(built_in::DUMMY).start().await;
    gateway.client.post("/webhooks/dummy/hidden-below?token=hidden-query", &headers, "hello").await.expect_accepted();
    gateway.logged(&["DEBUG gateway::access", "path=\"/webhooks/dummy\"", "status=202"]).await;
    let log = gateway.log();
    assert!(!log.contains("hidden") && !log.contains("sesame"), "{log}");
}

#[tokio::test]
async fn kept_headers_never_include_a_credential() {
    let config = r#"
        [channels.gitlab]
        verification = "none"
        allow_from = ["127.0.0.1"]
        keep_headers = ["x-gitlab-token", "x-gitlab-event"]
    "#;
    let gateway = Setup::new().plugin(built_in::GITLAB).config(config).start().await;
    let headers = [("content-type", "application/json"), ("x-gitlab-token", "sesame"), ("x-gitlab-event", "Push Hook")];

    let id = gateway.client.post("/webhooks/gitlab", &headers, r#"{"object_kind":"push"}"#).await.expect_accepted();

    let event = gateway.json(&format!("/admin/events/{id}")).await;
    assert_eq!(event["headers"], serde_json::json!([["x-gitlab-event", "Push Hook"]]), "{event}");
}
