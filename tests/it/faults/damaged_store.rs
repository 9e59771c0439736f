use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::journal::{Journal, Sent, body};
use super::load::{all_delivered, deliver};
use super::{say, setup};
use crate::support::{Ended, Setup, TestGateway};

/// Places that are damaged in each file, one after the other.
const PLACES: usize = 8;
const DAMAGES: [&str; 3] = ["flipped", "zeroed", "truncated"];

/// Whoever reads an event gets what was stored or an error, and a start that fails says which folder is damaged.
#[tokio::test]
async fn a_damaged_store_is_reported_and_never_served_as_if_it_were_whole() {
    let journal = Journal::default();
    let gateway = setup().start().await;
    for _ in 0..250 {
        deliver(&gateway.client, &journal, &journal.attempt(0)).await.unwrap().expect_accepted();
    }
    all_delivered(&gateway).await;
    let (_, mut setup) = gateway.stop().await;
    let dir = setup.path().join("data");
    let whole = files_of(&dir);
    assert!(whole.len() >= 2, "{:?}", whole.keys());

    let (mut starts, mut refusals) = (0, 0);
    for (file, bytes) in &whole {
        for (damage, place) in DAMAGES.iter().flat_map(|damage| (0..PLACES).map(move |place| (damage, place))) {
            files_of(&dir).keys().for_each(|path| fs::remove_file(path).unwrap());
            whole.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
            fs::write(file, damaged(bytes, damage, place)).unwrap();
            let what = format!("{} {damage} at {place}/{PLACES}", file.display());
            starts += 1;
            setup = match setup.try_start().await {
                Ok(gateway) => {
                    look(&gateway, &journal, &what).await;
                    gateway.kill()
                }
                Err(ended) => {
                    refusals += 1;
                    expect_a_report(ended, &dir, &what)
                }
            };
        }
    }
    say(&format!("{starts} damaged stores: {refusals} were refused, the others served nothing else than was stored"));
}

/// Each event is what was stored, or an error.
async fn look(gateway: &TestGateway, journal: &Journal, what: &str) {
    for (delivery, sent) in journal.sent() {
        let Sent::Acknowledged(id) = sent else { unreachable!() };
        let reply = gateway.client.get(&format!("/admin/events/{id}")).await;
        if reply.status != 200 {
            reply.expect_problem(500, "store_damaged");
            continue;
        }
        let event = reply.json();
        assert_eq!(event["headers"][0][1], delivery, "{what}: {id}");
        assert!(event["data"].as_str() == Some(&body(&delivery)), "{what}: {id} has other bytes");
    }
}

/// The process has failed as it should: with a message, not with a panic.
fn expect_a_report(ended: Ended, dir: &Path, what: &str) -> Setup {
    let Ended { code, log, setup } = ended;
    assert_eq!(code, Some(1), "{what}: {log}");
    let error = log.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{what}: {log}"));
    assert!(error.contains(dir.to_str().unwrap()), "{what}: {log}");
    setup
}

/// The files of the store itself, with what is in them.
fn files_of(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let stores = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name == "db" || name == "conf" || name.starts_with("snap.")
    };
    paths.filter(stores).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// `bytes` with a damage in the part `place` of them.
fn damaged(bytes: &[u8], damage: &str, place: usize) -> Vec<u8> {
    let at = bytes.len() * place / PLACES + bytes.len() / (2 * PLACES);
    let mut bytes = bytes.to_vec();
    match damage {
        "flipped" => bytes[at] ^= 0x55,
        "zeroed" => bytes[at..].iter_mut().take(4096).for_each(|byte| *byte = 0),
        _ => bytes.truncate(at),
    }
    bytes
}
