//! Callers, proxies, rates and TLS.

use std::net::IpAddr;

use super::{check_problems, config, config_with};
use crate::caller::{ForwardedHeader, KeyPlace, Proof};
use crate::verify::JwtAlgorithm;

#[test]
fn a_channel_names_its_callers() {
    let text = r#"
        [callers.ci]
        kind = "bearer"
        secret = [{ env = "NEW" }, { env = "OLD" }]
        [callers.mesh]
        kind = "certificate"
        names = ["A.example.com"]
        [channels.a]
        callers = ["mesh", "ci"]
    "#;
    let config = config_with(text, &[("NEW", "one"), ("OLD", "two")]).unwrap();

    let callers = &config.ingest.channels[0].access.callers;
    let names: Vec<_> = callers.iter().map(|caller| caller.name.as_str()).collect();
    assert_eq!(names, ["mesh", "ci"]);
    let Proof::Certificate { names } = &callers[0].proof else { panic!("{:?}", callers[0]) };
    assert_eq!(names, &["a.example.com"]);
    let Proof::Token { secrets, .. } = &callers[1].proof else { panic!("{:?}", callers[1]) };
    assert_eq!(secrets.len(), 2);
}

#[test]
fn a_caller_has_an_issuer_of_tokens() {
    let with = |keys: &str| {
        let text =
            format!("[callers.ci]\nkind = 'jwt'\nissuer = 'i'\naudience = 'g'\n{keys}\n[channels.a]\ncallers = ['ci']");
        let config = config_with(&text, &[("S", "secret")]).unwrap();
        let Proof::Issued { token, keys, secrets } = config.ingest.channels[0].access.callers[0].proof.clone() else {
            panic!("{keys}")
        };
        (token.algorithms, keys.map(|source| source.place), secrets.len())
    };

    let url = "https://issuer.example/keys".to_owned();
    let public = vec![JwtAlgorithm::Rs256, JwtAlgorithm::Es256];
    assert_eq!(with("jwks_url = 'https://issuer.example/keys'"), (public, Some(KeyPlace::Url(url.clone())), 0));
    assert_eq!(with("secret = { env = 'S' }"), (vec![JwtAlgorithm::Hs256], None, 1));
    let both = "algorithms = ['ES256', 'HS256']\nsecret = { env = 'S' }\njwks_url = 'https://issuer.example/keys'";
    assert_eq!(with(both), (vec![JwtAlgorithm::Es256, JwtAlgorithm::Hs256], Some(KeyPlace::Url(url)), 1));
    assert!(matches!(with("jwks_url = 'http://127.0.0.1:1/'").1, Some(KeyPlace::Url(_))));
}

#[test]
fn a_caller_without_the_keys_of_its_kind_is_reported() {
    for (text, expected) in [
        (
            "[callers.a]",
            &["callers.a.kind: expected `bearer`, `basic`, `header`, `certificate` or `jwt`, found nothing"][..],
        ),
        ("[callers.a]\nkind = 'bearer'", &["callers.a.secret: expected a secret, found nothing"]),
        (
            "[callers.a]\nkind = 'header'",
            &[
                "callers.a.secret: expected a secret, found nothing",
                "callers.a.header: expected the name of the header, found nothing",
            ],
        ),
        (
            "[callers.a]\nkind = 'certificate'",
            &["callers.a.names: expected the DNS names of its certificate, found nothing"],
        ),
        (
            "[callers.a]\nkind = 'certificate'\nnames = ['x']\nheader = 'x-a'",
            &["callers.a.header: expected no `header` with this `kind`, found one"],
        ),
        (
            "[callers.a]\nkind = 'jwt'",
            &[
                "callers.a.issuer: expected the claim `iss` of its tokens, found nothing",
                "callers.a.audience: expected the claim `aud` of its tokens, found nothing",
                "callers.a.jwks_url: expected the keys of the issuer, in `jwks_url` or `jwks_file`, found nothing",
            ],
        ),
        (
            "[callers.a]\nkind = 'jwt'\nissuer = 'i'\naudience = 'g'\nalgorithms = ['RS512', 'HS256']\njwks_file = 'k'",
            &[
                "callers.a.algorithms[0]: expected `RS256`, `ES256` or `HS256`, found `RS512`",
                "callers.a.secret: expected a secret, because `algorithms` has `HS256`, found nothing",
            ],
        ),
        (
            "[callers.a]\nkind = 'jwt'\nissuer = 'i'\naudience = 'g'\njwks_url = 'http://issuer.example/keys'",
            &[
                "callers.a.jwks_url: expected an https URL; `http` is for this machine only, found `http://issuer.example/keys`",
            ],
        ),
        (
            "[callers.a]\nkind = 'certificate'\nnames = ['x']\nissuer = 'i'",
            &["callers.a.issuer: expected a key of `callers.a`, found `issuer`"],
        ),
        ("[channels.a]\ncallers = []", &["channels.a.callers: expected at least one caller, found an empty list"]),
        (
            "[channels.a]\ncallers = ['b']",
            &["channels.a.callers[0]: expected the name of a caller in `[callers.NAME]`, found `b`"],
        ),
    ] {
        check_problems(text, expected);
    }
    let problems = config_with("[callers.a]\nkind = 'basic'\nsecret = { env = 'S' }", &[("S", "hunter2")]).unwrap_err();
    assert_eq!(
        problems,
        [
            "callers.a.secret: expected a secret that fits its `kind` (`token` expected `user:password`), found another one"
        ]
    );
}

#[test]
fn addresses_are_read_as_they_are_written() {
    let config = config(
        "[http]\ntrusted_proxies = ['10.0.0.0/8', '::1']\nforwarded_header = 'forwarded'\nhosts = ['hooks.example.com', '[::1]']\n\
         [admin]\nlisten = '127.0.0.1:9'\n[channels.a]\nallow_from = ['192.0.2.0/24', 'a.example.com']",
    );

    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let proxies = &config.http.trusted_proxies;
    assert!(
        proxies.trusts(address("10.1.2.3")) && proxies.trusts(address("::1")) && !proxies.trusts(address("11.0.0.1"))
    );
    assert_eq!(proxies.header, ForwardedHeader::Forwarded);
    let from = config.ingest.channels[0].access.from.as_ref().unwrap();
    assert!(from.contains(address("192.0.2.9")) && !from.contains(address("192.0.3.9")));
    assert_eq!(from.names().count(), 1);

    check_problems(
        "[http]\ntrusted_proxies = ['proxy']\nhosts = ['a:80']\n[admin]\nlisten = '127.0.0.1:9'\n[channels.a]\nallow_from = ['a b']",
        &[
            "http.trusted_proxies[0]: expected an address or a network such as `10.0.0.0/8`, found `proxy`",
            "http.hosts[0]: expected a name or an address, without a port, found `a:80`",
            "channels.a.allow_from[0]: expected an address, a network such as `192.0.2.0/24`, or the name of a host, found `a b`",
        ],
    );
    check_problems(
        "[channels.a]\nallow_from = []",
        &["channels.a.allow_from: expected at least one address, found an empty list"],
    );
    check_problems(
        "[http]\nhosts = ['hooks.example.com']",
        &["admin.token: expected a token, because `http.hosts` opens this address to others, found nothing"],
    );
    check_problems(
        "[http]\ntrusted_proxies = ['10.0.0.1']",
        &["admin.token: expected a token, because `http.trusted_proxies` opens this address to others, found nothing"],
    );
}

#[test]
fn rates_have_a_burst_of_a_second_unless_they_say_more() {
    let config = config(
        "[http]\nrate_limit = { rate = '100/s' }\naddress_limit = { rate = '60/m', burst = 7 }\n\
         [channels.a]\nrate_limit = { rate = '5/s', burst = 50 }\noverload_status = 503",
    );

    assert_eq!(config.http.rate_limit.map(|rate| rate.burst()), Some(100));
    assert_eq!(config.http.address_limit.map(|limit| (limit.rate.burst(), limit.addresses)), Some((7, 65_536)));
    let channel = &config.ingest.channels[0];
    assert_eq!(channel.rate_limit.map(|rate| rate.burst()), Some(50));
    assert_eq!(channel.overload_status.map(|status| status.as_u16()), Some(503));

    check_problems(
        "[http]\nrate_limit = { rate = '100' }\naddress_limit = { burst = 1 }\n[channels.a]\noverload_status = 500",
        &[
            "http.rate_limit.rate: expected a count and a unit, such as `100/s`, `600/m` or `1000/h`, found `100`",
            "http.address_limit.rate: expected a rate, found nothing",
            "channels.a.overload_status: expected 429 or 503, found another status",
        ],
    );
}

#[test]
fn tls_needs_a_certificate_and_its_key() {
    let config = config(
        "[http.tls]\ncertificate = 'tls/cert.pem'\nkey = '/k.pem'\nmin_version = '1.3'\nclient_authorities = 'ca.pem'",
    );

    let tls = config.http.tls.unwrap();
    assert_eq!(tls.certificate.to_str(), Some("/etc/gateway/tls/cert.pem"));
    assert_eq!(tls.key.to_str(), Some("/k.pem"));
    assert!(tls.only_tls13 && tls.requires_client && tls.client_authorities.is_some());

    check_problems(
        "[http.tls]\nmin_version = '1.3'",
        &[
            "http.tls.certificate: expected a PEM file, found nothing",
            "http.tls.key: expected a PEM file, found nothing",
        ],
    );
    check_problems("[http.tls]\nkey = 'k'", &["http.tls.certificate: expected a PEM file, found nothing"]);
    check_problems(
        "[http.tls]\ncertificate = 'c'\nkey = 'k'\nclient_certificates = 'optional'",
        &["http.tls.client_authorities: expected the authorities that issue client certificates, found nothing"],
    );
}
