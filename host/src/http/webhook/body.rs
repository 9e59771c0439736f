//! Reading the body of a request within its limits.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;

use crate::http::refusal::{Refusal, Shortage};
use crate::ingest::{BodyBudget, BodyShare};

/// Bodies up to this size are copied: one allocation is cheaper than keeping the connection's whole read buffer for as long as
/// the event is in memory, and than the new buffer that the connection would need.
const COPIED: usize = 4096;

/// The most that is reserved because a request announces it.
const TRUSTED_LENGTH: usize = 1 << 20;

#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// Bytes.
    pub(crate) max: usize,
    /// From the head to the last byte.
    pub(crate) time: Duration,
}

/// Reads `body` to its end, or up to the limit that it exceeds. The budget is charged for what has arrived, not for what is announced: a slow caller must not take
/// the room of others.
pub(crate) async fn read<B>(
    mut body: B,
    limits: BodyLimits,
    budget: &Arc<BodyBudget>,
) -> Result<(Bytes, BodyShare), Refusal>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let announced = body.size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    match announced {
        Some(bytes) if bytes > limits.max => Err(Refusal::TooLarge { limit: limits.max }),
        Some(bytes) if !budget.has_room_for(bytes) => Err(Refusal::Overloaded(Shortage::Bytes)),
        _ => tokio::time::timeout(limits.time, collect(&mut body, limits.max, announced, budget))
            .await
            .unwrap_or(Err(Refusal::BodyTimeout(limits.time))),
    }
}

async fn collect<B>(
    body: &mut B,
    max: usize,
    announced: Option<usize>,
    budget: &Arc<BodyBudget>,
) -> Result<(Bytes, BodyShare), Refusal>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut share = BodyShare::new(budget);
    let mut first = Bytes::new();
    let mut joined = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers are not signed, and no channel reads them.
        let Ok(data) = frame.map_err(|error| Refusal::Body(error.to_string()))?.into_data() else { continue };
        if data.len() > max - share.bytes() {
            return Err(Refusal::TooLarge { limit: max });
        }
        share.grow(data.len())?;
        if first.is_empty() && joined.is_empty() {
            first = data;
            continue;
        }
        if joined.is_empty() {
            joined.reserve(announced.unwrap_or(0).min(TRUSTED_LENGTH).max(first.len() + data.len()));
            joined.extend_from_slice(&first);
        }
        joined.extend_from_slice(&data);
    }
    let whole = match (joined.is_empty(), first.len()) {
        (false, _) => Bytes::from(joined),
        (true, ..=COPIED) => Bytes::copy_from_slice(&first),
        (true, _) => first,
    };
    Ok((whole, share))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    const LIMITS: BodyLimits = BodyLimits { max: 10, time: Duration::from_millis(20) };

    fn frames(parts: &[&'static str]) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let parts: Vec<_> = parts.iter().map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))).collect();
        StreamBody::new(stream::iter(parts))
    }

    #[tokio::test]
    async fn a_body_of_any_number_of_frames_is_whole() {
        for parts in [&[][..], &["abc"], &["", "abc"], &["abc", "", "def", "ghij"]] {
            let budget = Arc::new(BodyBudget::new(10));

            let (whole, share) = read(frames(parts), LIMITS, &budget).await.unwrap();

            assert_eq!(whole, parts.concat(), "{parts:?}");
            assert_eq!(budget.held(), whole.len());
            drop(share);
            assert_eq!(budget.held(), 0);
        }
    }

    #[tokio::test]
    async fn a_body_beyond_a_limit_is_refused_and_gives_its_share_back() {
        let budget = Arc::new(BodyBudget::new(10));
        let full = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes()));

        let announced = read(full("0123456789a"), LIMITS, &budget).await.unwrap_err();
        assert!(matches!(announced, Refusal::TooLarge { limit: 10 }), "{announced:?}");
        let streamed = read(frames(&["01234", "56789", "a"]), LIMITS, &budget).await.unwrap_err();
        assert!(matches!(streamed, Refusal::TooLarge { limit: 10 }), "{streamed:?}");
        let slow = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let slow = read(slow, LIMITS, &budget).await.unwrap_err();
        assert!(matches!(slow, Refusal::BodyTimeout(_)), "{slow:?}");

        let (_, _share) = read(full("012345"), LIMITS, &budget).await.unwrap();
        for second in [read(full("01234"), LIMITS, &budget).await, read(frames(&["0123", "4"]), LIMITS, &budget).await]
        {
            assert!(matches!(second.unwrap_err(), Refusal::Overloaded(Shortage::Bytes)));
        }
        assert_eq!(budget.held(), 6);
    }
}
