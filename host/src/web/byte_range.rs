//! Byte ranges of a body (RFC 9110, section 14): one range, or the whole.
//!
//! Several ranges in one request are answered with the whole, which the RFC allows, because parts of parts are how a small
//! request becomes a large response.

use http::header::{HeaderMap, HeaderValue, RANGE};

/// The part of a body that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requested {
    Whole,
    Part(ByteRange),
    /// 416: no byte of it exists.
    Unsatisfiable,
}

/// The bytes from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl ByteRange {
    /// `Content-Range` of a body that has `length` bytes as a whole.
    pub(crate) fn content_range(self, length: u64) -> HeaderValue {
        ascii(format!("bytes {}-{}/{length}", self.first, self.last))
    }
}

/// `Content-Range` of a 416.
pub(crate) fn unsatisfied(length: u64) -> HeaderValue {
    ascii(format!("bytes */{length}"))
}

fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digits and ASCII signs are a valid value")
}

/// What the `Range` in `headers` asks for of a body of `length` bytes. What is no valid single range asks for the whole.
pub(crate) fn requested(headers: &HeaderMap, length: u64) -> Requested {
    let mut lines = headers.get_all(RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Requested::Whole };
    line.to_str().ok().and_then(|range| parsed(range, length)).unwrap_or(Requested::Whole)
}

fn parsed(range: &str, length: u64) -> Option<Requested> {
    let (unit, set) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let satisfied = if first.is_empty() {
        let suffix = number(last)?;
        (suffix > 0 && length > 0).then(|| ByteRange { first: length.saturating_sub(suffix), last: length - 1 })
    } else {
        let first = number(first)?;
        let last = if last.is_empty() { u64::MAX } else { number(last)? };
        if last < first {
            return None;
        }
        (first < length).then(|| ByteRange { first, last: last.min(length - 1) })
    };
    Some(satisfied.map_or(Requested::Unsatisfiable, Requested::Part))
}

/// Digits only; what is too large for a number is larger than every body.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_part_the_whole_or_unsatisfiable() {
        let part = |first, last| Requested::Part(ByteRange { first, last });
        for (range, expected) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=0-9", part(0, 9)),
            ("bytes=2-5", part(2, 5)),
            ("Bytes=2-5", part(2, 5)),
            ("bytes=2-", part(2, 9)),
            ("bytes=2-100", part(2, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-100", part(0, 9)),
            ("bytes=9-99999999999999999999999", part(9, 9)),
            ("bytes=10-", Requested::Unsatisfiable),
            ("bytes=10-20", Requested::Unsatisfiable),
            ("bytes=99999999999999999999999-", Requested::Unsatisfiable),
            ("bytes=-0", Requested::Unsatisfiable),
            ("bytes=5-2", Requested::Whole),
            ("bytes=0-1,3-4", Requested::Whole),
            ("bytes=", Requested::Whole),
            ("bytes=-", Requested::Whole),
            ("bytes=a-b", Requested::Whole),
            ("bytes=+1-2", Requested::Whole),
            ("bytes=1 - 2", Requested::Whole),
            ("bytes 0-1", Requested::Whole),
            ("lines=0-1", Requested::Whole),
            ("", Requested::Whole),
        ] {
            let headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_static(range))]);
            assert_eq!(requested(&headers, 10), expected, "{range}");
        }
    }

    #[test]
    fn an_empty_body_has_no_ranges() {
        for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            let headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_static(range))]);
            assert_eq!(requested(&headers, 0), Requested::Unsatisfiable, "{range}");
        }
    }

    #[test]
    fn two_lines_or_none_ask_for_the_whole() {
        let mut headers = HeaderMap::new();
        assert_eq!(requested(&headers, 10), Requested::Whole);
        headers.append(RANGE, HeaderValue::from_static("bytes=0-0"));
        headers.append(RANGE, HeaderValue::from_static("bytes=1-1"));
        assert_eq!(requested(&headers, 10), Requested::Whole);
    }

    #[test]
    fn content_range_has_the_range_and_the_length() {
        let range = ByteRange { first: 2, last: 5 };
        assert_eq!(range.content_range(10), "bytes 2-5/10");
        assert_eq!(unsatisfied(10), "bytes */10");
    }
}
