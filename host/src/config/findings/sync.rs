//! Synchronous routes that another route makes asynchronous.

use crate::dispatch::{Mode, RouteSettings};
use crate::event::{Pattern, patterns_meet};

/// A caller waits only for a route that takes its event alone. Routes with conditions may be meant to share a kind.
pub(super) fn sync_warnings(routes: &[RouteSettings]) -> Vec<String> {
    let indexed = || routes.iter().enumerate().filter(|(_, route)| route.conditions.is_empty());
    let sync = indexed().filter(|(_, route)| route.mode != Mode::Async);
    let warning = |(index, route): (usize, &RouteSettings)| {
        let mut others = indexed().filter(|(other, _)| *other != index);
        let (other, rival) = others.find(|(_, other)| other.fallback == route.fallback && share(route, other))?;
        let hint = if rival.mode == Mode::Async && !route.fallback {
            format!("; `fallback = true` on `routes[{other}]` leaves these events to it")
        } else {
            String::new()
        };
        Some(format!(
            "routes[{index}].mode: `sync` has no effect on events that `routes[{other}]` takes, too: their callers do not wait{hint}"
        ))
    };
    sync.filter_map(warning).collect()
}

fn share(one: &RouteSettings, other: &RouteSettings) -> bool {
    let meet = |one: &[Pattern], other: &[Pattern]| {
        one.iter().any(|one| other.iter().any(|other| patterns_meet(one.as_str(), other.as_str())))
    };
    meet(&one.channels, &other.channels) && meet(&one.kinds, &other.kinds)
}
