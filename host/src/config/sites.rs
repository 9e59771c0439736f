//! `[web]` and `[[sites]]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue, Method};

use super::access::{self, Callers};
use super::backends::backends;
use super::channels::{is_below, is_plain_path};
use super::place::SettingPlace;
use super::problem::{alternatives, quoted};
use super::section::Section;
use crate::dispatch::AgentSettings;
use crate::http;
use crate::ingest::ChannelSettings;
use crate::subscribe;
use crate::web::{
    CacheSettings, Caching, CorsSettings, FilesSettings, Origins, RouteSettings, Settings, SiteSettings, Target,
};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The largest `max_body`.
const TIB: u64 = 1 << 40;
const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// A path that the gateway answers itself at the address of webhooks, and whose it is.
pub(super) struct TakenPath {
    path: String,
    owner: String,
}

/// What the gateway answers itself at the address of webhooks.
pub(super) fn taken_paths(
    channels: &[ChannelSettings],
    agents: &[AgentSettings],
    subscriptions: &subscribe::Settings,
) -> Vec<TakenPath> {
    let taken = |path: &str, owner: String| TakenPath { path: path.to_owned(), owner };
    let own = ["/admin", "/health", "/metrics", "/webhooks"].map(|path| taken(path, "the gateway".to_owned()));
    let of_channel = |channel: &ChannelSettings| {
        let owner = format!("channel `{}`", channel.name);
        channel.paths.iter().map(|path| taken(path, owner.clone())).collect::<Vec<_>>()
    };
    let emits = channels.iter().any(|channel| channel.emit) || agents.iter().any(|agent| !agent.callers.is_empty());
    let mut of_subscribers = Vec::new();
    if subscriptions.is_on() || emits {
        of_subscribers.push(taken(&subscriptions.prefix, "`subscribe.prefix`".to_owned()));
        of_subscribers
            .extend(subscriptions.aliases.iter().map(|alias| taken(&alias.path, "`subscribe.paths`".to_owned())));
    }
    if subscriptions.is_on() {
        of_subscribers.push(taken(&subscriptions.mcp.path, "`subscribe.mcp.path`".to_owned()));
    }
    own.into_iter().chain(channels.iter().flat_map(of_channel)).chain(of_subscribers).collect()
}

/// Reads everything about sites. `taken` are the paths of the gateway itself.
pub(super) fn web(root: &Section<'_>, callers: &Callers, http: &http::Settings, taken: &[TakenPath]) -> Settings {
    let section = root.section("web");
    let default = Settings::default();
    let listen = section.address("listen");
    let is_shared = listen.is_some_and(|listen| is_same(listen, http.listen));
    if let Some(listen) = listen {
        check_listen(&section, listen, http);
    }
    let taken = if is_shared { taken } else { &[] };
    let settings = Settings {
        listen,
        health: health(&section, taken).unwrap_or(default.health),
        max_tunnels: section.count("max_tunnels", 0..=1_000_000).unwrap_or(default.max_tunnels),
        tunnel_idle: section.duration("tunnel_idle", SECOND..=DAY).unwrap_or(default.tunnel_idle),
        cache: cache(&section.section("cache")),
        backends: backends(root),
        sites: Vec::new(),
    };
    let names: Vec<_> = settings.backends.iter().map(|backend| backend.name.as_str()).collect();
    let sites = sites(root, &names, callers, taken);
    warn_of_the_unused(root, &settings, &sites);
    Settings { sites, ..settings }
}

/// Whether one socket would serve both.
fn is_same(a: SocketAddr, b: SocketAddr) -> bool {
    a == b && a.port() != 0
}

/// A page of a backend must not have the origin of the admin API.
fn check_listen(section: &Section<'_>, listen: SocketAddr, http: &http::Settings) {
    let place = section.place("listen");
    let hint = "give the admin API an address of its own: `listen = \"127.0.0.1:8081\"` in `[admin]`";
    match http.admin.listen {
        Some(admin) if is_same(listen, admin) => {
            place.problem_with_hint(
                "an address without the admin API",
                format!("that of `admin.listen`, `{listen}`"),
                hint,
            );
        }
        None if is_same(listen, http.listen) => {
            let found = format!("`{listen}`, where the admin API answers too");
            place.problem_with_hint("an address without the admin API", found, hint);
        }
        _ => {}
    }
}

fn health(section: &Section<'_>, taken: &[TakenPath]) -> Option<String> {
    let path = section.text("health")?;
    let place = section.place("health");
    if !is_plain_path(&path) {
        place.problem("a path such as `/health/backends`", quoted(&path));
        return None;
    }
    // The admin API has these at its own address.
    let own =
        ["/health", "/health/live", "/health/ready", "/metrics"].contains(&path.as_str()) || is_below(&path, "/admin");
    let rival = taken.iter().find(|taken| taken.path != "/health" && is_below(&path, &taken.path));
    let owner = rival.map(|rival| rival.owner.as_str()).or(own.then_some("the gateway"));
    if let Some(owner) = owner {
        place.problem("a path that nothing else has", format!("{}, which belongs to {owner}", quoted(&path)));
    }
    Some(path)
}

fn sites(root: &Section<'_>, backends: &[&str], callers: &Callers, taken: &[TakenPath]) -> Vec<SiteSettings> {
    let mut claimed: BTreeMap<String, usize> = BTreeMap::new();
    let read = |(index, section): (usize, &Section<'_>)| {
        let hosts: Vec<_> = access::hosts(section).into_iter().map(|host| host.to_ascii_lowercase()).collect();
        let any = [String::new()];
        for host in if hosts.is_empty() { &any[..] } else { &hosts } {
            if let Some(other) = claimed.insert(host.clone(), index) {
                let name = if host.is_empty() { "no name, for all others".to_owned() } else { quoted(host) };
                let found = format!("{name}, as in `sites[{other}]`");
                section.place("hosts").problem("names that no other site has", found);
            }
        }
        let routes = section.list("routes");
        if routes.is_empty() {
            let hint = "write `[[sites.routes]]` below it";
            section.place("routes").problem_with_hint("at least one route", "nothing", hint);
        }
        let max_body = section.size("max_body", 0..=TIB).map_or(RouteSettings::MAX_BODY, |size| size as u64);
        let common = Common { cors: cors(&section.section("cors")), max_body };
        let read = |section: &Section<'_>| routes_of(section, &common, backends, callers, taken);
        let routes: Vec<_> = routes.iter().flat_map(read).collect();
        for (at, settings) in routes.iter().enumerate() {
            if routes[..at].iter().any(|other| other.prefix == settings.prefix) {
                let found = format!("{} twice", quoted(&settings.prefix));
                section.place("routes").problem("a prefix of its own for each route", found);
            }
        }
        SiteSettings { hosts, routes }
    };
    root.list("sites").iter().enumerate().map(read).collect()
}

/// What a site says for its routes that say nothing else.
struct Common {
    cors: Option<CorsSettings>,
    max_body: u64,
}

/// The routes of one table: one for each prefix.
fn routes_of(
    section: &Section<'_>,
    common: &Common,
    backends: &[&str],
    callers: &Callers,
    taken: &[TakenPath],
) -> Vec<RouteSettings> {
    let listed = section.texts("prefix");
    if listed.as_ref().is_none_or(Vec::is_empty) {
        let place = section.place("prefix");
        let found = if section.has("prefix") { "an empty list" } else { "nothing" };
        place.problem_with_hint("a path", found, place.example("\"/api\""));
    }
    let prefixes = listed.into_iter().flatten().filter_map(|(text, place)| prefix(&text, &place, taken));
    let prefixes: Vec<_> = prefixes.collect();
    let target = target(section, backends);
    let cache = caching(section);
    let max_body = section.size("max_body", 0..=TIB).map_or(common.max_body, |size| size as u64);
    let strip_prefix = section.flag("strip_prefix").unwrap_or(false);
    let websocket = section.flag("websocket").unwrap_or(false);
    let cors = cors(&section.section("cors")).or_else(|| common.cors.clone());
    let max_in_flight = section.count("max_in_flight", 1..=1_000_000).unwrap_or(RouteSettings::MAX_IN_FLIGHT);
    let access = access::access(section, callers);
    let rate_limit = access::rate(section, "rate_limit");
    let Some(target) = target else { return Vec::new() };
    let route = |prefix: String| RouteSettings {
        prefix,
        target: target.clone(),
        cache,
        strip_prefix,
        websocket,
        cors: cors.clone(),
        max_body,
        max_in_flight,
        access: access.clone(),
        rate_limit,
    };
    prefixes.into_iter().map(route).collect()
}

fn prefix(text: &str, place: &SettingPlace<'_>, taken: &[TakenPath]) -> Option<String> {
    let trimmed = text.trim_end_matches('/');
    let prefix = if trimmed.is_empty() && text == "/" { "/" } else { trimmed };
    if prefix != "/" && !is_plain_path(prefix) {
        place.problem("a path such as `/api/v1`", quoted(text));
        return None;
    }
    let base = if prefix == "/" { "" } else { prefix };
    if let Some(rival) = taken.iter().find(|taken| is_below(&taken.path, base) || is_below(prefix, &taken.path)) {
        let relation = if is_below(&rival.path, base) { "covers" } else { "lies below" };
        let found = format!("{}, which {relation} `{}` of {}", quoted(text), rival.path, rival.owner);
        let hint = "give sites an address of their own: `listen = \"127.0.0.1:3000\"` in `[web]`";
        place.problem_with_hint("a path beside those of the gateway itself", found, hint);
    }
    Some(prefix.to_owned())
}

fn target(section: &Section<'_>, backends: &[&str]) -> Option<Target> {
    let files = files(section);
    let place = section.place("backend");
    if section.has("files") {
        if section.has("backend") {
            place.problem("either a backend or files", "both");
        }
        section.text("backend");
        return files.map(Target::Files);
    }
    let Some(name) = section.text("backend") else {
        if !section.has("backend") {
            let example = place.example(&format!("\"{}\"", backends.first().copied().unwrap_or("NAME")));
            place.problem_with_hint("the name of a backend, or `files`", "nothing", example);
        }
        return None;
    };
    if !backends.contains(&name.as_str()) {
        let expected = match backends {
            [] => "the name of a backend in `[backends.NAME]`".to_owned(),
            _ => alternatives(backends),
        };
        place.problem(expected, quoted(&name));
    }
    Some(Target::Backend(name))
}

fn files(section: &Section<'_>) -> Option<FilesSettings> {
    let fallback = section.flag("fallback");
    let immutable = section.texts("immutable");
    let root = section.path("files");
    if root.is_none() && !section.has("files") {
        for key in ["fallback", "immutable"].into_iter().filter(|key| section.has(key)) {
            section.place(key).problem("`files` beside it", "a route without files");
        }
    }
    let immutable = immutable.into_iter().flatten().filter_map(|(text, place)| place.pattern(&text)).collect();
    Some(FilesSettings { root: root?, fallback: fallback.unwrap_or(false), immutable })
}

fn caching(section: &Section<'_>) -> Caching {
    let is_on = section.flag("cache").unwrap_or(false);
    let reload = section.flag("cache_reload").unwrap_or(false);
    if is_on && section.has("files") {
        section.place("cache").problem("a route to a backend", "one of files, which are not stored");
    }
    if is_on { Caching::On { reload } } else { Caching::Off }
}

fn cache(section: &Section<'_>) -> CacheSettings {
    let default = CacheSettings::default();
    let settings = CacheSettings {
        max_size: section.size("max_size", MIB..=TIB).unwrap_or(default.max_size),
        max_object: section.size("max_object", 1..=GIB).unwrap_or(default.max_object),
        max_wait: section.duration("max_wait", Duration::ZERO..=DAY).unwrap_or(default.max_wait),
        max_fetches: section.count("max_fetches", 1..=1_000_000).unwrap_or(default.max_fetches),
        max_revalidations: section.count("max_revalidations", 1..=1_000_000).unwrap_or(default.max_revalidations),
    };
    // A response must fit beside others.
    if settings.max_object > settings.max_size / 2 {
        let place = section.place("max_object");
        place.problem("at most half of `max_size`", format!("{} of {} bytes", settings.max_object, settings.max_size));
    }
    settings
}

fn cors(section: &Section<'_>) -> Option<CorsSettings> {
    let listed = section.texts("origins");
    let methods = section.texts("methods");
    let headers = names(section, "headers");
    let expose = names(section, "expose");
    let credentials = section.flag("credentials").unwrap_or(false);
    let max_age = section.duration("max_age", Duration::ZERO..=DAY).unwrap_or(Duration::from_secs(600));
    if !section.is_present() {
        return None;
    }
    if listed.as_ref().is_none_or(Vec::is_empty) {
        let place = section.place("origins");
        place.problem_with_hint("at least one origin", "nothing", place.example("[\"https://app.example.com\"]"));
    }
    let listed = listed.unwrap_or_default();
    let any = listed.iter().find(|(text, _)| text == "*").map(|(_, place)| place.clone());
    if let Some(place) = &any
        && credentials
    {
        let hint = "with credentials name each origin, or any page could act for whoever looks at it";
        place.problem_with_hint("an origin such as `https://app.example.com`", "`*` together with `credentials`", hint);
    }
    let origins = match any {
        Some(_) => Origins::Any,
        None => Origins::Listed(listed.into_iter().filter_map(origin).collect()),
    };
    Some(CorsSettings { origins, methods: cors_methods(methods), headers, expose, credentials, max_age })
}

/// An origin as a browser writes it.
fn origin((text, place): (String, SettingPlace<'_>)) -> Option<HeaderValue> {
    let url = text.parse::<url::Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let canonical = url.map(|url| url.origin().ascii_serialization());
    if canonical.as_ref() != Some(&text) {
        let expected = match canonical {
            Some(canonical) => format!("an origin as browsers write it, `{canonical}`"),
            None => "an origin such as `https://app.example.com`".to_owned(),
        };
        place.problem(expected, quoted(&text));
        return None;
    }
    HeaderValue::from_str(&text).ok()
}

fn cors_methods(listed: Option<Vec<(String, SettingPlace<'_>)>>) -> Vec<Method> {
    let Some(listed) = listed else { return vec![Method::GET, Method::HEAD, Method::POST] };
    let method = |(text, place): (String, SettingPlace<'_>)| {
        let method = text.parse::<Method>().ok().filter(|method| !matches!(*method, Method::CONNECT | Method::TRACE));
        if method.is_none() {
            place.problem("a method such as `PUT`", quoted(&text));
        }
        method
    };
    let methods: Vec<_> = listed.into_iter().filter_map(method).collect();
    if methods.is_empty() { vec![Method::GET] } else { methods }
}

fn names(section: &Section<'_>, key: &str) -> Vec<HeaderName> {
    let name = |(text, place): (String, SettingPlace<'_>)| {
        let name = text.parse().ok();
        if name.is_none() {
            place.problem("the name of a header", quoted(&text));
        }
        name
    };
    section.texts(key).unwrap_or_default().into_iter().filter_map(name).collect()
}

fn warn_of_the_unused(root: &Section<'_>, settings: &Settings, sites: &[SiteSettings]) {
    if settings.listen.is_none() && !sites.is_empty() {
        root.raw().warn("sites: not served, because `web.listen` is not set".to_owned());
    }
    let used = |name: &str| {
        sites.iter().flat_map(|site| &site.routes).any(|route| match &route.target {
            Target::Backend(backend) => backend == name,
            Target::Files(_) => false,
        })
    };
    for backend in settings.backends.iter().filter(|backend| !used(&backend.name)) {
        root.raw().warn(format!("backends.{}: no route leads to it", backend.name));
    }
}
