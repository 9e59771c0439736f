//! Each numbered promise of the event log names the function that holds it to that.

use std::fs;

use super::files::{files, obey, root};
use super::tokens::tokens;

const RULE: &str = "a promise in `host/src/eventlog.rs` ends with the function of the contract suite that tests it: \
                    `//! 1. What is promised. (`function`)`, which is in `host/src/eventlog/contract`";

#[test]
fn every_promise_of_the_event_log_is_a_function() {
    let eventlog = root().join("host/src/eventlog");
    let text = fs::read_to_string(eventlog.with_extension("rs")).unwrap();
    let mut suite = fs::read_to_string(eventlog.join("contract.rs")).unwrap();
    for file in files(&eventlog.join("contract"), ".rs") {
        suite += &fs::read_to_string(file).unwrap();
    }
    obey(&broken(&text, &suite), RULE);
}

/// What is wrong with the promises at the top of `text`, which the functions of `suite` test.
fn broken(text: &str, suite: &str) -> Vec<String> {
    let promises = promises(text);
    if promises.is_empty() {
        return vec!["there are no promises".to_owned()];
    }
    let suite = tokens(suite);
    let functions: Vec<&str> =
        suite.windows(2).filter(|pair| pair[0].text == "fn").map(|pair| pair[1].text.as_str()).collect();
    let mut broken = Vec::new();
    for (index, promise) in promises.iter().enumerate() {
        let number = index + 1;
        if !promise.starts_with(&format!("{number}. ")) {
            broken.push(format!("expected promise {number}, found: {promise}"));
        }
        let named = named(promise);
        if named.is_empty() {
            broken.push(format!("no function at its end: {promise}"));
        }
        let missing = named.into_iter().filter(|name| !functions.contains(name));
        broken.extend(missing.map(|name| format!("promise {number}: there is no function `{name}`")));
    }
    broken
}

/// The numbered items of the module doc, each as one line.
fn promises(text: &str) -> Vec<String> {
    let mut promises: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in text.lines().map_while(|line| line.strip_prefix("//!")) {
        let line = line.trim();
        let digits = line.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
        if digits > 0 && line[digits..].starts_with(". ") {
            promises.push(line.to_owned());
            is_open = true;
        } else if line.is_empty() || line.starts_with('#') {
            is_open = false;
        } else if is_open && let Some(promise) = promises.last_mut() {
            *promise += " ";
            *promise += line;
        }
    }
    promises
}

/// The functions in the parentheses at the end of a promise.
fn named(promise: &str) -> Vec<&str> {
    let Some(inner) = promise.trim_end_matches('.').strip_suffix(')') else { return Vec::new() };
    let Some((_, inner)) = inner.rsplit_once('(') else { return Vec::new() };
    let name = |part: &'_ str| part.trim().len();
    let parts: Vec<&str> = inner.split(',').filter(|part| name(part) > 0).map(str::trim).collect();
    let quoted = parts.iter().map(|part| part.strip_prefix('`')?.strip_suffix('`'));
    quoted.collect::<Option<Vec<_>>>().unwrap_or_default()
}

#[test]
fn promises_without_their_function_are_found() {
    let check = |text: &str, expected: &[&str]| {
        assert_eq!(broken(text, "fn keeps_order() {} async fn survives() {}"), expected)
    };

    check(
        "//! # Contract\n//! 1. Order is kept. (`keeps_order`)\n//! 2. It survives\n//!    a crash. (`survives`)\n//!\n//! Else.",
        &[],
    );
    check("//! 1. Both. (`keeps_order`, `survives`)", &[]);
    check("//! 1. Order is kept.", &["no function at its end: 1. Order is kept."]);
    check("//! 1. Order is kept (always).", &["no function at its end: 1. Order is kept (always)."]);
    check("//! 1. Order is kept. (`never`)", &["promise 1: there is no function `never`"]);
    check("//! 2. Order is kept. (`survives`)", &["expected promise 1, found: 2. Order is kept. (`survives`)"]);
    check("use a;\n//! 1. Late. (`survives`)", &["there are no promises"]);
}
