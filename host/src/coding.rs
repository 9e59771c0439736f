//! The content codings of bodies: their names, and how bytes become others.
//!
//! It promises that decoding stops at the limit of its caller, however large a body would become, and that all decoders are
//! written in Rust. Deliberately absent: who may send which coding, and the budget for what is decoded.

mod codec;
mod preference;

use std::fmt;

pub use self::codec::{DecodeError, decode, encode, memory};
pub use self::preference::preferred;

/// How a body can be encoded (RFC 9110, section 8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952, one member.
    Gzip,
    /// RFC 1950; the bare stream of RFC 1951 that some senders mean by it is not accepted.
    Deflate,
    /// RFC 8878, one frame.
    Zstd,
    /// Brotli, RFC 7932.
    Br,
}

impl Coding {
    pub const ALL: [Self; 4] = [Self::Gzip, Self::Deflate, Self::Zstd, Self::Br];

    /// As it is written in headers and in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
            Self::Br => "br",
        }
    }

    /// The coding of this name in any case; `x-gzip` is `gzip`.
    pub fn named(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("x-gzip") {
            return Some(Self::Gzip);
        }
        Self::ALL.into_iter().find(|coding| coding.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
