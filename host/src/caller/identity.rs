use std::sync::Arc;

use http::{HeaderMap, Method};

use crate::event::Timestamp;
use crate::verify::{Recipe, Secret, Signed, VerifyError};

/// Somebody who may call, and how it proves that it is itself.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its name, for the log.
    pub name: String,
    /// What it shows.
    pub proof: Proof,
}

/// How a caller proves that it is itself.
#[derive(Clone, Debug)]
pub enum Proof {
    /// It knows one of the secrets, and says so as the recipe of a single token tells.
    Token {
        /// Where the secret stands.
        recipe: Recipe,
        /// Any of them will do.
        secrets: Vec<Secret>,
    },
    /// It has a certificate of an accepted authority with one of these DNS names, in lower case; `*` is any name.
    Certificate {
        /// The names.
        names: Vec<String>,
    },
}

/// What is known of a caller's certificate, which was checked when the connection was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its DNS names (subject alternative names), in lower case.
    pub names: Vec<String>,
}

/// Why a caller is not one of those that may call. The text is safe to show to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallerError {
    /// It showed nothing, or nothing that any caller has.
    #[error("{0}")]
    Token(VerifyError),
    /// It has no certificate.
    #[error("a client certificate is missing")]
    NoCertificate,
    /// It has a certificate of somebody else.
    #[error("the client certificate is of nobody that may call here")]
    OtherCertificate,
}

impl Caller {
    fn identify(&self, headers: &HeaderMap, certificate: Option<&Certificate>) -> Result<(), CallerError> {
        match &self.proof {
            Proof::Token { recipe, secrets } => {
                // A token stands in a header; nothing else of the request counts.
                let signed = Signed { method: &Method::POST, path: "/", headers, query: "", body: &[] };
                recipe.verify(secrets, &signed, Timestamp::now()).map_err(CallerError::Token)
            }
            Proof::Certificate { names } => {
                let certificate = certificate.ok_or(CallerError::NoCertificate)?;
                let known = |name: &String| name == "*" || certificate.names.contains(name);
                if names.iter().any(known) { Ok(()) } else { Err(CallerError::OtherCertificate) }
            }
        }
    }

    pub(super) fn hides_header(&self, name: &str) -> bool {
        match &self.proof {
            Proof::Token { recipe, .. } => recipe.hides_header(name),
            Proof::Certificate { .. } => false,
        }
    }
}

/// Which of the callers sent a request with these headers over a connection with this certificate; none when anybody may.
///
/// # Errors
/// When it is none of them: what the last one would have asked for.
pub fn identify<'a>(
    callers: &'a [Arc<Caller>],
    headers: &HeaderMap,
    certificate: Option<&Certificate>,
) -> Result<Option<&'a Arc<Caller>>, CallerError> {
    let mut refusal = None;
    for caller in callers {
        match caller.identify(headers, certificate) {
            Ok(()) => return Ok(Some(caller)),
            Err(error) => refusal = Some(error),
        }
    }
    refusal.map_or(Ok(None), Err)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::verify::{Scheme, Token};

    fn token(name: &str, token: Token, secret: &str) -> Arc<Caller> {
        let recipe = Recipe::new(vec![Scheme::Token(token)]).unwrap();
        let secrets = vec![Secret::new(secret.as_bytes().to_vec()).unwrap()];
        Arc::new(Caller { name: name.to_owned(), proof: Proof::Token { recipe, secrets } })
    }

    fn certificate(name: &str, names: &[&str]) -> Arc<Caller> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Arc::new(Caller { name: name.to_owned(), proof: Proof::Certificate { names } })
    }

    #[test]
    fn a_caller_is_known_by_what_it_shows() {
        let callers = [
            token("ci", Token::in_bearer(), "one"),
            token("cron", Token::in_basic(), "user:two"),
            token("shop", Token::in_header("x-api-key"), "three"),
            certificate("mesh", &["a.example.com", "b.example.com"]),
        ];
        let check = |header: Option<(&'static str, &str)>, names: &[&str], expected: Result<&str, &str>| {
            let mut headers = HeaderMap::new();
            if let Some((name, value)) = header {
                headers.insert(name, HeaderValue::from_str(value).unwrap());
            }
            let shown = Certificate { names: names.iter().map(|name| (*name).to_owned()).collect() };
            let shown = (!names.is_empty()).then_some(&shown);
            let found = identify(&callers, &headers, shown).map(|caller| caller.unwrap().name.clone());
            assert_eq!(found.map_err(|error| error.to_string()), expected.map(str::to_owned).map_err(str::to_owned));
        };

        check(Some(("authorization", "Bearer one")), &[], Ok("ci"));
        check(Some(("authorization", "Basic dXNlcjp0d28=")), &[], Ok("cron"));
        check(Some(("x-api-key", "three")), &[], Ok("shop"));
        check(None, &["b.example.com"], Ok("mesh"));
        check(Some(("authorization", "Bearer three")), &[], Err("a client certificate is missing"));
        check(None, &["c.example.com"], Err("the client certificate is of nobody that may call here"));
        check(None, &[], Err("a client certificate is missing"));
    }

    #[test]
    fn where_nobody_is_named_anybody_may_call() {
        assert!(identify(&[], &HeaderMap::new(), None).unwrap().is_none());
    }

    #[test]
    fn a_star_takes_every_certificate_and_no_other() {
        let callers = [certificate("mesh", &["*"])];
        let any = Certificate { names: Vec::new() };
        assert!(identify(&callers, &HeaderMap::new(), Some(&any)).is_ok());
        assert!(identify(&callers, &HeaderMap::new(), None).is_err());
    }
}
