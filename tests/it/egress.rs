//! Plugins reach only granted hosts (BOX3 of the sandbox scenarios). A canary listens at addresses that must not be reached, and
//! counts connections instead of requests.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{RemoteAgent, Setup, TestGateway, Wire, built_in, guest};

/// Listens on a port of both loopback addresses, where no connection must ever arrive.
struct Canary {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Canary {
    fn start() -> Self {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        // On a machine without IPv6 there is nothing to reach.
        let second = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port))).ok();
        let connections = Arc::new(AtomicUsize::new(0));
        for listener in [Some(first), second].into_iter().flatten() {
            let connections = Arc::clone(&connections);
            std::thread::spawn(move || {
                for _ in listener.incoming() {
                    connections.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { port, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// A gateway whose `fetch-agent` sends the request in an event's data and answers with the result.
fn fetching(grants: &str) -> Setup {
    let config = format!(
        r#"
        [agents.fetch]
        plugin = "fetch-agent"
        allow_hosts = [{grants}]
        connect_timeout = "2s"
        max_response = "1KiB"
        [[routes]]
        agents = ["fetch"]
        mode = "sync"
        timeout = "10s"
        "#
    );
    Setup::new().plugin(built_in::DUMMY).plugin(guest::FETCH_AGENT).config(&config)
}

async fn fetch(gateway: &TestGateway, url: &str) -> Value {
    gateway.post("dummy", json!({ "url": url }).to_string()).await.expect_status(200).json()
}

#[tokio::test]
async fn an_agent_reaches_its_granted_host_in_any_spelling() {
    let agent = RemoteAgent::start().await;
    let (address, port) = (agent.address, agent.address.port());
    let gateway = fetching(&format!("\"{address}\"")).start().await;
    let spellings = [
        format!("http://{address}/"),
        format!("http://0x7f.1:{port}/"),
        format!("HTTP://2130706433:{port}"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
    ];

    for url in &spellings {
        assert_eq!(fetch(&gateway, url).await["status"], 200, "{url}");
    }

    assert_eq!(agent.received().len(), spellings.len());
}

/// BOX3: no spelling of an address, no redirect, no proxy and no name leads to a host that was not granted.
#[tokio::test]
async fn a_host_that_was_not_granted_is_never_connected_to() {
    let canary = Canary::start();
    let port = canary.port;
    let location = format!("http://127.0.0.1:{port}/");
    let agent = RemoteAgent::answering(move |_, _| {
        Response::builder().status(307).header("location", &location).body(Full::default()).unwrap()
    })
    .await;
    let granted = agent.address;
    let proxy = format!("http://127.0.0.1:{port}");
    let proxies = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"];
    let setup = fetching(&format!("\"{granted}\", \"10.0.0.1:{port}\", \"name.example:{port}\""));
    let setup = proxies.into_iter().fold(setup, |setup, name| setup.env(name, &proxy));
    let gateway = setup.start().await;

    for url in [
        // The same address in other spellings.
        format!("http://127.0.0.1:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://0177.0.0.1:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://127.0.0.1.:{port}/"),
        format!("http://１２７.０.０.１:{port}/"),
        format!("http://%31%32%37.0.0.1:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[0:0:0:0:0:0:0:1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://[::ffff:7f00:1]:{port}/"),
        format!("http://[::127.0.0.1]:{port}/"),
        format!("http://[64:ff9b::7f00:1]:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://LOCALHOST.:{port}/"),
        // Metadata services of clouds.
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/latest/meta-data/".to_owned(),
        "http://metadata.google.internal/computeMetadata/v1/".to_owned(),
        // A granted host in a part of the URL that is not the host.
        format!("http://{granted}@127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{port}#@{granted}/"),
        format!("http://127.0.0.1:{port}?@{granted}/"),
        format!("http://127.0.0.1:{port}\\@{granted}/"),
        format!("http:\\\\127.0.0.1:{port}/"),
        format!("http:127.0.0.1:{port}/"),
        format!("//127.0.0.1:{port}/"),
        "file:///etc/passwd".to_owned(),
        format!("gopher://127.0.0.1:{port}/_GET"),
        format!("https://127.0.0.1:{port}/"),
    ] {
        let answer = fetch(&gateway, &url).await;
        let refused = ["denied", "protocol"].map(Value::from).contains(&answer["error"]);
        assert!(refused, "{url}: {answer}");
    }
    assert_eq!(fetch(&gateway, &format!("http://{granted}/")).await["status"], 307);
    assert_eq!(canary.connections(), 0);
}

/// BOX3: a name that resolves to a private address is refused, unless the operator allows it for that name.
#[tokio::test]
async fn a_name_that_resolves_to_this_machine_is_refused() {
    let canary = Canary::start();
    let agent = RemoteAgent::start().await;
    let (closed, open) = (canary.port, agent.address.port());
    let hosts = "127.0.0.1 inside.example\n::1 inside6.example\n::ffff:127.0.0.1 mapped.example\n";
    let grants = ["inside", "inside6", "mapped"].map(|name| format!("\"{name}.example:{closed}\"")).join(", ");
    let setup = fetching(&format!("{grants}, {{ host = \"inside.example\", port = {open}, private = true }}"));
    let setup = setup.file("hosts", hosts);
    let hosts = setup.path().join("hosts");
    if !in_own_namespace(&hosts) {
        return eprintln!("skipped: names of its own need root and unshare");
    }
    let under = format!("mount --bind '{}' /etc/hosts && exec \"$@\"", hosts.display());
    let gateway = setup.start_under("unshare", &["--mount", "sh", "-c", &under, "sh"]).await;

    for name in ["inside", "inside6", "mapped"] {
        let answer = fetch(&gateway, &format!("http://{name}.example:{closed}/")).await;
        assert_eq!(answer["error"], "denied", "{name}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains("private = true"), "{answer}");
    }
    assert_eq!(fetch(&gateway, &format!("http://inside.example:{open}/")).await["status"], 200);
    assert_eq!((canary.connections(), agent.received().len()), (0, 1));
}

/// Whether this process can give a child process its own `/etc/hosts`.
fn in_own_namespace(hosts: &Path) -> bool {
    let mount = "mount --bind \"$0\" /etc/hosts";
    let tried = Command::new("unshare").args(["--mount", "sh", "-c", mount]).arg(hosts).stderr(Stdio::null()).status();
    fs::exists(hosts).unwrap() && tried.is_ok_and(|status| status.success())
}

/// A secret is sent only to its own hosts and never appears in a log or an error. An agent learns only its name.
#[tokio::test]
async fn a_secret_is_sent_only_to_its_hosts_and_never_shown() {
    let [own, other] = [RemoteAgent::start().await, RemoteAgent::start().await];
    let (own_address, other_address) = (own.address, other.address);
    let credential = format!(
        "\n[agents.fetch.credentials.api]\nkind = \"bearer\"\nsecret = {{ env = \"API_TOKEN\" }}\nhosts = [\"{own_address}\"]\n"
    );
    let gateway = fetching(&format!("\"{own_address}\", \"{other_address}\""))
        .config(&credential)
        .env("API_TOKEN", "t0p-s3cret")
        .start()
        .await;
    let send = async |address: SocketAddr, credential: &str| {
        let wanted = json!({ "url": format!("http://{address}/"), "credential": credential });
        gateway.post("dummy", wanted.to_string()).await.expect_status(200).json()
    };

    assert_eq!(send(own_address, "api").await["status"], 200);
    assert_eq!(own.received()[0].headers["authorization"], "Bearer t0p-s3cret");
    let elsewhere = send(other_address, "api").await;
    assert_eq!(elsewhere["error"], "denied", "{elsewhere}");
    let unknown = send(own_address, "root").await;
    assert!(unknown["message"].as_str().unwrap().contains("there is `api`"), "{unknown}");

    assert_eq!(other.received().len(), 0);
    let admin = [gateway.json("/admin/agents").await, gateway.json("/admin/deliveries").await];
    let shown = format!("{}{admin:?}{elsewhere}{unknown}", gateway.log());
    assert!(!shown.contains("t0p-s3cret"), "{shown}");
}

/// A dead address of a name costs a moment, not the delivery.
#[tokio::test]
async fn an_agent_with_a_dead_first_address_is_delivered_to() {
    // At 127.0.0.1, which resolvers put first, nobody accepts: the queue is full, and a further connection hangs.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let dead = socket.listen(1).unwrap();
    let (address, port) = (dead.local_addr().unwrap(), dead.local_addr().unwrap().port());
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queued.push(stream);
    }
    let live = tokio::net::TcpListener::bind(("127.0.0.2", port)).await.unwrap();
    let names = ["dead", "dead-last", "refusing"];
    let hosts = "127.0.0.1 dead.example\n127.0.0.2 dead.example\n127.0.0.2 dead-last.example\n\
                 127.0.0.1 dead-last.example\n127.0.0.3 refusing.example\n127.0.0.2 refusing.example\n";
    let grants = names.map(|name| format!("{{ host = \"{name}.example\", port = {port}, private = true }}"));
    let setup = fetching(&grants.join(", ")).file("hosts", hosts);
    let hosts = setup.path().join("hosts");
    if !in_own_namespace(&hosts) {
        return eprintln!("skipped: names of its own need root and unshare");
    }
    let under = format!("mount --bind '{}' /etc/hosts && exec \"$@\"", hosts.display());
    let gateway = setup.start_under("unshare", &["--mount", "sh", "-c", &under, "sh"]).await;

    for name in names {
        let url = format!("http://{name}.example:{port}/");
        let answer = async {
            let (stream, _) = live.accept().await.unwrap();
            let mut wire = Wire::accepted(stream);
            wire.receive().await.unwrap();
            wire.say_ok().await;
            wire
        };
        let (answer, _wire) = tokio::join!(fetch(&gateway, &url), answer);
        assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!("ok")), "{name}: {answer}");
    }
}

/// An answer in a coding is decoded, whoever asked for it; one that becomes too large is an error.
#[tokio::test]
async fn compressed_answers_are_decoded_up_to_the_limit() {
    use gateway::coding::{Coding, encode};
    let text = "an answer ".repeat(50);
    let answers: Vec<_> = Coding::ALL
        .into_iter()
        .flat_map(|coding| {
            let small = (coding.name(), encode(coding, text.as_bytes()).unwrap());
            let bomb = (coding.name(), encode(coding, &[b'x'; 64 << 10]).unwrap());
            [small, bomb, (coding.name(), b"{\"no\":\"coding\"}".to_vec())]
        })
        .collect();
    let agent = RemoteAgent::answering(move |number, _| {
        let (coding, body) = answers[number].clone();
        Response::builder().header("content-encoding", coding).body(Full::from(body)).unwrap()
    })
    .await;
    let gateway = fetching(&format!("\"{}\"", agent.address)).start().await;
    let url = format!("http://{}/", agent.address);

    for coding in Coding::ALL {
        let answer = fetch(&gateway, &url).await;
        assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!(text)), "{coding}: {answer}");
        assert!(!answer["headers"].to_string().contains("content-encoding"), "{coding}: {answer}");
        assert_eq!(fetch(&gateway, &url).await["error"], "too-large", "{coding}");
        let malformed = fetch(&gateway, &url).await;
        assert_eq!(malformed["error"], "protocol", "{coding}: {malformed}");
        assert!(malformed["message"].as_str().unwrap().contains(coding.name()), "{malformed}");
    }
}

#[tokio::test]
async fn redirects_are_answers_and_large_answers_are_errors() {
    let agent = RemoteAgent::answering(|number, _| match number {
        0 => {
            Response::builder().status(302).header("location", "http://169.254.169.254/").body(Full::default()).unwrap()
        }
        _ => Response::new(Full::from(vec![b'x'; 2048])),
    })
    .await;
    let gateway = fetching(&format!("\"{}\"", agent.address)).start().await;
    let url = format!("http://{}/", agent.address);

    assert_eq!(fetch(&gateway, &url).await["status"], 302);
    assert_eq!(fetch(&gateway, &url).await["error"], "too-large");
    assert_eq!(agent.received().len(), 2);
}
