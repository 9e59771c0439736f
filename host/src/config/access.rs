//! Callers, addresses, proxies, rates and TLS.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::http::{HeaderName, StatusCode};

use super::place::SettingPlace;
use super::problem::{alternatives, quoted};
use super::secret::secrets;
use super::section::Section;
use crate::caller::{
    Access, AddressLimit, AllowList, Caller, ForwardedHeader, Proof, Rate, TrustedProxies, parse_network,
};
use crate::http::TlsSettings;
use crate::verify::{Recipe, Scheme, Secret, Token};

/// Callers by name.
pub(super) type Callers = BTreeMap<String, Arc<Caller>>;

/// Reads `[callers.*]`.
pub(super) fn callers(root: &Section<'_>) -> Callers {
    let read = |(name, section): (&str, Section<'_>)| Some((name.to_owned(), Arc::new(caller(name, &section)?)));
    root.named("callers").into_iter().filter_map(read).collect()
}

fn caller(name: &str, section: &Section<'_>) -> Option<Caller> {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Bearer,
        Basic,
        Header,
        Certificate,
        Jwt,
    }
    let kinds = [
        ("bearer", Kind::Bearer),
        ("basic", Kind::Basic),
        ("header", Kind::Header),
        ("certificate", Kind::Certificate),
        ("jwt", Kind::Jwt),
    ];
    let variable = format!("{}_TOKEN", name.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
    let kind = section.choice("kind", &kinds);
    let header = section.parsed("header", "the name of a header", str::parse::<HeaderName>);
    let names = section.texts("names");
    let found = secrets(section, "secret", &variable);
    let missing = |key: &str, expected: &str, example: &str| {
        let place = section.place(key);
        if !section.has(key) {
            place.problem_with_hint(expected, "nothing", place.example(example));
        }
    };
    let superfluous = |key: &str| {
        if section.has(key) {
            section.place(key).problem(format!("no `{key}` with this `kind`"), "one");
        }
    };
    let Some(kind) = kind else {
        missing("kind", "`bearer`, `basic`, `header`, `certificate` or `jwt`", "\"bearer\"");
        return None;
    };
    if kind != Kind::Header {
        superfluous("header");
    }
    if kind == Kind::Certificate {
        superfluous("secret");
        missing("names", "the DNS names of its certificate", "[\"ci.example.com\"]");
        let canonical = |name: String| name.strip_suffix('.').unwrap_or(&name).to_ascii_lowercase();
        let names = names?.into_iter().map(|(name, _)| canonical(name)).collect();
        return Some(Caller { name: name.to_owned(), proof: Proof::Certificate { names } });
    }
    superfluous("names");
    if kind == Kind::Jwt {
        let secrets = found.map(|found| {
            found.missing.iter().for_each(|missing| missing.report(None));
            found.present
        });
        return super::issued::proof(section, secrets).map(|proof| Caller { name: name.to_owned(), proof });
    }
    missing("secret", "a secret", &format!("{{ env = \"{variable}\" }}"));
    let token = match kind {
        Kind::Bearer => Token::in_bearer(),
        Kind::Basic => Token::in_basic(),
        _ => {
            missing("header", "the name of the header", "\"x-api-key\"");
            Token::in_header(header?.as_str())
        }
    };
    let recipe = Recipe::new(vec![Scheme::Token(token)]).ok()?;
    let found = found?;
    found.missing.iter().for_each(|missing| missing.report(None));
    let fits = |(secret, place): (Secret, SettingPlace<'_>)| match recipe.accepts_secret(&secret) {
        Ok(()) => Some(secret),
        Err(expected) => {
            place.problem(format!("a secret that fits its `kind` ({expected})"), "another one");
            None
        }
    };
    let secrets = found.present.into_iter().filter_map(fits).collect();
    Some(Caller { name: name.to_owned(), proof: Proof::Token { recipe, secrets } })
}

/// The access rules of the channel in `section`.
pub(super) fn access(section: &Section<'_>, callers: &Callers) -> Access {
    let callers = named_callers(section, callers, "omit the key to let anyone call");
    Access { from: allow_list(section, "allow_from"), callers }
}

/// Those that `callers` of the section names; `hint` is for an empty list.
pub(super) fn named_callers(section: &Section<'_>, callers: &Callers, hint: &str) -> Vec<Arc<Caller>> {
    let named = section.texts("callers");
    if named.as_ref().is_some_and(Vec::is_empty) {
        section.place("callers").problem_with_hint("at least one caller", "an empty list", hint);
    }
    let known = |(name, place): (String, SettingPlace<'_>)| {
        let caller = callers.get(&name).cloned();
        if caller.is_none() {
            let expected = match callers.len() {
                0 => "the name of a caller in `[callers.NAME]`".to_owned(),
                _ => alternatives(&callers.keys().map(String::as_str).collect::<Vec<_>>()),
            };
            place.problem(expected, quoted(&name));
        }
        caller
    };
    named.into_iter().flatten().filter_map(known).collect()
}

fn allow_list(section: &Section<'_>, name: &str) -> Option<AllowList> {
    let entries = section.texts(name)?;
    if entries.is_empty() {
        section.place(name).problem_with_hint(
            "at least one address",
            "an empty list",
            "omit the key to accept requests from anywhere",
        );
    }
    let mut list = AllowList::default();
    for (text, place) in entries {
        if list.add(&text).is_err() {
            place.problem("an address, a network such as `192.0.2.0/24`, or the name of a host", quoted(&text));
        }
    }
    Some(list)
}

/// `http.trusted_proxies` and the header that they write.
pub(super) fn trusted_proxies(section: &Section<'_>) -> TrustedProxies {
    let network = |(text, place): (String, SettingPlace<'_>)| {
        let network = parse_network(&text);
        if network.is_none() {
            place.problem("an address or a network such as `10.0.0.0/8`", quoted(&text));
        }
        network
    };
    let headers = [("x-forwarded-for", ForwardedHeader::XForwardedFor), ("forwarded", ForwardedHeader::Forwarded)];
    TrustedProxies {
        networks: section.texts("trusted_proxies").unwrap_or_default().into_iter().filter_map(network).collect(),
        header: section.choice("forwarded_header", &headers).unwrap_or_default(),
    }
}

/// `http.proxy_protocol`.
pub(super) fn proxy_protocol(section: &Section<'_>) -> bool {
    let speaks = section.flag("proxy_protocol").unwrap_or(false);
    if speaks && !section.has("trusted_proxies") {
        let place = section.place("trusted_proxies");
        place.problem_with_hint("the proxies that send it", "nothing", place.example("[\"10.0.0.0/8\"]"));
    }
    speaks
}

pub(super) fn rate(section: &Section<'_>, name: &str) -> Option<Rate> {
    rate_of(&section.section(name))
}

pub(super) fn address_limit(section: &Section<'_>) -> Option<AddressLimit> {
    let section = section.section("address_limit");
    let addresses = section.count("addresses", 1..=100_000_000).unwrap_or(65_536);
    Some(AddressLimit { rate: rate_of(&section)?, addresses })
}

pub(super) fn rate_of(section: &Section<'_>) -> Option<Rate> {
    let rate = section.parsed("rate", "a count and a unit, such as `100/s`, `600/m` or `1000/h`", str::parse::<Rate>);
    let burst = section.count("burst", 1..=i64::from(u32::MAX));
    if rate.is_none() && section.is_present() && !section.has("rate") {
        let place = section.place("rate");
        place.problem_with_hint("a rate", "nothing", place.example("\"100/s\""));
    }
    Some(burst.into_iter().fold(rate?, Rate::with_burst))
}

/// The status for callers over their rate.
pub(super) fn overload_status(section: &Section<'_>) -> Option<StatusCode> {
    let status: u16 = section.count("overload_status", 400..=599)?;
    let known = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    let status = known.into_iter().find(|known| known.as_u16() == status);
    if status.is_none() {
        section.place("overload_status").problem("429 or 503", "another status");
    }
    status
}

/// `[http.tls]`.
pub(super) fn tls(section: &Section<'_>) -> Option<TlsSettings> {
    let section = section.section("tls");
    let certificate = section.path("certificate");
    let key = section.path("key");
    let client_authorities = section.path("client_authorities");
    let only_tls13 = section.choice("min_version", &[("1.2", false), ("1.3", true)]).unwrap_or(false);
    let requires_client = section.choice("client_certificates", &[("optional", false), ("required", true)]);
    let keys = ["certificate", "key", "client_authorities", "min_version", "client_certificates"];
    if !section.is_present() && !keys.iter().any(|name| section.has(name)) {
        return None;
    }
    for (name, example) in [("certificate", "\"tls/cert.pem\""), ("key", "\"tls/key.pem\"")] {
        let place = section.place(name);
        if !section.has(name) {
            place.problem_with_hint("a PEM file", "nothing", place.example(example));
        }
    }
    if requires_client.is_some() && client_authorities.is_none() {
        let place = section.place("client_authorities");
        place.problem_with_hint(
            "the authorities that issue client certificates",
            "nothing",
            place.example("\"tls/callers.pem\""),
        );
    }
    Some(TlsSettings {
        certificate: certificate?,
        key: key?,
        only_tls13,
        client_authorities,
        requires_client: requires_client.unwrap_or(true),
    })
}

/// `http.hosts`.
pub(super) fn hosts(section: &Section<'_>) -> Vec<String> {
    let host = |(text, place): (String, SettingPlace<'_>)| {
        let is_name = text.parse::<::http::uri::Authority>().is_ok_and(|name| name.host() == text);
        if !is_name {
            place.problem("a name or an address, without a port", quoted(&text));
        }
        // With a dot at its end it is the same name.
        is_name.then(|| text.strip_suffix('.').map(str::to_owned).unwrap_or(text))
    };
    section.texts("hosts").unwrap_or_default().into_iter().filter_map(host).collect()
}
