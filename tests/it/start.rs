//! A start claims what it needs before it takes time, and says what it does.

use std::fs;
use std::net::TcpListener;

use crate::support::{Setup, TO_STUB, built_in, guest};

/// The compiled plugins of a folder that did not start.
fn compiled(setup: &Setup) -> bool {
    setup.path().join("data/compiled").exists()
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_the_process() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let setup = Setup::new().plugin(guest::ECHO).env("GATEWAY__HTTP__LISTEN", &address.to_string());

    let ended = setup.try_start().await.err().unwrap();

    assert_eq!(ended.code, Some(1));
    let expected = format!("cannot listen on `{address}`: it is in use by process {} (`", std::process::id());
    assert!(ended.log.contains(&expected), "{}", ended.log);
    assert!(!compiled(&ended.setup), "nothing was compiled before");
}

#[tokio::test]
async fn a_folder_in_use_is_an_error_that_names_the_process() {
    let gateway = Setup::new().start().await;
    let data = gateway.path().join("data");
    let setup = Setup::new().plugin(guest::ECHO).env("GATEWAY__EVENTLOG__DIR", data.to_str().unwrap());
    let cache = setup.path().join("cache");
    let setup = setup.env("GATEWAY__PLUGINS__CACHE_DIR", cache.to_str().unwrap());

    let ended = setup.try_start().await.err().unwrap();

    assert_eq!(ended.code, Some(1));
    let pid = gateway.pid();
    let expected = format!("the event log in `{}` is in use by process {pid} (`", data.display());
    assert!(ended.log.contains(&expected), "{}", ended.log);
    assert!(ended.log.contains("serve"), "{}", ended.log);
    assert!(!cache.exists(), "nothing was compiled before");
}

/// A lock of a process that is gone keeps nobody out, whatever it says.
#[tokio::test]
async fn a_lock_that_a_crash_left_keeps_nobody_out() {
    let setup = Setup::new().start().await.kill();
    let lock = setup.path().join("data/lock");
    assert!(fs::read_to_string(&lock).unwrap().parse::<u32>().is_ok());
    fs::write(lock, "1").unwrap();

    setup.start().await.post("echo", "{}").await.expect_problem(404, "unknown_channel");
}

/// A cold start says how far it is, and every start has one line for all plugins.
#[tokio::test]
async fn a_start_has_one_line_for_all_plugins() {
    let setup = Setup::new().plugin(guest::ECHO).plugin(built_in::STUB).plugin(built_in::GITHUB).config(TO_STUB);
    let setup = setup.env("GATEWAY__LOG__LEVEL", "info");
    let gateway = setup.start().await;

    gateway.logged(&["INFO", "Compiling plugin ", " of 3, the next start takes them from the cache"]).await;
    gateway.logged(&["INFO", "Plugins serve", "channels=2", "agents=1"]).await;
    assert!(!gateway.log().contains("Plugin serves"), "{}", gateway.log());
    assert!(!gateway.log().contains("WARN"), "a channel that nobody set up is no warning: {}", gateway.log());

    let gateway = gateway.kill().file("plugins/broken.wasm", "nonsense").start().await;
    gateway.logged(&["WARN", "Plugins serve, but not all of them", "failed=1"]).await;
    assert!(!gateway.log().contains("Compiling"), "{}", gateway.log());
}

/// What may wait is no warning, and what was set up and waits is one.
#[tokio::test]
async fn only_a_channel_that_was_set_up_is_warned_of() {
    let optional = "\n[channels.github]\nsecret = { env = \"ABSENT_SECRET\" }\noptional = true\n";
    let setup = Setup::new().plugin(built_in::GITHUB).config(optional).env("GATEWAY__LOG__LEVEL", "info");
    let gateway = setup.start().await;
    gateway.post("github", "{}").await.expect_status(503);
    assert!(!gateway.log().contains("Channel waits"), "{}", gateway.log());

    let setup = gateway.kill().without(optional).config("\n[channels.github]\n");
    let gateway = setup.start().await;
    gateway.post("github", "{}").await.expect_status(503);
    gateway.logged(&["WARN", "Channel waits"]).await;
}
