//! Row h: what one call of a channel plugin costs, without HTTP, verification and storage.
//!
//! Measured in a process of its own, through the same host as in the gateway; the figures go to standard output.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use gateway::event::Timestamp;
use gateway::metrics::Metrics;
use gateway::plugin::{
    AllowAll, Binding, CallLimits, CompileSettings, Generation, Inbound, Network, PluginHost, PluginRules, Reuse,
    Settings,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::{nanos, percentile};
use crate::subject::{Place, gateway_program};
use crate::webhook::body;

pub(crate) static CALLS: Row = Row {
    name: "calls",
    letter: "h",
    about: "a channel plugin's call alone, in a fresh and in a reused instance",
    goals: &[
        Goal {
            figure: "github, fresh",
            wanted: Wanted::Below(10.0),
            unit: " µs",
            found: |results| results.median(&CALLS, |calls: &Calls| calls.github.fresh),
        },
        Goal {
            figure: "github, reused",
            wanted: Wanted::Below(3.0),
            unit: " µs",
            found: |results| results.median(&CALLS, |calls: &Calls| calls.github.reused),
        },
    ],
    run: Run::EachRound(|place, _| {
        let found = run(place)?;
        let progress = format!("fresh {:.1} µs, reused {:.1} µs", found.github.fresh, found.github.reused);
        Ok(Found::new(progress, found))
    }),
    print,
};

const PLUGINS: [&str; 2] = ["github", "dummy"];
const COUNT: usize = 20_000;

/// Medians in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Calls {
    github: Pair,
    dummy: Pair,
}

/// A call in a fresh instance, and one in an instance that is used again.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Pair {
    fresh: f64,
    reused: f64,
}

/// Measures in a process of its own.
fn run(place: &mut Place) -> Result<Calls> {
    let folder = place.folder()?;
    place.copy_plugins(&folder)?;
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.args(["as", "calls"]).args([folder.plugins(), folder.cache()]).output()?;
    if !output.status.success() {
        bail!("the calls could not be measured: {}", String::from_utf8_lossy(&output.stderr));
    }
    let lines = String::from_utf8(output.stdout)?;
    let micros: Vec<f64> = lines.lines().map(str::parse).collect::<Result<_, _>>()?;
    match micros[..] {
        [fresh, dummy_fresh, reused, dummy_reused] => {
            Ok(Calls { github: Pair { fresh, reused }, dummy: Pair { fresh: dummy_fresh, reused: dummy_reused } })
        }
        _ => bail!("unexpected output: {lines}"),
    }
}

fn print(results: &Results) {
    let print = |plugin: &str, pick: fn(&Calls) -> Pair| {
        let of = |time: fn(Pair) -> f64| results.median(&CALLS, |calls| time(pick(calls))).unwrap_or_default();
        let (fresh, reused) = (of(|pair| pair.fresh), of(|pair| pair.reused));
        let text = format!("a call of the channel plugin `{plugin}` alone: fresh {fresh:.1} µs, reused {reused:.1} µs");
        results.print(&CALLS, &text);
    };
    print("github", |calls| calls.github);
    print("dummy", |calls| calls.dummy);
}

/// Prints the medians of this process, one a line: fresh for each plugin, then reused for each.
pub(crate) fn measure(plugins: &Path, cache: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        for reuse in [None, Some(Reuse { max_calls: 1000, max_memory: 32 << 20 })] {
            let metrics = Metrics::new();
            let host =
                PluginHost::start(settings(plugins, cache, reuse)?, &metrics, Arc::new(AllowAll), Arc::new(AllowAll));
            let host = host.await?;
            for plugin in PLUGINS {
                println!("{:.3}", median_call(&host, plugin).await?);
            }
        }
        Ok(())
    })
}

/// The median of many calls in microseconds.
pub(crate) async fn median_call(host: &PluginHost, plugin: &str) -> Result<f64> {
    let generation = host.serving(plugin).with_context(|| format!("`{plugin}` does not serve"))?;
    let instance = Arc::new(Binding::new(plugin, BTreeMap::new(), Network::Closed, &generation.limits));
    let inbound = inbound();
    let mut times = Vec::with_capacity(COUNT);
    for _ in 0..COUNT / 10 {
        call(&generation, &instance, &inbound).await?;
    }
    for _ in 0..COUNT {
        times.push(nanos(call(&generation, &instance, &inbound).await?));
    }
    Ok(f64::from(percentile(&mut times, 50)) / 1000.0)
}

async fn call(generation: &Arc<Generation>, instance: &Arc<Binding>, inbound: &Inbound) -> Result<Duration> {
    let inbound = inbound.clone();
    let start = Instant::now();
    let received = generation.receive(instance, inbound).await?;
    let took = start.elapsed();
    let receipt = received.map_err(|rejection| anyhow!("the plugin refuses the request: {}", rejection.detail))?;
    if receipt.events.len() != 1 {
        bail!("the plugin made {} events", receipt.events.len());
    }
    Ok(took)
}

/// What the gateway shows a plugin of one of the webhooks.
fn inbound() -> Inbound {
    let headers = [
        ("host", "127.0.0.1"),
        ("user-agent", "GitHub-Hookshot/044aadd"),
        ("accept", "*/*"),
        ("content-type", "application/json"),
        ("content-length", "1024"),
        ("x-github-event", "issues"),
        ("x-github-delivery", "72d3162e-cc78-11f0-81ab-000000000000"),
        ("x-github-hook-id", "292430182"),
    ];
    let header = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    Inbound {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        headers: headers.map(header).into_iter().collect::<HeaderMap>(),
        body: Bytes::from(body(1)),
        received_at: Timestamp::now(),
    }
}

/// The defaults of the gateway.
pub(crate) fn settings(plugins: &Path, cache: &Path, reuse: Option<Reuse>) -> Result<Settings> {
    let settings = Settings::new(plugins.to_owned(), cache.to_owned());
    let compile = CompileSettings { program: gateway_program()?, ..settings.compile };
    let limits = CallLimits { reuse, ..CallLimits::default() };
    Ok(Settings { compile, rules: PluginRules { limits, ..PluginRules::default() }, ..settings })
}
