//! WEB5: schemathesis checks the admin API and the API of subscribers against their OpenAPI description.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::report::Report;
use crate::suite::{Scale, Skipped};
use crate::support::{KEY, pypi_packages};
use crate::victim::Victim;

use super::Outcome;

/// Exits with 0 if the pinned packages of schemathesis can run.
const FITS: &str = "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))";

/// What the description cannot say: the `id` of a CloudEvent is not that of the event which is made of it.
const SETTINGS: &str = r#"
[[operations]]
include-operation-id = "emitEvents"
checks.ensure_resource_availability.enabled = false

[[operations]]
include-operation-id = "readData"
checks.ensure_resource_availability.enabled = false
"#;

/// Sends valid and invalid requests by the description; each response must be one of those in the description.
pub(super) async fn run(scale: Scale) -> Outcome {
    let packages = spawn_blocking(packages).await.unwrap()?;
    let mut report = Report::new(scale.rounds);
    for round in 0..scale.rounds {
        scale.progress(round);
        let victim = Victim::start_as_described().await;
        let client = victim.door.client();
        for number in 0..3 {
            client.post("/webhooks/dummy", &[], format!("{{\"number\":{number}}}")).await.expect_status(202);
        }
        // The description has the number of this replay.
        client.post("/admin/deliveries/replay?state=delivered", &[], "").await.expect_status(202);

        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("schemathesis.toml"), SETTINGS).unwrap();
        let mut command = schemathesis(&packages, folder.path(), &victim, scale);
        let output = spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let printed = || String::from_utf8_lossy(&output.stdout);
        let found = std::fs::read(folder.path().join("found.json"));
        let found: Value =
            serde_json::from_slice(&found.unwrap_or_else(|error| panic!("{error}: {}", printed()))).unwrap();
        report.attacks += usize::try_from(found["test_cases"]["generated"].as_u64().unwrap()).unwrap();
        for failure in found["failures"].as_array().unwrap().iter().chain(found["errors"].as_array().unwrap()) {
            report
                .expect(false, || format!("{} at {}, seed {}", failure["title"], failure["operations"], found["seed"]));
        }
        // The output has the requests and responses, which do not fit into the table.
        report.expect(output.status.success(), || format!("schemathesis ended with {}: {}", output.status, printed()));
        if round == 0 {
            report
                .note(format!("schemathesis holds {} operations against openapi.json", found["operations"]["tested"]));
        }
    }
    Ok(report)
}

/// The packages of schemathesis, if they can be installed and run.
fn packages() -> Result<PathBuf, Skipped> {
    let fits = Command::new("python3").args(["-c", FITS]).status();
    if !fits.is_ok_and(|status| status.success()) {
        return Err(Skipped("schemathesis needs python3, 3.11 to 3.14".to_owned()));
    }
    pypi_packages("schemathesis").ok_or_else(|| Skipped("schemathesis needs pip and its registry".to_owned()))
}

fn schemathesis(packages: &Path, folder: &Path, victim: &Victim, scale: Scale) -> Command {
    let description = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/hardening/openapi.json");
    let mut command = Command::new("python3");
    command.args([
        "-m",
        "schemathesis.cli",
        "--config-file=schemathesis.toml",
        "run",
        "--no-color",
        "--checks=all",
        "--continue-on-failure",
    ]);
    command.args(["--report=json", "--report-json-path=found.json"]);
    command.arg(format!("--header=api-key: {KEY}"));
    command.arg(format!("--url=http://{}", victim.gateway.client.address()));
    // The short form is deterministic. The long form differs in each round and prints its seed.
    command.args(scale.either(
        ["--generation-deterministic", "--max-examples=10"],
        ["--generation-database=none", "--max-examples=300"],
    ));
    // Loopback is never behind a proxy, whatever the environment says.
    command.arg(description).current_dir(folder).env("PYTHONPATH", packages).env("NO_PROXY", "*");
    command
}
