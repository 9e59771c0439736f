//! Encoded bodies: some decode to gigabytes, some do not match their coding.

use std::io::Write;

use brotli::CompressorWriter;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

/// The channel's limit of a body, as sent and as decoded.
const LIMIT: usize = 1 << 20;

/// The least decoded size of a bomb.
const DECODED: usize = 1 << 30;
/// The decoded size of a part of it.
const PART: usize = 16 << 20;

/// A body, its declared coding, and the expected status.
pub(super) struct Encoded {
    pub(super) name: &'static str,
    pub(super) coding: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) answer: u16,
}

const GZIP: &str = "gzip";
const DEFLATE: &str = "deflate";
const ZSTD: &str = "zstd";
const BR: &str = "br";

/// All encoded bodies; each has at most [`LIMIT`] bytes.
pub(super) fn all() -> Vec<Encoded> {
    let of = |name, coding, answer, body: Vec<u8>| {
        assert!(body.len() <= LIMIT, "{name}: {} bytes", body.len());
        Encoded { name, coding, body, answer }
    };
    let cut = |mut body: Vec<u8>| {
        body.truncate(body.len() - 1);
        body
    };
    let longer = |body: Vec<u8>| [&body[..], b"more"].concat();
    let small = b"{\"number\":1}";
    vec![
        of("a gigabyte, gzip", GZIP, 413, gzip_bomb()),
        of("a gigabyte, deflate", DEFLATE, 413, deflate_bomb()),
        of("32 gigabytes, zstd", ZSTD, 413, zstd(0x68, &zstd_block(1, 128 << 10, b"\0"), LIMIT / 4 - 3)),
        of("16 megabytes in a few bytes, br", BR, 413, br(&vec![0; PART])),
        // A body is decoded once, whatever the result is.
        of("a bomb in gzip, declared once", GZIP, 202, gzip(&gzip_bomb())),
        of("a bomb in gzip, declared twice", "gzip, gzip", 415, gzip(&gzip_bomb())),
        of("two codings", "br, zstd", 415, small.to_vec()),
        of("an unknown coding", "compress", 415, small.to_vec()),
        of("cut off, gzip", GZIP, 400, cut(gzip(small))),
        of("cut off, deflate", DEFLATE, 400, cut(deflate(small))),
        of("cut off, zstd", ZSTD, 400, cut(zstd(0x58, &zstd_block(0, small.len(), small), 1))),
        of("cut off, br", BR, 400, cut(br(small))),
        of("more after the end, gzip", GZIP, 400, longer(gzip(small))),
        of("more after the end, deflate", DEFLATE, 400, longer(deflate(small))),
        of("more after the end, zstd", ZSTD, 400, longer(zstd(0x58, &zstd_block(0, small.len(), small), 1))),
        of("more after the end, br", BR, 400, longer(br(small))),
        of("gzip declared as br", BR, 400, gzip(small)),
        of("no coding at all", ZSTD, 400, small.to_vec()),
        of("a window of two terabytes", ZSTD, 400, zstd(0xff, &zstd_block(0, small.len(), small), 1)),
        // Almost no output, but much work.
        of("empty members of gzip", GZIP, 400, gzip(b"").repeat(LIMIT / gzip(b"").len())),
        of("empty blocks of zstd", ZSTD, 202, zstd(0x58, &zstd_block(0, 0, b""), LIMIT / 3 - 4)),
    ]
}

/// Zeros in gzip members of 16 MiB each.
fn gzip_bomb() -> Vec<u8> {
    gzip(&vec![0; PART]).repeat(DECODED / PART)
}

/// The same piece, repeated: its back references always point to zeros. The stream has no end, which no decoder will reach.
fn deflate_bomb() -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let mut ends = [0; 2];
    for end in &mut ends {
        encoder.write_all(&vec![0; PART]).unwrap();
        encoder.flush().unwrap();
        *end = encoder.get_ref().len();
    }
    let piece = &encoder.get_ref()[ends[0]..ends[1]];
    [&encoder.get_ref()[..ends[0]], &*piece.repeat(DECODED / PART - 1)].concat()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn br(body: &[u8]) -> Vec<u8> {
    let mut encoder = CompressorWriter::new(Vec::new(), 4096, 1, 18);
    encoder.write_all(body).unwrap();
    encoder.into_inner()
}

/// A frame (RFC 8878) with this window size and without content size and checksum: one block, repeated, and an empty last block.
fn zstd(window: u8, block: &[u8], times: usize) -> Vec<u8> {
    [&[0x28, 0xb5, 0x2f, 0xfd, 0, window], &*block.repeat(times), &[1, 0, 0]].concat()
}

/// A block that is not the last one: raw (0), or one repeated byte (1).
fn zstd_block(kind: u32, size: usize, content: &[u8]) -> Vec<u8> {
    let head = u32::try_from(size).unwrap() << 3 | kind << 1;
    [&head.to_le_bytes()[..3], content].concat()
}
