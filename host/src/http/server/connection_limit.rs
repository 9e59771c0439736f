use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::caller::network_of;

/// How many connections each address has open; of IPv6 each network of 64 bits.
pub(crate) struct Crowd {
    most: usize,
    present: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that counts for its address until it is dropped.
pub(crate) struct Presence {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, present: Mutex::default() })
    }

    /// Counts one more, unless the address has as many as it may.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Presence> {
        let address = network_of(address);
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let count = present.entry(address).or_default();
        // An entry that was just made is below every limit, which is at least one.
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Presence { crowd: Arc::clone(self), address })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut present = self.crowd.present.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = present.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                present.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_connections_and_leaves_nothing_behind() {
        let crowd = Crowd::new(2);
        let enter = |address: &str| crowd.enter(address.parse().unwrap());

        let (first, second) = (enter("2001:db8::1").unwrap(), enter("2001:db8::2").unwrap());
        assert!(enter("2001:db8::3").is_none());
        assert!(enter("2001:db8:0:1::1").is_some());
        drop(first);
        let third = enter("2001:db8::3").unwrap();
        drop((second, third));
        assert!(crowd.present.lock().unwrap().is_empty());
    }
}
