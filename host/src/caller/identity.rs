//! Callers, and how they authenticate.

use std::sync::Arc;

use http::{HeaderMap, Method};

use super::key_sets::{KeySets, KeySource};
use crate::event::Timestamp;
use crate::verify::{IssuedToken, KeySet, Recipe, Secret, Signed, TokenRefusal, VerifyError};

/// A caller, and how it authenticates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name in `[callers]`, for the log.
    pub name: String,
    /// What it authenticates with.
    pub proof: Proof,
}

/// How a caller authenticates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// With one of the secrets, as a token.
    Token {
        /// A recipe with a single token scheme.
        recipe: Recipe,
        /// Each of them is accepted.
        secrets: Vec<Secret>,
    },
    /// With a token that an issuer has signed.
    Issued {
        /// What it must be like.
        token: IssuedToken,
        /// The keys of the issuer, for algorithms with a public key.
        keys: Option<KeySource>,
        /// For algorithms with a shared secret. Each of them is accepted.
        secrets: Vec<Secret>,
    },
    /// With a certificate that has one of these DNS names, in lower case; `*` accepts any certificate.
    Certificate {
        /// The accepted names.
        names: Vec<String>,
    },
}

/// The certificate of a client. It was verified during the TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// DNS names (subject alternative names), in lower case.
    pub names: Vec<String>,
}

/// Why a request belongs to no allowed caller. The text is safe to show to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallerError {
    /// The token is missing or does not match.
    #[error("{0}")]
    Token(VerifyError),
    /// The issuer of the token has no such key, or its keys are not available.
    #[error("the key of the token is not known")]
    UnknownKey,
    /// The connection has no client certificate.
    #[error("a client certificate is missing")]
    NoCertificate,
    /// The client certificate belongs to no allowed caller.
    #[error("the client certificate does not belong to an allowed caller")]
    OtherCertificate,
}

impl Caller {
    async fn identify(
        &self,
        headers: &HeaderMap,
        certificate: Option<&Certificate>,
        key_sets: &KeySets,
    ) -> Result<(), CallerError> {
        match &self.proof {
            Proof::Token { recipe, secrets } => {
                // The token is in a header; the rest of the request does not matter.
                let signed = Signed { method: &Method::POST, path: "/", headers, query: "", body: &[] };
                recipe.verify(secrets, &signed, Timestamp::now()).map_err(CallerError::Token)
            }
            Proof::Issued { token, keys, secrets } => {
                let verify = |known: Option<&KeySet>| token.verify(headers, known, secrets, Timestamp::now());
                let mut verified = verify(None);
                if let (Err(TokenRefusal::UnknownKey), Some(source)) = (&verified, keys) {
                    let known = key_sets.current(&self.name, source).await;
                    verified = verify(known.as_deref());
                    if verified == Err(TokenRefusal::UnknownKey) {
                        verified = verify(key_sets.after(&self.name, source, known.as_ref()).await.as_deref());
                    }
                }
                verified.map_err(|refusal| match refusal {
                    TokenRefusal::UnknownKey => CallerError::UnknownKey,
                    TokenRefusal::Invalid(error) => CallerError::Token(error),
                })
            }
            Proof::Certificate { names } => {
                let certificate = certificate.ok_or(CallerError::NoCertificate)?;
                let known = |name: &String| name == "*" || certificate.names.contains(name);
                if names.iter().any(known) { Ok(()) } else { Err(CallerError::OtherCertificate) }
            }
        }
    }

    /// Where the keys of its issuer are, if it has one.
    pub fn key_source(&self) -> Option<&KeySource> {
        match &self.proof {
            Proof::Issued { keys, .. } => keys.as_ref(),
            Proof::Token { .. } | Proof::Certificate { .. } => None,
        }
    }

    pub(super) fn hides_header(&self, name: &str) -> bool {
        match &self.proof {
            Proof::Token { recipe, .. } => recipe.hides_header(name),
            Proof::Issued { .. } => IssuedToken::hides_header(name),
            Proof::Certificate { .. } => false,
        }
    }
}

/// The caller of a request with these headers over a connection with this certificate; `None` if `callers` is empty.
///
/// # Errors
/// The request belongs to none of them; the error is that of the last one.
pub async fn identify<'a>(
    callers: &'a [Arc<Caller>],
    headers: &HeaderMap,
    certificate: Option<&Certificate>,
    key_sets: &KeySets,
) -> Result<Option<&'a Arc<Caller>>, CallerError> {
    let mut refusal = None;
    for caller in callers {
        match caller.identify(headers, certificate, key_sets).await {
            Ok(()) => return Ok(Some(caller)),
            Err(error) => refusal = Some(error),
        }
    }
    refusal.map_or(Ok(None), Err)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http::HeaderValue;

    use super::*;
    use crate::caller::{FetchKeys, Fetching};
    use crate::verify::{Scheme, Token};

    struct NoKeys;

    impl FetchKeys for NoKeys {
        fn fetch<'a>(&'a self, _: &'a str, _: &'a KeySource) -> Fetching<'a> {
            Box::pin(async { None })
        }
    }

    fn no_keys() -> KeySets {
        KeySets::new(Arc::new(NoKeys))
    }

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
    fn a_caller_is_identified_by_its_proof() {
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
            let found = identify(&callers, &headers, shown, &no_keys())
                .now_or_never()
                .unwrap()
                .map(|caller| caller.unwrap().name.clone());
            assert_eq!(found.map_err(|error| error.to_string()), expected.map(str::to_owned).map_err(str::to_owned));
        };

        check(Some(("authorization", "Bearer one")), &[], Ok("ci"));
        check(Some(("authorization", "Basic dXNlcjp0d28=")), &[], Ok("cron"));
        check(Some(("x-api-key", "three")), &[], Ok("shop"));
        check(None, &["b.example.com"], Ok("mesh"));
        check(Some(("authorization", "Bearer three")), &[], Err("a client certificate is missing"));
        check(None, &["c.example.com"], Err("the client certificate does not belong to an allowed caller"));
        check(None, &[], Err("a client certificate is missing"));
    }

    #[test]
    fn without_named_callers_anyone_may_call() {
        assert!(identify(&[], &HeaderMap::new(), None, &no_keys()).now_or_never().unwrap().unwrap().is_none());
    }

    #[test]
    fn a_star_accepts_every_certificate() {
        let callers = [certificate("mesh", &["*"])];
        let any = Certificate { names: Vec::new() };
        let found = |shown| identify(&callers, &HeaderMap::new(), shown, &no_keys()).now_or_never().unwrap().is_ok();
        assert!(found(Some(&any)));
        assert!(!found(None));
    }
}
