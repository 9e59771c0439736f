//! `[backends.NAME]`.

use std::sync::Arc;
use std::time::Duration;

use super::place::SettingPlace;
use super::problem::quoted;
use super::section::Section;
use crate::web::{Address, BackendSettings, HostHeader, ProbeSettings};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Reads all of them.
pub(super) fn backends(root: &Section<'_>) -> Vec<Arc<BackendSettings>> {
    root.named("backends").into_iter().map(|(name, section)| Arc::new(backend(name, &section))).collect()
}

fn backend(name: &str, section: &Section<'_>) -> BackendSettings {
    let addresses = section.texts("addresses");
    if addresses.as_ref().is_none_or(Vec::is_empty) {
        let found = if section.has("addresses") { "an empty list" } else { "nothing" };
        let place = section.place("addresses");
        let example = place.example("[\"127.0.0.1:3001\"]");
        place.problem_with_hint("at least one address", found, example);
    }
    let address = |(text, place): (String, SettingPlace<'_>)| {
        let address = parse_address(&text);
        if address.is_none() {
            place.problem("`ip:port` or `name:port`", quoted(&text));
        }
        address
    };
    let addresses = addresses.into_iter().flatten().filter_map(address).collect();
    let default = BackendSettings::new(name.to_owned(), addresses);
    let hosts = [("keep", HostHeader::Keep), ("backend", HostHeader::Backend)];
    BackendSettings {
        resolve: section.duration("resolve", SECOND..=HOUR).unwrap_or(default.resolve),
        host: section.choice("host", &hosts).unwrap_or(default.host),
        max_in_flight: section.count("max_in_flight", 1..=1_000_000).unwrap_or(default.max_in_flight),
        connect_timeout: section.duration("connect_timeout", MILLISECOND..=HOUR).unwrap_or(default.connect_timeout),
        first_byte_timeout: section
            .duration("first_byte_timeout", MILLISECOND..=24 * HOUR)
            .unwrap_or(default.first_byte_timeout),
        idle_timeout: section.duration("idle_timeout", MILLISECOND..=24 * HOUR).unwrap_or(default.idle_timeout),
        health: probe(&section.section("health"), default.health),
        name: default.name,
        addresses: default.addresses,
    }
}

fn probe(section: &Section<'_>, default: ProbeSettings) -> ProbeSettings {
    let path = section.text("path");
    let is_path = |path: &String| path.starts_with('/') && path.parse::<::http::uri::PathAndQuery>().is_ok();
    if let Some(path) = path.as_ref().filter(|path| !is_path(path)) {
        section.place("path").problem("a path such as `/health`", quoted(path));
    }
    ProbeSettings {
        path,
        interval: section.duration("interval", 100 * MILLISECOND..=HOUR).unwrap_or(default.interval),
        timeout: section.duration("timeout", MILLISECOND..=HOUR).unwrap_or(default.timeout),
        up_after: section.count("up_after", 1..=1000).unwrap_or(default.up_after),
        down_after: section.count("down_after", 1..=1000).unwrap_or(default.down_after),
    }
}

fn parse_address(text: &str) -> Option<Address> {
    if let Ok(address) = text.parse() {
        return Some(Address::Ip(address));
    }
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let is_name = host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(is_label);
    // What consists of numbers alone is an address that is none.
    let is_number = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (is_name && !is_number).then(|| Address::Name { host: host.to_ascii_lowercase(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_ip_or_a_name_with_a_port() {
        for (text, shown) in [
            ("127.0.0.1:80", Some("127.0.0.1:80")),
            ("[::1]:80", Some("[::1]:80")),
            ("Training.svc.local:3001", Some("training.svc.local:3001")),
            ("localhost:1", Some("localhost:1")),
            ("localhost", None),
            ("localhost:0", None),
            ("localhost:http", None),
            ("http://localhost:80", None),
            ("10.0.0:80", None),
            ("a b:80", None),
            (":80", None),
        ] {
            assert_eq!(parse_address(text).map(|address| address.to_string()).as_deref(), shown, "{text}");
        }
    }
}
