//! The rate at which attempts to an agent start.

use std::time::{Duration, Instant};

use crate::caller::{Bucket, Rate};

/// Permission to start one attempt at a time, at the agent's rate. What was taken and not used is kept, so that looking for
/// a delivery costs nothing.
#[derive(Default)]
pub(super) struct Pace {
    bucket: Option<(Rate, Bucket)>,
    is_taken: bool,
}

impl Pace {
    /// Whether an attempt may start now; otherwise when.
    pub(super) fn take(&mut self, rate: Option<Rate>) -> Result<(), Instant> {
        let Some(rate) = rate else {
            *self = Self::default();
            return Ok(());
        };
        if self.bucket.as_ref().is_none_or(|(known, _)| *known != rate) {
            self.bucket = Some((rate, Bucket::new(rate)));
        }
        let Some((_, bucket)) = self.bucket.as_ref().filter(|_| !self.is_taken) else { return Ok(()) };
        let standing = bucket.take();
        if standing.is_exceeded() {
            return Err(Instant::now() + standing.wait.max(Duration::from_millis(1)));
        }
        self.is_taken = true;
        Ok(())
    }

    /// An attempt has started.
    pub(super) fn used(&mut self) {
        self.is_taken = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_kept_until_it_is_used() {
        let (rate, mut pace) = ("1/h".parse().ok(), Pace::default());
        assert_eq!(pace.take(rate), Ok(()));
        assert_eq!(pace.take(rate), Ok(()));
        pace.used();
        assert!(pace.take(rate).unwrap_err() > Instant::now() + Duration::from_secs(3000));
        assert_eq!(pace.take("2/h".parse().ok()), Ok(()), "another rate begins anew");
        assert_eq!(pace.take(None), Ok(()));
    }
}
