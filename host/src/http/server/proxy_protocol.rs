//! The header in which a proxy names its client (HAProxy's PROXY protocol, versions 1 and 2).

use std::io;
use std::net::SocketAddr;

use proxy_header::{ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The shortest header, `PROXY UNKNOWN\r\n`.
const LEAST: usize = 15;

/// The longest line of version 1.
const MAX_LINE: usize = 107;

/// The start of version 2, and the length of its fixed part.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED: usize = 16;

/// Bytes that version 2 may add to it.
const MAX_REST: usize = 4096;

/// Reads the header and not a byte more: the address of the client, or `None` when the proxy speaks for itself, as for a health
/// check.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut header = vec![0; LEAST];
    stream.read_exact(&mut header).await?;
    if header.starts_with(SIGNATURE) {
        header.push(stream.read_u8().await?);
        let rest = usize::from(u16::from_be_bytes([header[FIXED - 2], header[FIXED - 1]]));
        if rest > MAX_REST {
            return Err(io::Error::other("the header is too long"));
        }
        header.resize(FIXED + rest, 0);
        stream.read_exact(&mut header[FIXED..]).await?;
    } else {
        while !header.ends_with(b"\n") && header.len() < MAX_LINE {
            header.push(stream.read_u8().await?);
        }
    }
    let (header, _) = ProxyHeader::parse(&header, ParseConfig::default()).map_err(io::Error::other)?;
    Ok(header.proxied_address().map(|address| address.source))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result for `bytes`, of which the bytes after the header are left.
    async fn check(bytes: &[u8], expected: Option<Option<&str>>) {
        let bytes = [bytes, b"GET"].concat();
        let mut rest = bytes.as_slice();
        let found = read(&mut rest).await.ok();
        assert_eq!(found, expected.map(|address| address.map(|address| address.parse().unwrap())));
        assert!(found.is_none() || rest == b"GET", "{rest:?}");
    }

    #[tokio::test]
    async fn both_versions_are_read_and_not_a_byte_more() {
        check(b"PROXY TCP4 198.51.100.7 10.0.0.1 4711 443\r\n", Some(Some("198.51.100.7:4711"))).await;
        check(b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", Some(Some("[2001:db8::7]:4711"))).await;
        check(b"PROXY UNKNOWN\r\n", Some(None)).await;
        let version_2 = |command: u8, family: u8, rest: &[u8]| {
            let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
            [SIGNATURE, &[0x20 | command, family], &length, rest].concat()
        };
        let v4 = [198, 51, 100, 7, 10, 0, 0, 1, 0x12, 0x67, 1, 0xbb];
        check(&version_2(1, 0x11, &v4), Some(Some("198.51.100.7:4711"))).await;
        check(&version_2(1, 0x11, &[&v4[..], &[4, 0, 1, 0]].concat()), Some(Some("198.51.100.7:4711"))).await;
        check(&version_2(0, 0, &[]), Some(None)).await;
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        for bytes in [
            &b"POST /webhooks/dummy HTTP/1.1\r\n"[..],
            b"PROXY TCP4 nonsense 10.0.0.1 1 2\r\n",
            b"PROXY TCP4 198.51.100.7 10.0.0.1 99999 443\r\n",
            &[b'x'; 200],
            &[SIGNATURE, &[0x21, 0x11, 0xff, 0xff], &[0; 200]].concat(),
            &[SIGNATURE, &[0x21, 0x11, 0, 2, 1, 2]].concat(),
            b"PROXY",
        ] {
            check(bytes, None).await;
        }
    }
}
