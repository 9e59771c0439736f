//! The cache against `http-cache-tests`, whose results for other caches are at <https://cache-tests.fyi>.
//!
//! The package is older than the suite's repository, which has the same version number. Where the two differ, the newer one is right, and
//! [`EXPECTED`] says so. This list may only become shorter.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tokio::task::spawn_blocking;

use super::Site;
use crate::support::{Setup, npm_packages};

/// RFC 9111, section 5.1: of several values the first one counts, and an invalid one is ignored. The newer suite asks for that.
const AGE: &str = "the newer suite wants the contrary, as RFC 9111 does";
/// The test takes an error of a gateway, which has no field of the backend, for a stored response.
const CLOSE: &str = "the response is 504, as it must be; the newer suite takes it";
/// A response with `Set-Cookie` is for one caller.
const COOKIE: &str = "on purpose: a response with `Set-Cookie` is never stored";
/// RFC 9111, section 3.2: everything but `Content-Length`, `-Encoding` and `-Range`.
const FIELD: &str = "the newer suite does not require it";

/// Required tests that fail, with the reason.
const EXPECTED: &[(&str, &str)] = &[
    ("304-etag-update-response-Content-MD5", FIELD),
    ("304-etag-update-response-ETag", FIELD),
    ("304-etag-update-response-Set-Cookie", COOKIE),
    ("age-parse-dup-0", AGE),
    ("age-parse-dup-0-twoline", AGE),
    ("age-parse-dup-old", AGE),
    ("age-parse-float", AGE),
    ("age-parse-negative", AGE),
    ("age-parse-nonnumeric", AGE),
    ("age-parse-numeric-parameter", AGE),
    ("age-parse-parameter", AGE),
    ("age-parse-prefix-twoline", AGE),
    ("headers-store-Set-Cookie", COOKIE),
    ("stale-close-must-revalidate", CLOSE),
    ("stale-close-no-cache", CLOSE),
    ("stale-close-proxy-revalidate", CLOSE),
    ("stale-close-s-maxage=2", CLOSE),
];

/// Prints the id and the kind of each test that is not for browsers only.
const KINDS: &str = "import suites from './tests/index.mjs';
const tests = suites.flatMap(suite => suite.tests).filter(test => !test.browser_only);
console.log(JSON.stringify(Object.fromEntries(tests.map(test => [test.id, test.kind ?? 'required']))))";

/// The backend of the suite. Killed when dropped.
struct Server(Child);

impl Server {
    /// Starts it on a free port, and returns that too.
    fn start(suite: &Path, folder: &Path) -> (Self, u16) {
        let mut command = Command::new("node");
        command.arg("server/server.mjs").current_dir(suite).env("npm_config_protocol", "http");
        command.env("npm_config_port", "0").env("npm_config_pidfile", folder.join("pid"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let port = line.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        // What it says later is not read, but must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        (Self(child), port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a command in the folder of the suite prints.
async fn json(suite: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> BTreeMap<String, Value> {
    let mut command = Command::new("node");
    command.arg("--no-warnings").args(arguments).current_dir(suite).envs(environment.iter().copied());
    let output = spawn_blocking(move || command.output().unwrap()).await.unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test]
async fn the_required_tests_of_the_suite_pass_but_for_those_with_a_reason() {
    let Some(packages) = spawn_blocking(|| npm_packages("cache-tests")).await.unwrap() else { return };
    let suite = packages.join("http-cache-tests");
    let folder = tempfile::tempdir().unwrap();
    let (_server, port) = Server::start(&suite, folder.path());
    let backend = ([127, 0, 0, 1], port).into();
    let site = Site::start(Setup::new().config(&super::config(&[backend], "/", "cache = true", ""))).await;

    let kinds = json(&suite, &["--input-type=module", "-e", KINDS], &[]).await;
    let base = format!("http://{}", site.address);
    let environment = [("npm_config_base", base.as_str()), ("npm_config_id", ""), ("npm_package_config_id", "")];
    let results = json(&suite, &["cli.mjs"], &environment).await;

    let required = || kinds.iter().filter(|(_, kind)| *kind == "required").map(|(id, _)| id.as_str());
    let failed: BTreeMap<_, _> = required().filter(|id| results[*id] != true).map(|id| (id, &results[id])).collect();
    let unexpected: Vec<_> = failed.iter().filter(|(id, _)| EXPECTED.iter().all(|(known, _)| known != *id)).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    let passed: Vec<_> = EXPECTED.iter().filter(|(id, _)| !failed.contains_key(id)).collect();
    assert!(passed.is_empty(), "these pass now, and need no reason any more: {passed:#?}");
    assert_eq!(required().count(), 157);
    let optimal = kinds.iter().filter(|(id, kind)| *kind == "optimal" && results[*id] == true).count();
    assert!(optimal >= 60, "{optimal} of the optimal tests");
}
