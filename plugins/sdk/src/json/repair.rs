//! Repairs JSON that is valid, but that readers refuse: half of a surrogate pair, a member that is given twice, a number that
//! is too large, values in too many levels.
//!
//! The sender signed the JSON as it is, so the event's data stays as it is. Only what the plugin reads is repaired.

use std::borrow::Cow;
use std::ops::Range;

/// Levels of arrays and objects that a reader accepts.
const MAX_LEVELS: usize = 100;

/// The shortest number that can be too large: `2e308`.
const MIN_OVERFLOW: usize = 5;

/// The longest number that needs no exponent and is never too large.
const MAX_PLAIN: usize = 300;

/// The same JSON for any reader, with the same length. A text that is not JSON stays none.
///
/// Half of a surrogate pair becomes U+FFFD. Of a member that is given twice, the last one stays, as in most languages. A number
/// that no float can hold, and a value below 100 levels, become an empty text.
pub fn repair(json: &str) -> String {
    let mut repair = Repair { bytes: json.as_bytes().to_vec(), open: Vec::new() };
    let mut at = 0;
    while let Some(&byte) = repair.bytes.get(at) {
        at = match byte {
            b'"' => repair.text(at),
            b'{' | b'[' => repair.enter(at),
            b'}' | b']' => repair.leave(at),
            b',' => repair.next(at),
            b'-' | b'0'..=b'9' => repair.number(at),
            _ => at + 1,
        };
    }
    // Only whole texts, members and values are overwritten, and only with ASCII.
    String::from_utf8(repair.bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

struct Repair {
    bytes: Vec<u8>,
    /// The arrays and objects around the current position; an array has no members.
    open: Vec<Vec<Member>>,
}

/// A member of an object: the place of its name, quotes included, and the end of its value with the comma.
struct Member {
    name: Range<usize>,
    end: usize,
}

impl Repair {
    /// A text at `at`; returns the position behind it.
    fn text(&mut self, at: usize) -> usize {
        let end = self.repair_text(at);
        let next = self.bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace());
        // Only a name stands before a colon.
        if let (Some(b':'), Some(members)) = (next, self.open.last_mut()) {
            members.push(Member { name: at..end, end });
        }
        end
    }

    fn repair_text(&mut self, at: usize) -> usize {
        let mut at = at + 1;
        loop {
            at = match self.bytes.get(at) {
                None | Some(b'"') => return (at + 1).min(self.bytes.len()),
                Some(b'\\') => match (self.escape(at), self.escape(at + 6)) {
                    (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => at + 12,
                    (Some(0xd800..0xe000), _) => {
                        self.bytes[at + 2..at + 6].copy_from_slice(b"fffd");
                        at + 6
                    }
                    (Some(_), _) => at + 6,
                    (None, _) => at + 2,
                },
                Some(_) => at + 1,
            };
        }
    }

    /// The code of an escape such as `\u00e9` at `at`.
    fn escape(&self, at: usize) -> Option<u16> {
        let digits = self.bytes.get(at..at + 6)?.strip_prefix(br"\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }

    fn enter(&mut self, at: usize) -> usize {
        if self.open.len() < MAX_LEVELS {
            self.open.push(Vec::new());
            return at + 1;
        }
        let mut levels = 0_usize;
        let mut end = at;
        while let Some(byte) = self.bytes.get(end) {
            match byte {
                b'"' => {
                    end = self.repair_text(end);
                    continue;
                }
                b'{' | b'[' => levels += 1,
                b'}' | b']' => levels -= 1,
                _ => {}
            }
            end += 1;
            if levels == 0 {
                break;
            }
        }
        self.empty(at..end)
    }

    fn leave(&mut self, at: usize) -> usize {
        let mut members = self.open.pop().unwrap_or_default();
        members.sort_by(|one, other| self.name(one).cmp(&self.name(other)));
        let same = members.windows(2).filter(|pair| self.name(&pair[0]) == self.name(&pair[1]));
        let earlier: Vec<_> = same.map(|pair| pair[0].name.start..pair[0].end).collect();
        earlier.into_iter().for_each(|place| self.bytes[place].fill(b' '));
        at + 1
    }

    fn next(&mut self, at: usize) -> usize {
        if let Some(member) = self.open.last_mut().and_then(|members| members.last_mut()) {
            member.end = at + 1;
        }
        at + 1
    }

    fn number(&mut self, at: usize) -> usize {
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
        let end = at + self.bytes[at..].iter().take_while(|byte| is_part(byte)).count();
        let number = &self.bytes[at..end];
        let may_overflow = number.len() >= MIN_OVERFLOW
            && (number.len() > MAX_PLAIN || number.contains(&b'e') || number.contains(&b'E'));
        let is_finite = |number: &[u8]| std::str::from_utf8(number).ok()?.parse::<f64>().ok().map(f64::is_finite);
        if may_overflow && is_finite(number) != Some(true) { self.empty(at..end) } else { end }
    }

    /// The decoded name of a member.
    fn name(&self, member: &Member) -> Cow<'_, [u8]> {
        let name = &self.bytes[member.name.clone()];
        match name.contains(&b'\\').then(|| serde_json::from_slice::<String>(name)) {
            Some(Ok(decoded)) => Cow::Owned(decoded.into_bytes()),
            _ => Cow::Borrowed(name.get(1..name.len() - 1).unwrap_or_default()),
        }
    }

    /// Replaces a value with an empty text, and returns its end.
    fn empty(&mut self, place: Range<usize>) -> usize {
        let end = place.end;
        let value = &mut self.bytes[place];
        value.fill(b' ');
        value.iter_mut().take(2).for_each(|byte| *byte = b'"');
        end
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_a_reader_would_refuse_is_replaced_in_its_place() {
        for (json, expected) in [
            (
                r#"{"a":"b \ud83d","c":"\ud83d\ude00 \\ud83d \"\ude00x"}"#,
                json!({"a": "b \u{fffd}", "c": "😀 \\ud83d \"\u{fffd}x"}),
            ),
            (r#"["\uD83D\u0041","\udc00\ud800"]"#, json!(["\u{fffd}A", "\u{fffd}\u{fffd}"])),
            (r#"{"a":1,"b":[{"c":"é","c":{"d":2}}],"a" : 3}"#, json!({"a": 3, "b": [{"c": {"d": 2}}]})),
            (r#"{"a":{"x":1},"\u0061":7}"#, json!({"a": 7})),
            (r#"{"\ud83d":1,"\ud83d":2,"":0,"":1}"#, json!({"\u{fffd}": 2, "": 1})),
            (
                r#"{"a":1e999,"b":[-2E400,1.5e3],"c":12345678901234567890123}"#,
                json!({"a": "", "b": ["", 1500.0], "c": 1.234_567_890_123_456_8e22}),
            ),
            (r#"{"a":", : \" {","b":[],"c":{}}"#, json!({"a": ", : \" {", "b": [], "c": {}})),
            ("7", json!(7)),
        ] {
            let repaired = repair(json);
            assert_eq!(repaired.len(), json.len(), "{json}");
            assert_eq!(serde_json::from_str::<Value>(&repaired).unwrap(), expected, "{json}");
        }
    }

    #[test]
    fn values_in_too_many_levels_are_cut() {
        let deep = ["[".repeat(50_000), String::from(r#""]""#), "]".repeat(50_000)].concat();
        let json = format!(r#"{{"a":{deep},"b":7,"b":"\ud83d"}}"#);
        let repaired: Value = serde_json::from_str(&repair(&json)).unwrap();
        assert_eq!(repaired["b"], "\u{fffd}");
    }

    #[test]
    fn many_members_take_little_time() {
        let json = format!("{{{}\"b\":0}}", "\"a\":1,".repeat(200_000));
        let repaired: Value = serde_json::from_str(&repair(&json)).unwrap();
        assert_eq!(repaired, json!({"a": 1, "b": 0}));
    }
}
