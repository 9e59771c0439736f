//! No file uses another one that, directly or through others, uses it.

use super::crate_map::{CrateMap, circles};
use super::files::{obey, sources};

const RULE: &str =
    "no circle of files: move what both need into a file of its own (tests/it/tidy/crate_map.rs says what a use is)";

#[test]
fn no_files_use_each_other_in_a_circle() {
    let mut broken = Vec::new();
    for folder in ["host/src", "bench/src", "xtask/src"] {
        let files = sources(folder);
        let map = CrateMap::new(files.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        broken.extend(circles(&map.uses()).into_iter().map(|circle| format!("{folder}: {circle}")));
    }
    obey(&broken, RULE);
}

/// What is found in a crate of these files: file and text in turn.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    circles(&CrateMap::new(files.iter().copied()).uses())
}

#[test]
fn circles_are_found() {
    let check = |files: &[(&str, &str)], expected: &[&str]| assert_eq!(found(files), expected, "{files:?}");

    check(
        &[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "use crate::a::A;\npub struct B(A);"),
        ],
        &["a circle of 2 files: a.rs:1 uses `B` of b.rs, b.rs:1 uses `A` of a.rs"],
    );
    check(
        &[("lib.rs", "mod a; mod b;"), ("a.rs", "fn a() {\n crate::b::b() }"), ("b.rs", "fn b() { super::a::a() }")],
        &["a circle of 2 files: a.rs:2 uses `b` of b.rs, b.rs:1 uses `a` of a.rs"],
    );
    // A child that takes from its parent, which works with the child.
    check(
        &[("lib.rs", "mod a;"), ("a.rs", "mod b; use self::b::B; struct A(B);"), ("a/b.rs", "use super::A; struct B;")],
        &["a circle of 2 files: a.rs:1 uses `B` of a/b.rs, a/b.rs:1 uses `A` of a.rs"],
    );
    check(
        &[
            ("lib.rs", "mod a;"),
            ("a.rs", "mod b; fn f() { b::g() } struct A;"),
            ("a/b.rs", "pub fn g() -> super::A { super::A }"),
        ],
        &["a circle of 2 files: a.rs:1 uses `g` of a/b.rs, a/b.rs:1 uses `A` of a.rs"],
    );
    // Through a re-export, whose name the parent works with.
    check(
        &[
            ("lib.rs", "mod a;"),
            ("a.rs", "mod b; pub use self::b::B; struct A(B);"),
            ("a/b.rs", "use super::A; struct B;"),
        ],
        &["a circle of 2 files: a.rs:1 uses `B` of a/b.rs, a/b.rs:1 uses `A` of a.rs"],
    );
    // Through an imported module, and through two re-exports.
    check(
        &[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b; fn a() { b::B::new(); }"),
            ("b.rs", "mod d; pub use self::d::B;"),
            ("b/d.rs", "use crate::c::C; pub struct B;"),
            ("c.rs", "pub use crate::a::a as other; pub struct C; fn c() { other() }"),
        ],
        &["a circle of 3 files: a.rs:1 uses `new` of b/d.rs, b/d.rs:1 uses `C` of c.rs, c.rs:1 uses `a` of a.rs"],
    );
    check(
        &[
            ("lib.rs", "mod a;"),
            ("a.rs", "mod b; use b::*; struct A; fn f() { g() }"),
            ("a/b.rs", "use super::*; fn g(_: A) {}"),
        ],
        &["a circle of 2 files: a.rs:1 uses `*` of a/b.rs, a/b.rs:1 uses `*` of a.rs"],
    );
}

#[test]
fn what_is_no_circle_is_not_taken_for_one() {
    let check = |files: &[(&str, &str)]| assert_eq!(found(files), [""; 0], "{files:?}");

    // Comments, texts, tests.
    check(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "//! [`crate::b::B`]\nconst A: &str = \"crate::b::B\"; #[cfg(test)] mod tests { use crate::b::B; }"),
        ("b.rs", "use crate::a::A; pub struct B;"),
    ]);
    check(&[
        ("lib.rs", "mod a;"),
        (
            "a.rs",
            "pub struct A; #[cfg(test)] use self::tests::T; #[cfg(test)] mod tests; #[cfg(test)] fn f() -> T { T }",
        ),
        ("a/tests.rs", "use super::A; struct T(A);"),
    ]);
    // A parent that only re-exports its child.
    check(&[
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; mod c; pub(crate) use self::b::B; pub use c::*; pub struct A;"),
        ("a/b.rs", "use super::A; struct B;"),
        ("a/c.rs", "use super::B; pub struct C;"),
    ]);
    // A name that the parent imports from elsewhere.
    check(&[
        ("lib.rs", "mod a; mod x;"),
        ("a.rs", "mod b; use crate::x::X; use self::b::B; fn f(_: X) -> B { B }"),
        ("a/b.rs", "use super::X; struct B(X);"),
        ("x.rs", "pub struct X;"),
    ]);
    // A local name that is also the name of a module elsewhere.
    check(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; pub struct A; fn f(x: B) { x.a(); x::y() }"),
        ("b.rs", "pub struct B; fn g(a: u8) { a.b(); std::a::A::new(); }"),
    ]);
}
