//! Who is told of alerts, and who is told twice.

use std::sync::Arc;

use super::kinds::{Declared, UNKNOWN};
use crate::alert::{Kind, Settings};
use crate::dispatch::RouteSettings;
use crate::event::{ChannelName, Filter, Pattern, Timestamp, patterns_may_meet};
use crate::subscribe;

/// Events without which nobody knows of an alert.
const NEEDED: [Kind; 2] = [Kind::Opened, Kind::Escalated];

/// Alerts that nobody is told of, or some agent twice.
pub(super) fn alert_warnings(
    settings: &Settings,
    routes: &[RouteSettings],
    subscriptions: &subscribe::Settings,
    channels: &[Declared],
) -> Vec<String> {
    let Some(alerts) = channels.iter().find(|known| known.channel.as_str() == ChannelName::ALERTS) else {
        return Vec::new();
    };
    let told: Vec<_> = indexed(routes).filter(|(_, route)| takes(route, alerts)).collect();
    if settings.channels.is_empty() {
        let warning = |(index, _): &(usize, &RouteSettings)| {
            format!("routes[{index}]: there are no events of `alerts`, because `alerts.channels` is not set")
        };
        return told.iter().map(warning).collect();
    }
    let mut warnings = Vec::from_iter(untold(routes, subscriptions, &alerts.channel));
    warnings.extend(
        settings
            .maintenance
            .over(Timestamp::now())
            .map(|window| format!("alerts: the time of `{}` is over: it keeps nothing quiet any more", window.name())),
    );
    for source in channels.iter().filter(|known| settings.channels.contains(&known.channel)) {
        for (raw, route) in indexed(routes).filter(|(_, route)| takes_all(route, routes, source)) {
            let twice = |(index, other): &(usize, &RouteSettings)| {
                let agent = route.agents.iter().find(|agent| other.agents.contains(agent))?;
                Some(format!(
                    "routes[{raw}]: agent `{agent}` gets what channel `{}` is told as it is, and from `routes[{index}]` \
                     what it comes to: it is told of each alert twice",
                    source.channel
                ))
            };
            warnings.extend(told.iter().find_map(twice));
        }
    }
    warnings
}

fn indexed(routes: &[RouteSettings]) -> impl Iterator<Item = (usize, &RouteSettings)> {
    routes.iter().enumerate()
}

/// What neither a route nor a subscriber takes.
fn untold(routes: &[RouteSettings], subscriptions: &subscribe::Settings, alerts: &ChannelName) -> Option<String> {
    let is_read = |kind: &str| {
        let mut grants = subscriptions.subscribers.values().map(|subscriber| Arc::clone(&subscriber.grant));
        routes.iter().any(|route| {
            route.channels.iter().any(|pattern| pattern.matches_channel(alerts))
                && route.kinds.iter().any(|pattern| pattern.matches(kind))
        }) || grants.any(|grant| Filter::default().and(grant).matches_kind(alerts, kind))
    };
    let kinds = NEEDED.map(|kind| format!("{alerts}.{}", kind.as_str()));
    let unread: Vec<_> = kinds.iter().filter(|kind| !is_read(kind)).map(|kind| format!("`{kind}`")).collect();
    (!unread.is_empty())
        .then(|| format!("alerts: nobody takes {}; add a route with `channels = [\"alerts\"]`", unread.join(" and ")))
}

/// Whether the route may take an event of the channel that its plugin understands.
fn takes(route: &RouteSettings, channel: &Declared) -> bool {
    let unknown = format!("{}.{UNKNOWN}", channel.channel);
    let kinds: Vec<_> = channel.patterns().into_iter().filter(|kind| *kind != unknown).collect();
    let mut wanted = route.kinds.iter().map(Pattern::as_str).filter(|pattern| *pattern != unknown);
    route.channels.iter().any(|pattern| pattern.matches_channel(&channel.channel))
        && wanted.any(|pattern| kinds.iter().any(|kind| patterns_may_meet(pattern, kind)))
}

/// Whether nothing but its kind keeps an event of the channel from the route. Conditions may leave out what alerts tell.
fn takes_all(route: &RouteSettings, routes: &[RouteSettings], channel: &Declared) -> bool {
    let is_taken = || routes.iter().any(|other| !other.fallback && takes(other, channel));
    route.conditions.is_empty() && takes(route, channel) && !(route.fallback && is_taken())
}
