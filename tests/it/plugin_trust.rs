//! Pins and signatures: which files an operator lets in.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use crate::support::{BINARY, Guest, Setup, TestGateway, guest};

/// As `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write them.
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAok8Dc5hnTuYyb9WhaFNSBs055ZdsrtSfR51+VgETMl\n\
    -----END PRIVATE KEY-----\n";
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAVOTisPoUixccyVL2bJvhfUqbgEe4AhoVl9Amu+4Q2aM=\n\
    -----END PUBLIC KEY-----\n";

fn digest(plugin: &Guest) -> String {
    hex::encode(Sha256::digest(plugin.bytes()))
}

/// A gateway that trusts the key, and keeps it at hand.
fn trusting(require_signature: bool) -> Setup {
    Setup::new()
        .file("key.pem", PRIVATE_KEY)
        .file("key.pub", PUBLIC_KEY)
        .env("GATEWAY__PLUGINS__TRUSTED_KEYS", "[{ file = \"key.pub\" }]")
        .env("GATEWAY__PLUGINS__REQUIRE_SIGNATURE", &require_signature.to_string())
}

/// The signature of a plugin by this key, as `gateway plugin sign` writes it.
fn signature(plugin: &Guest, key: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plugin.wasm");
    fs::copy(plugin.path(), &file).unwrap();
    fs::write(dir.path().join("key.pem"), key).unwrap();
    let mut sign = std::process::Command::new(BINARY);
    let output =
        sign.args(["plugin", "sign", "plugin.wasm", "--key", "key.pem"]).current_dir(&dir).env("HOME", dir.path());
    let output = output.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    fs::read(dir.path().join("plugin.wasm.sig")).unwrap()
}

/// Puts a file into the plugin folder in one step.
fn put(folder: &Path, file: &str, bytes: &[u8]) {
    let part = folder.join("part");
    fs::write(&part, bytes).unwrap();
    fs::rename(part, folder.join("plugins").join(file)).unwrap();
}

async fn version(gateway: &TestGateway) -> String {
    gateway.post("echo", "{}").await.expect_status(200).json()["version"].as_str().unwrap().to_owned()
}

/// Another file than the pinned one is refused with both digests and the way out, and what serves stays.
#[tokio::test]
async fn a_file_that_is_not_the_pinned_one_is_refused() {
    let pin = format!("\n[plugins.overrides.echo]\nsha256 = \"{}\"\n", digest(&guest::ECHO));
    let gateway = Setup::new().plugin(guest::ECHO).config(&pin).start().await;

    gateway.replace_plugin("echo", &guest::ECHO_TWO);

    let row = gateway.plugin_until("echo", |row| !row["error"].is_null()).await;
    let error = row["error"].as_str().unwrap();
    for part in [&digest(&guest::ECHO), &digest(&guest::ECHO_TWO), "`gateway plugin pin echo`"] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!((&row["state"], &row["generation"]), (&"serving".into(), &1.into()));
    assert_eq!(row["digest"], digest(&guest::ECHO));
    assert_eq!(version(&gateway).await, "1");
    let ready = gateway.json("/health/ready").await.to_string();
    assert!(ready.contains("plugin:echo") && ready.contains(&digest(&guest::ECHO_TWO)), "{ready}");
    gateway.logged(&["Plugin rejected", &digest(&guest::ECHO_TWO)]).await;
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_plugin_load_failures_total{plugin=\"echo\"} 1\n"), "{metrics}");

    // After a restart nothing serves under that name.
    let gateway = gateway.kill().start().await;
    assert_eq!(gateway.plugin("echo").await.unwrap()["state"], "failed");
    gateway.replace_plugin("echo", &guest::ECHO);
    gateway.plugin_until("echo", |row| row["state"] == "serving" && row["error"].is_null()).await;
}

/// `pin` writes what lies in the folder, or a named file, and `--check` tells what differs.
#[test]
fn pin_writes_the_digest_into_the_configuration() {
    let setup = Setup::new().plugin(guest::ECHO).plugin(guest::TRAP);
    let mut command = setup.command(&["plugin", "pin"]);
    let config = setup.path().join("gateway.toml");
    let before = fs::read_to_string(&config).unwrap();
    let mut pin = |arguments: &[&str]| {
        let output = command.args(arguments).output().unwrap();
        let told = (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap());
        command = std::process::Command::new(BINARY);
        command.args(["plugin", "pin", "--config"]).arg(&config).current_dir(setup.path());
        (told.0, told.1, String::from_utf8(output.stderr).unwrap())
    };
    let [one, two, trap] = [&guest::ECHO, &guest::ECHO_TWO, &guest::TRAP].map(digest);

    let (code, told, _) = pin(&["--all", "--check"]);
    assert_eq!(
        (code, told),
        (1, format!("echo: not pinned; the file is {one}\ntrap: not pinned; the file is {trap}\n"))
    );
    assert_eq!(fs::read_to_string(&config).unwrap(), before);

    let (code, told, note) = pin(&["echo"]);
    assert_eq!((code, told), (0, format!("echo: pinned to {one}\n")), "{note}");
    assert_eq!(note, "the running gateway applies it within seconds; `gateway reload` does it at once\n");
    let written = fs::read_to_string(&config).unwrap();
    assert!(written.contains(&format!("[plugins.overrides.echo]\nsha256 = \"{one}\"\n")), "{written}");
    assert_eq!(pin(&["echo", "--check"]).0, 0);
    assert_eq!(pin(&["--all", "--check"]).0, 1);

    let new = guest::ECHO_TWO.path();
    let (code, told, _) = pin(&["echo", "--file", new.to_str().unwrap()]);
    assert_eq!((code, told), (0, format!("echo: pinned to {two}, previously {one}\n")));
    let (code, told, _) = pin(&["echo", "--check"]);
    assert_eq!((code, told), (1, format!("echo: pinned to {two}, but the file is {one}\n")));

    let (code, _, error) = pin(&["gone"]);
    assert_eq!(code, 1);
    assert!(error.contains("gone.wasm"), "{error}");
    let (code, _, error) = pin(&["echo", "trap", "--file", "x"]);
    assert_eq!((code, error.as_str()), (2, "error: `--file` needs exactly one plugin name\n"));
}

/// A file and its signature may come in either order; both ways it serves, and no error stays.
#[tokio::test]
async fn a_signature_may_come_before_or_after_its_file() {
    let gateway = trusting(true).start().await;
    let (one, two) = (signature(&guest::ECHO, PRIVATE_KEY), signature(&guest::ECHO_TWO, PRIVATE_KEY));
    let refused = async |reason: &str| {
        gateway.plugin_until("echo", |row| row["error"].as_str().is_some_and(|error| error.contains(reason))).await
    };

    put(gateway.path(), "echo.wasm", &guest::ECHO.bytes());
    assert_eq!(refused("it has no valid signature").await["state"], "failed");
    put(gateway.path(), "echo.wasm.sig", &one);
    gateway.plugin_until("echo", |row| row["generation"] == 1 && row["error"].is_null()).await;

    put(gateway.path(), "echo.wasm.sig", &two);
    assert_eq!(refused("not made for these bytes").await["state"], "serving");
    put(gateway.path(), "echo.wasm", &guest::ECHO_TWO.bytes());
    gateway.plugin_until("echo", |row| row["generation"] == 2 && row["error"].is_null()).await;
    assert_eq!(version(&gateway).await, "2");

    put(gateway.path(), "echo.wasm", &guest::ECHO.bytes());
    assert_eq!(refused("not made for these bytes").await["state"], "serving");
    assert_eq!(version(&gateway).await, "2");
    put(gateway.path(), "echo.wasm.sig", &one);
    gateway.plugin_until("echo", |row| row["generation"] == 3 && row["error"].is_null()).await;

    fs::remove_file(gateway.path().join("plugins/echo.wasm.sig")).unwrap();
    assert_eq!(refused("it has no valid signature").await["state"], "serving");
}

/// Without `require_signature` a file without a signature serves, but one with a wrong signature does not.
#[tokio::test]
async fn a_wrong_signature_is_always_refused() {
    let gateway = trusting(false).plugin(guest::ECHO).start().await;
    gateway.plugin_until("echo", |row| row["generation"] == 1).await;
    let stranger = PRIVATE_KEY.replace("ETMl", "ETMk");
    assert_ne!(stranger, PRIVATE_KEY);

    for wrong in
        [b"nonsense".to_vec(), Vec::new(), signature(&guest::ECHO, PRIVATE_KEY), signature(&guest::ECHO_TWO, &stranger)]
    {
        fs::remove_file(gateway.path().join("plugins/echo.wasm.sig")).ok();
        gateway.replace_plugin("echo", &guest::ECHO);
        gateway.plugin_until("echo", |row| row["error"].is_null()).await;
        put(gateway.path(), "echo.wasm.sig", &wrong);
        gateway.replace_plugin("echo", &guest::ECHO_TWO);
        let row = gateway
            .plugin_until("echo", |row| row["error"].as_str().is_some_and(|error| error.contains("signature")))
            .await;
        assert_eq!(row["generation"], 1, "{row}");
        assert_eq!(version(&gateway).await, "1");
    }
}

/// What a start would not serve is a problem of the check, and a reload names it.
#[tokio::test]
async fn a_file_that_is_refused_is_found_before_a_start_and_named_by_a_reload() {
    const USED: &str = "\n[channels.echo]\n[reload]\nwatch = false\n";
    let mut gateway = Setup::new().plugin(guest::ECHO).plugin(guest::TRAP).config(USED).start().await;
    let problem = |gateway: &TestGateway| {
        let (code, _, error) = gateway.cli(&["check"]);
        let error = error.lines().filter(|line| !line.starts_with("warning: ")).collect::<Vec<_>>().join("\n");
        (code, error.replace(&format!("{}/", gateway.path().display()), ""))
    };
    let pin = format!("{USED}[plugins.overrides.echo]\nsha256 = \"{}\"\n", digest(&guest::ECHO_TWO));
    gateway.reconfigure(USED, &pin);

    let (code, error) = problem(&gateway);
    assert_eq!(code, 2, "{error}");
    let expected = format!(
        "\n  plugins/echo.wasm: its SHA-256 is {}, and `plugins.overrides.echo.sha256` is {}\n\
         hint: `gateway plugin pin echo` accepts this file",
        digest(&guest::ECHO),
        digest(&guest::ECHO_TWO)
    );
    assert!(error.ends_with(&expected), "{error}");
    let (code, told, _) = gateway.cli(&["reload"]);
    assert_eq!(code, 0, "{told}");
    let warned = "\nwarning: plugin `echo`: file refused, what serves goes on until a restart: its SHA";
    assert!(
        told.contains(warned) && told.ends_with("\n  hint: `gateway plugin pin echo` accepts this file\n"),
        "{told}"
    );
    gateway.plugin_until("echo", |row| !row["error"].is_null()).await;
    let (_, told, _) = gateway.cli(&["status"]);
    assert!(told.contains("plugin echo: new file refused, the version before serves: its SHA"), "{told}");

    // Nobody uses the plugin `trap`, so that its missing signature is no problem.
    put(gateway.path(), "../key.pub", PUBLIC_KEY.as_bytes());
    let signed = "dir = \"plugins\"\ntrusted_keys = [{ file = \"key.pub\" }]\nrequire_signature = true\n";
    gateway.reconfigure(&pin, USED);
    gateway.reconfigure("dir = \"plugins\"\n", signed);
    let (code, error) = problem(&gateway);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains(" has 1 problem\n  plugins/echo.wasm: it has no valid signature"), "{error}");
    put(gateway.path(), "echo.wasm.sig", &signature(&guest::ECHO_TWO, PRIVATE_KEY));
    let (code, error) = problem(&gateway);
    assert!(code == 2 && error.contains("its signature was not made for these bytes"), "{error}");
    put(gateway.path(), "echo.wasm.sig", &signature(&guest::ECHO, PRIVATE_KEY));
    let (code, error) = problem(&gateway);
    assert_eq!(code, 0, "{error}");
    assert!(!gateway.cli(&["reload"]).1.contains("refused"));
}

/// Files and signatures are swapped as fast as it goes, in every order: what is not signed never answers.
#[tokio::test(flavor = "multi_thread")]
async fn an_unsigned_file_never_serves_while_files_are_swapped() {
    const ROUNDS: usize = 300;
    let gateway = trusting(true).start().await;
    let (signed, unsigned) = (guest::ECHO.bytes(), guest::ECHO_TWO.bytes());
    let (good, bad) = (signature(&guest::ECHO, PRIVATE_KEY), b"nonsense".to_vec());
    put(gateway.path(), "echo.wasm.sig", &good);
    put(gateway.path(), "echo.wasm", &signed);
    gateway.plugin_until("echo", |row| row["generation"] == 1).await;
    let done = AtomicBool::new(false);

    let answered = std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                let steps: [(&str, &[u8]); 4] = [
                    ("echo.wasm", &unsigned),
                    ("echo.wasm.sig", &bad),
                    ("echo.wasm.sig", &good),
                    ("echo.wasm", &signed),
                ];
                for step in 0..steps.len() {
                    let (file, bytes) = steps[(step * (1 + 2 * (round % 2)) + round / 2) % steps.len()];
                    put(gateway.path(), file, bytes);
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let mut answered = 0;
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(version(&gateway).await, "1");
                    answered += 1;
                }
                answered
            })
        })
    });

    assert!(answered > 0);
    put(gateway.path(), "echo.wasm.sig", &good);
    put(gateway.path(), "echo.wasm", &signed);
    let settled = gateway.plugin_until("echo", |row| row["error"].is_null()).await;
    assert_eq!(settled["digest"], digest(&guest::ECHO));
    assert_eq!(version(&gateway).await, "1");
}

/// `inspect` shows what a signature says, and `check` fails where the gateway would refuse the file.
#[test]
fn inspect_and_check_tell_of_signatures_and_pins() {
    let pin = format!("\n[plugins.overrides.trap]\nsha256 = \"{}\"\n", digest(&guest::ECHO));
    let setup = trusting(true).plugin(guest::ECHO).plugin(guest::TRAP).config(&pin);
    let run = |arguments: &[&str]| {
        let output = setup.command(&[&["plugin"], arguments].concat()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };

    let (code, told, _) = run(&["inspect", "plugins/echo.wasm"]);
    assert!(code == 0 && told.contains("\nsignature none\nrefused   it has no valid signature"), "{told}");
    let (code, told, _) = run(&["check", "plugins/echo.wasm"]);
    assert!(code == 1 && told.contains("failed  trust      it has no valid signature"), "{told}");

    for plugin in ["echo", "trap"] {
        let (code, told, error) = run(&["sign", &format!("plugins/{plugin}.wasm"), "--key", "key.pem"]);
        assert_eq!(
            (code, told),
            (
                0,
                format!(
                    "plugins/{plugin}.wasm.sig: signed with the key VOTisPoUixccyVL2bJvhfUqbgEe4AhoVl9Amu+4Q2aM=\n"
                )
            ),
            "{error}"
        );
    }
    let (code, told, _) = run(&["inspect", "plugins/echo.wasm"]);
    assert!(
        code == 0 && told.contains("\nsignature valid, by the key VOTisPoUixccyVL2bJvhfUqbgEe4AhoVl9Amu+4Q2aM=\n"),
        "{told}"
    );
    assert_eq!(run(&["check", "plugins/echo.wasm"]).0, 0);
    let (code, told, _) = run(&["check", "plugins/trap.wasm"]);
    assert!(code == 1 && told.contains("`gateway plugin pin trap`"), "{told}");

    fs::write(setup.plugins().join("echo.wasm"), guest::ECHO_TWO.bytes()).unwrap();
    let (code, told, _) = run(&["inspect", "plugins/echo.wasm"]);
    assert!(code == 0 && told.contains("\nsignature its signature was not made for these bytes"), "{told}");
}
