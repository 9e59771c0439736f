//! Builds HTTP/2 frames byte by byte (RFC 9113, RFC 7541), because no proper client sends such frames.

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The number of frames in these bytes.
pub(crate) fn count(mut bytes: &[u8]) -> usize {
    let mut frames = 0;
    while let [a, b, c, rest @ ..] = bytes {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        bytes = rest.get(6 + length..).unwrap_or_default();
        frames += 1;
    }
    frames
}

/// The header block of a request; only scheme and method are compressed.
pub(crate) fn request(is_post: bool, path: &str) -> Vec<u8> {
    let mut block = vec![if is_post { 0x83 } else { 0x82 }, 0x86];
    for (name, value) in [(4, path), (1, "gateway")] {
        block.extend([name, u8::try_from(value.len()).unwrap()]);
        block.extend(value.as_bytes());
    }
    block
}

/// A header line `x` that the decoder adds to its dynamic table, with a value of 127 to 16,510 bytes.
pub(crate) fn remembered(bytes: usize) -> Vec<u8> {
    let rest = bytes - 127;
    let mut block = vec![0x40, 1, b'x', 0x7f, (rest % 128) as u8 | 0x80, (rest / 128) as u8];
    block.extend(std::iter::repeat_n(b'y', bytes));
    block
}

/// References to the newest line in the dynamic table; each takes one byte.
pub(crate) fn repeated(times: usize) -> Vec<u8> {
    vec![0xbe; times]
}
