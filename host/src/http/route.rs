use ::http::Method;

/// What an address leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    /// Webhooks and the admin API.
    Everything,
    /// Webhooks; the admin API has an address of its own.
    Public,
    /// The admin API.
    Admin,
}

impl Surface {
    /// Whether channels are mounted here.
    pub(super) const fn has_webhooks(self) -> bool {
        matches!(self, Self::Everything | Self::Public)
    }

    /// Whether operators are answered here.
    pub(super) const fn has_admin(self) -> bool {
        matches!(self, Self::Everything | Self::Admin)
    }

    const fn has(self, endpoint: Endpoint) -> bool {
        self.has_admin() || !(endpoint.is_admin() || matches!(endpoint, Endpoint::Metrics))
    }
}

/// What answers at a path that is not a channel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Root,
    Live,
    Ready,
    Metrics,
    Events,
    Event,
    Replay,
    Channels,
    Record,
    Rehearse,
    Agents,
    Plugins,
    Routes,
    Skills,
    Deliveries,
    ReplayDeliveries,
    ReplayDelivery,
    Replays,
    OneReplay,
    CancelReplay,
    Stats,
    Backup,
}

impl Endpoint {
    /// Whether only operators are answered.
    pub(super) const fn is_admin(self) -> bool {
        !matches!(self, Self::Root | Self::Live | Self::Ready | Self::Metrics)
    }
}

/// Every path but those of channels. `{id}` stands for one segment.
const ROUTES: [(Method, &str, Endpoint); 23] = [
    (Method::GET, "/", Endpoint::Root),
    (Method::GET, "/health", Endpoint::Live),
    (Method::GET, "/health/live", Endpoint::Live),
    (Method::GET, "/health/ready", Endpoint::Ready),
    (Method::GET, "/metrics", Endpoint::Metrics),
    (Method::GET, "/admin/events", Endpoint::Events),
    (Method::GET, "/admin/events/{id}", Endpoint::Event),
    (Method::POST, "/admin/events/{id}/replay", Endpoint::Replay),
    (Method::GET, "/admin/channels", Endpoint::Channels),
    (Method::POST, "/admin/channels/{id}/record", Endpoint::Record),
    (Method::POST, "/admin/channels/{id}/try", Endpoint::Rehearse),
    (Method::GET, "/admin/agents", Endpoint::Agents),
    (Method::GET, "/admin/plugins", Endpoint::Plugins),
    (Method::GET, "/admin/routes", Endpoint::Routes),
    (Method::GET, "/admin/skills", Endpoint::Skills),
    (Method::GET, "/admin/deliveries", Endpoint::Deliveries),
    (Method::POST, "/admin/deliveries/replay", Endpoint::ReplayDeliveries),
    (Method::POST, "/admin/deliveries/{id}/replay", Endpoint::ReplayDelivery),
    (Method::GET, "/admin/replays", Endpoint::Replays),
    (Method::GET, "/admin/replays/{id}", Endpoint::OneReplay),
    (Method::POST, "/admin/replays/{id}/cancel", Endpoint::CancelReplay),
    (Method::GET, "/admin/stats", Endpoint::Stats),
    (Method::GET, "/admin/log/backup", Endpoint::Backup),
];

/// A row of the table that a path has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) endpoint: Endpoint,
    /// The segment in the place of `{id}`; empty when there is none.
    pub(super) id: &'a str,
    method: Method,
}

impl Found<'_> {
    /// The methods of the path, when `method` is none of them.
    pub(super) fn refuses(&self, method: &Method) -> Option<Vec<Method>> {
        match (&self.method, method) {
            (own, asked) if own == asked => None,
            (&Method::GET, &Method::HEAD) => None,
            (&Method::GET, _) => Some(vec![Method::GET, Method::HEAD]),
            (own, _) => Some(vec![own.clone()]),
        }
    }
}

/// What answers at `path` on an address of this kind.
pub(super) fn find(surface: Surface, path: &str) -> Option<Found<'_>> {
    ROUTES.iter().filter(|(_, _, endpoint)| surface.has(*endpoint)).find_map(|(method, pattern, endpoint)| {
        let id = matches_pattern(pattern, path)?;
        Some(Found { endpoint: *endpoint, id, method: method.clone() })
    })
}

fn matches_pattern<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, after)) = pattern.split_once("{id}") else { return (pattern == path).then_some("") };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_found_at_its_own_path() {
        for (_, pattern, endpoint) in ROUTES {
            let path = pattern.replace("{id}", "42");
            let id = if pattern == path { "" } else { "42" };

            let found = find(Surface::Everything, &path).unwrap();
            assert_eq!((found.endpoint, found.id), (endpoint, id), "{path}");
            let is_open = !endpoint.is_admin() && endpoint != Endpoint::Metrics;
            assert_eq!(find(Surface::Public, &path).is_some(), is_open, "{path}");
            assert!(find(Surface::Admin, &path).is_some(), "{path}");
            assert_eq!(endpoint.is_admin(), path.starts_with("/admin"), "{path}");
        }
    }

    /// The hardening suite holds the description against the answers, so that what is missing in it is not looked at.
    #[test]
    fn every_row_of_the_table_is_described_or_left_out_with_a_reason() {
        let text = include_str!("../../../tests/hardening/openapi.json");
        let description: serde_json::Value = serde_json::from_str(text).unwrap();
        let paths = description["paths"].as_object().unwrap();
        let left_out = description["x-left-out"].as_object().unwrap();
        let described = |method: &Method, path: &str| {
            let operation = paths.get(path).and_then(|path| path.get(method.as_str().to_ascii_lowercase()));
            operation.is_some() != left_out.contains_key(&format!("{method} {path}"))
        };
        for (method, path, _) in &ROUTES {
            assert!(described(method, path), "{method} {path}: describe it in openapi.json, or say there why not");
        }

        let is_row = |path: &str| ROUTES.iter().any(|(_, row, _)| *row == path);
        let left = left_out.keys().filter_map(|row| row.split_once(' ')).map(|(_, path)| path);
        for path in paths.keys().map(String::as_str).chain(left) {
            assert!(is_row(path) || path.starts_with("/webhooks/"), "{path} is in openapi.json and not in the table");
        }
    }

    #[test]
    fn other_paths_are_not() {
        for path in ["/admin", "/admin/", "/admin/events/", "/admin/events/a/b", "/health/", "/webhooks/x", ""] {
            assert_eq!(find(Surface::Everything, path), None, "{path}");
        }
    }

    #[test]
    fn reading_takes_get_and_head_and_changing_takes_post() {
        let refuses = |path, method| find(Surface::Everything, path).unwrap().refuses(&method);

        assert_eq!(refuses("/health", Method::GET), None);
        assert_eq!(refuses("/health", Method::HEAD), None);
        assert_eq!(refuses("/health", Method::POST), Some(vec![Method::GET, Method::HEAD]));
        assert_eq!(refuses("/admin/events/1/replay", Method::POST), None);
        assert_eq!(refuses("/admin/events/1/replay", Method::GET), Some(vec![Method::POST]));
    }
}
