//! Links between documents lead somewhere.

use std::fs;
use std::path::Path;

use super::files::{files, obey, root, shown};

const RULE: &str = "a link leads to a file of the repository, and `#` to a heading in it";

#[test]
fn links_of_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for document in files(&root(), ".md") {
        let text = fs::read_to_string(&document).unwrap();
        let dead = links(&text).into_iter().filter(|link| !leads_somewhere(&document, &text, link));
        broken.extend(dead.map(|link| format!("{}: `{link}`", shown(&document))));
    }
    obey(&broken, RULE);
}

/// The targets of the links in a Markdown text that are no addresses; code is left out.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in outside_of_code(text) {
        let odd = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        let targets = odd.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        found.extend(targets.map(|(target, _)| target.to_owned()).filter(|target| !target.contains("://")));
    }
    found
}

fn outside_of_code(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        is_code ^= fence;
        !is_code && !fence
    })
}

fn leads_somewhere(document: &Path, text: &str, link: &str) -> bool {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = document.parent().unwrap().join(path);
    if !path.is_empty() && !target.exists() {
        return false;
    }
    let Some(anchor) = anchor else { return true };
    let text = if path.is_empty() { text.to_owned() } else { fs::read_to_string(target).unwrap_or_default() };
    outside_of_code(&text).any(|line| line.starts_with('#') && slug(line) == anchor)
}

/// What a heading is called in a link.
fn slug(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    words
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

#[test]
fn links_are_found_outside_of_code() {
    let text = "[a](a.md) and [b](https://b) `[c](c)`\n```\n[d](d)\n```\n[e](#e-f)";

    assert_eq!(links(text), ["a.md", "#e-f"]);
}

#[test]
fn a_dead_link_is_found() {
    let document = root().join("README.md");
    let check = |link: &str, expected: bool| {
        assert_eq!(leads_somewhere(&document, "# One two\n## `x`, y", link), expected, "{link}");
    };

    check("host/ARCHITECTURE.md", true);
    check("host", true);
    check("host/NOTHING.md", false);
    check("#one-two", true);
    check("#x-y", true);
    check("#three", false);
    check("host/ARCHITECTURE.md#modules", true);
    check("host/ARCHITECTURE.md#nothing", false);
}
