//! The strength of recipes, to detect a weaker one.
//!
//! Five properties count: the kind of proof, whether it covers the body, whether there is a timestamp, its tolerance, and for
//! two signed tokens the claims that are checked. A scheme is at least as strong as another if it is so in all five. Header
//! names, encodings and the form of the secret do not count.

use super::{Algorithm, Part, Scheme, Tolerance};

/// The kinds of proof, weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Proof {
    /// The request carries the secret itself.
    Token,
    /// HMAC-SHA-1.
    Legacy,
    /// HMAC-SHA-256 and up, public keys, Standard Webhooks.
    Modern,
}

struct Strength {
    proof: Proof,
    covers_body: bool,
    tolerance: Option<Tolerance>,
    claims: Option<Claims>,
}

/// Which claims of a token are checked: the hash of the request, the issuer, the audience.
struct Claims([bool; 3]);

impl Claims {
    fn cover(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(own, others)| *own >= others)
    }
}

impl Strength {
    fn of(scheme: &Scheme) -> Self {
        let covers_body = |parts: &[Part]| parts.contains(&Part::Body);
        match scheme {
            Scheme::Token(_) => Self { proof: Proof::Token, covers_body: false, tolerance: None, claims: None },
            Scheme::Hmac(hmac) => Self {
                proof: if hmac.algorithm == Algorithm::Sha1 { Proof::Legacy } else { Proof::Modern },
                covers_body: covers_body(&hmac.signed),
                tolerance: hmac.timestamp.as_ref().map(|rule| rule.tolerance),
                claims: None,
            },
            Scheme::Ed25519(ed25519) => Self {
                proof: Proof::Modern,
                covers_body: covers_body(&ed25519.signed),
                tolerance: ed25519.timestamp.as_ref().map(|rule| rule.tolerance),
                claims: None,
            },
            Scheme::StandardWebhooks(scheme) => {
                Self { proof: Proof::Modern, covers_body: true, tolerance: Some(scheme.tolerance), claims: None }
            }
            Scheme::Jwt(jwt) => Self {
                proof: Proof::Modern,
                covers_body: false,
                tolerance: Some(jwt.tolerance),
                claims: Some(Claims([jwt.query_hash, jwt.issuer.is_some(), jwt.audience.is_some()])),
            },
        }
    }

    fn is_at_least(&self, other: &Self) -> bool {
        let as_fresh = match (self.tolerance, other.tolerance) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(others)) => own <= others,
        };
        let covers_claims = match (&self.claims, &other.claims) {
            (Some(own), Some(others)) => own.cover(others),
            _ => true,
        };
        self.proof >= other.proof && self.covers_body >= other.covers_body && as_fresh && covers_claims
    }
}

/// Whether one of these alternatives is weaker than every alternative of `other`. An empty list passes every request.
pub(super) fn is_weaker(own: &[Scheme], other: &[Scheme]) -> bool {
    if own.is_empty() || other.is_empty() {
        return own.is_empty() && !other.is_empty();
    }
    let others: Vec<_> = other.iter().map(Strength::of).collect();
    let keeps_up = |own: &Scheme| others.iter().any(|other| Strength::of(own).is_at_least(other));
    !own.iter().all(keeps_up)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn alternatives(schemes: &[&Value]) -> Vec<Scheme> {
        schemes.iter().map(|scheme| serde_json::from_value((*scheme).clone()).unwrap()).collect()
    }

    #[test]
    fn a_recipe_is_weaker_when_one_alternative_asks_for_less() {
        let hmac = |algorithm: &str, signed: Value| json!({"scheme": "hmac", "algorithm": algorithm, "header": "x-s", "encoding": "hex", "signed": signed});
        let timed = |tolerance: &str| {
            let mut scheme = hmac("sha256", json!(["timestamp", "body"]));
            scheme["timestamp"] = json!({"from": {"header": "x-t"}, "tolerance": tolerance});
            scheme
        };
        let token = json!({"scheme": "token", "in": "bearer"});
        let (sha1, sha256, sha512) =
            (hmac("sha1", json!(["body"])), hmac("sha256", json!(["body"])), hmac("sha512", json!(["body"])));
        let bodiless = hmac("sha256", json!([{"header": "x-id"}]));
        let standard = json!({"scheme": "standard-webhooks"});
        let ed25519 = json!({"scheme": "ed25519", "header": "x-s", "signed": ["body"]});
        let jwt = json!({"scheme": "jwt", "algorithm": "HS256"});
        let hashed = json!({"scheme": "jwt", "algorithm": "HS256", "query_hash": true});
        let issued = json!({"scheme": "jwt", "algorithm": "HS256", "issuer": "i"});
        for (own, other, expected) in [
            (vec![&jwt], vec![&token], false),
            (vec![&jwt], vec![&sha256], true),
            (vec![&timed("1m")], vec![&hashed], false),
            (vec![&jwt], vec![&hashed], true),
            (vec![&hashed], vec![&jwt], false),
            (vec![&hashed], vec![&issued], true),
            (vec![], vec![], false),
            (vec![], vec![&token], true),
            (vec![&token], vec![], false),
            (vec![&token], vec![&token], false),
            (vec![&token], vec![&sha1], true),
            (vec![&sha1], vec![&token], false),
            (vec![&sha1], vec![&sha256], true),
            (vec![&sha256], vec![&sha512], false),
            (vec![&ed25519], vec![&sha256], false),
            (vec![&sha256], vec![&timed("5m")], true),
            (vec![&timed("5m")], vec![&sha256], false),
            (vec![&timed("5m")], vec![&standard], false),
            (vec![&timed("1h")], vec![&standard], true),
            (vec![&timed("1m")], vec![&standard], false),
            (vec![&bodiless], vec![&sha256], true),
            (vec![&bodiless], vec![&sha1], true),
            (vec![&sha256, &token], vec![&sha256], true),
            (vec![&sha256, &token], vec![&token, &sha256], false),
            (vec![&sha256], vec![&token, &sha256], false),
        ] {
            let weaker = is_weaker(&alternatives(&own), &alternatives(&other));

            assert_eq!(weaker, expected, "{own:?} against {other:?}");
        }
    }
}
