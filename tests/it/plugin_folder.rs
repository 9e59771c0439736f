//! BOX4: whatever lies in the plugin folder, the gateway neither waits for it nor follows it elsewhere.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Setup, TestGateway, built_in, guest};

fn pipe(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
}

/// The row of the plugin `name` once it was refused for `reason`.
async fn refused(gateway: &TestGateway, name: &str, reason: &str) -> Value {
    gateway.plugin_until(name, |row| row["error"].as_str().is_some_and(|error| error.contains(reason))).await
}

/// Everything that is no file of the folder is refused with a message, and the loader goes on.
#[tokio::test]
async fn what_is_no_file_of_the_folder_is_refused() {
    let gateway = Setup::new().env("GATEWAY__PLUGINS__MAX_FILE", "1MiB").start().await;
    let plugins = gateway.path().join("plugins");
    let place = |name: &str| plugins.join(format!("{name}.wasm"));
    let outside = gateway.path().join("outside.wasm");
    fs::copy(guest::ECHO.path(), &outside).unwrap();

    symlink(&outside, place("out")).unwrap();
    symlink("../outside.wasm", place("up")).unwrap();
    symlink("/dev/zero", place("device")).unwrap();
    symlink("/proc/self/mem", place("memory")).unwrap();
    symlink("gone", place("dangling")).unwrap();
    symlink("loop.wasm", place("loop")).unwrap();
    pipe(&place("pipe"));
    fs::create_dir(place("folder")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place("socket")).unwrap();
    File::create(place("large")).unwrap().set_len(1 << 40).unwrap();
    for (name, reason) in [
        ("out", "outside of the plugin folder"),
        ("up", "outside of the plugin folder"),
        ("device", "outside of the plugin folder"),
        ("memory", "outside of the plugin folder"),
        ("dangling", "cannot be read"),
        ("loop", "cannot be read"),
        ("pipe", "it is a pipe, not a file"),
        ("folder", "it is a folder, not a file"),
        ("socket", "it is a socket, not a file"),
        ("large", "more than `plugins.max_file` allows"),
    ] {
        let row = refused(&gateway, name, reason).await;
        assert_eq!(row["state"], "failed", "{row}");
        gateway.logged(&["Plugin rejected", reason]).await;
    }

    gateway.replace_plugin("echo", &guest::ECHO);
    gateway.plugin_until("echo", |row| row["state"] == "serving").await;
    gateway.post("echo", "{}").await.expect_status(200);
    fs::remove_file(place("pipe")).unwrap();
    gateway.until("the pipe to be forgotten", async || gateway.plugin("pipe").await.is_none().then_some(())).await;
}

/// A link to a file of the folder is as good as that file, and what takes the place of a file that serves is refused.
#[tokio::test]
async fn a_link_within_the_folder_serves_and_a_pipe_in_its_place_does_not() {
    let gateway = Setup::new().start().await;
    let plugins = gateway.path().join("plugins");
    let put = |make: &dyn Fn(&Path)| {
        let part = plugins.join("part");
        make(&part);
        fs::rename(part, plugins.join("echo.wasm")).unwrap();
    };
    let version = async || gateway.post("echo", "{}").await.expect_status(200).json()["version"].clone();
    fs::create_dir(plugins.join("versions")).unwrap();
    fs::copy(guest::ECHO.path(), plugins.join("versions/one")).unwrap();
    fs::copy(guest::ECHO_TWO.path(), plugins.join("versions/two")).unwrap();

    put(&|part| symlink("versions/one", part).unwrap());
    gateway.plugin_until("echo", |row| row["generation"] == 1).await;
    assert_eq!(version().await, "1");

    put(&|part| symlink(plugins.join("versions/two"), part).unwrap());
    gateway.plugin_until("echo", |row| row["generation"] == 2).await;
    assert_eq!(version().await, "2");

    put(&pipe);
    assert_eq!(refused(&gateway, "echo", "it is a pipe").await["state"], "serving");
    put(&|part| symlink("/etc/passwd", part).unwrap());
    assert_eq!(refused(&gateway, "echo", "outside of the plugin folder").await["state"], "serving");
    assert_eq!(version().await, "2");

    put(&|part| symlink("versions/one", part).unwrap());
    gateway.plugin_until("echo", |row| row["generation"] == 3 && row["error"].is_null()).await;
}

/// A file that is written slowly is taken when it is whole, and never in part.
#[tokio::test]
async fn a_file_that_grows_is_taken_when_it_is_whole() {
    let gateway = Setup::new().start().await;
    let bytes = guest::ECHO.bytes();
    let mut file = File::create(gateway.path().join("plugins/echo.wasm")).unwrap();
    let third = bytes.len() / 3;

    for (round, part) in (1..).zip([&bytes[..third], &bytes[third..2 * third]]) {
        file.write_all(part).unwrap();
        let failures = format!("gateway_plugin_load_failures_total{{plugin=\"echo\"}} {round}\n");
        gateway.until("a part to be refused", async || gateway.metrics().await.contains(&failures).then_some(())).await;
        assert_eq!(gateway.plugin("echo").await.unwrap()["state"], "failed");
    }
    file.write_all(&bytes[2 * third..]).unwrap();
    drop(file);

    gateway.plugin_until("echo", |row| row["state"] == "serving" && row["error"].is_null()).await;
}

/// No name stands for a plugin but its own, none reaches the log as it is, and each has its row.
#[tokio::test]
async fn odd_names_are_refused_one_by_one() {
    let gateway = Setup::new().start().await;
    let plugins = gateway.path().join("plugins");
    let names: [&[u8]; 9] = [
        b"ECHO",
        b"echo.wasm",
        b"echo ",
        b"-echo",
        "\u{442}est".as_bytes(),
        b"first\xff",
        b"second\xff\xfe",
        b"line\nERROR forged",
        b"\x1b[31mred",
    ];

    for name in names {
        let file = [name, b".wasm"].concat();
        fs::copy(guest::ECHO.path(), plugins.join(OsStr::from_bytes(&file))).unwrap();
    }
    fs::copy(guest::ECHO.path(), plugins.join("echo.wasm")).unwrap();
    gateway.plugin_until("plugins/echo", |row| row["state"] == "serving").await;

    let rows = gateway
        .until("a row for each", async || {
            let rows = gateway.list("plugins").await;
            let refused = rows
                .iter()
                .filter(|row| row["error"].as_str().is_some_and(|error| error.contains("not a plugin name")));
            (refused.count() == names.len()).then_some(rows)
        })
        .await;
    assert_eq!(rows.len(), names.len() + 1, "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row["state"] == "serving").count(), 1);
    gateway.logged(&["Plugin rejected", "`\\u{1b}[31mred`"]).await;
    gateway.logged(&["Plugin rejected", "`line\\nERROR forged`"]).await;
    let log = gateway.log();
    assert!(!log.contains('\x1b') && !log.lines().any(|line| line.starts_with("ERROR forged")), "{log}");
}

#[tokio::test]
async fn a_folder_that_everybody_can_write_to_is_warned_of() {
    let setup = Setup::new();
    fs::set_permissions(setup.plugins(), Permissions::from_mode(0o777)).unwrap();

    let gateway = setup.start().await;

    gateway.logged(&["Every user of this machine can add plugins to"]).await;
    gateway.logged(&["hint: `chmod o-w "]).await;
}

/// The compiled plugins of a gateway that does not run.
fn compiled(setup: &Setup) -> Vec<PathBuf> {
    let entries = fs::read_dir(setup.path().join("data/compiled")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "cwasm")).collect();
    files.sort();
    files
}

/// Machine code that this gateway did not write for this very plugin is never run: it is compiled again.
#[tokio::test]
async fn foreign_machine_code_is_compiled_again() {
    let setup = Setup::new().plugin(guest::ECHO).plugin(built_in::DUMMY).start().await.kill();
    let [one, other] = <[PathBuf; 2]>::try_from(compiled(&setup)).unwrap();
    let whole = fs::read(&one).unwrap();
    let elsewhere = setup.path().join("elsewhere");
    fs::write(&elsewhere, &whole).unwrap();
    let attacks: [(&str, &dyn Fn()); 5] = [
        ("not a file", &|| pipe(&one)),
        ("damaged", &|| fs::write(&one, &whole[..whole.len() / 2]).unwrap()),
        ("belongs to another plugin", &|| assert!(fs::copy(&other, &one).unwrap() > 0)),
        ("others than its owner may write there", &|| {
            fs::write(&one, &whole).unwrap();
            fs::set_permissions(&one, Permissions::from_mode(0o666)).unwrap();
        }),
        ("symbolic links", &|| symlink(&elsewhere, &one).unwrap()),
    ];
    let mut setup = setup;

    for (reason, attack) in attacks {
        fs::remove_file(&one).unwrap();
        attack();
        let gateway = setup.start().await;
        gateway.post("echo", "{}").await.expect_status(200);
        gateway.post("dummy", "{}").await.expect_accepted();
        gateway.logged(&["Compiled plugin is not used", reason]).await;
        setup = gateway.kill();
        assert!(fs::symlink_metadata(&one).unwrap().is_file(), "{reason}: it was made again");
    }
}

/// Whoever can write to the folder of compiled plugins decides what the gateway runs, so nobody else may.
#[tokio::test]
async fn a_folder_of_compiled_plugins_that_others_can_write_to_is_refused() {
    let setup = Setup::new().plugin(guest::ECHO).start().await.kill();
    let folder = setup.path().join("data/compiled");
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();

    let ended = setup.try_start().await.err().unwrap();

    assert_eq!(ended.code, Some(1));
    assert!(ended.log.contains("others than its owner may write there (mode 777)"), "{}", ended.log);
    assert!(ended.log.contains(&format!("`rm -r {}`", folder.display())), "{}", ended.log);
    fs::remove_dir_all(&folder).unwrap();
    let gateway = ended.setup.start().await;
    gateway.post("echo", "{}").await.expect_status(200);
}
