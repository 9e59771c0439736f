//! Sites for operators.

use serde::Serialize;

use super::route::{Route, Table};
use super::settings::Target;

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
    pub strip_prefix: bool,
    pub websocket: bool,
    pub cors: bool,
    pub in_flight: usize,
}

impl RouteStatus {
    fn of(route: &Route) -> Self {
        let settings = &route.settings;
        Self {
            prefix: settings.prefix.clone(),
            backend: match &settings.target {
                Target::Backend(name) => Some(name.clone()),
            },
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
