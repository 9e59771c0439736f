//! The contract of a component, read from its type before any of its code runs.

use semver::Version;
use serde::Serialize;
use wasmtime::component::Component;

/// The served version of `wit/plugin.wit`. Patch versions are interchangeable.
pub const SERVED: &str = "0.1.3";

/// The kind of a plugin, by the interface it exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A source of events.
    Channel,
    /// A destination of events.
    Agent,
}

impl Kind {
    /// As in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Agent => "agent",
        }
    }
}

/// Why the gateway does not serve a component's contract.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    #[error(
        "it exports none of `gateway:plugin/receive`, `channel`, `deliver` and `agent`, but {found}\nhint: build it for one of the worlds `..-plugin` of `wit/plugin.wit`"
    )]
    NoInterface { found: String },
    #[error("it is a channel and an agent: it exports `{channel}` and `{agent}`\nhint: make two plugins of it")]
    Both { channel: String, agent: String },
    #[error(
        "it {how} `{interface}`, and this gateway serves {SERVED} and its patches\nhint: build it against the `wit/plugin.wit` of this release"
    )]
    Version {
        /// `exports` or `imports`.
        how: &'static str,
        /// With its version.
        interface: String,
    },
    #[error(
        "it imports `{0}`, which reaches the network without the host's checks\nhint: send with `http.send` of `gateway:plugin/http`, which agent plugins import"
    )]
    WasiHttp(String),
    #[error(
        "it imports `{0}`, which this gateway does not offer\nhint: plugins have `gateway:plugin` {SERVED} and WASI 0.2"
    )]
    UnknownImport(String),
    /// A channel plugin imports an interface of agent plugins, or the other way round.
    #[error(
        "it imports `{interface}`, which {kind} plugins{without} do not have",
        kind = .kind.as_str(),
        without = if *.kind == Kind::Channel { " without `respond` or `poll`" } else { "" }
    )]
    NotForKind { kind: Kind, interface: String },
}

const PACKAGE: &str = "gateway:plugin/";
/// Export of a channel plugin whose call brings the request along.
pub(super) const RECEIVE: &str = "gateway:plugin/receive";
/// Export of an agent plugin whose call brings along what most agents need.
pub(super) const DELIVER: &str = "gateway:plugin/deliver";
const CHANNEL: &str = "gateway:plugin/channel";
const AGENT: &str = "gateway:plugin/agent";
/// Optional export of a channel plugin: sends answers back to the source.
pub(super) const RESPOND: &str = "gateway:plugin/respond";
/// Optional export of a channel plugin: fetches events from the source.
pub(super) const POLL: &str = "gateway:plugin/poll";

/// Whether `component` is called through `interface`. It may export it in a version that is not served, for other gateways.
pub(super) fn is_called_through(component: &Component, interface: &str) -> bool {
    let exported = |name: &str| split(name).0 == interface && is_served(name, SERVED);
    component.component_type().exports(component.engine()).any(|(name, _)| exported(name))
}

/// The world of `wit/plugin.wit` with the interface that the plugin is called through.
pub(super) fn world(component: &Component, kind: Kind) -> &'static str {
    match kind {
        Kind::Channel if is_called_through(component, RECEIVE) => "receiving-plugin",
        Kind::Channel => "channel-plugin",
        Kind::Agent if is_called_through(component, DELIVER) => "delivering-plugin",
        Kind::Agent => "agent-plugin",
    }
}

/// Whether `component` exports `interface`, in any version.
pub(super) fn exports(component: &Component, interface: &str) -> bool {
    component.component_type().exports(component.engine()).any(|(name, _)| split(name).0 == interface)
}

/// The imports of `gateway:plugin` with a later version than the served one.
pub(super) fn newer_imports(component: &Component) -> Vec<String> {
    let ty = component.component_type();
    let names = ty.imports(component.engine()).map(|(name, _)| name);
    names.filter(|name| name.starts_with(PACKAGE) && is_newer(split(name).1)).map(ToOwned::to_owned).collect()
}

/// The kind of plugin, or the first reason why it cannot be served.
pub(super) fn classify(component: &Component) -> Result<Kind, ContractError> {
    let (ty, engine) = (component.component_type(), component.engine());
    let exports: Vec<_> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let imports: Vec<_> = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
    classify_names(&exports, &imports)
}

fn classify_names(exports: &[String], imports: &[String]) -> Result<Kind, ContractError> {
    let kind = kind_of(exports)?;
    let reaches_out = reaches_out(kind, exports);
    imports.iter().try_for_each(|name| check_import(kind, reaches_out, name))?;
    Ok(kind)
}

/// Whether some of its calls have a network.
fn reaches_out(kind: Kind, exports: &[String]) -> bool {
    kind == Kind::Agent || exports.iter().any(|name| [RESPOND, POLL].contains(&split(name).0))
}

/// The kind by the exports, and all problems of the imports.
pub(super) fn review(component: &Component) -> (Result<Kind, ContractError>, Vec<ContractError>) {
    let (ty, engine) = (component.component_type(), component.engine());
    let exports: Vec<_> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let kind = kind_of(&exports);
    // Without a kind, what neither kind may import is still reported.
    let roles = match &kind {
        Ok(kind) => [(*kind, reaches_out(*kind, &exports)); 2],
        Err(_) => [(Kind::Channel, true), (Kind::Agent, true)],
    };
    let problem = |name: &str| {
        let in_role = |(kind, reaches_out)| check_import(kind, reaches_out, name).err();
        roles.into_iter().map(in_role).min_by_key(Option::is_some)?
    };
    let problems = ty.imports(engine).filter_map(|(name, _)| problem(name)).collect();
    (kind, problems)
}

fn kind_of(exports: &[String]) -> Result<Kind, ContractError> {
    let (channel, agent) = (main_export(exports, [RECEIVE, CHANNEL]), main_export(exports, [DELIVER, AGENT]));
    let (kind, name) = match (channel, agent) {
        (Some(name), None) => (Kind::Channel, name),
        (None, Some(name)) => (Kind::Agent, name),
        (Some(channel), Some(agent)) => {
            return Err(ContractError::Both { channel: channel.clone(), agent: agent.clone() });
        }
        (None, None) => return Err(ContractError::NoInterface { found: listed(exports) }),
    };
    if !is_served(name, SERVED) {
        return Err(ContractError::Version { how: "exports", interface: name.clone() });
    }
    Ok(kind)
}

/// The first of these interfaces that is exported; one in a version that is served takes precedence.
fn main_export<'a>(exports: &'a [String], interfaces: [&str; 2]) -> Option<&'a String> {
    let of = move |interface: &&str| exports.iter().filter(|name| split(name).0 == *interface).collect::<Vec<_>>();
    let named = interfaces.iter().flat_map(of).collect::<Vec<_>>();
    named.iter().copied().find(|name| is_served(name, SERVED)).or_else(|| named.first().copied())
}

fn check_import(kind: Kind, reaches_out: bool, name: &str) -> Result<(), ContractError> {
    let (interface, version) = split(name);
    if let Some(own) = interface.strip_prefix(PACKAGE) {
        if !is_served(name, SERVED) {
            return Err(ContractError::Version { how: "imports", interface: name.to_owned() });
        }
        return match (kind, own) {
            (_, "host" | "log" | "types" | "state") | (Kind::Channel, "inbound") => Ok(()),
            (_, "outbound" | "http") if reaches_out => Ok(()),
            (Kind::Channel, "answer") if reaches_out => Ok(()),
            (_, "inbound" | "outbound" | "http" | "answer") => {
                Err(ContractError::NotForKind { kind, interface: name.to_owned() })
            }
            // A newer version may have more functions; calls of those trap.
            _ if is_newer(version) => Ok(()),
            _ => Err(ContractError::UnknownImport(name.to_owned())),
        };
    }
    if interface.starts_with("wasi:http/") {
        return Err(ContractError::WasiHttp(name.to_owned()));
    }
    let offered = ["wasi:cli/", "wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:filesystem/", "wasi:sockets/"];
    if offered.iter().any(|package| interface.starts_with(package)) && is_served(name, "0.2.0") {
        return Ok(());
    }
    Err(ContractError::UnknownImport(name.to_owned()))
}

/// An interface name and its version, both as text.
fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((interface, version)) => (interface, Some(version)),
        None => (name, None),
    }
}

/// Whether `version` is later than the served one.
fn is_newer(version: Option<&str>) -> bool {
    let parsed = |text: &str| text.parse::<Version>().ok();
    version.and_then(parsed) > parsed(SERVED)
}

/// Whether the version in `name` differs from `served` at most in the patch.
fn is_served(name: &str, served: &str) -> bool {
    let version = |text: &str| text.parse::<Version>().ok().map(|version| (version.major, version.minor));
    split(name).1.and_then(version).is_some_and(|found| Some(found) == version(served))
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<_> = names.iter().take(5).map(|name| format!("`{name}`")).collect();
    if names.len() > 5 { format!("{} and {} more", shown.join(", "), names.len() - 5) } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(exports: &[&str], imports: &[&str], expected: Result<Kind, &str>) {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let found = classify_names(&own(exports), &own(imports)).map_err(|error| error.to_string());
        match (&found, expected) {
            (Ok(kind), Ok(expected)) => assert_eq!(*kind, expected),
            (Err(message), Err(part)) => assert!(message.contains(part), "{message} should contain {part}"),
            _ => panic!("found {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_component_is_what_it_exports() {
        const RECEIVE: &str = "gateway:plugin/receive@0.1.3";
        const CHANNEL: &str = "gateway:plugin/channel@0.1.0";
        const AGENT: &str = "gateway:plugin/agent@0.1.7";
        check(&[CHANNEL, "init"], &["gateway:plugin/inbound@0.1.0", "wasi:io/poll@0.2.6"], Ok(Kind::Channel));
        check(&[AGENT], &["gateway:plugin/http@0.1.0", "wasi:sockets/tcp@0.2.0"], Ok(Kind::Agent));
        check(&[RECEIVE], &[], Ok(Kind::Channel));
        check(&[RECEIVE, CHANNEL], &["gateway:plugin/log@0.1.3"], Ok(Kind::Channel));
        check(&["gateway:plugin/receive@0.2.0", CHANNEL], &[], Ok(Kind::Channel));
        check(&["gateway:plugin/receive@0.2.0"], &[], Err("exports `gateway:plugin/receive@0.2.0`, and this gateway"));
        check(&[CHANNEL, AGENT], &[], Err("is a channel and an agent"));
        check(&["gateway:plugin/deliver@0.1.3"], &["gateway:plugin/http@0.1.3"], Ok(Kind::Agent));
        check(&[RECEIVE, AGENT], &[], Err("exports `gateway:plugin/receive@0.1.3` and `gateway:plugin/agent@0.1.7`"));
        check(&["wasi:cli/run@0.2.0"], &[], Err("but `wasi:cli/run@0.2.0`"));
        check(&["gateway:plugin/later@0.1.99"], &[], Err("but `gateway:plugin/later@0.1.99`"));
        check(&[], &[], Err("but nothing"));
        check(
            &["gateway:plugin/channel@0.2.0"],
            &[],
            Err("exports `gateway:plugin/channel@0.2.0`, and this gateway serves 0.1.3"),
        );
        check(&[CHANNEL], &["gateway:plugin/host@0.2.0"], Err("imports `gateway:plugin/host@0.2.0`"));
        check(&[CHANNEL], &["gateway:plugin/http@0.1.0"], Err("which channel plugins without `respond` or `poll`"));
        check(&[CHANNEL, "gateway:plugin/poll@0.1.1"], &["gateway:plugin/http@0.1.1"], Ok(Kind::Channel));
        check(
            &[CHANNEL, "gateway:plugin/respond@0.1.1"],
            &["gateway:plugin/answer@0.1.1", "gateway:plugin/outbound@0.1.1"],
            Ok(Kind::Channel),
        );
        check(&[AGENT], &["gateway:plugin/inbound@0.1.0"], Err("which agent plugins do not have"));
        check(&[AGENT], &["gateway:plugin/later@0.1.99"], Ok(Kind::Agent));
        check(&[AGENT], &["gateway:plugin/never@0.1.0"], Err("does not offer"));
        check(&[CHANNEL], &["wasi:http/outgoing-handler@0.2.4"], Err("hint: send with `http.send`"));
        check(&[CHANNEL], &["acme:own/thing@1.0.0"], Err("does not offer"));
        check(&[CHANNEL], &["wasi:io/poll@0.3.0"], Err("does not offer"));
    }
}
