//! Reading the body of a request within its limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;

use crate::http::refusal::{Refusal, Shortage};

/// Bodies up to this size are copied: the one allocation is cheaper than keeping the connection's whole read buffer
/// for as long as the event is in memory, and than the new buffer the connection would need.
const COPIED: usize = 4096;

/// The most that is set aside because a request announces it.
const TRUSTED_LENGTH: usize = 1 << 20;

/// How long the rest of a body that is too large is read and thrown away, so that the caller hears the answer instead of
/// finding the connection reset.
const DISCARD: Duration = Duration::from_secs(1);

/// What one body may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes.
    pub(crate) max: usize,
    /// From the head to the last byte.
    pub(crate) time: Duration,
}

/// The bytes of bodies that may be held at once.
#[derive(Debug)]
pub(crate) struct Budget {
    held: AtomicUsize,
    limit: usize,
}

/// A part of a [`Budget`], given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Self { held: AtomicUsize::new(0), limit }
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        self.held.load(Ordering::Relaxed).checked_add(bytes).is_some_and(|sum| sum <= self.limit)
    }
}

impl Share {
    /// Nothing yet.
    pub(crate) fn of(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), bytes: 0 }
    }

    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let sum = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.budget.limit);
        match self.budget.held.try_update(Ordering::Relaxed, Ordering::Relaxed, sum) {
            Ok(_) => {
                self.bytes += bytes;
                Ok(())
            }
            Err(_) => Err(Refusal::Overloaded(Shortage::Bytes)),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Reads `body` to its end. The budget is charged for what has arrived, not for what is announced: a slow caller must not
/// take the room of others.
pub(crate) async fn read<B>(
    mut body: B,
    limits: Limits,
    budget: &Arc<Budget>,
    waits_for_continue: bool,
) -> Result<(Bytes, Share), Refusal>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let announced = body.size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let result = match announced {
        Some(bytes) if bytes > limits.max => Err(Refusal::TooLarge { limit: limits.max }),
        Some(bytes) if !budget.has_room_for(bytes) => return Err(Refusal::Overloaded(Shortage::Bytes)),
        _ => match tokio::time::timeout(limits.time, collect(&mut body, limits.max, announced, budget)).await {
            Ok(result) => result,
            Err(_) => return Err(Refusal::BodyTimeout(limits.time)),
        },
    };
    // A caller that waits to be told to continue sends nothing when it is told something else.
    if let Err(Refusal::TooLarge { .. }) = &result
        && !waits_for_continue
    {
        // Whether all of it was thrown away in time or not, the answer is the same.
        drop(tokio::time::timeout(DISCARD, discard(&mut body, limits.max.saturating_mul(2))).await);
    }
    result
}

async fn collect<B>(
    body: &mut B,
    max: usize,
    announced: Option<usize>,
    budget: &Arc<Budget>,
) -> Result<(Bytes, Share), Refusal>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut share = Share::of(budget);
    let mut first = Bytes::new();
    let mut joined = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers are not signed, and no channel reads them.
        let Ok(data) = frame.map_err(|error| Refusal::Body(error.to_string()))?.into_data() else { continue };
        if data.len() > max - share.bytes {
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

async fn discard<B: Body<Data = Bytes> + Unpin>(body: &mut B, max: usize) {
    let mut left = max;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    const LIMITS: Limits = Limits { max: 10, time: Duration::from_millis(20) };

    fn frames(parts: &[&'static str]) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let parts: Vec<_> = parts.iter().map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))).collect();
        StreamBody::new(stream::iter(parts))
    }

    #[tokio::test]
    async fn a_body_of_any_number_of_frames_is_whole() {
        for parts in [&[][..], &["abc"], &["", "abc"], &["abc", "", "def", "ghij"]] {
            let budget = Arc::new(Budget::new(10));

            let (whole, share) = read(frames(parts), LIMITS, &budget, false).await.unwrap();

            assert_eq!(whole, parts.concat(), "{parts:?}");
            assert_eq!(budget.held(), whole.len());
            drop(share);
            assert_eq!(budget.held(), 0);
        }
    }

    #[tokio::test]
    async fn a_body_beyond_a_limit_is_refused_and_gives_its_share_back() {
        let budget = Arc::new(Budget::new(10));
        let full = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes()));

        let announced = read(full("0123456789a"), LIMITS, &budget, false).await.unwrap_err();
        assert!(matches!(announced, Refusal::TooLarge { limit: 10 }), "{announced:?}");
        let streamed = read(frames(&["01234", "56789", "a"]), LIMITS, &budget, false).await.unwrap_err();
        assert!(matches!(streamed, Refusal::TooLarge { limit: 10 }), "{streamed:?}");
        let slow = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let slow = read(slow, LIMITS, &budget, false).await.unwrap_err();
        assert!(matches!(slow, Refusal::BodyTimeout(_)), "{slow:?}");

        let (_, _share) = read(full("012345"), LIMITS, &budget, false).await.unwrap();
        for second in [
            read(full("01234"), LIMITS, &budget, false).await,
            read(frames(&["0123", "4"]), LIMITS, &budget, false).await,
        ] {
            assert!(matches!(second.unwrap_err(), Refusal::Overloaded(Shortage::Bytes)));
        }
        assert_eq!(budget.held(), 6);
    }
}
