//! Verification of the requests in samples, with a secret of the provider.

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use ::http::Method;
use anyhow::{Context, anyhow};

use crate::event::Timestamp;
use crate::plugin::Manifest;
use crate::sample::{Content, Sample};
use crate::verify::{Secret, Signed, VerifyError};

/// Where a secret is. The secret itself would be seen in the list of processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum SecretSource {
    /// A variable of the environment.
    Variable(String),
    /// A file. One newline at its end is removed.
    File(PathBuf),
}

impl FromStr for SecretSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Variable(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err("expected `env:NAME` or `file:PATH`".to_owned()),
        }
    }
}

impl SecretSource {
    fn read(&self) -> anyhow::Result<Secret> {
        let bytes = match self {
            Self::Variable(name) => {
                let value = std::env::var_os(name).ok_or_else(|| anyhow!("the variable `{name}` is not set"))?;
                value.into_encoded_bytes()
            }
            Self::File(path) => {
                let mut bytes =
                    fs::read(path).with_context(|| format!("cannot read the secret `{}`", path.display()))?;
                if bytes.last() == Some(&b'\n') {
                    bytes.pop();
                }
                bytes
            }
        };
        Secret::new(bytes).map_err(|_| anyhow!("the secret is empty"))
    }
}

/// Verifies requests as the channel would.
pub(super) struct Verification {
    secret: Secret,
    /// When they were signed; `None` means now.
    at: Option<Timestamp>,
}

impl Verification {
    pub(super) fn new(source: &SecretSource, at: Option<Timestamp>) -> anyhow::Result<Self> {
        Ok(Self { secret: source.read()?, at })
    }

    /// Why the request of a sample does not pass. Samples without one pass.
    pub(super) fn check(&self, sample: &Sample, manifest: &Manifest) -> Result<(), String> {
        let Ok(Content::Request(request)) = &sample.content else { return Ok(()) };
        let recipe = &manifest.recipe;
        if recipe.is_open() {
            return Err("its manifest has no `verification`".to_owned());
        }
        recipe.accepts_secret(&self.secret).map_err(|expected| format!("the secret does not fit: {expected}"))?;
        let (path, query) = request.target();
        let method = request.method().or_else(|| manifest.methods.first()).unwrap_or(&Method::POST);
        let signed = Signed { method, path, headers: request.headers(), query, body: request.body() };
        let now = self.at.unwrap_or_else(Timestamp::now);
        recipe.verify(std::slice::from_ref(&self.secret), &signed, now).map_err(|error| match error {
            VerifyError::Missing { .. } => {
                format!("not verified: {error}\nhint: the gateway records requests without credentials; add the header to `{}.headers`", sample.name)
            }
            VerifyError::Stale { .. } | VerifyError::Claim { name: "exp", .. } if self.at.is_none() => {
                format!("not verified: {error}\nhint: `--at TIME` says when the request was signed")
            }
            error => format!("not verified: {error}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_and_never_given() {
        let check = |text: &str, expected: Option<SecretSource>| assert_eq!(text.parse().ok(), expected, "{text}");

        check("env:NAME", Some(SecretSource::Variable("NAME".to_owned())));
        check("file:a:b", Some(SecretSource::File("a:b".into())));
        for wrong in ["", "mysecret", "env:", "file:", "ENV:NAME"] {
            check(wrong, None);
        }
    }
}
