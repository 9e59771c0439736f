//! Who may call, how much at once, and what a reload changes.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use super::{Site, config};
use crate::support::site::request;
use crate::support::{Backend, Client, Setup, Wire, built_in};

#[tokio::test]
async fn routes_are_found_by_host_and_by_the_longest_prefix() {
    let [one, two, three] = [Backend::ok().await, Backend::ok().await, Backend::ok().await];
    let [a, b, c] = [one.address, two.address, three.address];
    let setup = Setup::new().config(&format!(
        r#"
        [web]
        listen = "127.0.0.1:0"
        [backends]
        one.addresses = ["{a}"]
        two.addresses = ["{b}"]
        three.addresses = ["localhost:{port}"]
        [[sites]]
        routes = [{{ prefix = "/", backend = "one" }}, {{ prefix = "/api/deep", backend = "two" }}]
        [[sites]]
        hosts = ["other.example"]
        routes = [{{ prefix = "/only", backend = "three" }}]
        "#,
        port = c.port()
    ));
    let site = Site::start(setup).await;
    for (host, path, backend) in [
        ("a", "/", Some(&one)),
        ("a", "/api/deepx", Some(&one)),
        ("a", "/api/deep", Some(&two)),
        ("a", "/api/deep/x", Some(&two)),
        ("OTHER.example:80", "/only/x", Some(&three)),
        ("other.example.", "/only", Some(&three)),
        ("other.example", "/", None),
    ] {
        let mut wire = Wire::connect(site.address).await.unwrap();
        wire.send(&format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n")).await.unwrap();
        let status = wire.receive().await.unwrap().status();
        match backend {
            Some(backend) => {
                assert_eq!(status, 200, "{host}{path}");
                assert_eq!(backend.only().await.line(), format!("GET {path} HTTP/1.1"));
            }
            None => assert_eq!(status, 404, "{host}{path}"),
        }
    }
}

#[tokio::test]
async fn callers_rates_and_places_are_limits_of_a_route() {
    let places = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&places);
    let backend = Backend::serving(move |mut stream| {
        let open = Arc::clone(&open);
        async move {
            let mut read = Vec::new();
            while let Some(seen) = request(&mut stream, &mut read).await {
                assert!(seen.header("x-key").is_none(), "the key of a caller is for the gateway alone");
                open.acquire().await.unwrap().forget();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            }
        }
    })
    .await;
    let route = "callers = [\"shop\"]\nmax_in_flight = 1\nrate_limit = { rate = \"3/h\", burst = 3 }";
    let caller = "[callers.shop]\nkind = \"header\"\nheader = \"x-key\"\nsecret = { env = \"SHOP\" }\n";
    let setup = Setup::new().config(caller).env("SHOP", "sesame").config(&config(&[backend.address], "/", route, ""));
    let site = Site::start(setup).await;
    let client = Client::new(site.address);

    assert_eq!(client.get("/").await.status, 401);
    let known = "GET / HTTP/1.1\r\nhost: a\r\nx-key: sesame\r\n\r\n";
    let mut first = Wire::connect(site.address).await.unwrap();
    first.send(known).await.unwrap();
    let occupied = async || (site.gateway.list("sites").await[0]["routes"][0]["in_flight"] == 1).then_some(());
    site.gateway.until("the first request is on its way", occupied).await;
    let mut second = Wire::connect(site.address).await.unwrap();
    second.send(known).await.unwrap();
    assert_eq!(second.receive().await.unwrap().status(), 503);
    places.add_permits(1);
    assert_eq!(first.receive().await.unwrap().status(), 200);
    second.send(known).await.unwrap();
    let answer = second.receive().await.unwrap();
    assert_eq!(answer.status(), 429);
    assert!(answer.head.contains("ratelimit-limit: 3"), "{}", answer.head);
}

#[tokio::test]
async fn a_reload_changes_routes_and_backends() {
    let [one, two] = [Backend::ok().await, Backend::ok().await];
    let mut site = Site::new(&one, "", "").await;
    let client = Client::new(site.address);
    assert_eq!(client.get("/x").await.status, 200);
    one.only().await;
    site.gateway.reconfigure(&one.address.to_string(), &two.address.to_string());
    site.gateway.reconfigure("prefix = \"/\"", "prefix = \"/x\"");
    site.gateway.reload().await.expect_status(200);
    assert_eq!(client.get("/x").await.status, 200);
    assert_eq!(client.get("/").await.status, 404);
    two.only().await;
    assert!(one.seen().is_empty());
    site.gateway.reconfigure("backend = \"app\"", "backend = \"nobody\"");
    site.gateway.reload().await;
    assert_eq!(client.get("/x").await.status, 200, "what is not valid changes nothing");
}

#[tokio::test]
async fn the_address_of_webhooks_can_serve_sites_beside_them() {
    let backend = Backend::ok().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config = config(&[backend.address], "/app", "", "").replace("127.0.0.1:0", &address.to_string());
    let setup = Setup::new()
        .plugin(built_in::DUMMY)
        .env("GATEWAY__HTTP__LISTEN", &address.to_string())
        .config("[admin]\nlisten = \"127.0.0.1:0\"\n")
        .config(&config);
    let gateway = setup.start().await;
    let client = Client::new(address);
    assert_eq!(client.get("/app/x").await.status, 200);
    backend.only().await;
    assert_eq!(client.post("/webhooks/dummy", &[], "{}").await.status, 202);
    assert_eq!(client.get("/health").await.status, 200);
    for path in ["/admin/stats", "/metrics", "/other", "/app/../admin/stats"] {
        assert!([400, 404].contains(&client.get(path).await.status.as_u16()), "{path}");
    }
    assert!(backend.seen().is_empty());
    drop(gateway);
}

#[tokio::test]
async fn a_configuration_in_which_sites_could_hide_the_gateway_is_refused() {
    let shared = |prefix: &str, more: &str| {
        format!(
            "[admin]\nlisten = \"127.0.0.1:3001\"\n[web]\nlisten = \"127.0.0.1:3000\"\n{more}\n[backends.app]\n\
             addresses = [\"127.0.0.1:1\"]\n[[sites]]\nroutes = [{{ prefix = \"{prefix}\", backend = \"app\" }}]\n"
        )
    };
    let here = "127.0.0.1:3000";
    for (toml, listen, problem) in [
        (shared("/", ""), here, "found `/`, which covers `/admin` of the gateway"),
        (shared("/admin", ""), here, "found `/admin`, which covers `/admin` of the gateway"),
        (shared("/webhooks/x", ""), here, "found `/webhooks/x`, which lies below `/webhooks` of the gateway"),
        (shared("/metrics/x", ""), here, "which lies below `/metrics` of the gateway"),
        (
            shared("/hooks", "[channels.dummy]\npath = \"/hooks/mine\""),
            here,
            "which covers `/hooks/mine` of channel `dummy`",
        ),
        (shared("/app", "").replace("3001", "3000"), "127.0.0.1:0", "that of `admin.listen`"),
        (
            shared("/app", "").replace("[admin]\nlisten = \"127.0.0.1:3001\"\n", ""),
            here,
            "where the admin API answers too",
        ),
        (shared("/app", "health = \"/health\""), here, "web.health: expected a path that nothing else has"),
        (shared("/app/%2e", ""), "127.0.0.1:0", "sites[0].routes[0].prefix: expected a path such as"),
        (
            shared("/app", "").replace("\"app\" }", "\"ap\" }"),
            "127.0.0.1:0",
            "sites[0].routes[0].backend: expected `app`, found `ap`",
        ),
        (
            shared("/app", "").replace("\"app\" }", "\"app\", cors = { origins = [\"*\"], credentials = true } }"),
            "127.0.0.1:0",
            "`*` together with `credentials`",
        ),
        (
            shared("/app", "").replace("\"app\" }", "\"app\", cors = { origins = [\"null\"] } }"),
            "127.0.0.1:0",
            "expected an origin such as",
        ),
        (
            shared("/app", "").replace("\"app\" }", "\"app\", cors = { origins = [\"https://A.example/\"] } }"),
            "127.0.0.1:0",
            "as browsers write it, `https://a.example`",
        ),
        (
            shared("/app", "").replace("127.0.0.1:1\"", "127.0.0.1\""),
            "127.0.0.1:0",
            "backends.app.addresses[0]: expected `ip:port` or `name:port`",
        ),
    ] {
        let setup = Setup::new().config(&toml).env("GATEWAY__HTTP__LISTEN", listen);
        let output = setup.command(&["check"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{problem}: {text}");
        assert!(text.contains(problem), "{problem}: {text}");
    }
    let output = Setup::new().config(&shared("/app", "")).command(&["check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
