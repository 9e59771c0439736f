//! Routes to files.

use std::fs;
use std::os::unix::fs::symlink;

use super::Site;
use crate::support::{Backend, Client, Setup, Wire};

/// A site whose files are in `dist`, beside an API.
async fn site(backend: &Backend) -> Site {
    let config = format!(
        r#"
        [web]
        listen = "127.0.0.1:0"
        [backends.api]
        addresses = ["{}"]
        [[sites]]
        routes = [
            {{ prefix = "/api", backend = "api" }},
            {{ prefix = "/", files = "dist", fallback = true, immutable = ["assets/*"] }},
            {{ prefix = "/docs", files = "manual", strip_prefix = true }},
        ]
        "#,
        backend.address
    );
    let setup = Setup::new()
        .config(&config)
        .file("dist/index.html", "<p>index")
        .file("dist/assets/app.js", "0123456789")
        .file("dist/large.bin", vec![7; 3 << 20])
        .file("dist/.env", "secret")
        .file("manual/index.html", "<p>manual")
        .file("secret", "secret");
    symlink("../secret", setup.path().join("dist/link")).unwrap();
    symlink("assets/app.js", setup.path().join("dist/inner.js")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(setup.path().join("dist/fifo")).status().unwrap().success());
    Site::start(setup).await
}

#[tokio::test]
async fn an_application_and_its_api_share_an_address() {
    let backend = Backend::ok().await;
    let site = site(&backend).await;
    let client = Client::new(site.address);
    let page = [("accept", "text/html")];
    for (path, headers, status, body) in [
        ("/", &[][..], 200, &b"<p>index"[..]),
        ("/assets/app.js?v=1", &[], 200, b"0123456789"),
        ("/inner.js", &[], 200, b"0123456789"),
        ("/orders/7", &page, 200, b"<p>index"),
        ("/api/x", &page, 200, b"ok"),
        ("/docs", &[], 200, b"<p>manual"),
        ("/docs/", &[], 200, b"<p>manual"),
        ("/assets/old.js", &page, 404, b""),
        ("/docs/none", &page, 404, b""),
    ] {
        let reply = client.send("GET", path, headers, Vec::new()).await.expect_status(status);
        assert_eq!(&reply.body[..], body, "{path}");
        assert!(reply.headers.contains_key("x-request-id"), "{path}");
    }
    let asset = client.get("/assets/app.js").await;
    assert_eq!(asset.headers["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(asset.headers["content-type"], "text/javascript; charset=utf-8");
    let large = client.get("/large.bin").await.expect_status(200);
    assert!(large.body == vec![7; 3 << 20]);
    assert_eq!(client.post("/assets/app.js", &[], "x").await.expect_status(405).headers["allow"], "GET, HEAD");
}

#[tokio::test]
async fn no_path_leads_out_of_the_folder() {
    let backend = Backend::ok().await;
    let site = site(&backend).await;
    for path in [
        "/../secret",
        "/assets/../../secret",
        "/%2e%2e/secret",
        "/%2E%2e%2fsecret",
        "/..%5csecret",
        "/..\\secret",
        "/%252e%252e/secret",
        "/%c0%ae%c0%ae/secret",
        "/.env",
        "/%2eenv",
        "/link",
        "/fifo",
        "//secret",
        "/assets",
        "/secret%00.html",
        "/docs/../secret",
    ] {
        let mut wire = Wire::connect(site.address).await.unwrap();
        wire.send(&format!("GET {path} HTTP/1.1\r\nhost: a\r\naccept: */*\r\n\r\n")).await.unwrap();
        let reply = wire.receive().await.unwrap();
        assert!([400, 404].contains(&reply.status()), "{path}: {}", reply.head);
        assert!(!reply.body.contains("secret\n") && reply.body != "secret", "{path}");
    }
}

#[tokio::test]
async fn a_folder_that_comes_later_is_served_then() {
    let backend = Backend::ok().await;
    let site = site(&backend).await;
    let client = Client::new(site.address);
    let dist = site.gateway.path().join("dist");
    let away = site.gateway.path().join("away");
    fs::rename(&dist, &away).unwrap();
    client.get("/late.js").await.expect_status(404);
    fs::write(away.join("late.js"), "late").unwrap();
    fs::rename(&away, &dist).unwrap();
    assert_eq!(&client.get("/late.js").await.expect_status(200).body[..], b"late");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_a_warning() {
    let site = "[web]\nlisten = \"127.0.0.1:0\"\n[[sites]]\nroutes = [{ prefix = \"/\", files = \"none\" }]\n";
    let output = Setup::new().config(site).command(&["check"]).output().unwrap();
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("sites[0]: the files of the route `/` are in"), "{printed}");
}
