//! Row n: whether memory grows when one plugin is reloaded again and again.

use std::fs;
use std::time::Instant;

use anyhow::Result;

use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::megabytes;
use crate::subject::Place;
use crate::versions::{replace, version_of, wait_for_generation};

pub(crate) static RELOADS: Row = Row {
    name: "reloads",
    letter: "n",
    about: "memory after 1,000 and after 10,000 reloads of one plugin",
    goals: &[Goal {
        figure: "late/early",
        wanted: Wanted::Below(1.1),
        unit: "",
        found: |results| results.median(&RELOADS, |found: &Reloads| found.late as f64 / found.early as f64),
    }],
    run: Run::Once(|place, _| {
        let found = run(place)?;
        Ok(Found::new(format!("{found:?}"), found))
    }),
    print,
};

/// How often the plugin is reloaded, and after how many times memory is read first.
const COUNT: u32 = 10_000;
const WARM_UP: u32 = 1_000;

/// Resident bytes of a gateway that reloads one plugin.
#[derive(Clone, Copy, Debug)]
struct Reloads {
    early: u64,
    late: u64,
    /// Milliseconds of one, from the rename until it serves.
    took: f64,
}

/// Reloads one plugin, alternating between two versions.
fn run(place: &mut Place) -> Result<Reloads> {
    let gateway = place.gateway("")?;
    let component = fs::read(gateway.folder.plugins().join("dummy.wasm"))?;
    let versions = [version_of(&component, 1), version_of(&component, 2)];
    let resident = || Ok::<_, anyhow::Error>(gateway.server.usage()?.resident);
    let (mut early, mut began) = (0, Instant::now());
    for number in 1..=COUNT {
        replace(&gateway.folder, "again", &versions[number as usize % 2])?;
        wait_for_generation(&gateway, "again", number)?;
        if number == WARM_UP {
            early = resident()?;
            began = Instant::now();
        }
    }
    let took = began.elapsed().as_secs_f64() * 1000.0 / f64::from(COUNT - WARM_UP);
    Ok(Reloads { early, late: resident()?, took })
}

fn print(results: &Results) {
    for found in results.of::<Reloads>(&RELOADS) {
        let text = format!(
            "resident memory {:.1} MB after 1,000 reloads of one plugin, {:.1} MB after 10,000; {:.1} ms each",
            megabytes(found.early),
            megabytes(found.late),
            found.took,
        );
        results.print(&RELOADS, &text);
    }
}
