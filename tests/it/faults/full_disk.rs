use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use super::disk::Disk;
use super::journal::{Journal, Sent};
use super::load::{Load, all_delivered, compare, deliver};
use super::{say, setup};
use crate::support::Reply;

/// Little room is refused before it is none, everything else goes on, and intake comes back with the room.
#[tokio::test]
async fn a_full_disk_answers_503_and_loses_nothing() {
    let disk = match Disk::tmpfs(64) {
        Ok(disk) => disk,
        Err(reason) => return say(&format!("skipped: a full disk needs root, to mount one of its own: {reason}")),
    };
    let dir = disk.path().join("data");
    let filler = disk.path().join("filler");
    let setup = setup().env("GATEWAY__EVENTLOG__DIR", dir.to_str().unwrap()).env("GATEWAY__EVENTLOG__BALLAST", "4MiB");
    fs::write(&filler, vec![1; 20 << 20]).unwrap();
    let journal = Arc::new(Journal::default());
    let gateway = setup.start().await;

    // The log itself, then somebody else, takes what is left.
    for fill in [None, Some(&filler)] {
        if let Some(filler) = fill {
            fill_up(filler);
        }
        let refusals = Load::start(&gateway.client, &journal).end().await;

        refusals.into_iter().for_each(expect_no_room);
        let ready = gateway.client.get("/health/ready").await.expect_status(503).json();
        assert_eq!(ready["failing"][0]["part"], "eventlog", "{ready}");
        let (_, acknowledged) = journal.sent().into_iter().find(|(_, sent)| *sent != Sent::Unanswered).unwrap();
        let Sent::Acknowledged(event) = acknowledged else { unreachable!() };
        gateway.json(&format!("/admin/events/{event}")).await;
        if fill.is_none() {
            all_delivered(&gateway).await;
        }

        fs::remove_file(&filler).unwrap();

        gateway.until("room", async || (gateway.client.get("/health/ready").await.status == 200).then_some(())).await;
        deliver(&gateway.client, &journal, &journal.attempt(0)).await.unwrap().expect_accepted();
    }
    compare(&gateway, &journal).await.expect_nothing_lost();
    let gateway = gateway.kill().start().await;
    let figures = compare(&gateway, &journal).await;
    say(&format!("a full disk, twice: {figures}"));
    figures.expect_nothing_lost();
}

fn expect_no_room(refusal: Reply) {
    assert!(refusal.headers.contains_key("retry-after"), "{refusal:?}");
    refusal.expect_problem(503, "store_unavailable");
}

/// Writes until nothing more fits.
fn fill_up(path: &Path) {
    let mut file = File::create(path).unwrap();
    let zeros = vec![0; 4096];
    loop {
        match file.write_all(&zeros) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return,
            Err(error) => panic!("{error}"),
        }
    }
}
