//! Which of several addresses is connected to: the first that answers ("Happy Eyeballs", RFC 8305).
//!
//! The addresses are tried in turn, each some time after the one before and at once when that one has failed, and all of
//! them go on until one is connected. So a dead address costs a moment, not the delivery. Deliberately absent: which
//! addresses may be connected to.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;

/// The pause before the next address is tried as well (RFC 8305, section 5).
const DELAY: Duration = Duration::from_millis(250);

/// The shortest pause: otherwise a name with many addresses would cost one connection to each.
const MIN_DELAY: Duration = Duration::from_millis(10);

/// The addresses in the order in which they are tried: the families take turns, and the resolver's first is the first.
pub(super) fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut all = Vec::with_capacity(first.len() + second.len());
    while first.len() + second.len() > 0 {
        all.extend(first.next());
        all.extend(second.next());
    }
    all
}

/// A connection to the first of `addresses` that answers, or why the last of them did not. Every one is tried within `limit`;
/// the caller ends the wait at its end.
///
/// `None` if there are no addresses.
pub(super) async fn connect(addresses: Vec<SocketAddr>, limit: Duration) -> Option<Result<TcpStream, String>> {
    let shares = u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_add(1);
    let delay = (limit / shares).clamp(MIN_DELAY, DELAY);
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut failure = None;
    loop {
        match waiting.next() {
            Some(address) => attempts.push(attempt(address)),
            None if attempts.is_empty() => return failure.map(Err),
            None => {}
        }
        let ended = match waiting.len() {
            0 => attempts.next().await,
            _ => tokio::time::timeout(delay, attempts.next()).await.ok().flatten(),
        };
        match ended {
            Some(Ok(stream)) => return Some(Ok(stream)),
            Some(Err(reason)) => failure = Some(reason),
            None => {}
        }
    }
}

async fn attempt(address: SocketAddr) -> Result<TcpStream, String> {
    let connected: io::Result<TcpStream> = async {
        let stream = TcpStream::connect(address).await?;
        // Otherwise a small request waits for the acknowledgement of the previous one.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
    .await;
    connected.map_err(|error| format!("{address}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// An address where connections are neither accepted nor refused: its queue is full.
    async fn dead() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
            queued.push(stream);
        }
        (listener, queued, address)
    }

    async fn live() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    async fn refusing() -> SocketAddr {
        live().await.1
    }

    #[test]
    fn the_families_take_turns() {
        let check = |addresses: &[&str], expected: &[&str]| {
            let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
            assert_eq!(interleaved(parse(addresses)), parse(expected), "{addresses:?}");
        };
        check(&[], &[]);
        check(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "1.1.1.2:1"], &["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1"]);
        check(&["1.1.1.1:1", "[::1]:1", "[::2]:1"], &["1.1.1.1:1", "[::1]:1", "[::2]:1"]);
        check(&["1.1.1.1:1", "1.1.1.2:1"], &["1.1.1.1:1", "1.1.1.2:1"]);
    }

    #[tokio::test]
    async fn the_first_address_that_answers_is_taken() {
        let [(_first, own), (_second, other)] = [live().await, live().await];

        let stream = connect(vec![own, other], Duration::from_secs(10)).await.unwrap().unwrap();

        assert_eq!(stream.peer_addr().unwrap(), own);
    }

    #[tokio::test]
    async fn an_address_that_is_dead_or_refuses_costs_a_moment() {
        let [(_dead, _queued, dead), (_dead2, _queued2, dead2)] = [dead().await, dead().await];
        let (_listener, own) = live().await;
        let started = std::time::Instant::now();

        let stream = connect(vec![dead, refusing().await, dead2, own], Duration::from_secs(10)).await;

        assert_eq!(stream.unwrap().unwrap().peer_addr().unwrap(), own);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }

    /// With a pause of 250 ms the last of them would never be tried.
    #[tokio::test]
    async fn every_address_is_tried_within_the_limit() {
        let (_dead, _queued, dead) = dead().await;
        let (_listener, own) = live().await;
        let (limit, addresses) = (Duration::from_millis(500), [vec![dead; 20], vec![own]].concat());

        let stream = tokio::time::timeout(limit * 4, connect(addresses, limit)).await.expect("an end in time");

        assert_eq!(stream.unwrap().unwrap().peer_addr().unwrap(), own);
    }

    #[tokio::test]
    async fn the_last_failure_is_reported() {
        let refusing = refusing().await;

        let refused = connect(vec![refusing, refusing], Duration::from_secs(10)).await.unwrap().unwrap_err();

        assert!(refused.starts_with(&format!("{refusing}: ")), "{refused}");
        assert!(connect(Vec::new(), Duration::from_secs(10)).await.is_none());
    }
}
