//! Decoding bodies: after they were verified, within the limits of a body, and on threads that may take their time.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use super::budget::{BodyBudget, BodyShare};
use super::error::IngestError;
use crate::coding::{self, Coding, DecodeError};

/// The coding of a body, one of those that are accepted; `None` when the body is as it is.
pub(super) fn coding_of(headers: &HeaderMap, accepted: &[Coding]) -> Result<Option<Coding>, IngestError> {
    let listed =
        headers.get_all(CONTENT_ENCODING).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut codings =
        listed.map(<[u8]>::trim_ascii).filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    let Some(name) = codings.next() else { return Ok(None) };
    let coding = std::str::from_utf8(name).ok().and_then(Coding::named).filter(|coding| accepted.contains(coding));
    // No sender needs several codings, one over the other.
    match (coding, codings.next()) {
        (Some(coding), None) => Ok(Some(coding)),
        _ => Err(IngestError::Encoding { accepted: accepted.to_vec() }),
    }
}

/// The decoded body, of at most `max` bytes, with its share of the budget.
pub(super) async fn decode(
    coding: Coding,
    encoded: Bytes,
    max: usize,
    budget: &Arc<BodyBudget>,
) -> Result<(Bytes, BodyShare), IngestError> {
    let mut share = BodyShare::new(budget);
    let mut working = BodyShare::new(budget);
    working.grow(coding::memory(coding))?;
    let decoding = tokio::task::spawn_blocking(move || {
        let _working = working;
        coding::decode(coding, &encoded, max, |bytes| share.grow(bytes)).map(|decoded| (Bytes::from(decoded), share))
    });
    match decoding.await {
        Ok(Ok(decoded)) => Ok(decoded),
        Ok(Err(DecodeError::Malformed)) => Err(IngestError::Undecodable(coding)),
        Ok(Err(DecodeError::TooLarge)) => Err(IngestError::TooLarge { limit: max }),
        Ok(Err(DecodeError::NoRoom(no_room))) => Err(no_room.into()),
        Err(error) => Err(IngestError::Internal(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn one_coding_is_accepted_where_it_is_allowed() {
        let gzip = [Coding::Gzip];
        for (values, accepted, expected) in [
            (&[][..], &[][..], Ok(None)),
            (&["identity"], &[], Ok(None)),
            (&["Identity", ""], &[], Ok(None)),
            (&["gzip"], &[], Err(())),
            (&["gzip"], &gzip, Ok(Some(Coding::Gzip))),
            (&["X-GZIP"], &gzip, Ok(Some(Coding::Gzip))),
            (&["identity, gzip"], &gzip, Ok(Some(Coding::Gzip))),
            (&["gzip, gzip"], &gzip, Err(())),
            (&["gzip", "br"], &Coding::ALL, Err(())),
            (&["br"], &gzip, Err(())),
            (&["compress"], &Coding::ALL, Err(())),
        ] {
            let headers: HeaderMap =
                values.iter().map(|value| (CONTENT_ENCODING, HeaderValue::from_static(value))).collect();

            assert_eq!(coding_of(&headers, accepted).map_err(drop), expected, "{values:?}");
        }
    }

    #[tokio::test]
    async fn a_body_is_decoded_within_the_limits_and_the_budget() {
        let body = vec![b'x'; 100_000];
        let encoded = Bytes::from(coding::encode(Coding::Gzip, &body).unwrap());
        let budget = Arc::new(BodyBudget::new(1 << 20));
        let decoded = |max, budget: &Arc<BodyBudget>| {
            let (encoded, budget) = (encoded.clone(), Arc::clone(budget));
            async move { decode(Coding::Gzip, encoded, max, &budget).await }
        };

        let (plain, share) = decoded(100_000, &budget).await.unwrap();
        assert_eq!(plain, body);
        assert_eq!(budget.held(), 100_000);
        drop(share);
        assert!(matches!(decoded(99_999, &budget).await, Err(IngestError::TooLarge { limit: 99_999 })));
        for room in [1000, 99_999] {
            let narrow = Arc::new(BodyBudget::new(room));
            assert!(matches!(decoded(100_000, &narrow).await, Err(IngestError::NoRoom(_))));
            assert_eq!(narrow.held(), 0);
        }
        assert_eq!(budget.held(), 0);
        let garbage = decode(Coding::Gzip, Bytes::from_static(b"{}"), 10, &budget).await;
        assert!(matches!(garbage, Err(IngestError::Undecodable(Coding::Gzip))));
    }
}
