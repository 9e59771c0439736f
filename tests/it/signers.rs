//! The host against the libraries of providers: each accepts the signatures of the other, and no changed bit.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use gateway::verify::{Draft, Recipe, Secret};
use http::Method;
use serde_json::{Value, json};

use crate::shared::signatures::{NOW, Request, base64, random, recipe_of, seconds, secret};
use crate::support::{npm_packages, pypi_packages};

/// The target of the request; the hash of a request covers it.
const PATH: &str = "/webhooks/any";
const QUERY: &str = "b=2&a=x%20y&a=z&c=%c3%a9*!'()~-._";

/// The number of places of a large body that are tested besides its ends.
const PLACES: usize = 256;
/// The number of bytes at each end of a large body that are tested bit by bit.
const END: usize = 64;

/// A process that answers jobs.
struct Signer {
    child: Child,
    jobs: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Contains the script and the packages that it imports.
    _folder: tempfile::TempDir,
}

impl Signer {
    fn node() -> Option<Self> {
        let modules = npm_packages("signers")?;
        let folder = tempfile::tempdir().unwrap();
        // Node.js searches for a module from the folder of the script.
        std::os::unix::fs::symlink(modules, folder.path().join("node_modules")).unwrap();
        let script = Self::script("signers.mjs", folder.path());
        let mut command = Command::new("node");
        command.arg(script);
        Some(Self::start(command, folder))
    }

    fn python() -> Option<Self> {
        let packages = pypi_packages("signers")?;
        let folder = tempfile::tempdir().unwrap();
        let script = Self::script("signers.py", folder.path());
        let mut command = Command::new("python3");
        command.arg(script).env("PYTHONPATH", packages);
        Some(Self::start(command, folder))
    }

    fn script(name: &str, folder: &Path) -> std::path::PathBuf {
        let script = folder.join(name);
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/real/signers").join(name), &script).unwrap();
        script
    }

    fn start(mut command: Command, folder: tempfile::TempDir) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let jobs = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, jobs, answers, _folder: folder }
    }

    fn answer(&mut self, job: &Value) -> Value {
        writeln!(self.jobs, "{job}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// The headers, or the reason why the library does not sign this.
    fn sign(&mut self, scheme: &Official, body: &[u8]) -> Result<Vec<(String, String)>, String> {
        let job = json!({
            "library": scheme.library, "secret": scheme.secret, "body": base64(body), "time": NOW, "id": "msg_1",
            "method": "POST", "target": format!("{PATH}?{QUERY}"),
        });
        let answer = self.answer(&job);
        match answer["headers"].as_object() {
            Some(headers) => {
                Ok(headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect())
            }
            None => Err(answer["refused"].as_str().unwrap().to_owned()),
        }
    }

    fn verify(&mut self, library: &str, secret: &str, request: &Request) -> bool {
        let headers: serde_json::Map<_, _> = request
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned().into()))
            .collect();
        let job = json!({
            "library": library, "secret": secret, "body": base64(&request.body), "time": NOW, "headers": headers,
        });
        self.answer(&job)["valid"] == true
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        // The process may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A scheme that a library signs.
struct Official {
    library: &'static str,
    /// The plugin whose manifest verifies it, or the recipe if there is no such plugin.
    plugin: &'static str,
    recipe: Value,
    secret: &'static str,
    /// The header with the signature, and the part of it in which case does not count.
    header: &'static str,
    caseless: Range<usize>,
    /// Further signed headers.
    others: &'static [&'static str],
    covers_body: bool,
    /// Whether the library refuses to sign an empty body.
    refuses_empty: bool,
}

fn officials() -> (Vec<Official>, Vec<Official>) {
    let standard = |plugin: &'static str| Official {
        library: "standardwebhooks",
        plugin,
        recipe: json!([{"scheme": "standard-webhooks"}]),
        secret: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        header: "webhook-signature",
        caseless: 0..0,
        others: &["webhook-id", "webhook-timestamp"],
        covers_body: true,
        refuses_empty: false,
    };
    let github = Official {
        library: "@octokit/webhooks-methods",
        plugin: "github",
        recipe: Value::Null,
        secret: "It's a Secret to Everybody",
        header: "x-hub-signature-256",
        caseless: "sha256=".len()..usize::MAX,
        others: &[],
        covers_body: true,
        refuses_empty: true,
    };
    let stripe = Official {
        library: "stripe",
        plugin: "stripe",
        recipe: json!([{"scheme": "hmac", "algorithm": "sha256", "header": "stripe-signature", "prefix": "v1=",
                        "separator": ",", "encoding": "hex", "signed": ["timestamp", {"literal": "."}, "body"],
                        "timestamp": {"from": {"list_key": "t"}, "tolerance": "300s"}}]),
        secret: "whsec_test_secret",
        header: "stripe-signature",
        caseless: "t=1700000000,v1=".len()..usize::MAX,
        others: &[],
        covers_body: true,
        refuses_empty: false,
    };
    let connect = Official {
        library: "atlassian-jwt",
        // The plugin accepts other proofs too; this recipe is the table's own.
        plugin: "",
        recipe: json!([{"scheme": "jwt", "algorithm": "HS256", "prefix": "JWT ", "query": "jwt", "query_hash": true,
                        "issuer": "client-key"}]),
        secret: "shared-secret",
        header: "authorization",
        caseless: 0.."JWT".len(),
        others: &[],
        covers_body: false,
        refuses_empty: false,
    };
    let slack = Official {
        library: "slack_sdk",
        plugin: "slack",
        recipe: json!([{"scheme": "hmac", "algorithm": "sha256", "header": "x-slack-signature", "prefix": "v0=",
                        "encoding": "hex", "signed": [{"literal": "v0:"}, "timestamp", {"literal": ":"}, "body"],
                        "timestamp": {"from": {"header": "x-slack-request-timestamp"}, "tolerance": "300s"}}]),
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        header: "x-slack-signature",
        caseless: "v0=".len()..usize::MAX,
        others: &["x-slack-request-timestamp"],
        covers_body: true,
        refuses_empty: false,
    };
    let node = vec![github, stripe, connect, standard("standard-webhooks"), standard("gitlab")];
    (node, vec![slack, standard("standard-webhooks")])
}

/// Empty, one byte, non-ASCII text, bytes that are not UTF-8, and 1 MiB of text.
fn bodies() -> [Vec<u8>; 5] {
    let mut large = "é😀x".repeat((1 << 20) / 7);
    large.push_str(&"y".repeat((1 << 20) - large.len()));
    [
        Vec::new(),
        b"x".to_vec(),
        r#"{"title":"café 😀","kana":"かな"}"#.as_bytes().to_vec(),
        vec![0xff, 0x00, 0xfe, b'\n', 0x80, 0xc3],
        large.into_bytes(),
    ]
}

#[test]
fn signatures_of_the_providers_libraries_pass_and_no_changed_bit_does() {
    let (node, python) = officials();
    for (signer, schemes) in [(Signer::node(), node), (Signer::python(), python)] {
        let Some(mut signer) = signer else { continue };
        for scheme in &schemes {
            let signed = check_library(&mut signer, scheme);
            // All bodies, except bytes that are not UTF-8 if the body is signed, and the noted exceptions of the library.
            let refused = usize::from(scheme.covers_body) + usize::from(scheme.refuses_empty);
            assert_eq!(signed, bodies().len() - refused, "{}", scheme.library);
        }
    }
}

/// Returns the number of bodies that the library signed.
fn check_library(signer: &mut Signer, scheme: &Official) -> usize {
    let recipe = recipe_of(Some(scheme.plugin), &scheme.recipe.to_string());
    // A manifest can have alternatives; the substitute for the library signs in the library's way.
    let own = serde_json::from_value(scheme.recipe.clone()).unwrap_or_else(|_| recipe.clone());
    let mut signed = 0;
    for body in bodies() {
        let draft = Draft { method: &Method::POST, path: PATH, query: QUERY, id: None, body: &body };
        let headers = match signer.sign(scheme, &body) {
            Ok(headers) => {
                signed += 1;
                headers
            }
            // The library signs only text, or no empty body, so the host's own signature over the bytes is used.
            Err(why) => {
                let is_known = std::str::from_utf8(&body).is_err() || (scheme.refuses_empty && body.is_empty());
                assert!(is_known, "{}: {why}", scheme.library);
                Recipe::sign(&own, &secret(scheme.secret), &draft, seconds(NOW)).unwrap()
            }
        };
        let mut request = Request::new(&body, headers);
        request.query = QUERY.to_owned();

        assert!(request.passes(&recipe, &[secret(scheme.secret)], NOW), "{} {:?}", scheme.library, request.headers);
        refuses_every_change(scheme, &recipe, &request);
    }
    signed
}

fn refuses_every_change(scheme: &Official, recipe: &Recipe, request: &Request) {
    let key = [secret(scheme.secret)];
    let refuses = |changed: &Request, what: &str| {
        let length = changed.body.len();
        assert!(!changed.passes(recipe, &key, NOW), "{}, body of {length}: {what}", scheme.library);
    };
    if scheme.covers_body {
        let mut changed = request.clone();
        for bit in bits_of_a_body(request.body.len()) {
            changed.body[bit / 8] ^= 1 << (bit % 8);
            refuses(&changed, &format!("bit {bit} of the body"));
            changed.body[bit / 8] ^= 1 << (bit % 8);
        }
    } else {
        for (path, query) in [("/webhooks/anx", QUERY), (PATH, ""), (PATH, "a=x"), ("/webhooks", QUERY)] {
            let changed = Request { path: path.to_owned(), query: query.to_owned(), ..request.clone() };
            refuses(&changed, &format!("the target {path}?{query}"));
        }
    }
    // With a large body each test takes a millisecond, and the headers do not depend on its length.
    let step = if request.body.len() > 1024 { 37 } else { 1 };
    for header in std::iter::once(&scheme.header).chain(scheme.others) {
        let mut changed = request.clone();
        let original = changed.header(header).unwrap().clone();
        let caseless = if header == &scheme.header { scheme.caseless.clone() } else { 0..0 };
        for bit in (0..original.len() * 8).step_by(step) {
            let (place, mask) = (bit / 8, 1 << (bit % 8));
            if caseless.contains(&place) && mask == 0x20 && original[place].is_ascii_alphabetic() {
                continue;
            }
            let value = changed.header(header).unwrap();
            value[place] ^= mask;
            refuses(&changed, &format!("bit {bit} of {header}"));
            changed.header(header).unwrap()[place] ^= mask;
        }
    }
    for bit in (0..scheme.secret.len() * 8).step_by(step) {
        let mut other = scheme.secret.as_bytes().to_vec();
        other[bit / 8] ^= 1 << (bit % 8);
        let other = Secret::new(other).unwrap();
        assert!(!request.passes(recipe, &[other], NOW), "{}: bit {bit} of the secret", scheme.library);
    }
}

/// Every bit of a small body; for a large one all bits at both ends, and some in between.
fn bits_of_a_body(length: usize) -> Vec<usize> {
    if length <= 2 * END {
        return (0..length * 8).collect();
    }
    let mut next = random(7);
    let between = (0..PLACES).map(|_| usize::try_from(next() % (length as u64 * 8)).unwrap());
    (0..END * 8).chain((length - END) * 8..length * 8).chain(between).collect()
}

/// The other direction: the provider's library accepts signatures of the host, or of a key whose public half the host has.
#[test]
fn the_libraries_of_providers_accept_signatures_that_the_host_accepts() {
    let Some(mut signer) = Signer::node() else { return };
    let linear = recipe_of(
        Some("linear"),
        r#"[{"scheme":"hmac","algorithm":"sha256","header":"linear-signature","encoding":"hex","signed":["body"],
             "timestamp":{"from":{"pointer":"/webhookTimestamp"},"unit":"ms","tolerance":"60s"}}]"#,
    );
    // This library uses the clock of its machine.
    let now = gateway::event::Timestamp::now();
    let at = now.as_millis() / 1000;
    for rest in ["", r#","title":"café 😀""#] {
        let body = format!(r#"{{"action":"create","webhookTimestamp":{}{rest}}}"#, now.as_millis());
        let draft = Draft { method: &Method::POST, path: PATH, query: "", id: None, body: body.as_bytes() };
        let request = Request::new(body.as_bytes(), linear.sign(&secret("lin_wh_secret"), &draft, now).unwrap());
        agree(&mut signer, ("@linear/sdk", "lin_wh_secret"), &linear, &request, at);
    }
    for body in bodies() {
        let row = crate::shared::signatures::SCHEMES.iter().find(|row| row.name.starts_with("ed25519")).unwrap();
        let recipe = row.recipe();
        let request = crate::shared::signatures::signed(row, &recipe, &body, NOW);
        agree(&mut signer, ("discord-interactions", row.secret), &recipe, &request, NOW);
    }
}

/// Both accept the request, and neither accepts it with a changed bit in the body or the signature.
fn agree(signer: &mut Signer, (library, key): (&str, &str), recipe: &Recipe, request: &Request, at: i64) {
    let secrets = [secret(key)];
    let mut changed = request.clone();
    assert!(request.passes(recipe, &secrets, at), "{library}");
    assert!(signer.verify(library, key, request), "{library}, {} bytes", request.body.len());
    if let Some(last) = (request.body.len() * 8).checked_sub(1) {
        for bit in [0, last / 2, last] {
            changed.body[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !changed.passes(recipe, &secrets, at) && !signer.verify(library, key, &changed),
                "{library} bit {bit}"
            );
            changed.body[bit / 8] ^= 1 << (bit % 8);
        }
    }
    let (name, signature) = changed.headers.last().unwrap().clone();
    for bit in [0, signature.len() * 4, signature.len() * 8 - 8] {
        let value = changed.header(&name).unwrap();
        value[bit / 8] ^= 1 << (bit % 8);
        assert!(!changed.passes(recipe, &secrets, at) && !signer.verify(library, key, &changed), "{library} bit {bit}");
        changed.header(&name).unwrap()[bit / 8] ^= 1 << (bit % 8);
    }
}
