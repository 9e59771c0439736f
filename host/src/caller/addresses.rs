//! A rate for each address, in bounded memory.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::rate::{Rate, Standing, since};

/// Slots per set: an address can occupy any slot of its set.
const WAYS: usize = 8;

/// Parts of the table, each with a lock.
const SHARDS: usize = 64;

/// A rate per address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressLimit {
    /// The rate of one address.
    pub rate: Rate,
    /// Approximate number of tracked addresses, 16 bytes each.
    pub addresses: usize,
}

/// The used part of the rate of each address.
///
/// A table of fixed size: a new address replaces the one in its set that would be forgotten first, so that a flood of addresses
/// does not cost more memory. Addresses are stored as keyed digests, so that an attacker cannot aim at a set.
#[derive(Debug)]
pub struct Addresses {
    rate: Rate,
    began: Instant,
    hasher: RandomState,
    shards: Vec<Mutex<Vec<[AddressSlot; WAYS]>>>,
}

/// One address. The slot is free once `full_at` has passed.
#[derive(Clone, Copy, Debug, Default)]
struct AddressSlot {
    digest: u64,
    full_at: u64,
}

impl Addresses {
    /// Allocates all the memory that the table will ever use.
    pub fn new(limit: AddressLimit) -> Self {
        let sets = limit.addresses.div_ceil(SHARDS * WAYS).max(1);
        let shard = || Mutex::new(vec![[AddressSlot::default(); WAYS]; sets]);
        Self {
            rate: limit.rate,
            began: Instant::now(),
            hasher: RandomState::new(),
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
        }
    }

    /// Counts one request, unless it exceeds the rate. Also returns whether the address displaced another one whose rate was still
    /// in use.
    pub fn take(&self, address: IpAddr) -> (Standing, bool) {
        self.take_at(address, since(self.began))
    }

    fn take_at(&self, address: IpAddr, now: u64) -> (Standing, bool) {
        let digest = self.hasher.hash_one(network_of(address));
        // The upper half selects the shard, the lower half the set, so both are independent.
        let (upper, lower) = ((digest >> 32) as usize, (digest & u64::from(u32::MAX)) as usize);
        let mut shard = self.shards[upper % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        let sets = shard.len();
        let set = &mut shard[lower % sets];
        let own = set.iter().position(|slot| slot.digest == digest);
        let index = own.unwrap_or_else(|| {
            let oldest = set.iter().enumerate().min_by_key(|(_, slot)| slot.full_at);
            oldest.map_or(0, |(index, _)| index)
        });
        let slot = &mut set[index];
        let full_at = if own.is_some() { slot.full_at } else { 0 };
        let displaced = own.is_none() && slot.full_at > now;
        let (next, standing) = self.rate.take(full_at, now);
        if let Some(next) = next {
            *slot = AddressSlot { digest, full_at: next };
        }
        (standing, displaced)
    }
}

/// The unit of a rate: an IPv4 address, or the /64 network of an IPv6 address, because clients have many addresses in theirs.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn table(rate: &str, addresses: usize) -> Addresses {
        Addresses::new(AddressLimit { rate: rate.parse().unwrap(), addresses })
    }

    fn v4(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn each_address_has_a_rate_of_its_own() {
        let table = table("2/s", 1024);
        let exceeded = |address: &str| table.take_at(address.parse().unwrap(), SECOND).0.is_exceeded();

        for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"] {
            assert_eq!([exceeded(address), exceeded(address), exceeded(address)], [false, false, true], "{address}");
        }
        assert!(exceeded("::ffff:192.0.2.1"), "the same address in another notation");
        assert!(exceeded("2001:db8::ffff:1"), "the same network of 64 bits");
    }

    #[test]
    fn a_flood_of_addresses_uses_no_more_slots_and_is_reported() {
        let table = table("1/m", 1024);
        let displaced = (0..100_000).filter(|number| table.take_at(v4(*number), SECOND).1).count();

        let slots: usize = table.shards.iter().map(|shard| shard.lock().unwrap().len() * WAYS).sum();
        assert_eq!(slots, 1024);
        assert!(displaced >= 100_000 - 1024, "{displaced}");
    }

    #[test]
    fn an_unused_slot_is_free() {
        let table = table("1/s", 1);
        let later = |number: u32| u64::from(number + 1) * 2 * SECOND;
        let displaced = (0..10_000).filter(|number| table.take_at(v4(*number), later(*number)).1).count();
        assert_eq!(displaced, 0);
    }

    #[test]
    fn an_address_that_asks_too_often_stays_where_it_is() {
        let table = table("1/m", 64 * 8);
        assert!(!table.take_at(v4(1), SECOND).0.is_exceeded());
        for _ in 0..1000 {
            assert_eq!(
                table.take_at(v4(1), SECOND),
                (
                    Standing {
                        limit: 1,
                        remaining: 0,
                        reset: std::time::Duration::from_secs(60),
                        wait: std::time::Duration::from_secs(60),
                    },
                    false
                )
            );
        }
    }
}
