//! Names that were given up do not come back.

use super::files::{obey, sources};
use super::tokens::tokens;

/// Items by the module that they were in: types, functions, modules and files. Each had a name that said too little, or one
/// that another item had as well; `host/ARCHITECTURE.md` and the code have the names that took their places. The module `""`
/// is the root.
const RETIRED: &[(&str, &[&str])] = &[
    ("", &["supervisor"]),
    ("caller", &["Place"]),
    ("cli", &["life", "Noun", "Nobody", "source"]),
    ("config", &["Place", "Problem"]),
    ("dispatch", &["Budget", "Ended", "held", "Judged", "Next", "State", "survey", "Try", "turns", "Verdict"]),
    (
        "eventlog",
        &[
            "apart",
            "bury",
            "care",
            "Condition",
            "Contents",
            "Facts",
            "Gone",
            "keep",
            "ledger",
            "Ledger",
            "Limits",
            "Loss",
            "Lost",
            "mend",
            "Published",
            "renew",
            "State",
            "Sweep",
            "tidy",
            "Walk",
            "witness",
        ],
    ),
    (
        "http",
        &[
            "Answer",
            "Budget",
            "crowd",
            "Described",
            "Ends",
            "Figures",
            "Front",
            "Limits",
            "Pace",
            "Problem",
            "Rated",
            "rehearse",
            "State",
            "strangers",
            "Terms",
            "Told",
            "Verdict",
            "Visit",
        ],
    ),
    ("ingest", &["Guard", "obstacle", "Open", "rehearse", "Terms"]),
    (
        "plugin",
        &[
            "advice",
            "Everything",
            "Gatekeeper",
            "lane",
            "Limits",
            "Live",
            "Machine",
            "observe",
            "Place",
            "places",
            "Pulse",
            "SlowLane",
            "State",
            "workbench",
        ],
    ),
    ("replay", &["renew"]),
    ("sample", &["Verdict"]),
    ("skill", &["Problem"]),
    ("verify", &["stamp"]),
];

const RULE: &str =
    "a retired name stays retired in its module (tests/it/tidy/retired.rs): take the one that replaced it";

#[test]
fn retired_items_do_not_come_back() {
    let broken: Vec<_> =
        sources("host/src").iter().flat_map(|(file, text)| retired_items(file, text, RETIRED)).collect();
    obey(&broken, RULE);
}

/// The retired items in one file, which lies at `file` below the source folder.
fn retired_items(file: &str, text: &str, retired: &[(&str, &[&str])]) -> Vec<String> {
    let parts: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    let module = if parts == ["lib"] { "" } else { parts[0] };
    let names: Vec<&str> =
        retired.iter().filter(|(of, _)| *of == module).flat_map(|(_, names)| names.iter().copied()).collect();
    let at_root = retired.iter().filter(|(of, _)| of.is_empty()).flat_map(|(_, names)| names.iter());
    let mut broken = Vec::new();
    for name in at_root.filter(|name| parts[0] == **name) {
        broken.push(format!("{file}: the module `{name}`"));
    }
    for name in names.iter().filter(|name| parts[1..].contains(*name)) {
        broken.push(format!("{file}: the module `{name}`"));
    }
    for pair in tokens(text).windows(2) {
        let [keyword, name] = [&*pair[0].text, &*pair[1].text];
        let is_item = ["fn", "struct", "enum", "union", "trait", "type", "mod", "const", "static"].contains(&keyword);
        if is_item && names.contains(&name) {
            broken.push(format!("{file}:{}: `{keyword} {name}`", pair[1].line));
        }
    }
    broken
}

#[test]
fn a_retired_item_is_found() {
    let retired: &[(&str, &[&str])] = &[("", &["old"]), ("a", &["Gone", "gone"])];
    let check = |file: &str, text: &str, expected: &[&str]| {
        assert_eq!(retired_items(file, text, retired), expected, "{file}: {text}");
    };

    check("a.rs", "pub(crate) struct Gone;", &["a.rs:1: `struct Gone`"]);
    check("a/b.rs", "\nasync fn gone() {}", &["a/b.rs:2: `fn gone`"]);
    check("a/gone.rs", "", &["a/gone.rs: the module `gone`"]);
    check("a/gone/b.rs", "", &["a/gone/b.rs: the module `gone`"]);
    check("old.rs", "", &["old.rs: the module `old`"]);
    check("lib.rs", "mod old;", &["lib.rs:1: `mod old`"]);
    check("a.rs", "// struct Gone;\nfn f(gone: Gone) { gone.gone() }", &[]);
    check("b.rs", "struct Gone; mod gone;", &[]);
}
