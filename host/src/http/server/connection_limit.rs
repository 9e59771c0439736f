//! A limit of connections for each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::caller::network_of;

/// How many connections each address has open; for IPv6 each network of 64 bits.
pub(crate) struct ConnectionLimit {
    max: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that counts for its address until it is dropped.
pub(crate) struct CountedConnection {
    limit: Arc<ConnectionLimit>,
    address: IpAddr,
}

impl ConnectionLimit {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, open: Mutex::default() })
    }

    /// Counts one more; `None` when the address has reached the limit.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<CountedConnection> {
        let address = network_of(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        // A new entry is below the limit, which is at least one, so no entry of zero stays behind.
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(CountedConnection { limit: Arc::clone(self), address })
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        let mut open = self.limit.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reaches_its_limit_and_leaves_nothing_behind() {
        let limit = ConnectionLimit::new(2);
        let enter = |address: &str| limit.enter(address.parse().unwrap());

        let (first, second) = (enter("2001:db8::1").unwrap(), enter("2001:db8::2").unwrap());
        assert!(enter("2001:db8::3").is_none());
        assert!(enter("2001:db8:0:1::1").is_some());
        drop(first);
        let third = enter("2001:db8::3").unwrap();
        drop((second, third));
        assert!(limit.open.lock().unwrap().is_empty());
    }
}
