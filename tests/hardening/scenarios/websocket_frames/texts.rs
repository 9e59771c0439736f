//! Group 6 of Autobahn's list: texts in UTF-8, and texts that are not.

use crate::support::ws::{FIN, TEXT, frame};

use super::Answer::{Close, Unknown};
use super::Step::{Expect, Send};
use super::{Case, Step, message, parts, text};

/// A Greek word.
const WORD: &[u8] = "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}".as_bytes();
/// The word, half a surrogate pair, and more.
pub(super) const INVALID: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";
const BAD: Step = Expect(Close(Some(1007)));

pub(super) fn all() -> Vec<Case> {
    let (mut cases, tables) = (sent_in_parts(), tables());
    for (group, texts) in tables {
        for (number, bytes) in (1..).zip(texts) {
            // What is valid is sent as the `ref` of a message. JSON allows no control characters in it.
            let steps = match std::str::from_utf8(&bytes) {
                Ok(valid) if !valid.contains('\0') => vec![Send(text(message(valid))), echo(valid)],
                Ok(_) => vec![Send(text(&bytes)), Expect(Close(Some(4500)))],
                Err(_) => vec![Send(text(&bytes)), BAD],
            };
            cases.push(case(group, number, steps));
        }
    }
    cases
}

fn case(group: usize, number: usize, steps: Vec<Step>) -> Case {
    Case { name: format!("6.{group}.{number}"), steps }
}

fn echo(reference: &str) -> Step {
    Expect(Unknown(reference.to_owned()))
}

/// The groups 6.1 to 6.4: where a message is cut, and how soon it is refused.
fn sent_in_parts() -> Vec<Case> {
    const MIXED: &str = "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!";
    let word = std::str::from_utf8(WORD).unwrap();
    let not_json = || Expect(Close(Some(4500)));
    let (whole, greek) = (message(MIXED), message(word));
    let (first, second) = whole.split_at(whole.find('\u{e4}').unwrap());
    let cut = |payloads: Vec<&[u8]>| Send(parts(TEXT, payloads).concat());
    let by_byte = |payload: &'static [u8]| Send(parts(TEXT, payload.chunks(1)).concat());
    // The gateway must refuse the message before its rest is sent.
    let [bad, rest] = [&b"\xf4\x90\x80\x80"[..], b"edited"];
    let one_frame = text([WORD, bad, rest].concat());
    let (until_bad, until_known) = (one_frame.len() - rest.len(), one_frame.len() - rest.len() - 2);
    let second_part = frame(0, bad);
    let begin = one_frame[..until_bad - bad.len()].to_vec();
    vec![
        case(1, 1, vec![Send(text("")), not_json()]),
        case(1, 2, vec![cut(vec![b"", b"", b""]), not_json()]),
        case(1, 3, vec![cut(vec![b"", whole.as_bytes(), b""]), echo(MIXED)]),
        case(2, 1, vec![Send(text(&whole)), echo(MIXED)]),
        case(2, 2, vec![cut(vec![first.as_bytes(), second.as_bytes()]), echo(MIXED)]),
        case(2, 3, vec![cut(whole.as_bytes().chunks(1).collect()), echo(MIXED)]),
        case(2, 4, vec![cut(greek.as_bytes().chunks(1).collect()), echo(word)]),
        case(3, 1, vec![Send(text(INVALID)), BAD]),
        case(3, 2, vec![by_byte(INVALID), BAD]),
        case(4, 1, vec![Send(frame(TEXT, WORD)), Send(second_part.clone()), BAD, Send(frame(FIN, rest))]),
        case(4, 2, vec![Send(frame(TEXT, WORD)), Send(second_part[..second_part.len() - 2].to_vec()), BAD]),
        case(4, 3, vec![Send(begin.clone()), Send(one_frame[begin.len()..until_bad].to_vec()), BAD]),
        case(4, 4, vec![Send(begin.clone()), Send(one_frame[begin.len()..until_known].to_vec()), BAD]),
    ]
}

/// The groups 6.5 to 6.23, with the texts of each.
fn tables() -> Vec<(usize, Vec<Vec<u8>>)> {
    let list = |texts: &[&[u8]]| texts.iter().map(|text| text.to_vec()).collect::<Vec<_>>();
    let lonely = |bytes: std::ops::RangeInclusive<u8>| bytes.flat_map(|byte| [byte, b' ']).collect::<Vec<u8>>();
    let unfinished = list(&[
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xf8\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80",
        b"\xdf",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfb\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf",
    ]);
    let mut stray = vec![vec![0x80], vec![0xbf]];
    stray.extend((2..=6).map(|length| [0x80, 0xbf].into_iter().cycle().take(length).collect::<Vec<u8>>()));
    stray.push((0x80..=0xbe).collect());
    let surrogates: [&[u8]; 7] = [
        b"\xed\xa0\x80",
        b"\xed\xad\xbf",
        b"\xed\xae\x80",
        b"\xed\xaf\xbf",
        b"\xed\xb0\x80",
        b"\xed\xbe\x80",
        b"\xed\xbf\xbf",
    ];
    let pairs = surrogates[..4].iter().flat_map(|high| [surrogates[4], surrogates[6]].map(|low| [high, low].concat()));
    let non_characters = (0..=16).flat_map(|plane| [0xfffe, 0xffff].map(|low| plane << 16 | low));
    let specials = 0xfff9..=0xffff;
    let encoded = |code: u32| char::from_u32(code).unwrap().to_string().into_bytes();
    let dollars = ["hello\u{24}world", "hello\u{a2}world", "hello\u{20ac}world", "hello\u{24b62}world"];
    vec![
        (5, dollars.iter().map(|text| text.as_bytes().to_vec()).chain([WORD.to_vec()]).collect()),
        (6, (1..=WORD.len()).map(|length| WORD[..length].to_vec()).collect()),
        (7, list(&[b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"])),
        (8, list(&[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"])),
        (9, list(&[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"])),
        (10, list(&[b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"])),
        (11, list(&[b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80"])),
        (12, stray),
        (
            13,
            vec![
                lonely(0xc0..=0xdf),
                lonely(0xe0..=0xef),
                lonely(0xf0..=0xf7),
                lonely(0xf8..=0xfb),
                lonely(0xfc..=0xfd),
            ],
        ),
        (14, unfinished.clone()),
        (15, vec![unfinished.concat()]),
        (16, list(&[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"])),
        (
            17,
            list(&[
                b"\xc0\xaf",
                b"\xe0\x80\xaf",
                b"\xf0\x80\x80\xaf",
                b"\xf8\x80\x80\x80\xaf",
                b"\xfc\x80\x80\x80\x80\xaf",
            ]),
        ),
        (
            18,
            list(&[
                b"\xc1\xbf",
                b"\xe0\x9f\xbf",
                b"\xf0\x8f\xbf\xbf",
                b"\xf8\x87\xbf\xbf\xbf",
                b"\xfc\x83\xbf\xbf\xbf\xbf",
            ]),
        ),
        (
            19,
            list(&[
                b"\xc0\x80",
                b"\xe0\x80\x80",
                b"\xf0\x80\x80\x80",
                b"\xf8\x80\x80\x80\x80",
                b"\xfc\x80\x80\x80\x80\x80",
            ]),
        ),
        (20, list(&surrogates)),
        (21, pairs.collect()),
        (22, non_characters.map(encoded).collect()),
        (23, specials.map(encoded).collect()),
    ]
}
