//! Sites for operators.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::cache::Cache;
use super::route::{Route, Table};
use super::settings::{Caching, Target};

#[derive(Clone, Debug, Serialize)]
pub struct SiteStatus {
    /// Empty means any.
    pub hosts: Vec<String>,
    /// In the order in which they are tried.
    pub routes: Vec<RouteStatus>,
}

#[derive(Clone, Debug, Serialize)]
pub struct RouteStatus {
    pub prefix: String,
    pub backend: Option<String>,
    /// The folder of files.
    pub files: Option<PathBuf>,
    pub cache: bool,
    pub strip_prefix: bool,
    pub websocket: bool,
    pub cors: bool,
    pub in_flight: usize,
}

/// What the cache holds and does.
#[derive(Clone, Debug, Serialize)]
pub struct CacheStatus {
    /// Bytes of stored answers.
    pub size: u64,
    /// The most that it may be.
    pub max_size: usize,
    /// Since the start, by what became of them.
    pub requests: BTreeMap<&'static str, u64>,
}

impl CacheStatus {
    pub(super) fn of(cache: &Cache) -> Self {
        Self { size: cache.size(), max_size: cache.max_size(), requests: cache.requests().into_iter().collect() }
    }
}

impl RouteStatus {
    fn of(route: &Route) -> Self {
        let settings = &route.settings;
        Self {
            prefix: settings.prefix.clone(),
            backend: match &settings.target {
                Target::Backend(name) => Some(name.clone()),
                Target::Files(_) => None,
            },
            files: match &settings.target {
                Target::Files(files) => Some(files.root.clone()),
                Target::Backend(_) => None,
            },
            cache: settings.cache != Caching::Off,
            strip_prefix: settings.strip_prefix,
            websocket: settings.websocket,
            cors: settings.cors.is_some(),
            in_flight: route.gate.inside(),
        }
    }
}

impl Table {
    pub(super) fn status(&self) -> Vec<SiteStatus> {
        let routes = self.routes();
        routes
            .map(|(hosts, routes)| SiteStatus {
                hosts: hosts.to_vec(),
                routes: routes.iter().map(|route| RouteStatus::of(route)).collect(),
            })
            .collect()
    }
}
