//! Asks the endpoints of agents whether they are well, where the configuration says so.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::agent::{Agent, Setup};
use super::context::Context;
use super::endpoint::{Endpoint, Health};
use super::settings::HealthSettings;
use crate::event::{AgentName, Timestamp};

/// How often it is looked whose turn it is.
const TICK: Duration = Duration::from_secs(1);

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks until `stop`.
pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let mut asked: HashMap<(AgentName, Option<String>), Instant> = HashMap::new();
    while stop.run_until_cancelled(tokio::time::sleep(TICK)).await.is_some() {
        let now = Instant::now();
        let agents = context.agents.load_full();
        let mut due = Vec::new();
        for agent in agents.values() {
            let setup = agent.setup();
            let Some(health) = &setup.settings.health else { continue };
            for endpoint in &setup.endpoints {
                let last = asked.entry((agent.name.clone(), endpoint.address.clone()));
                let is_due = |last: &Instant| now.saturating_duration_since(*last) >= health.interval;
                match last {
                    std::collections::hash_map::Entry::Occupied(last) if !is_due(last.get()) => continue,
                    last => drop(last.insert_entry(now)),
                }
                due.push(ask(&context, agent, Arc::clone(&setup), Arc::clone(endpoint)));
            }
        }
        asked.retain(|(agent, _), _| agents.contains_key(agent));
        stop.run_until_cancelled(join_all(due)).await;
    }
}

async fn ask(context: &Context, agent: &Agent, setup: Arc<Setup>, endpoint: Arc<Endpoint>) {
    let Some(HealthSettings { path, .. }) = &setup.settings.health else { return };
    let reason = match address(context, &setup, &endpoint).and_then(|address| at(&address, path)) {
        Ok(url) => endpoint.binding.network.check(&url, PATIENCE).await.err(),
        Err(reason) => Some(reason),
    };
    let (name, shown) = (&agent.name, endpoint.address.as_deref());
    let was_ok = endpoint.health().is_none_or(|health| health.ok);
    match (&reason, was_ok) {
        (Some(reason), true) => tracing::warn!(agent = %name, endpoint = shown, "Endpoint is not well: {reason}"),
        (None, false) => tracing::info!(agent = %name, endpoint = shown, "Endpoint is well again"),
        _ => {}
    }
    let is_ok = reason.is_none();
    endpoint.set_health(Health { ok: is_ok, at: Timestamp::now(), reason });
    if is_ok {
        agent.recovered(&endpoint, &context.metrics);
    }
}

/// Where the agent is.
pub(super) fn address(context: &Context, setup: &Setup, endpoint: &Endpoint) -> Result<String, String> {
    if let Some(address) = &endpoint.address {
        return Ok(address.clone());
    }
    let manifest = &setup.generation(&context.plugins)?.manifest;
    let key = manifest.address.as_ref().ok_or("the plugin names no setting for its address")?;
    let default = || manifest.config.get(key)?.default.as_ref();
    let value = setup.settings.config.get(key).or_else(default);
    value.and_then(|value| value.as_str()).map(str::to_owned).ok_or_else(|| format!("`config.{key}` is not set"))
}

/// The path at the origin of the address.
fn at(address: &str, path: &str) -> Result<String, String> {
    let mut url = Url::parse(address).map_err(|error| format!("the address is not a URL: {error}"))?;
    url.set_query(None);
    url.set_fragment(None);
    url.set_path(path);
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_asked_for_at_the_origin_of_the_address() {
        for (address, expected) in [
            ("http://127.0.0.1:9000/events?key=1", Ok("http://127.0.0.1:9000/health")),
            ("https://agent.example.com", Ok("https://agent.example.com/health")),
            ("agent", Err("the address is not a URL: relative URL without a base")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(at(address, "/health"), expected, "{address}");
        }
    }
}
