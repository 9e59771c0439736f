//! Shortens and cleans a sender's texts for use as a kind, subject, id or attribute.
//!
//! The gateway refuses a receipt with a text that is too long or has control characters, and the event would be lost. So the
//! methods of [`Event`](crate::channel::Event) pass every text of a sender through this module.

use std::borrow::Cow;

/// The most bytes of a subject, a delivery id or a key.
pub(crate) const MAX_ID: usize = 1024;

/// The most bytes of a fact: it is for routing, not for content.
pub(crate) const MAX_FACT: usize = 256;

/// The most characters of one word of a kind.
const MAX_WORD: usize = 64;

/// Returns a text with at most `max` bytes and no control characters unchanged. Any other text is cut, its control characters
/// become spaces, and a digest of the whole is appended, so that different texts stay different.
pub(crate) fn fit(text: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    const DIGEST: usize = "~0123456789abcdef".len();
    if text.len() <= max && !text.chars().any(char::is_control) {
        return text;
    }
    let start = &text[..text.floor_char_boundary(max - DIGEST)];
    let mut cut: String = start.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    cut.push('~');
    cut.push_str(&hex(fnv1a(text.as_bytes())));
    Cow::Owned(cut)
}

/// One word of a kind: at most 64 characters of `a-zA-Z0-9_-`; any other character becomes `_`.
pub fn kind_word(word: &str) -> String {
    let fitting = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    word.chars().take(MAX_WORD).map(fitting).collect()
}

/// A kind from a sender's text: words joined by dots, at most 128 bytes.
pub fn kind_words(words: &str) -> String {
    const MAX_KIND: usize = 128;
    let mut kind = String::with_capacity(words.len().min(MAX_KIND));
    for word in words.split('.').filter(|word| !word.is_empty()) {
        if !kind.is_empty() {
            kind.push('.');
        }
        kind.push_str(&kind_word(word));
        if kind.len() >= MAX_KIND {
            kind.truncate(MAX_KIND);
            break;
        }
    }
    kind
}

/// 64-bit FNV-1a. It is not collision-resistant: an attacker can find two texts with the same hash.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x100_0000_01b3;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// A digest as 16 lower-case hex digits.
pub fn hex(digest: u64) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    (0..16).rev().map(|place| char::from(DIGITS[(digest >> (4 * place)) as usize & 15])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(text: &str) -> String {
        fit(Cow::Borrowed(text), MAX_FACT).into_owned()
    }

    #[test]
    fn a_fitting_text_is_unchanged() {
        for text in ["", "short", "é 😀", &"x".repeat(MAX_FACT)] {
            assert_eq!(fitted(text), text);
        }
    }

    #[test]
    fn a_long_text_is_cut_and_stays_distinct() {
        let long = "é".repeat(200);
        assert!(fitted(&long).len() <= MAX_FACT && fitted(&long).starts_with("éé"));
        assert_ne!(fitted(&format!("{long}a")), fitted(&format!("{long}b")));
    }

    #[test]
    fn control_characters_are_replaced_and_texts_stay_distinct() {
        assert_eq!(fitted("a\nb\u{7f}\u{85}"), format!("a b  ~{:016x}", fnv1a("a\nb\u{7f}\u{85}".as_bytes())));
        assert_ne!(fitted("a\nb"), fitted("a\rb"));
    }

    #[test]
    fn a_word_cannot_break_a_kind() {
        for (word, expected) in
            [("opened", "opened"), ("a.b c\n", "a_b_c_"), ("Über-Fall", "_ber-Fall"), ("snake_case", "snake_case")]
        {
            assert_eq!(kind_word(word), expected);
        }
        assert_eq!(kind_word(&"x".repeat(99)).len(), MAX_WORD);
    }

    #[test]
    fn words_of_a_kind_are_joined_by_dots() {
        for (words, expected) in [("a.b", "a.b"), ("..invoice paid..", "invoice_paid"), ("é", "_"), ("", "")] {
            assert_eq!(kind_words(words), expected);
        }
        assert_eq!(kind_words(&"word.".repeat(99)).len(), 128);
    }

    #[test]
    fn digests_match_the_published_test_vectors() {
        for (bytes, expected) in [("", "cbf29ce484222325"), ("a", "af63dc4c8601ec8c"), ("foobar", "85944171f73967e8")] {
            assert_eq!(hex(fnv1a(bytes.as_bytes())), expected);
        }
    }
}
