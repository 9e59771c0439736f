//! DUR7: damaged files of the store.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::journal::Bodies;
use crate::load::deliver_all;
use crate::report::Report;
use crate::suite::Scale;
use crate::support::{Ended, Setup, TestGateway};
use crate::trial::Trial;

use super::Outcome;

/// The requests whose events are in the damaged store.
const REQUESTS: usize = 250;

const DAMAGES: [&str; 3] = ["flipped", "zeroed", "truncated"];

/// Reading an event returns the stored bytes or an error, and a failing start names the damaged folder. A round damages one
/// place in each file.
pub(super) async fn run(scale: Scale) -> Outcome {
    let trial = Trial::new(Bodies::Usual).await;
    let gateway = trial.setup().start().await;
    deliver_all(&gateway, &trial, REQUESTS).await;
    let verdict = trial.judge(&gateway).await;
    let mut setup = trial.stop(gateway).await;
    let dir = setup.path().join("data");
    let whole = files_of(&dir);
    assert!(whole.len() >= 2, "{:?}", whole.keys());

    let (mut starts, mut refusals, mut errors) = (0, 0, 0);
    for (file, bytes) in &whole {
        for (damage, place) in DAMAGES.iter().flat_map(|damage| (0..scale.rounds).map(move |place| (damage, place))) {
            scale.progress(place);
            files_of(&dir).keys().for_each(|path| fs::remove_file(path).unwrap());
            whole.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
            fs::write(file, damaged(bytes, damage, place as usize, scale.rounds as usize)).unwrap();
            let what = format!("{} {damage} at {place}/{}", file.display(), scale.rounds);
            starts += 1;
            setup = match setup.try_start().await {
                Ok(gateway) => {
                    errors += look(&gateway, &trial, &what).await;
                    gateway.kill()
                }
                Err(ended) => {
                    refusals += 1;
                    expect_a_report(ended, &dir, &what)
                }
            };
        }
    }
    let mut report = Report::new(starts);
    report.add(&verdict);
    report.note(format!(
        "{} files; {refusals} of {starts} starts refused with a message, otherwise {errors} events reported as damaged, \
         no other bytes served",
        whole.len()
    ));
    Ok(report)
}

/// Checks that each event has the stored bytes or is an error; returns the number of errors.
async fn look(gateway: &TestGateway, trial: &Trial, what: &str) -> usize {
    let mut errors = 0;
    for letter in trial.journal.acknowledged(REQUESTS, 0) {
        let id = trial.journal.event(&letter).unwrap();
        let reply = gateway.client.get(&format!("/admin/events/{id}")).await;
        if reply.status != 200 {
            reply.expect_problem(500, "store_damaged");
            errors += 1;
            continue;
        }
        let event = reply.json();
        assert_eq!(event["headers"][0][1], letter.id, "{what}: {id}");
        assert!(event["data"].as_str() == Some(&trial.journal.body(&letter.id)), "{what}: {id} has other bytes");
    }
    errors
}

/// Checks that the process failed with a message and not with a panic.
fn expect_a_report(ended: Ended, dir: &Path, what: &str) -> Setup {
    let Ended { code, log, setup } = ended;
    assert_eq!(code, Some(1), "{what}: {log}");
    let error = log.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{what}: {log}"));
    assert!(error.contains(dir.to_str().unwrap()), "{what}: {log}");
    setup
}

/// The files of the store with their contents: those of the keys, and the segments of the journal.
fn files_of(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = [dir.to_owned(), dir.join("journal")].map(|dir| fs::read_dir(dir).unwrap());
    let paths = paths.into_iter().flatten().map(|entry| entry.unwrap().path());
    let stores = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name == "db" || name == "conf" || name.starts_with("snap.") || name.ends_with(".segment")
    };
    paths.filter(stores).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// `bytes` with a damage in the part `place` of `places`.
fn damaged(bytes: &[u8], damage: &str, place: usize, places: usize) -> Vec<u8> {
    let at = bytes.len() * place / places + bytes.len() / (2 * places);
    let mut bytes = bytes.to_vec();
    match damage {
        "flipped" => bytes[at] ^= 0x55,
        "zeroed" => bytes[at..].iter_mut().take(4096).for_each(|byte| *byte = 0),
        _ => bytes.truncate(at),
    }
    bytes
}
