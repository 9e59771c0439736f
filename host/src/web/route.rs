//! Which route a request takes.

use std::sync::Arc;

use super::backends::Backend;
use super::cors::Cors;
use super::files::Files;
use super::gate::Gate;
use super::path::below;
use super::settings::{RouteSettings, Settings, Target};
use crate::caller::{Access, Bucket};

/// All routes in force.
#[derive(Default)]
pub(super) struct Table {
    sites: Vec<Site>,
}

struct Site {
    hosts: Vec<String>,
    /// The longest prefix first.
    routes: Vec<Arc<Route>>,
}

/// A route, and what its requests share.
pub(super) struct Route {
    pub(super) settings: RouteSettings,
    /// What answers.
    pub(super) backend: Option<Arc<Backend>>,
    pub(super) files: Option<Files>,
    pub(super) gate: Arc<Gate>,
    pub(super) bucket: Option<Bucket>,
    pub(super) cors: Option<Cors>,
}

impl Table {
    /// Routes that stay as they are, of the same backend, are taken from the table `before`, and go on counting.
    pub(super) fn new(settings: &Settings, before: &Self, backend: &dyn Fn(&str) -> Option<Arc<Backend>>) -> Self {
        let known = || before.sites.iter().flat_map(|site| &site.routes);
        let route = |settings: &RouteSettings| {
            let backend = match &settings.target {
                Target::Backend(name) => backend(name),
                Target::Files(_) => None,
            };
            let is_same = |route: &&Arc<Route>| {
                let same_backend = match (&route.backend, &backend) {
                    (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                    (a, b) => a.is_none() && b.is_none(),
                };
                same_backend && route.settings == *settings
            };
            known().find(is_same).cloned().unwrap_or_else(|| Arc::new(Route::new(settings.clone(), backend)))
        };
        let site = |site: &super::settings::SiteSettings| {
            let mut routes: Vec<_> = site.routes.iter().map(route).collect();
            routes.sort_by_key(|route| std::cmp::Reverse(route.settings.prefix.len()));
            Site { hosts: site.hosts.clone(), routes }
        };
        Self { sites: settings.sites.iter().map(site).collect() }
    }

    /// The routes of each site, with its hosts.
    pub(super) fn routes(&self) -> impl Iterator<Item = (&[String], &[Arc<Route>])> {
        self.sites.iter().map(|site| (site.hosts.as_slice(), site.routes.as_slice()))
    }

    /// Who may call, route by route.
    pub(super) fn access(&self) -> impl Iterator<Item = &Access> {
        self.sites.iter().flat_map(|site| &site.routes).map(|route| &route.settings.access)
    }

    /// The route for a path under a host name.
    pub(super) fn find(&self, host: &str, path: &str) -> Option<&Arc<Route>> {
        let host = host.strip_suffix('.').unwrap_or(host);
        let named = |site: &&Site| site.hosts.iter().any(|name| name.eq_ignore_ascii_case(host));
        let site = self.sites.iter().find(named).or_else(|| self.sites.iter().find(|site| site.hosts.is_empty()))?;
        site.routes.iter().find(|route| below(&route.settings.prefix, path).is_some())
    }
}

impl Route {
    fn new(settings: RouteSettings, backend: Option<Arc<Backend>>) -> Self {
        Self {
            gate: Gate::new(settings.max_in_flight),
            bucket: settings.rate_limit.map(Bucket::new),
            cors: settings.cors.as_ref().map(Cors::new),
            files: match &settings.target {
                Target::Files(files) => Some(Files::new(files.clone())),
                Target::Backend(_) => None,
            },
            backend,
            settings,
        }
    }
}
