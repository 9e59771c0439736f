//! The place of a connection in a consumer, and its use by whoever pulls.

use std::sync::Arc;

use super::Consumer;
use super::lease::{ConsumerError, Lease};

/// The place of a connection in a consumer, until it is dropped.
pub(in crate::subscribe) struct Holder {
    pub(in crate::subscribe) consumer: Arc<Consumer>,
    number: u64,
    _use: InUse,
}

/// A use of a consumer, until it is dropped.
pub(in crate::subscribe) struct InUse(Arc<Consumer>);

impl Holder {
    /// A place in this consumer: the active one, if nobody else has a place.
    ///
    /// # Errors
    /// `Deleted`; `Log` while the system has no random numbers.
    pub(in crate::subscribe) fn attach(consumer: Arc<Consumer>) -> Result<Self, ConsumerError> {
        let lease = Lease::new()?;
        let number = consumer.change(|state| {
            if state.deleted {
                return Err(ConsumerError::Deleted);
            }
            let number = state.next_holder;
            state.next_holder += 1;
            state.holders.push_back(number);
            if state.holders.len() == 1 {
                // Whoever pulled has lost its turn.
                state.begin_turn(lease, Some(number));
            }
            Ok(number)
        })?;
        Ok(Self { _use: InUse::of(&consumer), consumer, number })
    }

    /// The lease while it is active. `None` for a standby.
    ///
    /// # Errors
    /// `Deleted`.
    pub(in crate::subscribe) fn lease(&self) -> Result<Option<Lease>, ConsumerError> {
        let state = self.consumer.state();
        if state.deleted {
            return Err(ConsumerError::Deleted);
        }
        Ok(state.turn.filter(|turn| turn.holder == Some(self.number)).map(|turn| turn.lease))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Without random numbers the standby stays one, until the next change.
        let lease = Lease::new();
        self.consumer.change(|state| {
            state.holders.retain(|holder| *holder != self.number);
            if state.turn.is_some_and(|turn| turn.holder == Some(self.number)) {
                state.window.take_back();
                state.turn = None;
                if let (Some(next), Ok(lease)) = (state.holders.front().copied(), lease) {
                    state.begin_turn(lease, Some(next));
                }
            }
        });
    }
}

impl InUse {
    pub(in crate::subscribe) fn of(consumer: &Arc<Consumer>) -> Self {
        consumer.change(|state| state.usage.begins());
        Self(Arc::clone(consumer))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.change(|state| state.usage.ends());
    }
}
