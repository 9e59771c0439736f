//! The groups 1 to 5, 7, 9 and 10 of Autobahn's list, and what RFC 6455 says beyond it.

use crate::support::ws::{BINARY, CLOSE, FIN, PING, PONG, TEXT, frame};

use super::Answer::{Close, Pong, Unknown};
use super::Step::{Expect, Pieces, Send};
use super::{Case, Step, message, parts, sized, text};

/// The largest message.
const LIMIT: usize = 64 << 10;

const PROTOCOL: Step = Expect(Close(Some(1002)));
const UNSUPPORTED: Step = Expect(Close(Some(1003)));
const TOO_LARGE: Step = Expect(Close(Some(1009)));
const NOT_JSON: Step = Expect(Close(Some(4500)));

pub(super) fn all() -> Vec<Case> {
    let groups = [framing(), pings(), reserved_bits(), opcodes(), fragmentation(), closing(), sizes(), beyond()];
    groups.into_iter().flatten().collect()
}

fn case(name: impl Into<String>, steps: impl IntoIterator<Item = Step>) -> Case {
    Case { name: name.into(), steps: steps.into_iter().collect() }
}

/// A close frame with this code.
pub(super) fn close(code: u16) -> Vec<u8> {
    frame(FIN | CLOSE, &code.to_be_bytes())
}

fn ping(payload: &[u8]) -> Vec<u8> {
    frame(FIN | PING, payload)
}

/// A message that is answered with its `ref`.
fn hello() -> Vec<u8> {
    text(message("Hello, world!"))
}

fn echo(reference: &str) -> Step {
    Expect(Unknown(reference.to_owned()))
}

fn pong(payload: &[u8]) -> Step {
    Expect(Pong(payload.to_vec()))
}

/// The three ways to send these frames: at once, each by itself, and byte by byte.
fn ways(frames: &[Vec<u8>]) -> [Vec<Step>; 3] {
    let all = frames.concat();
    [vec![Send(all.clone())], frames.iter().cloned().map(Send).collect(), vec![Pieces(all, 1)]]
}

fn framing() -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, size) in (1..).zip([0, 125, 126, 127, 128, 65_535, 65_536, 65_536]) {
        let send = |frame: Vec<u8>| if number == 8 { Pieces(frame, 997) } else { Send(frame) };
        let (message, reference) = sized(size);
        let steps = match size {
            0 => [Send(text("")), NOT_JSON],
            _ => [send(text(message)), echo(&reference)],
        };
        cases.push(case(format!("1.1.{number}"), steps));
        cases.push(case(format!("1.2.{number}"), [send(frame(FIN | BINARY, &vec![0xfe; size])), UNSUPPORTED]));
    }
    cases
}

fn pings() -> Vec<Case> {
    const BYTES: &[u8] = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff";
    let (long, too_long) = ([0xfe; 125], [0xfe; 126]);
    let unasked = frame(FIN | PONG, b"unsolicited pong payload");
    let ten: Vec<_> = (0..10).map(|number| format!("payload-{number}")).collect();
    let ten_pings: Vec<u8> = ten.iter().flat_map(|payload| ping(payload.as_bytes())).collect();
    let ten_pongs = || ten.iter().map(|payload| pong(payload.as_bytes()));
    vec![
        case("2.1", [Send(ping(b"")), pong(b"")]),
        case("2.2", [Send(ping(b"Hello, world!")), pong(b"Hello, world!")]),
        case("2.3", [Send(ping(BYTES)), pong(BYTES)]),
        case("2.4", [Send(ping(&long)), pong(&long)]),
        case("2.5", [Send(ping(&too_long)), PROTOCOL]),
        case("2.6", [Pieces(ping(&long), 1), pong(&long)]),
        case("2.7", [Send(frame(FIN | PONG, b""))]),
        case("2.8", [Send(unasked.clone())]),
        case("2.9", [Send([unasked, ping(b"ping payload")].concat()), pong(b"ping payload")]),
        case("2.10", std::iter::once(Send(ten_pings.clone())).chain(ten_pongs())),
        case("2.11", std::iter::once(Pieces(ten_pings, 1)).chain(ten_pongs())),
    ]
}

/// A frame with these reserved bits.
fn reserved(bits: u8, opcode: u8) -> Vec<u8> {
    frame(FIN | bits << 4 | opcode, message("Hello, world!").as_bytes())
}

fn reserved_bits() -> Vec<Case> {
    let after_good = |bits| [hello(), reserved(bits, TEXT), ping(b"")];
    let good_then_bad = |sent: Vec<Step>| sent.into_iter().chain([echo("Hello, world!"), PROTOCOL]);
    let [_, by_frame, _] = ways(&after_good(3));
    let [_, _, by_byte] = ways(&after_good(4));
    vec![
        case("3.1", [Send(reserved(1, TEXT)), PROTOCOL]),
        case("3.2", good_then_bad(vec![Send(after_good(2).concat())])),
        case("3.3", good_then_bad(by_frame)),
        case("3.4", good_then_bad(by_byte)),
        case("3.5", [Pieces(reserved(5, BINARY), 1), PROTOCOL]),
        case("3.6", [Send(reserved(6, PING)), PROTOCOL]),
        case("3.7", [Send(reserved(7, CLOSE)), PROTOCOL]),
    ]
}

fn opcodes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, first) in [(1, 3), (2, 11)] {
        for number in 1..=5 {
            let payload: &[u8] = if number % 2 == 0 { b"reserved opcode payload" } else { b"" };
            let unknown = frame(FIN | (first + number - 1), payload);
            let frames = [hello(), unknown.clone(), ping(b"")];
            let steps = match number {
                1 | 2 => vec![Send(unknown), PROTOCOL],
                3 => vec![Send(frames.concat()), echo("Hello, world!"), PROTOCOL],
                _ => vec![Pieces(frames.concat(), 1), echo("Hello, world!"), PROTOCOL],
            };
            cases.push(case(format!("4.{group}.{number}"), steps));
        }
    }
    cases
}

fn fragmentation() -> Vec<Case> {
    let whole = message("fragment1fragment2");
    let (first, second) = whole.as_bytes().split_at(whole.len() / 2);
    let two = parts(TEXT, [first, second]);
    let in_two = |opcode| parts(opcode, [&b"fragment1"[..], b"fragment2"]).concat();
    let mut cases = vec![case("5.1", [Send(in_two(PING)), PROTOCOL]), case("5.2", [Send(in_two(PONG)), PROTOCOL])];
    let mut three_ways = |number: usize, frames: &[Vec<u8>], answers: fn() -> Vec<Step>| {
        for (number, sent) in (number..).zip(ways(frames)) {
            cases.push(case(format!("5.{number}"), sent.into_iter().chain(answers())));
        }
    };
    let good = || vec![echo("fragment1fragment2")];
    three_ways(3, &two, good);
    let between = [two[0].clone(), ping(b"ping payload"), two[1].clone()];
    three_ways(6, &between, || vec![pong(b"ping payload"), echo("fragment1fragment2")]);
    // Parts of nothing, the last one and another one.
    let [last, another] = [FIN, 0].map(|first| frame(first, b"non-continuation payload"));
    three_ways(9, &[last.clone(), hello()], || vec![PROTOCOL]);
    three_ways(12, &[another.clone(), hello()], || vec![PROTOCOL]);
    let after_good = [two.concat(), another.clone(), hello()].concat();
    cases.push(case("5.15", [Send(after_good), echo("fragment1fragment2"), PROTOCOL]));
    for (number, nothing) in [(16, another), (17, last)] {
        let round = [nothing, two.concat()].concat();
        cases.push(case(format!("5.{number}"), [Send([round.clone(), round].concat()), PROTOCOL]));
    }
    let both_text = [frame(TEXT, first), frame(FIN | TEXT, second)].concat();
    cases.push(case("5.18", [Send(both_text), PROTOCOL]));

    let whole = message("fragment1fragment2fragment3fragment4fragment5");
    let five = parts(TEXT, whole.as_bytes().chunks(whole.len().div_ceil(5)));
    let with_pings = |send: fn(&[Vec<u8>]) -> Vec<Step>| {
        let (pings, at) = ([b"ping no. 1", b"ping no. 2"], [0..2, 2..4]);
        let mut steps = Vec::new();
        for (payload, range) in pings.into_iter().zip(at) {
            steps.extend(send(&[&five[range], &[ping(payload)][..]].concat()));
            // The rest follows after the pong.
            steps.push(pong(payload));
        }
        steps.extend(send(&five[4..]));
        steps.push(echo("fragment1fragment2fragment3fragment4fragment5"));
        steps
    };
    cases.push(case("5.19", with_pings(|frames| vec![Send(frames.concat())])));
    cases.push(case("5.20", with_pings(|frames| frames.iter().cloned().map(Send).collect())));
    cases
}

fn closing() -> Vec<Case> {
    let closed = |code| Expect(Close(code));
    let normal = || closed(Some(1000));
    let with_reason = |length: usize| {
        let payload = [&1000_u16.to_be_bytes()[..], &vec![b'*'; length]].concat();
        frame(FIN | CLOSE, &payload)
    };
    let whole = message("fragment1fragment2");
    let two = parts(TEXT, whole.as_bytes().chunks(whole.len().div_ceil(2)));
    let (large, reference) = sized(LIMIT);
    let bad_reason = [&1000_u16.to_be_bytes()[..], super::texts::INVALID].concat();
    let mut cases = vec![
        case("7.1.1", [Send([hello(), close(1000)].concat()), echo("Hello, world!"), normal()]),
        case("7.1.2", [Send([close(1000), close(1000)].concat()), normal()]),
        case("7.1.3", [Send([close(1000), ping(b"")].concat()), normal()]),
        case("7.1.4", [Send([close(1000), hello()].concat()), normal()]),
        case("7.1.5", [Send([two[0].clone(), close(1000), two[1].clone()].concat()), normal()]),
        case("7.1.6", [Send([text(large), close(1000), ping(b"")].concat()), echo(&reference), normal()]),
        case("7.3.1", [Send(frame(FIN | CLOSE, b"")), closed(None)]),
        case("7.3.2", [Send(frame(FIN | CLOSE, b"a")), PROTOCOL]),
        case("7.3.3", [Send(close(1000)), normal()]),
        case("7.3.4", [Send(with_reason(14)), normal()]),
        case("7.3.5", [Send(with_reason(123)), normal()]),
        case("7.3.6", [Send(with_reason(124)), PROTOCOL]),
        case("7.5.1", [Send(frame(FIN | CLOSE, &bad_reason)), closed(Some(1007))]),
    ];
    let codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    for (number, code) in (1..).zip(codes) {
        cases.push(case(format!("7.7.{number}"), [Send(close(code)), closed(Some(code))]));
    }
    for (number, code) in (1..).zip([0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999]) {
        cases.push(case(format!("7.9.{number}"), [Send(close(code)), PROTOCOL]));
    }
    for (number, code) in (1..).zip([5000, 65_535]) {
        cases.push(case(format!("7.13.{number}"), [Send(close(code)), PROTOCOL]));
    }
    cases
}

fn sizes() -> Vec<Case> {
    let (message, reference) = sized(LIMIT);
    let in_frames = |opcode, size| parts(opcode, message.as_bytes().chunks(size)).concat();
    let mut cases = Vec::new();
    let mut both = |text: usize, number: usize, opcodes: [Vec<Step>; 2]| {
        for (group, steps) in (text..).zip(opcodes) {
            cases.push(case(format!("9.{group}.{number}"), steps));
        }
    };
    const MEBI: usize = 1 << 20;
    for (number, size) in (1..).zip([LIMIT, 4 * LIMIT, MEBI, 4 * MEBI, 8 * MEBI, 16 * MEBI]) {
        let frames = [TEXT, BINARY].map(|opcode| frame(FIN | opcode, &vec![b'*'; size]));
        let [_, binary] = &frames;
        let ends = if size == LIMIT {
            [vec![Send(text(&message)), echo(&reference)], vec![Send(binary.clone()), UNSUPPORTED]]
        } else {
            frames.map(|frame| vec![Send(frame), TOO_LARGE])
        };
        both(1, number, ends);
    }
    for (number, size) in (1..).zip([64, 256, 1 << 10, 4 << 10, 16 << 10, LIMIT, 4 * LIMIT, MEBI, 4 * MEBI]) {
        let ends = if size <= LIMIT {
            [vec![Send(in_frames(TEXT, size)), echo(&reference)], vec![Send(in_frames(BINARY, size)), UNSUPPORTED]]
        } else {
            [TEXT, BINARY].map(|opcode| vec![Send(frame(opcode, &vec![b'*'; size])), TOO_LARGE])
        };
        both(3, number, ends);
    }
    for (number, size) in (1..).zip([64, 128, 256, 512, 1024, 2048]) {
        let text = vec![Pieces(text(&message), size), echo(&reference)];
        both(5, number, [text, vec![Pieces(frame(FIN | BINARY, message.as_bytes()), size), UNSUPPORTED]]);
    }
    for (number, size) in (1..).zip([0, 16, 64, 256, 1024, 4096]) {
        let (message, reference) = sized(size);
        let texts = (0..1000).flat_map(|_| [Send(text(&message)), echo(&reference)]).collect();
        both(7, number, [texts, vec![Send(frame(FIN | BINARY, &vec![0xfe; size])), UNSUPPORTED]]);
    }
    cases.push(case("10.1.1", [Send(in_frames(TEXT, 1300)), echo(&reference)]));
    cases
}

/// What is not in Autobahn's list.
fn beyond() -> Vec<Case> {
    let unmasked = [&[FIN | TEXT, 2][..], b"{}"].concat();
    let mut padded_16 = frame(FIN | TEXT, &[b' '; 126]);
    padded_16[3] = 125;
    let padded_64 = [&[FIN | TEXT, 0xff, 0, 0, 0, 0, 0, 0][..], &[0xff; 2], &[0; 4]].concat();
    let endless = [&[FIN | TEXT, 0xff, 0x80][..], &[0; 11]].concat();
    let one_too_many = parts(TEXT, [&vec![b'*'; LIMIT][..], b"*"]).concat();
    let (message, reference) = sized(LIMIT);
    let one_by_one = parts(TEXT, message.as_bytes().chunks(1)).concat();
    let bad_parts = |payloads: &[&'static [u8]]| parts(TEXT, payloads.iter().copied()).concat();
    vec![
        case("RFC 5.1, not masked", [Send(unmasked), PROTOCOL]),
        case("RFC 5.2, 16 bits for a length of 125", [Send(padded_16), PROTOCOL]),
        case("RFC 5.2, 64 bits for a length of 65,535", [Send(padded_64), PROTOCOL]),
        case("RFC 5.2, a length with its highest bit", [Send(endless), TOO_LARGE]),
        case("RFC 5.4, one byte too many in the last part", [Send(one_too_many), TOO_LARGE]),
        case("RFC 5.4, parts of one byte", [Send(one_by_one), echo(&reference)]),
        case("RFC 5.4, a ping of more than one part between parts", {
            [Send([frame(TEXT, b"{"), frame(PING, b"ping")].concat()), PROTOCOL]
        }),
        case("RFC 8.1, a character without its end, then an empty part", {
            [Send(bad_parts(&[b"\"\xce", b""])), Expect(Close(Some(1007)))]
        }),
        case("RFC 8.1, a character with an empty part and a ping in it", {
            let whole = super::message("\u{3ba}");
            let at = whole.find('\u{3ba}').unwrap() + 1;
            let [first, second] = [&whole.as_bytes()[..at], &whole.as_bytes()[at..]];
            let frames = [frame(TEXT, first), frame(0, b""), ping(b"\xba"), frame(FIN, second)];
            [Send(frames.concat()), pong(b"\xba"), echo("\u{3ba}")]
        }),
        case("RFC 5.5.1, nothing after a close", [Send(close(1001)), Expect(Close(Some(1001)))]),
    ]
}
