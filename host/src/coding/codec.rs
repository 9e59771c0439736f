//! Bytes to bytes, in memory.
//!
//! All decoders are written in Rust, because anybody may send what they read.

use std::io::{self, Read, Write};

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, CompressorWriter};
use flate2::Compression;
use flate2::bufread::{GzDecoder, ZlibDecoder};
use flate2::write::GzEncoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::Coding;

/// Bytes that are decoded at a time; a limit is exceeded by this much at most before it is noticed.
const PIECE: usize = 16 << 10;

/// The largest window that a sender of `zstd` may ask for (RFC 9659).
const ZSTD_WINDOW: usize = 8 << 20;

#[derive(Debug, PartialEq, Eq)]
pub enum DecodeError<E> {
    /// The body is not in this coding, ends early, or continues after its end.
    Malformed,
    TooLarge,
    NoRoom(E),
}

/// Bytes that a decoder holds itself, at most, whatever it reads.
pub const fn memory(coding: Coding) -> usize {
    match coding {
        Coding::Gzip | Coding::Deflate => 64 << 10,
        Coding::Br => 17 << 20,
        Coding::Zstd => ZSTD_WINDOW + (1 << 20),
    }
}

/// The decoded body of at most `max` bytes; `charge` is called for every piece before it is kept. Decoding stops at the limit,
/// however large the body would become.
pub fn decode<E>(
    coding: Coding,
    encoded: &[u8],
    max: usize,
    charge: impl FnMut(usize) -> Result<(), E>,
) -> Result<Vec<u8>, DecodeError<E>> {
    match coding {
        Coding::Gzip => {
            // One member: of many empty ones each would cost more than its bytes.
            let mut decoder = GzDecoder::new(encoded);
            let decoded = drain(&mut decoder, max, charge)?;
            if decoder.get_ref().is_empty() { Ok(decoded) } else { Err(DecodeError::Malformed) }
        }
        Coding::Deflate => {
            let mut decoder = ZlibDecoder::new(encoded);
            let decoded = drain(&mut decoder, max, charge)?;
            if decoder.get_ref().is_empty() { Ok(decoded) } else { Err(DecodeError::Malformed) }
        }
        Coding::Br => {
            let mut decoder = Brotli::new(encoded);
            let decoded = drain(&mut decoder, max, charge)?;
            if decoder.rest == 0 { Ok(decoded) } else { Err(DecodeError::Malformed) }
        }
        Coding::Zstd => {
            let mut decoder = StreamingDecoder::new_with_max_window_size(encoded, ZSTD_WINDOW as u64)
                .map_err(|_| DecodeError::Malformed)?;
            let decoded = drain(&mut decoder, max, charge)?;
            let (rest, decoder) = decoder.into_parts();
            if rest.is_empty() && has_its_checksum(&decoder) { Ok(decoded) } else { Err(DecodeError::Malformed) }
        }
    }
}

/// Reads a Brotli stream; the crate's own reader does not report what follows its end. Windows beyond RFC 7932 are errors.
struct Brotli<'a> {
    encoded: &'a [u8],
    rest: usize,
    place: usize,
    total: usize,
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
}

impl<'a> Brotli<'a> {
    fn new(encoded: &'a [u8]) -> Self {
        let state =
            BrotliState::new_strict(StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
        Self { encoded, rest: encoded.len(), place: 0, total: 0, state }
    }
}

impl Read for Brotli<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let Self { encoded, rest, place, total, state } = self;
        let (mut room, mut filled) = (piece.len(), 0);
        let result = BrotliDecompressStream(rest, place, encoded, &mut room, &mut filled, piece, total, state);
        match result {
            BrotliResult::ResultSuccess | BrotliResult::NeedsMoreOutput => Ok(filled),
            BrotliResult::NeedsMoreInput => Err(io::ErrorKind::UnexpectedEof.into()),
            BrotliResult::ResultFailure => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn has_its_checksum(decoder: &FrameDecoder) -> bool {
    let written = decoder.get_checksum_from_data();
    written.is_none() || written == decoder.get_calculated_checksum()
}

fn drain<E>(
    decoder: &mut dyn Read,
    max: usize,
    mut charge: impl FnMut(usize) -> Result<(), E>,
) -> Result<Vec<u8>, DecodeError<E>> {
    let mut decoded = Vec::new();
    let mut piece = [0; PIECE];
    loop {
        let length = match decoder.read(&mut piece) {
            Ok(0) => return Ok(decoded),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(DecodeError::Malformed),
        };
        if length > max - decoded.len() {
            return Err(DecodeError::TooLarge);
        }
        charge(length).map_err(DecodeError::NoRoom)?;
        decoded.extend_from_slice(&piece[..length]);
    }
}

/// The body in this coding, at a level where a page of the admin API takes less than a millisecond.
pub fn encode(coding: Coding, body: &[u8]) -> io::Result<Vec<u8>> {
    match coding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(4));
            encoder.write_all(body)?;
            encoder.finish()
        }
        Coding::Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::new(4));
            encoder.write_all(body)?;
            encoder.finish()
        }
        Coding::Br => {
            let mut encoder = CompressorWriter::new(Vec::new(), PIECE, 4, 20);
            encoder.write_all(body)?;
            encoder.flush()?;
            Ok(encoder.into_inner())
        }
        Coding::Zstd => Ok(compress_to_vec(body, CompressionLevel::Fastest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Zstd, Coding::Br];

    fn decoded(coding: Coding, encoded: &[u8], max: usize) -> Result<Vec<u8>, DecodeError<()>> {
        decode(coding, encoded, max, |_| Ok(()))
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same_bytes() {
        let large: Vec<u8> = (0..300_000_u32).flat_map(|number| number.wrapping_mul(number).to_le_bytes()).collect();
        for coding in ALL {
            for body in [&b""[..], b"x", b"hello hello hello", &large] {
                let encoded = encode(coding, body).unwrap();

                assert_eq!(decoded(coding, &encoded, body.len()).as_deref(), Ok(body), "{coding}");
                if let Some(less) = body.len().checked_sub(1) {
                    assert_eq!(decoded(coding, &encoded, less), Err(DecodeError::TooLarge), "{coding}");
                }
            }
        }
    }

    #[test]
    fn a_body_that_is_cut_off_or_too_long_is_refused() {
        for coding in ALL {
            let encoded = encode(coding, b"hello hello hello hello hello").unwrap();
            for length in 0..encoded.len() {
                assert_eq!(
                    decoded(coding, &encoded[..length], 1 << 20),
                    Err(DecodeError::Malformed),
                    "{coding} {length}"
                );
            }
            let longer = [&encoded[..], b"more"].concat();
            assert_eq!(decoded(coding, &longer, 1 << 20), Err(DecodeError::Malformed), "{coding}");
            assert_eq!(decoded(coding, b"{\"no\":\"coding\"}", 1 << 20), Err(DecodeError::Malformed), "{coding}");
        }
    }

    /// Decoding of a few kilobytes that become 64 MiB stops at the limit.
    #[test]
    fn a_bomb_costs_no_more_than_the_limit() {
        for coding in ALL {
            let bomb = encode(coding, &vec![0; 64 << 20]).unwrap();
            assert!(bomb.len() < 1 << 20, "{coding}: {}", bomb.len());
            let mut charged = 0;

            let result = decode(coding, &bomb, 1 << 20, |bytes| {
                charged += bytes;
                Ok::<(), ()>(())
            });

            assert_eq!(result, Err(DecodeError::TooLarge), "{coding}");
            assert!(charged <= 1 << 20, "{coding}: {charged}");
            let refused = decode(coding, &bomb, 1 << 20, |_| Err("no room"));
            assert_eq!(refused, Err(DecodeError::NoRoom("no room")), "{coding}");
        }
    }

    /// The head of a `zstd` frame asks for the window; the largest is two terabytes.
    #[test]
    fn a_window_beyond_the_standards_is_refused() {
        let magic = [0x28, 0xb5, 0x2f, 0xfd];
        for (descriptor, expected) in [(0x58_u8, true), (0x68, true), (0x70, false), (0xff, false)] {
            // No checksum, no size, a window; then one last block of one raw byte.
            let frame = [&magic[..], &[0x00, descriptor], &[0x09, 0, 0, b'x']].concat();

            assert_eq!(decoded(Coding::Zstd, &frame, 10).is_ok(), expected, "{descriptor:#x}");
        }
    }
}
