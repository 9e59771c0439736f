//! A service manager holds the socket, receives the gateway's state, and restarts it without an effect on callers.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{Setup, TO_STUB, TestGateway, Wire, built_in, wait_for};

const RESTARTS: usize = 5;
const SENDERS: usize = 4;

fn setup() -> Setup {
    Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB).env("GATEWAY__LOG__LEVEL", "info")
}

/// Every request, each on its own connection, gets a response from the process that accepts it.
#[tokio::test(flavor = "multi_thread")]
async fn restarts_on_a_socket_that_stays_open_refuse_no_connection_and_lose_nothing() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut gateway = start_on(setup(), &socket).await;
    assert_eq!(gateway.client.address(), address);
    let load = Arc::new(Load::default());
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(Arc::clone(&load).send(address, sender));
    }

    for _ in 0..RESTARTS {
        load.brings_more().await;
        let (code, setup) = gateway.stop().await;
        assert_eq!(code, Some(0));
        gateway = start_on(setup, &socket).await;
    }
    load.brings_more().await;
    load.enough.store(true, Ordering::Relaxed);

    let acknowledged: BTreeSet<_> = senders.join_all().await.into_iter().flatten().collect();
    assert!(acknowledged.len() > RESTARTS * SENDERS);
    assert_eq!(all_events(&gateway).await, acknowledged);
}

#[derive(Default)]
struct Load {
    answered: AtomicUsize,
    enough: AtomicBool,
}

impl Load {
    /// Sends requests in sequence and returns the ids of their events; panics at the first request that is not accepted.
    async fn send(self: Arc<Self>, address: SocketAddr, sender: usize) -> Vec<String> {
        let mut events = Vec::new();
        while !self.enough.load(Ordering::Relaxed) {
            let body = json!({ "sender": sender, "number": events.len() }).to_string();
            let mut wire = Wire::connect(address).await.expect("nobody is refused");
            let reply = wire.ask("POST", "/webhooks/dummy", &body).await.expect("everybody is answered");
            assert_eq!(reply.status(), 202, "{reply:?}");
            events.push(reply.json()["events"][0]["id"].as_str().unwrap().to_owned());
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        events
    }

    /// Waits until more requests are accepted.
    async fn brings_more(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        let enough = || (self.answered.load(Ordering::Relaxed) > before + 10 * SENDERS).then_some(());
        wait_for("more answers", enough).await;
    }
}

async fn start_on(setup: Setup, socket: &TcpListener) -> TestGateway {
    setup.try_start_on(socket).await.unwrap_or_else(|ended| panic!("the gateway ended:\n{}", ended.log))
}

async fn all_events(gateway: &TestGateway) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut path = "/admin/events?limit=500".to_owned();
    loop {
        let page = gateway.json(&path).await;
        found.extend(page["events"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { return found };
        path = format!("/admin/events?limit=500&cursor={next}");
    }
}

/// A socket unit must not expose an address that the configuration keeps on loopback.
#[tokio::test]
async fn a_socket_that_would_expose_the_admin_api_is_refused() {
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();

    let Err(ended) = setup().try_start_on(&socket).await else { panic!("it serves") };

    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("serves the admin API, which needs a token beyond this machine"), "{}", ended.log);
}

#[tokio::test]
async fn the_service_manager_is_notified_of_readiness_liveness_and_stop() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_nonblocking(true).unwrap();
    let mut heard = String::new();
    let mut hears = async |text: &str| {
        wait_for(text, || {
            let mut buffer = [0; 1024];
            while let Ok(length) = manager.recv(&mut buffer) {
                heard.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
            }
            let (_, rest) = heard.split_once(text)?;
            heard = rest.to_owned();
            Some(())
        })
        .await;
    };
    let setup = setup().env("NOTIFY_SOCKET", path.to_str().unwrap()).env("WATCHDOG_USEC", "100000");

    let gateway = setup.start().await;

    hears("READY=1\n").await;
    hears(&format!("STATUS=Serving on http://{}/\n", gateway.client.address())).await;
    hears("WATCHDOG=1\n").await;
    hears("WATCHDOG=1\n").await;
    gateway.terminate();
    hears("STOPPING=1\n").await;
    assert_eq!(gateway.ended().await.code, Some(0));
}

/// Otherwise it would wait for a notification and then end the gateway.
#[tokio::test]
async fn a_service_manager_that_cannot_be_reached_is_an_error() {
    let Err(ended) = setup().env("NOTIFY_SOCKET", "/nowhere/notify").try_start().await else { panic!("it serves") };

    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("cannot send to the service manager at `/nowhere/notify`"), "{}", ended.log);
}

/// systemd accepts the units.
#[test]
fn the_units_are_valid() {
    const UNITS: [&str; 2] = ["gateway.service", "gateway.socket"];
    let units = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd");
    let dir = tempfile::tempdir().unwrap();
    for unit in UNITS {
        // The program of the unit is not installed here; the rest is unchanged.
        let text = std::fs::read_to_string(units.join(unit)).unwrap();
        std::fs::write(dir.path().join(unit), text.replace("/usr/local/bin/gateway", "/bin/true")).unwrap();
    }
    let mut verify = std::process::Command::new("systemd-analyze");
    let verify = verify.args(["verify", "--man=no"]).args(UNITS.map(|unit| dir.path().join(unit)));
    let Ok(output) = verify.output() else {
        return eprintln!("skipped: the units are checked with systemd-analyze");
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
