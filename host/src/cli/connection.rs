//! The gateway that a command asks: its address, its token, and the file that may describe it.
//!
//! An address is all it takes. A file is read only for what the command needs of it, and a gateway elsewhere (`--url`) is never
//! sent a secret of the file.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use rustls::ClientConfig;
use url::Url;

use super::arguments::connection::ConnectionArguments;
use super::failure::Failure;
use super::pinned;
use crate::config::{self, FILE_NAME, Parts, SecretPart};
use crate::verify::Secret;
use crate::{eventlog, http};

const AUTHORITIES: &str =
    "its certificate must be of an authority that this machine trusts, or that is in the file SSL_CERT_FILE";

/// How a command reaches the gateway.
pub(super) struct Connection {
    file: Option<PathBuf>,
    url: Option<Origin>,
    token: Option<Secret>,
}

/// The address of a gateway, without `/` at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin(String);

/// Everything that it takes to ask.
pub(super) struct Reach {
    pub(super) origin: Origin,
    pub(super) tls: Option<ClientConfig>,
    pub(super) token: Option<Secret>,
    /// What to do when nothing answers.
    pub(super) when_absent: &'static str,
    /// What to do when the token is refused.
    pub(super) when_refused: String,
    /// What to do when the certificate is refused.
    pub(super) when_untrusted: &'static str,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Origin {
    /// Reads `http://ADDRESS` or `https://ADDRESS`, with a path if a proxy is before the gateway. Without a scheme it is `http`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let expected = || "expected an address such as `http://127.0.0.1:8080`".to_owned();
        let url = Url::parse(&whole).map_err(|_| expected())?;
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_plain = is_plain && url.query().is_none() && url.fragment().is_none();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !is_plain {
            return Err(expected());
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    fn of(address: SocketAddr, is_encrypted: bool) -> Self {
        let scheme = if is_encrypted { "https" } else { "http" };
        Self(format!("{scheme}://{}", reachable(address)))
    }

    fn is_encrypted(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl Connection {
    /// # Errors
    /// The address is none.
    pub(super) fn new(file: Option<&Path>, arguments: ConnectionArguments) -> Result<Self, Failure> {
        let ConnectionArguments { url, token } = arguments;
        // A variable that is set to nothing is none.
        let url = url.filter(|url| !url.is_empty());
        let url = url.map(|url| {
            Origin::parse(&url).map_err(|expected| Failure::Call(format!("`--url`: {expected}, found `{url}`").into()))
        });
        let token = token.and_then(|token| Secret::new(token.into_bytes()).ok());
        Ok(Self { file: file.map(Path::to_owned), url: url.transpose()?, token })
    }

    /// How to reach the admin API.
    pub(super) fn admin(&self) -> Result<Reach, Failure> {
        self.reach(|server| match server.admin.listen {
            Some(address) => (address, http::is_encrypted(server, address)),
            None => (server.listen, server.tls.is_some()),
        })
    }

    /// How to reach the channels; at `to` if that is given. They get no token.
    pub(super) fn webhooks(&self, to: Option<&Origin>) -> Result<Reach, Failure> {
        if let Some(to) = to {
            let tls = to.is_encrypted().then(pinned::by_authorities).transpose()?;
            let when_absent = "is the address in `--to` the one that providers send to?";
            let when_refused = String::new();
            return Ok(Reach {
                origin: to.clone(),
                tls,
                token: None,
                when_absent,
                when_refused,
                when_untrusted: AUTHORITIES,
            });
        }
        let reach = self.reach(|server| (server.listen, server.tls.is_some()))?;
        let when_refused = "is the key in `--key` or GATEWAY_API_KEY that of a caller?".to_owned();
        Ok(Reach { token: None, when_refused, ..reach })
    }

    /// The file, or `None` if none was named and the usual one does not exist.
    pub(super) fn parts(&self) -> Result<Option<Parts>, Failure> {
        if self.file.is_none() && !Path::new(FILE_NAME).exists() {
            return Ok(None);
        }
        Ok(Some(config::parts(self.file.as_deref())?))
    }

    /// The event log that can be read here while the gateway does not run. `None` for a gateway elsewhere.
    pub(super) fn eventlog(&self) -> Result<Option<eventlog::Settings>, Failure> {
        if self.url.is_some() {
            return Ok(None);
        }
        Ok(self.parts()?.map(|parts| parts.eventlog()).transpose()?)
    }

    fn reach(&self, address: impl FnOnce(&http::Settings) -> (SocketAddr, bool)) -> Result<Reach, Failure> {
        let given = "is the token in `--token` or `GATEWAY_ADMIN_TOKEN` the one of the running gateway?";
        let none = "pass the token of the admin API with `--token` or `GATEWAY_ADMIN_TOKEN`";
        if let Some(origin) = self.url.clone() {
            let tls = origin.is_encrypted().then(pinned::by_authorities).transpose()?;
            let when_absent = "is the address in `--url` or `GATEWAY_URL` the one of its admin API?";
            let when_refused = if self.token.is_some() { given } else { none }.to_owned();
            return Ok(Reach {
                origin,
                tls,
                token: self.token.clone(),
                when_absent,
                when_refused,
                when_untrusted: AUTHORITIES,
            });
        }
        let Some(parts) = self.parts().map_err(or_without_file)? else {
            let origin = Origin::of(SocketAddr::from(http::Settings::LISTEN), false);
            let when_absent =
                "name its address with `--url` or its configuration with `--config`, or start one with `gateway serve`";
            let when_refused = if self.token.is_some() { given } else { none }.to_owned();
            return Ok(Reach {
                origin,
                tls: None,
                token: self.token.clone(),
                when_absent,
                when_refused,
                when_untrusted: AUTHORITIES,
            });
        };
        let server = parts.server().map_err(Failure::from).map_err(or_without_file)?;
        let (address, is_encrypted) = address(&server);
        let origin = Origin::of(address, is_encrypted);
        let tls = is_encrypted.then(|| pinned::to_certificate(server.tls.as_ref()));
        let (token, when_refused) = match &self.token {
            Some(token) => (Some(token.clone()), given.to_owned()),
            None => match parts.admin_token().map_err(Failure::from).map_err(or_without_file)? {
                SecretPart::Present(token) => {
                    (Some(token), "`admin.token` must be the one of the running gateway".to_owned())
                }
                SecretPart::Missing(reason) => (None, format!("{none}: {reason}")),
                SecretPart::Absent => (None, none.to_owned()),
            },
        };
        let when_absent = "start it with `gateway serve`";
        let when_untrusted = "the gateway must serve the certificate in `http.tls.certificate`";
        Ok(Reach { origin, tls, token, when_absent, when_refused, when_untrusted })
    }
}

/// A file that cannot be used says nothing about the gateway that runs.
fn or_without_file(failure: Failure) -> Failure {
    match failure {
        Failure::Config(problems) => Failure::Call(
            format!("{problems}\nhint: `--url http://ADDRESS` asks the running gateway without this file").into(),
        ),
        failure => failure,
    }
}

/// The address to connect to for a server that listens at `listen`: an unspecified address includes this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_listens_everywhere_is_reached_here() {
        for (listen, expected) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.1:80", "10.0.0.1:80")]
        {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), expected);
        }
    }

    #[test]
    fn an_address_needs_no_scheme_and_may_have_a_path() {
        for (text, expected) in [
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("https://example.com/", Some("https://example.com")),
            ("https://example.com/gateway/", Some("https://example.com/gateway")),
            ("localhost:9000", Some("http://localhost:9000")),
            ("[::1]:9000", Some("http://[::1]:9000")),
            ("ftp://example.com", None),
            ("http://user:word@example.com", None),
            ("http://example.com/?a=1", None),
            ("", None),
        ] {
            assert_eq!(Origin::parse(text).ok().map(|origin| origin.0).as_deref(), expected, "{text}");
        }
    }
}
