use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::rate::{Rate, Standing, since};

/// Places among which one address has to find its own.
const WAYS: usize = 8;

/// Parts of the table with a lock each.
const SHARDS: usize = 64;

/// A rate for every address by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressLimit {
    /// The rate of each.
    pub rate: Rate,
    /// Addresses that are remembered, about; 16 bytes each.
    pub addresses: usize,
}

/// How much of its rate each address has used.
///
/// A fixed table: an address that finds no slot takes that of the one that is closest to being forgotten anyway, so that a
/// flood from many addresses costs no more memory than it was given. Addresses are kept as a digest with a random key, which
/// nobody outside can aim at.
#[derive(Debug)]
pub struct Addresses {
    rate: Rate,
    began: Instant,
    hasher: RandomState,
    shards: Vec<Mutex<Vec<[AddressSlot; WAYS]>>>,
}

/// One address; free while `full_at` is over.
#[derive(Clone, Copy, Debug, Default)]
struct AddressSlot {
    digest: u64,
    full_at: u64,
}

impl Addresses {
    /// An empty table, with all the memory that it will ever take.
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

    /// Counts one request of an address, unless it comes too early. Tells as well whether another address had to make way whose
    /// rate was still in use.
    pub fn take(&self, address: IpAddr) -> (Standing, bool) {
        self.take_at(address, since(self.began))
    }

    fn take_at(&self, address: IpAddr, now: u64) -> (Standing, bool) {
        let digest = self.hasher.hash_one(network_of(address));
        // The upper half finds the shard, the lower the set: they are independent.
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

/// What counts as one caller: an IPv4 address, or the first 64 bits of an IPv6 address, of which everybody has as many as they
/// like below.
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
    fn a_flood_of_addresses_takes_no_more_places_and_is_told() {
        let table = table("1/m", 1024);
        let displaced = (0..100_000).filter(|number| table.take_at(v4(*number), SECOND).1).count();

        let slots: usize = table.shards.iter().map(|shard| shard.lock().unwrap().len() * WAYS).sum();
        assert_eq!(slots, 1024);
        assert!(displaced >= 100_000 - 1024, "{displaced}");
    }

    #[test]
    fn a_place_that_is_not_in_use_any_more_is_free() {
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
