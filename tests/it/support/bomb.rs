//! Components that are small to parse and take endless time or memory to compile.

use std::iter::repeat_n;

/// About the most bytes of a function that WebAssembly engines accept.
const MAX_BODY: usize = 7_600_000;

/// About the most targets of a `br_table` that WebAssembly engines accept.
const MAX_TARGETS: usize = 65_000;

/// The kind of a compile bomb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bomb {
    /// One function with nearly a million values that are live at the same time.
    EnormousFunction,
    /// Thousands of functions that take milliseconds each.
    ManyFunctions,
    /// Deeply nested blocks, and jumps out of all of them.
    DeepNesting,
    /// Jump tables with the largest number of targets.
    HugeTables,
}

impl Bomb {
    pub(crate) const ALL: [Self; 4] =
        [Self::EnormousFunction, Self::ManyFunctions, Self::DeepNesting, Self::HugeTables];

    /// The limit that it should exceed: `memory` or `time`.
    pub(crate) fn limit(self) -> &'static str {
        if self == Self::ManyFunctions { "time" } else { "memory" }
    }

    /// The bytes of the component.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let functions = match self {
            Self::EnormousFunction => vec![sum(900_000)],
            Self::ManyFunctions => vec![sum(300); 8_000],
            Self::DeepNesting => vec![deep_nesting(); 4],
            Self::HugeTables => vec![huge_tables(); 4],
        };
        component(&module(&functions))
    }
}

/// Loads values from `count` addresses, and only then adds all of them.
fn sum(count: usize) -> Vec<u8> {
    (0..count).flat_map(load).chain(repeat_n(0x6a, count - 1)).collect()
}

fn deep_nesting() -> Vec<u8> {
    let depth = MAX_BODY / 8;
    let mut code = Vec::with_capacity(MAX_BODY);
    for _ in 0..depth {
        code.extend([0x02, 0x40]); // block
    }
    for outer in (0..depth).rev() {
        // local.get 0, br_if to a block further out, end
        code.extend([0x20, 0, 0x0d]);
        code.extend(leb(outer.min(100)));
        code.push(0x0b);
    }
    code.extend([0x41, 0]);
    code
}

fn huge_tables() -> Vec<u8> {
    let mut code = Vec::with_capacity(MAX_BODY);
    while code.len() + MAX_TARGETS + 20 < MAX_BODY {
        code.extend([0x02, 0x40, 0x02, 0x40, 0x20, 0, 0x0e]); // block, block, local.get 0, br_table
        code.extend(leb(MAX_TARGETS));
        code.extend((0..=MAX_TARGETS).map(|target| (target % 2) as u8));
        code.extend([0x0b, 0x0b]);
    }
    code.extend([0x41, 0]);
    code
}

/// `local.get 0` and `i32.load` at this offset.
fn load(offset: usize) -> Vec<u8> {
    [&[0x20, 0, 0x28, 0][..], &leb(offset)].concat()
}

/// A module with a memory and these functions, which take and return a number.
fn module(functions: &[Vec<u8>]) -> Vec<u8> {
    let bodies: Vec<_> = functions.iter().map(|code| sized(&[&[0], code.as_slice(), &[0x0b]].concat())).collect();
    let count = leb(functions.len());
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 1, 0x7f, 1, 0x7f]),
        section(3, &[count.clone(), vec![0; functions.len()]].concat()),
        section(5, &[1, 0, 1]),
        section(10, &[count, bodies.concat()].concat()),
    ]
    .concat()
}

fn component(module: &[u8]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, module)].concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [vec![id], sized(content)].concat()
}

fn sized(content: &[u8]) -> Vec<u8> {
    [leb(content.len()), content.to_vec()].concat()
}

/// A number in WebAssembly's encoding, LEB128.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number % 128) as u8;
        number /= 128;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}
