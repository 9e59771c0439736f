//! BOX2: a plugin that cannot be compiled costs only the CPU time of a process with low priority.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::collections::BTreeSet;
use std::fs;

use crate::priority::niceness;
use crate::shared::suite::memory;
use crate::support::{Bomb, Setup, TestGateway, built_in, guest};

/// A gateway with a low limit of this kind and high ones of all others, so that a bomb hits the intended limit.
fn sparing_with(limit: &str) -> Setup {
    let (memory, time) = if limit == "memory" { ("256MiB", "10m") } else { ("8GiB", "1s") };
    Setup::new().env("GATEWAY__PLUGINS__COMPILE_MEMORY", memory).env("GATEWAY__PLUGINS__COMPILE_TIME", time)
}

/// Puts a bomb into the plugin folder in one step, because an incomplete one would be refused at once.
fn drop_in(gateway: &TestGateway, name: &str, bomb: Bomb) {
    let part = gateway.path().join("bomb.part");
    fs::write(&part, bomb.bytes()).unwrap();
    fs::rename(part, gateway.path().join(format!("plugins/{name}.wasm"))).unwrap();
}

/// The gateway's peak memory in KiB.
fn peak(gateway: &TestGateway) -> u64 {
    memory(gateway.pid(), "VmHWM:") >> 10
}

/// Each bomb is dropped in while the gateway serves. It is refused with a reason, the previous generation serves on, another
/// plugin answers all the time, and the gateway's own memory does not grow.
#[tokio::test]
async fn a_compile_bomb_affects_only_its_own_plugin() {
    for limit in ["memory", "time"] {
        let bombs: Vec<_> = Bomb::ALL.into_iter().filter(|bomb| bomb.limit() == limit).collect();
        let gateway = sparing_with(limit).plugin(built_in::DUMMY).plugin(guest::ECHO).start().await;
        gateway.post("dummy", "{}").await.expect_accepted();
        let before = peak(&gateway);

        for (round, bomb) in (1..).zip(&bombs) {
            drop_in(&gateway, "echo", *bomb);
            let mut answered = 0;
            let row = gateway
                .until(&format!("{bomb:?} to be refused"), async || {
                    gateway.post("dummy", "{}").await.expect_accepted();
                    answered += 1;
                    let failures = format!("gateway_plugin_load_failures_total{{plugin=\"echo\"}} {round}\n");
                    let is_refused = gateway.metrics().await.contains(&failures);
                    if is_refused { gateway.plugin("echo").await } else { None }
                })
                .await;
            let error = row["error"].as_str().unwrap();
            let reason = format!("compiling it takes more than `plugins.compile_{limit}` allows");
            assert!(error.contains(&reason), "{bomb:?}: {error}");
            assert_eq!(row["state"], "serving", "{bomb:?}");
            assert!(answered > 10, "{bomb:?}: the other plugin answered {answered} times");
            gateway.post("echo", "{}").await.expect_status(200);
        }

        let grown = peak(&gateway) - before;
        assert!(grown < 64 << 10, "the gateway's memory grew by {grown} KiB");
        let count = bombs.len();
        let hits = format!("gateway_plugin_limit_hits_total{{plugin=\"echo\",limit=\"compile-{limit}\"}} {count}\n");
        let metrics = gateway.metrics().await;
        assert!(metrics.contains(&hits), "{hits} is missing in\n{metrics}");
        gateway.replace_plugin("echo", &guest::ECHO_TWO);
        gateway.plugin_until("echo", |row| row["generation"] == 2 && row["error"].is_null()).await;
    }
}

/// A file that takes long to compile delays no other one, neither when it is added nor at the start.
#[tokio::test]
async fn other_plugins_are_loaded_while_a_bomb_is_compiled() {
    let gateway = Setup::new()
        .env("GATEWAY__PLUGINS__COMPILE_MEMORY", "8GiB")
        .env("GATEWAY__PLUGINS__COMPILE_TIME", "1h")
        .start()
        .await;

    drop_in(&gateway, "bomb", Bomb::ManyFunctions);
    gateway.until("the bomb to be compiled", async || compilers(&gateway).first().copied()).await;
    gateway.replace_plugin("echo", &guest::ECHO);

    gateway.plugin_until("echo", |row| row["state"] == "serving").await;
    assert_eq!(compilers(&gateway).len(), 1, "the bomb is still compiled");
}

/// A compiler process ends with the gateway, has none of its secrets, and has a lower priority.
#[tokio::test]
async fn a_compiler_inherits_nothing_and_ends_with_the_gateway() {
    // The process is inspected while it compiles, so compiling must take long enough.
    let gateway = Setup::new()
        .env("SECRET", "hunter2")
        .env("GATEWAY__PLUGINS__COMPILE_MEMORY", "8GiB")
        .env("GATEWAY__PLUGINS__COMPILE_TIME", "1h")
        .start()
        .await;
    drop_in(&gateway, "bomb", Bomb::ManyFunctions);
    let compiler = gateway.until("a compiler", async || compilers(&gateway).first().copied()).await;
    let of = |file: &str| fs::read(format!("/proc/{compiler}/{file}")).unwrap();

    let limits = gateway
        .until("the compiler to limit itself", async || {
            let limits = String::from_utf8(of("limits")).unwrap();
            let cpu = limits.lines().any(|line| line.starts_with("Max cpu time") && line.contains(" 3600 "));
            cpu.then_some(limits)
        })
        .await;
    assert!(limits.lines().any(|line| line.starts_with("Max data size") && line.contains("8589934592")), "{limits}");
    let environment = String::from_utf8(of("environ")).unwrap();
    let foreign = |variable: &&str| !variable.is_empty() && !variable.starts_with("RAYON_NUM_THREADS=");
    assert_eq!(environment.split('\0').find(foreign), None);
    let own = files(std::process::id());
    let inherited: Vec<_> = files(compiler).intersection(&files(gateway.pid())).cloned().collect();
    let folder = gateway.path().to_str().unwrap();
    let is_ours = |file: &&String| file.starts_with(folder) || file.starts_with("socket:") && !own.contains(*file);
    assert_eq!(inherited.iter().find(is_ours), None, "a file or socket of the gateway");
    gateway
        .until("the compiler to step back", async || {
            let stat = String::from_utf8(of("stat")).unwrap();
            (niceness(&stat) == 10).then_some(())
        })
        .await;

    drop(gateway);
    let gone = || (!is_running(compiler)).then_some(());
    crate::support::wait_for("the compiler to end", gone).await;
}

/// The gateway's file can be replaced or removed while it runs: the running binary compiles.
#[tokio::test]
async fn a_replaced_program_compiles_nothing_for_the_one_that_runs() {
    let setup = Setup::new();
    let program = setup.path().join("gateway");
    fs::copy(crate::support::BINARY, &program).unwrap();
    let gateway = setup.start_program(&program).await;
    fs::remove_file(&program).unwrap();
    fs::write(&program, "#!/bin/sh\necho nonsense\n").unwrap();

    gateway.replace_plugin("echo", &guest::ECHO);

    gateway.plugin_until("echo", |row| row["state"] == "serving").await;
}

/// The compiler processes of this gateway.
fn compilers(gateway: &TestGateway) -> Vec<u32> {
    let task = format!("/proc/{}/task", gateway.pid());
    let children = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).unwrap_or_default();
    let threads = fs::read_dir(task).unwrap().flatten();
    threads
        .flat_map(|thread| children(thread).split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

/// The open files of a process.
fn files(process: u32) -> BTreeSet<String> {
    let files = fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
    files.filter_map(|file| Some(fs::read_link(file.path()).ok()?.to_str()?.to_owned())).collect()
}

/// Whether a process exists and has not ended.
fn is_running(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
