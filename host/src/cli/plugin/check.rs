//! `gateway plugin check`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::super::failure::Failure;
use super::super::output;
use crate::plugin::{Finding, Settings, StandaloneHost};

/// Checks each file as the gateway would and prints all problems.
pub(super) async fn run(settings: Settings, files: &[PathBuf]) -> Result<(), Failure> {
    let host = StandaloneHost::new(settings).map_err(anyhow::Error::from)?;
    let mut all_serve = true;
    for file in files {
        let findings = host.check(file).await;
        all_serve &= findings.iter().all(|finding| finding.found.is_ok());
        output::text(&text(file, &findings))?;
    }
    if all_serve { Ok(()) } else { Err(Failure::Reported) }
}

fn text(file: &Path, findings: &[Finding]) -> String {
    let serves = findings.iter().all(|finding| finding.found.is_ok());
    let mut text = format!("{}: {}\n", file.display(), if serves { "would serve" } else { "would not serve" });
    for Finding { what, found } in findings {
        let (word, lines) = match found {
            Ok(found) => ("ok", std::slice::from_ref(found)),
            Err(problems) => ("failed", problems.as_slice()),
        };
        for line in lines {
            let _ = writeln!(text, "  {word:<6}  {what:<9}  {}", output::beside(20, line));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_printed_beside_its_check() {
        let findings = [
            Finding { what: "name", found: Ok("dummy".to_owned()) },
            Finding { what: "imports", found: Err(vec!["one\nhint: do this".to_owned(), "two".to_owned()]) },
        ];

        assert_eq!(
            text(Path::new("dummy.wasm"), &findings),
            "dummy.wasm: would not serve\n  ok      name       dummy\n  failed  imports    one\n                    hint: do this\n  failed  imports    two\n"
        );
    }
}
