//! Commands that ask a gateway: what they need, and how they are used by hand.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::support::{BINARY, Setup, TO_STUB, TestGateway, built_in};

/// `gateway ARGS` in an empty folder, as on another machine.
fn elsewhere(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).current_dir(std::env::temp_dir()).stdin(Stdio::null());
    for name in ["GATEWAY_CONFIG", "GATEWAY_URL", "GATEWAY_ADMIN_TOKEN", "NO_COLOR"] {
        command.env_remove(name);
    }
    command
}

/// The exit code, stdout and stderr.
fn outcome(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn url(gateway: &TestGateway) -> String {
    format!("http://{}", gateway.client.address())
}

/// A child that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address and a token are all that it takes, and a wrong one is told apart from a missing one.
#[tokio::test]
async fn an_address_and_a_token_are_all_that_a_client_needs() {
    let setup = Setup::new().plugin(built_in::DUMMY).env("THE_TOKEN", "s3cret-token");
    let gateway = setup.config("[admin]\ntoken = { env = \"THE_TOKEN\" }").start().await;
    let url = url(&gateway);

    let run = |command: &mut Command| outcome(command.output().unwrap());
    let given = run(&mut elsewhere(&["channels", "--url", &url, "--token", "s3cret-token"]));
    assert_eq!(given.0, 0, "{}", given.2);
    assert!(given.1.contains("dummy"), "{}", given.1);
    let of_environment =
        run(elsewhere(&["channels"]).env("GATEWAY_URL", &url).env("GATEWAY_ADMIN_TOKEN", "s3cret-token"));
    assert_eq!((of_environment.0, of_environment.1), (0, given.1));

    let (code, _, error) = run(&mut elsewhere(&["events", "--url", &url]));
    assert_eq!(code, 1);
    let hint = "hint: pass the token of the admin API with `--token` or `GATEWAY_ADMIN_TOKEN`\n";
    assert!(error.contains(" answered 401: ") && error.ends_with(hint), "{error}");
    let (code, _, error) = run(&mut elsewhere(&["events", "--url", &url, "--token", "wrong"]));
    assert_eq!(code, 1);
    assert!(error.ends_with("the one of the running gateway?\n"), "{error}");
}

#[test]
fn a_gateway_that_is_not_there_is_an_error_with_the_next_step() {
    let run = |arguments: &[&str]| outcome(elsewhere(arguments).output().unwrap());

    let (code, data, error) = run(&["events", "--url", "127.0.0.1:1"]);
    assert_eq!((code, data.as_str()), (1, ""));
    assert_eq!(
        error,
        "error: no gateway is running at http://127.0.0.1:1\n\
         hint: is the address in `--url` or `GATEWAY_URL` the one of its admin API?\n"
    );
    let (code, _, error) = run(&["events", "--url", "ftp://here"]);
    assert_eq!(code, 2);
    let expected = "error: `--url`: expected an address such as `http://127.0.0.1:8080`, found `ftp://here`\n";
    assert_eq!(error, expected);
    let (code, _, error) = run(&["log", "restore", "nothing"]);
    assert_eq!(code, 1);
    assert!(error.ends_with("hint: name the configuration with `--config`, and leave out `--url`\n"), "{error}");
}

/// The file of the gateway may need secrets that whoever asks does not have, and keys that an older program does not know.
#[tokio::test]
async fn a_client_reads_of_a_file_only_what_it_needs() {
    let setup = Setup::new().github().packed_plugin(built_in::GITHUB);
    let gateway = setup
        .config("[channels.other]\nplugin = \"github\"\nsecret = { env = \"OTHER\" }")
        .env("OTHER", "other-secret");
    let gateway = gateway.start().await;
    let file = gateway.path().join("partial.toml");
    let listen = gateway.client.address();
    let text = format!(
        "[http]\nlisten = \"{listen}\"\nmax_body = 7\n[future]\nkey = 1\n[agents.x]\ntimeout = true\n\
         [channels.other]\nplugin = \"github\"\nsecret = {{ env = \"OTHER\" }}\n\
         [channels.github]\nsecret = {{ env = \"NOBODY_HAS_THIS\" }}\n"
    );
    std::fs::write(&file, text).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = elsewhere(arguments);
        outcome(command.arg("--config").arg(&file).env("OTHER", "other-secret").output().unwrap())
    };

    for list in [&["channels"][..], &["events"], &["deliveries"], &["status"], &["log", "stats"]] {
        let (code, _, error) = run(list);
        assert_eq!(code, 0, "{list:?}: {error}");
    }
    let (code, _, error) = run(&["send", "other"]);
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = run(&["send", "github"]);
    assert_eq!(code, 1);
    assert!(error.contains("environment variable `NOBODY_HAS_THIS` is not set"), "{error}");
    // The command that checks it still does.
    assert_eq!(run(&["check"]).0, 2);
    std::fs::write(&file, "[http]\nlisten =\n").unwrap();
    let (code, _, error) = run(&["status"]);
    assert_eq!(code, 2);
    assert!(error.ends_with("hint: `--url http://ADDRESS` asks the running gateway without this file\n"), "{error}");
    assert_eq!(run(&["status", "--url", &url(&gateway)]).0, 0);
}

#[tokio::test]
async fn an_event_is_named_by_its_id_its_beginning_its_position_or_as_the_latest() {
    let gateway = Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB).start().await;
    let first = gateway.post("dummy", r#"{"number":1}"#).await.expect_accepted();
    let second = gateway.post("dummy", r#"{"number":2}"#).await.expect_accepted();
    gateway.event_until(&second, "delivered").await;
    let show = |name: &str| {
        let (code, data, error) = gateway.cli(&["events", "show", name, "--format", "json"]);
        let id = serde_json::from_str::<Value>(&data).map(|event| event["id"].clone()).unwrap_or_default();
        (code, id.as_str().unwrap_or_default().to_owned(), error)
    };

    for (name, expected) in
        [("latest", &second), ("1", &first), ("2", &second), (&first, &first), (&first[..35], &first)]
    {
        let (code, id, error) = show(name);
        assert_eq!((code, &id), (0, expected), "{name}: {error}");
    }
    let (code, _, error) = show("0");
    assert_eq!(code, 1);
    assert!(error.contains("409: several ids begin with `0`\nhint: `gateway events --wide` lists them"), "{error}");
    assert_eq!(show("3").0, 1);
    assert_eq!(show("00000000-0000-7").0, 1);
    let (code, _, error) = gateway.cli(&["events", "replay", "latest"]);
    assert_eq!(code, 0, "{error}");

    let (_, setup) = gateway.stop().await;
    let offline = |name: &str| outcome(setup.command(&["events", "show", name]).output().unwrap());
    assert!(offline("latest").1.contains(&second));
    assert!(offline(&first[..35]).1.contains(&first));
    assert!(offline("0").2.contains("several ids begin with `0`"));
}

#[tokio::test]
async fn a_sample_sent_twice_is_two_events_unless_its_id_is_kept() {
    let gateway = Setup::new().github().packed_plugin(built_in::GITHUB).start().await;
    let status = |arguments: &[&str]| {
        let (code, data, error) = gateway.cli(&[&["send", "github"], arguments].concat());
        assert_eq!(code, 0, "{error}");
        serde_json::from_str::<Value>(&data).unwrap()["events"][0]["status"].as_str().unwrap().to_owned()
    };

    assert_eq!([status(&[]), status(&[])], ["accepted", "accepted"]);
    assert_eq!([status(&["--same-id"]), status(&["--same-id"])], ["accepted", "duplicate"]);
}

#[tokio::test]
async fn a_backup_goes_through_a_pipe() {
    let gateway = Setup::new().plugin(built_in::DUMMY).start().await;
    let id = gateway.post("dummy", "{}").await.expect_accepted();
    let output = gateway.cli_command(&["log", "backup", "-"]).output().unwrap();
    assert!(output.status.success() && output.stdout.starts_with(b"gateway event log backup "));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("stdout has 1 events"), "{error}");

    let copy = Setup::new();
    let mut restore = copy.command(&["log", "restore", "-"]);
    let mut child = restore.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&output.stdout).unwrap();
    let (code, _, error) = outcome(child.wait_with_output().unwrap());
    assert_eq!(code, 0, "{error}");
    assert!(outcome(copy.command(&["events"]).output().unwrap()).1.contains(&id));
    let left: Vec<_> = std::fs::read_dir(copy.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("backup")), "{left:?}");

    let cut = &output.stdout[..output.stdout.len() / 2];
    let empty = Setup::new();
    let mut restore = empty.command(&["log", "restore", "-"]);
    let mut child = restore.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(cut).unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(!empty.path().join("data/db").exists());
}

/// A tail begins where it is told to, shows what becomes of an event, and waits for a gateway that is gone.
#[tokio::test]
async fn a_tail_shows_subject_and_outcome_and_waits_for_the_gateway() {
    let gateway = Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB).start().await;
    let id = gateway.post("dummy", "{}").await.expect_accepted();
    gateway.event_until(&id, "delivered").await;
    let mut command = gateway.cli_command(&["events", "tail", "--since", "1d"]);
    let mut tail = Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(tail.0.stdout.take().unwrap()).lines();
    let mut notes = BufReader::new(tail.0.stderr.take().unwrap()).lines();

    let first = lines.next().unwrap().unwrap();
    assert!(first.contains("       1  delivered  dummy."), "{first}");
    gateway.post("dummy", "{}").await.expect_accepted();
    let last = lines.find(|line| line.as_ref().unwrap().contains("       2  delivered  dummy."));
    assert!(last.is_some());

    drop(gateway.stop().await);
    let note = notes.find(|note| note.as_ref().unwrap().ends_with("; trying again until it answers"));
    assert!(note.is_some());
}

/// Nothing will ever come from a channel that does not exist, and a name is looked for in the right list.
#[tokio::test]
async fn a_name_that_does_not_exist_is_an_error() {
    let gateway = Setup::new().plugin(built_in::DUMMY).start().await;
    let absent = "error: there is no channel `nope`\nhint: `gateway channels` lists them\n";

    for follow in [&["listen", "9000", "--channel", "nope"][..], &["events", "tail", "--channel", "nope"]] {
        let (code, _, error) = gateway.cli(follow);
        assert_eq!((code, &*error), (1, absent), "{follow:?}");
    }
    let (code, _, error) = gateway.cli(&["plugin", "rollback", "nope"]);
    assert!(code == 1 && error.ends_with("no plugin `nope` serves\nhint: `gateway plugins` lists them\n"), "{error}");
    let (code, _, error) = gateway.cli(&["deliveries", "replays", "latest"]);
    assert_eq!(code, 2);
    assert!(error.contains("expected a number as listed by `gateway deliveries replays`"), "{error}");
}

#[tokio::test]
async fn a_status_says_whether_all_is_well() {
    let gateway = Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB).start().await;
    let id = gateway.post("dummy", "{}").await.expect_accepted();
    gateway.event_until(&id, "delivered").await;

    let (code, data, error) = gateway.cli(&["status"]);

    assert_eq!(code, 0, "{error}");
    for part in
        ["\nready     yes\n", "\nevents    1 delivered\n", "\nreceived  1 in the last minute, 1 in the last hour"]
    {
        assert!(data.contains(part), "{part} is missing in\n{data}");
    }
    let (_, data, _) = gateway.cli(&["status", "--format", "json"]);
    let report: Value = serde_json::from_str(&data).unwrap();
    assert_eq!((&report["ready"], &report["stats"]["received"]["day"]), (&true.into(), &1.into()));
    let (_, colored, _) = gateway.cli(&["status", "--color", "always"]);
    assert!(colored.contains("ready     \u{1b}[32myes\u{1b}[0m"), "{colored}");
}

/// What is written passes the check, and a file that exists is not touched.
#[test]
fn a_configuration_is_written_for_what_one_has() {
    let setup = Setup::new().plugin(built_in::GITHUB).plugin(built_in::DUMMY).plugin(built_in::HTTP);
    let file = setup.path().join("new.toml");
    // The variable for clients is no unknown key of the configuration.
    let run = |arguments: &[&str]| {
        let mut command = elsewhere(arguments);
        outcome(command.arg("--config").arg(&file).env("GATEWAY_URL", "http://127.0.0.1:1").output().unwrap())
    };
    let init = ["init", "--channel", "github", "--channel", "inbox:dummy", "--channel", "slack"];
    let init = [&init[..], &["--agent", "http=http://127.0.0.1:9000/events"]].concat();

    let (code, _, error) = run(&init);

    assert_eq!(code, 0, "{error}");
    let text = std::fs::read_to_string(&file).unwrap();
    for part in [
        "[channels.github]\n",
        "secret = { env = \"GITHUB_WEBHOOK_SECRET\" }\noptional = true\n",
        "[channels.inbox]\nplugin = \"dummy\"\n",
        "# This plugin verifies nothing: anyone who can connect can post.\n",
        "config = { url = \"http://127.0.0.1:9000/events\" }\n",
        "allow_hosts = [\"http://127.0.0.1:9000\"]\n",
        "channels = [\"github\", \"inbox\", \"slack\"]\nagents = [\"http\"]\n",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let (code, data, error) = run(&["check"]);
    assert_eq!(code, 0, "{error}");
    assert!(data.ends_with("is valid: 3 channels, 1 agent, 1 route\n"), "{data}");

    let (code, _, error) = run(&init);
    assert_eq!(code, 1);
    assert!(error.ends_with("already exists\nhint: name another file with `--config`\n"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn a_shell_completes_the_names_of_channels_agents_and_plugins() {
    let gateway = Setup::new().plugin(built_in::DUMMY).plugin(built_in::STUB).config(TO_STUB).start().await;
    let url = url(&gateway);
    let complete = |words: &[&str]| {
        let mut command = elsewhere(&[&["--"], words].concat());
        let index = (words.len() - 1).to_string();
        command.env("GATEWAY_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", index).env("_CLAP_IFS", "\n");
        let (code, data, error) = outcome(command.env("GATEWAY_URL", &url).output().unwrap());
        assert_eq!(code, 0, "{error}");
        data.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };

    assert_eq!(complete(&["gateway", "send", "d"]), ["dummy"]);
    assert!(complete(&["gateway", "deliveries", "--agent", ""]).contains(&"stub".to_owned()));
    for command in ["pause", "resume", "retry"] {
        assert_eq!(complete(&["gateway", "agents", command, "s"]), ["stub"]);
    }
    for command in ["pin", "rollback"] {
        assert_eq!(complete(&["gateway", "plugin", command, "d"]), ["dummy"]);
    }
    // Without a gateway, from the plugin folder of the configuration.
    let config = gateway.path().join("gateway.toml");
    let config = config.to_str().unwrap();
    let words = ["gateway", "--url", "http://127.0.0.1:1", "--config", config, "plugin", "pin", "d"];
    assert_eq!(complete(&words), ["dummy"]);
    assert!(complete(&["gateway", "events", "ta"]).contains(&"tail".to_owned()));
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, error) = outcome(elsewhere(&["completions", shell]).output().unwrap());
        assert_eq!(code, 0, "{error}");
        assert!(script.contains("GATEWAY_COMPLETE"), "{script}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();

    let (code, page, error) = outcome(elsewhere(&["man", "events", "tail"]).output().unwrap());
    assert_eq!(code, 0, "{error}");
    assert!(page.contains(".TH") && page.contains("Begin this long ago"), "{page}");
    let (code, _, error) = outcome(elsewhere(&["man", "--dir"]).arg(dir.path()).output().unwrap());
    assert_eq!(code, 0, "{error}");
    for name in ["gateway.1", "gateway-log-backup.1", "gateway-status.1"] {
        assert!(dir.path().join(name).is_file(), "{name}");
    }
    assert!(!dir.path().join("gateway-list-events.1").exists());
    assert_eq!(outcome(elsewhere(&["man", "evnts"]).output().unwrap()).0, 1);
}

/// A program on this machine gets what a gateway elsewhere accepts; Enter repeats it.
#[tokio::test]
async fn listen_posts_events_to_a_local_port() {
    let gateway = Setup::new().plugin(built_in::DUMMY).start().await;
    let program = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = program.local_addr().unwrap().port().to_string();
    let answering = std::thread::spawn(move || {
        let mut requests = Vec::new();
        while requests.len() < 2 {
            let (stream, _) = program.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let before = head.len();
                assert!(reader.read_line(&mut head).unwrap() > 0);
                if let Some(value) = head[before..].to_ascii_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            std::io::Read::read_exact(&mut reader, &mut body).unwrap();
            requests.push(format!("{head}{}", String::from_utf8(body).unwrap()));
            reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap();
        }
        requests
    });
    let mut listen = elsewhere(&["listen", &port, "--path", "/hook", "--url", &url(&gateway)]);
    listen.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut listen = Running(listen.spawn().unwrap());
    let mut notes = BufReader::new(listen.0.stderr.take().unwrap()).lines();
    assert!(notes.any(|note| note.unwrap().starts_with("forwarding to ")));

    let id = gateway.post("dummy", r#"{"number":1}"#).await.expect_accepted();

    let mut lines = BufReader::new(listen.0.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert!(line.contains("Z  dummy.") && line.contains("  204  ") && line.ends_with(" ms"), "{line}");
    listen.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    assert!(lines.next().unwrap().unwrap().contains("  204  "));
    let requests = answering.join().unwrap();
    for request in &requests {
        assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
        assert!(request.contains(&format!("ce-id: {id}\r\n")) && request.ends_with("{\"number\":1}"), "{request}");
    }
    assert_eq!(gateway.json("/admin/consumers").await["consumers"], serde_json::json!([]));
}
