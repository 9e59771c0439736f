//! Every file begins with what it is about.

use super::files::{obey, sources};

const RULE: &str = "a file begins with a module doc: `//! ` and a short true sentence about what it owns";

#[test]
fn every_file_begins_with_a_module_doc() {
    let mut broken = Vec::new();
    for folder in ["host/src", "bench/src", "xtask/src", "tests"] {
        let files = sources(folder);
        let without = files.iter().filter(|(_, text)| !has_doc(text));
        broken.extend(without.map(|(name, _)| format!("{folder}/{name}")));
    }
    obey(&broken, RULE);
}

fn has_doc(text: &str) -> bool {
    text.strip_prefix("//! ").is_some_and(|doc| doc.starts_with(|c: char| !c.is_whitespace()))
}

#[test]
fn a_missing_module_doc_is_found() {
    let check = |text: &str, expected: bool| assert_eq!(has_doc(text), expected, "{text}");

    check("//! What it owns.\n\nuse std::fs;", true);
    check("use std::fs;", false);
    check("", false);
    check("// A comment.\nuse std::fs;", false);
    check("//!\n//! Late.", false);
    check("/// Of an item.\nstruct A;", false);
    check("use std::fs;\n//! Too late.", false);
}
