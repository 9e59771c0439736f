//! `[callers.*]` with `kind = "jwt"`: the issuer of their tokens, and its keys.

use std::time::Duration;

use url::{Host, Url};

use super::place::SettingPlace;
use super::problem::{alternatives, quoted};
use super::section::Section;
use crate::caller::{KeyPlace, KeySource, Proof};
use crate::verify::{IssuedToken, JwtAlgorithm, Secret, Tolerance};

const ALGORITHMS: [(&str, JwtAlgorithm); 3] =
    [("RS256", JwtAlgorithm::Rs256), ("ES256", JwtAlgorithm::Es256), ("HS256", JwtAlgorithm::Hs256)];

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn proof(section: &Section<'_>, secrets: Option<Vec<(Secret, SettingPlace<'_>)>>) -> Option<Proof> {
    let issuer = section.text("issuer");
    let audience = section.text("audience");
    let algorithms = algorithms(section, secrets.is_some());
    let tolerance = section.parsed("tolerance", "a duration longer than zero, such as `1m`", str::parse::<Tolerance>);
    let keys = key_source(section);
    for (key, expected, example) in [
        ("issuer", "the claim `iss` of its tokens", "\"https://issuer.example.com\""),
        ("audience", "the claim `aud` of its tokens", "\"gateway\""),
    ] {
        let place = section.place(key);
        if !section.has(key) {
            place.problem_with_hint(expected, "nothing", place.example(example));
        }
    }
    let (public, shared): (Vec<JwtAlgorithm>, Vec<JwtAlgorithm>) =
        algorithms.iter().copied().partition(|algorithm: &JwtAlgorithm| *algorithm != JwtAlgorithm::Hs256);
    if !public.is_empty() && !section.has("jwks_url") && !section.has("jwks_file") {
        let place = section.place("jwks_url");
        let example = place.example("\"https://issuer.example.com/.well-known/jwks.json\"");
        place.problem_with_hint("the keys of the issuer, in `jwks_url` or `jwks_file`", "nothing", example);
    }
    if !shared.is_empty() && secrets.is_none() {
        section.place("secret").problem("a secret, because `algorithms` has `HS256`", "nothing");
    }
    let secrets = secrets.unwrap_or_default().into_iter().map(|(secret, _)| secret).collect();
    let tolerance = tolerance.unwrap_or(Tolerance::ONE_MINUTE);
    let token = IssuedToken { issuer: issuer?, audience: audience?, algorithms, tolerance };
    Some(Proof::Issued { token, keys: keys.filter(|_| !public.is_empty()), secrets })
}

/// By default those with a public key; with a secret and no keys of the issuer, the one with a shared secret.
fn algorithms(section: &Section<'_>, has_secret: bool) -> Vec<JwtAlgorithm> {
    let Some(named) = section.texts("algorithms") else {
        let only_secret = has_secret && !section.has("jwks_url") && !section.has("jwks_file");
        let default: &[JwtAlgorithm] =
            if only_secret { &[JwtAlgorithm::Hs256] } else { &[JwtAlgorithm::Rs256, JwtAlgorithm::Es256] };
        return default.to_vec();
    };
    if named.is_empty() {
        section.place("algorithms").problem("at least one algorithm", "an empty list");
    }
    let known = |(name, place): (String, SettingPlace<'_>)| {
        let found = ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm);
        if found.is_none() {
            place.problem(alternatives(&ALGORITHMS.map(|(known, _)| known)), quoted(&name));
        }
        found
    };
    named.into_iter().filter_map(known).collect()
}

fn key_source(section: &Section<'_>) -> Option<KeySource> {
    let url = section.text("jwks_url");
    let file = section.path("jwks_file");
    let lifetime = section.duration("jwks_lifetime", SECOND..).unwrap_or(600 * SECOND);
    let interval = section.duration("jwks_interval", SECOND..).unwrap_or(30 * SECOND);
    let timeout = section.duration("jwks_timeout", SECOND / 10..=60 * SECOND).unwrap_or(5 * SECOND);
    let max = section.size("jwks_max", 1 << 10..=16 << 20).unwrap_or(256 << 10);
    let private = section.flag("jwks_private").unwrap_or(false);
    if section.has("jwks_url") && section.has("jwks_file") {
        section.place("jwks_file").problem("one of `jwks_url` and `jwks_file`", "both");
    }
    let place = match (url, file) {
        (Some(url), _) => {
            if !is_safe(&url) {
                let expected = "an https URL; `http` is for this machine only";
                // It may hold a password.
                section
                    .place("jwks_url")
                    .problem(expected, if url.contains('@') { "a URL with `@`".to_owned() } else { quoted(&url) });
            }
            KeyPlace::Url(url)
        }
        (None, Some(path)) => {
            // So that a change of the file is one of the configuration. Whether the keys are good is found when they are needed.
            drop(section.raw().read_file(&path));
            KeyPlace::File(path)
        }
        (None, None) => return None,
    };
    Some(KeySource { place, lifetime, interval, timeout, max, private })
}

/// Whoever can change the keys on their way decides who is a caller.
fn is_safe(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    url.username().is_empty()
        && url.password().is_none()
        && (url.scheme() == "https" || (url.scheme() == "http" && is_here))
}
