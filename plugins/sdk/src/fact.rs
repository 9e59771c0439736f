//! Shortens and cleans a sender's texts for use as a kind, subject, id or attribute.
//!
//! The gateway refuses a receipt with a text that is too long or has control characters, and the event would be lost. So the
//! methods of [`Event`](crate::channel::Event) pass every text of a sender through this module.

use std::borrow::Cow;

/// The most bytes of a subject, a delivery id or a key.
pub(crate) const MAX_ID: usize = 1024;

/// The most bytes of a fact: it is for routing, not for content.
pub(crate) const MAX_FACT: usize = 256;

/// The most bytes of a kind.
const MAX_KIND: usize = 128;

/// The most bytes of one word of a kind: two of them and a dot are a kind.
const MAX_WORD: usize = 63;

/// Returns a text with at most `max` bytes and no control characters unchanged. Any other text is cut, its control characters
/// become spaces, and a digest of the whole is appended, so that different texts stay different.
pub(crate) fn fit(text: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    if text.len() <= max && !text.chars().any(char::is_control) {
        return text;
    }
    let clean: String = text[..text.floor_char_boundary(max)].replace(char::is_control, " ");
    Cow::Owned(with_digest(&clean, &text, max))
}

/// The start of a text, and the digest of the text that it stands for: at most `max` bytes.
fn with_digest(start: &str, of: &str, max: usize) -> String {
    const DIGEST: usize = "~0123456789abcdef".len();
    let start = &start[..start.floor_char_boundary(max - DIGEST)];
    [start, "~", &hex(fnv1a(of.as_bytes()))].concat()
}

/// One word of a kind: letters and digits of any alphabet, `_` and `-`, at most 63 bytes.
///
/// White space and ASCII marks become `_`. A word that is longer, or that has other characters, also gets a digest, so that
/// different words stay different.
pub fn kind_word(word: &str) -> String {
    let is_fitting = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
    let is_mark = |letter: char| letter.is_ascii() || letter.is_whitespace() || letter.is_control();
    let fitting: String = word.chars().map(|letter| if is_fitting(letter) { letter } else { '_' }).collect();
    let is_whole = word.chars().all(|letter| is_fitting(letter) || is_mark(letter));
    if is_whole && fitting.len() <= MAX_WORD {
        return fitting;
    }
    with_digest(&fitting, word, MAX_WORD)
}

/// A kind from a sender's text: words joined by dots, at most 128 bytes; `None` if there is no word.
pub fn kind_words(words: &str) -> Option<String> {
    let kind = words.split('.').filter(|word| !word.is_empty()).map(kind_word).collect::<Vec<_>>().join(".");
    (!kind.is_empty()).then(|| fit(Cow::Owned(kind), MAX_KIND).into_owned())
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
        for (word, expected) in [
            ("opened", "opened"),
            ("a.b c\n", "a_b_c_"),
            ("snake_case", "snake_case"),
            ("Über-Fall", "Über-Fall"),
            ("a\u{a0}b\u{85}", "a_b_"),
        ] {
            assert_eq!(kind_word(word), expected);
        }
        let longest = "x".repeat(MAX_WORD);
        assert_eq!(kind_word(&longest), longest);
        assert_eq!(kind_word(&"é".repeat(99)).len(), MAX_WORD);
    }

    /// A route for one of them must not match the others.
    #[test]
    fn words_of_other_alphabets_stay_different() {
        for word in ["заказ", "ордер", "注文", "订单", "주문", "aç", "ñ"] {
            assert_eq!(kind_word(word), word);
        }
        let long = "я".repeat(40);
        for (one, other) in [
            ("🔥", "🚒"),
            ("हिन्दी", "हिनदी"),
            ("e\u{301}", "e\u{300}"),
            ("a\u{202e}b", "a\u{200b}b"),
            (&format!("{long}а"), &format!("{long}б")),
        ] {
            let words = [one, other].map(kind_word);
            assert_ne!(words[0], words[1]);
            assert!(words.iter().all(|word| word.len() <= MAX_WORD && !word.contains(['\u{202e}', '\u{200b}', '.'])));
            assert_ne!(kind_words(one), kind_words(other));
        }
    }

    #[test]
    fn words_of_a_kind_are_joined_by_dots() {
        for (words, expected) in [
            ("a.b", Some("a.b")),
            ("..invoice paid..", Some("invoice_paid")),
            ("é", Some("é")),
            ("заказ.создан", Some("заказ.создан")),
            ("", None),
            ("..", None),
        ] {
            assert_eq!(kind_words(words).as_deref(), expected);
        }
        let long = ["word."; 99].concat();
        assert_eq!(kind_words(&long).map(|kind| kind.len()), Some(MAX_KIND));
        assert_ne!(kind_words(&long), kind_words(&[&long, "x"].concat()));
    }

    #[test]
    fn digests_match_the_published_test_vectors() {
        for (bytes, expected) in [("", "cbf29ce484222325"), ("a", "af63dc4c8601ec8c"), ("foobar", "85944171f73967e8")] {
            assert_eq!(hex(fnv1a(bytes.as_bytes())), expected);
        }
    }
}
