//! Signatures in a header.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq};

use super::{Header, VerifyError};

/// The text encoding of a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Hexadecimal digits in either case.
    #[default]
    Hex,
    /// The standard alphabet with padding (RFC 4648, section 4).
    Base64,
}

impl Encoding {
    /// Decodes `text` into the first `length` bytes of `bytes`. Returns false for any other length or encoding.
    fn decode(self, text: &str, length: usize, bytes: &mut [u8; MAX_LENGTH]) -> bool {
        match self {
            Self::Hex => text.len() == 2 * length && hex::decode_to_slice(text, &mut bytes[..length]).is_ok(),
            Self::Base64 => {
                // The decoder needs a buffer whose size is a multiple of three.
                let mut room = [0; MAX_LENGTH + 2];
                if text.len() != length.div_ceil(3) * 4 || STANDARD.decode_slice(text, &mut room) != Ok(length) {
                    return false;
                }
                bytes[..length].copy_from_slice(&room[..length]);
                true
            }
        }
    }

    pub(super) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(bytes),
            Self::Base64 => STANDARD.encode(bytes),
        }
    }
}

/// The longest signature of any scheme in bytes.
const MAX_LENGTH: usize = 64;

/// The maximum number of entries in one header. More are not a rotation of secrets but an attack on the CPU.
const MAX_ENTRIES: usize = 16;

/// The format of a header with signatures.
pub(super) struct Format<'a> {
    /// Separates entries; `None` if the value is a single signature.
    pub(super) separator: Option<&'a str>,
    /// Precedes each signature; entries without it are ignored.
    pub(super) prefix: &'a str,
    pub(super) encoding: Encoding,
    /// The length of a decoded signature in bytes.
    pub(super) length: usize,
}

/// The decoded signatures of one header: at least one, all with the length of the scheme.
pub(super) struct Candidates {
    bytes: [[u8; MAX_LENGTH]; MAX_ENTRIES],
    count: usize,
    length: usize,
}

impl Candidates {
    /// Parses the value of `header`. Entries of another format are ignored.
    pub(super) fn read(header: &Header, value: &[u8], format: &Format<'_>) -> Result<Self, VerifyError> {
        let mut candidates = Self { bytes: [[0; MAX_LENGTH]; MAX_ENTRIES], count: 0, length: format.length };
        let text = std::str::from_utf8(value).map_err(|_| header.malformed("ASCII text"))?;
        match format.separator {
            None => candidates.take(text, format),
            Some(separator) => {
                for (index, entry) in text.split(separator).enumerate() {
                    if index == MAX_ENTRIES {
                        return Err(header.malformed("at most 16 entries"));
                    }
                    candidates.take(entry.trim_matches([' ', '\t']), format);
                }
            }
        }
        if candidates.count == 0 {
            return Err(header.malformed(match format.encoding {
                Encoding::Hex => "a complete signature in hexadecimal with the prefix of the scheme",
                Encoding::Base64 => "a complete signature in padded base64 with the prefix of the scheme",
            }));
        }
        Ok(candidates)
    }

    fn take(&mut self, entry: &str, format: &Format<'_>) {
        if let Some(text) = entry.strip_prefix(format.prefix)
            && format.encoding.decode(text, self.length, &mut self.bytes[self.count])
        {
            self.count += 1;
        }
    }

    /// Whether `tag` is among them. Compares with all of them, so the time does not depend on the match.
    pub(super) fn contains(&self, tag: &[u8]) -> bool {
        self.iter().fold(Choice::from(0), |found, candidate| found | candidate.ct_eq(tag)).into()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes[..self.count].iter().map(|candidate| &candidate[..self.length])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(value: &str, separator: Option<&str>, prefix: &str, encoding: Encoding, length: usize) -> Option<usize> {
        let format = Format { separator, prefix, encoding, length };
        Candidates::read(&Header::from_static("x-signature"), value.as_bytes(), &format).ok().map(|found| found.count)
    }

    #[test]
    fn only_complete_signatures_are_candidates() {
        let hex = "00112233445566778899aabbccddeeff00112233";
        for (value, expected) in [
            (hex.to_owned(), Some(1)),
            (hex.to_uppercase(), Some(1)),
            (hex[..38].to_owned(), None),
            (format!("{hex}00"), None),
            (format!("{}g", &hex[..39]), None),
            (format!(" {hex}"), None),
            (format!("0x{}", &hex[..38]), None),
            (String::new(), None),
            (format!("{hex},{hex}"), None),
        ] {
            assert_eq!(count(&value, None, "", Encoding::Hex, 20), expected, "{value:?}");
        }
    }

    #[test]
    fn base64_is_taken_with_exact_padding_only() {
        for (value, expected) in [
            ("AAECAwQFBgcICQoLDA0ODxAREhM=", Some(1)),
            ("AAECAwQFBgcICQoLDA0ODxAREhM", None),
            ("AAECAwQFBgcICQoLDA0ODxAREhM==", None),
            ("AAECAwQFBgcICQoLDA0ODxAREhN=", None),
            ("AAECAwQFBgcICQoLDA0ODxAREhMU", None),
            ("AAECAwQFBgcICQoLDA0ODxAREh==", None),
            ("AAECAwQFBgcICQoL-A0ODxAREhM=", None),
            ("AAECAwQFBgcICQoL\nA0ODxAREhM=", None),
            ("====", None),
        ] {
            assert_eq!(count(value, None, "", Encoding::Base64, 20), expected, "{value:?}");
        }
    }

    #[test]
    fn a_list_passes_over_what_is_no_signature_and_is_bounded() {
        let one = "v1=0011223344556677889900112233445566778899";
        for (value, expected) in [
            (format!("v0=00,{one},v1=,v1=00,{one}"), Some(2)),
            (format!("{one}, {one}"), Some(2)),
            (vec![one; 16].join(","), Some(16)),
            (vec![one; 17].join(","), None),
            (",".repeat(5), None),
            (one[3..].to_owned(), None),
        ] {
            assert_eq!(count(&value, Some(","), "v1=", Encoding::Hex, 20), expected, "{value:?}");
        }
    }
}
