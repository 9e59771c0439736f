//! The YAML between the two `---` lines at the top of a `SKILL.md`, and the rules for its fields.
//!
//! The rules are those of the Agent Skills specification. Unknown fields are ignored.

use serde::Deserialize;
use serde_saphyr::{MessageFormatter, Spanned, UserMessageFormatter};

const FENCE: &str = "---";
const MAX_NAME: usize = 64;
const MAX_DESCRIPTION: usize = 1024;
const MAX_COMPATIBILITY: usize = 500;

/// The fields of a valid front matter.
#[derive(Debug, PartialEq)]
pub(super) struct FrontMatter {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) license: Option<String>,
    pub(super) compatibility: Option<String>,
    pub(super) metadata: serde_json::Value,
    pub(super) allowed_tools: Vec<String>,
}

/// A broken rule and its line, counted from 1 in the whole file.
#[derive(Debug, PartialEq)]
pub(super) struct Violation {
    pub(super) line: usize,
    pub(super) message: String,
}

impl Violation {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

#[derive(Deserialize)]
struct Fields {
    name: Option<Spanned<String>>,
    description: Option<Spanned<String>>,
    license: Option<String>,
    compatibility: Option<Spanned<String>>,
    metadata: Option<Spanned<serde_json::Value>>,
    #[serde(rename = "allowed-tools")]
    allowed_tools: Option<Spanned<serde_json::Value>>,
}

/// Parses the front matter of a `SKILL.md` in `folder`, or returns all broken rules.
pub(super) fn parse(text: &[u8], folder: &str) -> Result<FrontMatter, Vec<Violation>> {
    let text = std::str::from_utf8(text).map_err(|error| {
        let line = 1 + text[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        vec![Violation::new(line, "expected UTF-8 text, found a byte that is not")]
    })?;
    let yaml = cut(text).map_err(|violation| vec![violation])?;
    let fields = deserialize(yaml).map_err(|violation| vec![violation])?;
    check(fields, folder)
}

/// The text from the opening fence up to the closing one. The opening fence stays: in YAML it starts a document, and the
/// parser then counts the lines of the file.
fn cut(text: &str) -> Result<&str, Violation> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().unwrap_or_default();
    if first.trim_end() != FENCE {
        return Err(Violation::new(1, "expected the line `---` that opens the front matter"));
    }
    let mut end = first.len();
    for line in lines {
        if line.trim_end() == FENCE {
            return Ok(&text[..end]);
        }
        end += line.len();
    }
    Err(Violation::new(1, "expected a second line `---` that closes the front matter, found the end of the file"))
}

fn deserialize(yaml: &str) -> Result<Fields, Violation> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: 32, max_nodes: 10_000, max_events: 50_000, max_aliases: 100 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 10_000 },
    };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
        let line = error.location().map_or(1, |location| line_of(&location));
        let message = UserMessageFormatter.format_message(error.without_snippet());
        Violation::new(line, format!("front matter: {}", message.replace(char::is_control, " ")))
    })
}

fn line_of(location: &serde_saphyr::Location) -> usize {
    usize::try_from(location.line()).unwrap_or(usize::MAX).max(1)
}

/// Checks each field and collects the broken rules.
fn check(fields: Fields, folder: &str) -> Result<FrontMatter, Vec<Violation>> {
    let mut violations = Vec::new();
    let mut accept = |line: usize, result: Result<(), String>| {
        violations.extend(result.err().map(|message| Violation::new(line, message)));
    };

    let (line, name) = required(fields.name);
    accept(line, name.as_deref().map_or_else(|| Err(missing("name")), |name| check_name(name, folder)));
    let (line, description) = required(fields.description);
    accept(line, description.as_deref().map_or_else(|| Err(missing("description")), check_description));
    if let Some(field) = &fields.compatibility {
        accept(line_of(&field.referenced), check_length("compatibility", field.value.trim(), MAX_COMPATIBILITY));
    }
    let mut metadata = serde_json::json!({});
    if let Some(field) = fields.metadata {
        let expected = if field.value.is_object() { Ok(()) } else { Err("`metadata`: expected a table".to_owned()) };
        accept(line_of(&field.referenced), expected);
        metadata = field.value;
    }
    let mut allowed_tools = Vec::new();
    if let Some(field) = fields.allowed_tools {
        let tools = tools(&field.value);
        accept(line_of(&field.referenced), tools.as_ref().map(|_| ()).map_err(Clone::clone));
        allowed_tools = tools.unwrap_or_default();
    }

    match (name, description) {
        (Some(name), Some(description)) if violations.is_empty() => Ok(FrontMatter {
            name,
            description: description.trim().to_owned(),
            license: fields.license.map(|license| license.trim().to_owned()),
            compatibility: fields.compatibility.map(|field| field.value.trim().to_owned()),
            metadata,
            allowed_tools,
        }),
        _ => Err(violations),
    }
}

/// The line and the value of a required field; without a value the line of the opening fence.
fn required(field: Option<Spanned<String>>) -> (usize, Option<String>) {
    field.map_or((1, None), |field| (line_of(&field.referenced), Some(field.value)))
}

fn missing(field: &str) -> String {
    format!("`{field}` is missing")
}

fn check_name(name: &str, folder: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    check_length("name", name, MAX_NAME)?;
    if !name.bytes().all(allowed) {
        Err(format!("`name`: expected only `a-z`, `0-9` and `-`, found `{}`", name.escape_debug()))
    } else if name.starts_with('-') || name.ends_with('-') || name.contains("--") {
        Err(format!("`name`: expected no `-` at either end and no two in a row, found `{name}`"))
    } else if name != folder {
        Err(format!("`name`: expected the folder's name `{}`, found `{name}`", folder.escape_debug()))
    } else {
        Ok(())
    }
}

fn check_description(description: &str) -> Result<(), String> {
    check_length("description", description.trim(), MAX_DESCRIPTION)
}

fn check_length(field: &str, value: &str, max: usize) -> Result<(), String> {
    match value.chars().count() {
        length if (1..=max).contains(&length) => Ok(()),
        length => Err(format!("`{field}`: expected 1 to {max} characters, found {length}")),
    }
}

/// Parses `Read Bash(git:*)` or a list of strings. A comma after a word is tolerated.
fn tools(value: &serde_json::Value) -> Result<Vec<String>, String> {
    let expected = || "`allowed-tools`: expected words separated by spaces, or a list of strings".to_owned();
    match value {
        serde_json::Value::Null => Ok(Vec::new()),
        serde_json::Value::String(words) => Ok(words
            .split_whitespace()
            .map(|word| word.trim_end_matches(','))
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()),
        serde_json::Value::Array(items) => {
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(expected)).collect()
        }
        _ => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(text: &str) -> FrontMatter {
        parse(text.as_bytes(), "triage").unwrap_or_else(|violations| panic!("{text:?}: {violations:?}"))
    }

    /// The line and a part of the message of each violation, in order.
    fn check_refused(text: &[u8], folder: &str, expected: &[(usize, &str)]) {
        let shown = String::from_utf8_lossy(text);
        let violations = parse(text, folder).expect_err(&shown);
        assert_eq!(violations.len(), expected.len(), "{shown:?}: {violations:?}");
        for (violation, (line, part)) in violations.iter().zip(expected) {
            assert_eq!(violation.line, *line, "{shown:?}: {violation:?}");
            assert!(violation.message.contains(part), "{shown:?}: {violation:?}");
        }
    }

    #[test]
    fn every_field_is_read() {
        let found = accepted(
            "---\nname: triage\ndescription: Sorts issues.\nlicense: Apache-2.0\ncompatibility: needs git\n\
             metadata:\n  author: me\n  openclaw:\n    requires: {bins: [git, gh]}\n    always: true\n\
             allowed-tools: Read Bash(git:*)\n---\n# Triage\n",
        );

        let expected = FrontMatter {
            name: "triage".into(),
            description: "Sorts issues.".into(),
            license: Some("Apache-2.0".into()),
            compatibility: Some("needs git".into()),
            metadata: serde_json::json!({
                "author": "me",
                "openclaw": {"requires": {"bins": ["git", "gh"]}, "always": true},
            }),
            allowed_tools: vec!["Read".into(), "Bash(git:*)".into()],
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn the_ways_people_write_a_file_are_survived() {
        let check = |text: &str, description: &str| assert_eq!(accepted(text).description, description, "{text:?}");

        check("---\nname: triage\ndescription: d\n---\n", "d");
        check("---\nname: triage\ndescription: d\n---", "d");
        check("---\r\nname: triage\r\ndescription: d\r\n---\r\nbody\r\n", "d");
        check("\u{feff}---\nname: triage\ndescription: d\n---\n", "d");
        check("\u{feff}---\r\nname: triage\r\ndescription: d\r\n---\r\n", "d");
        check("---  \nname: triage\ndescription: d\n---\t\n", "d");
        check("---\nname: triage\ndescription: d\n---\nbody\n\n---\n\nname: other\n---\n", "d");
        check("---\nname: triage\ndescription: d\n---\n\u{0}\u{1}: [\n", "d");
        check("---\nname: triage\ndescription: Ünïcödé 説明 🦀\n---\n", "Ünïcödé 説明 🦀");
        check("---\nname: triage\ndescription: \"\\u00fc\"\n---\n", "ü");
        check("---\nname: triage\ndescription: |\n  one\n  ---\n  two\n---\n", "one\n---\ntwo");
        check("---\nname: triage\ndescription: >-\n  one\n  two\n---\n", "one two");
        check("---\n# a comment\nname: 'triage'\ndescription: yes\n---\n", "yes");
        check("---\nname: triage\ndescription: 12\n---\n", "12");
        check("---\ndescription: d\nname: triage\nhomepage: https://example.com\nnested: {a: [1, {b: 2}]}\n---\n", "d");
    }

    #[test]
    fn tools_are_words_or_a_list() {
        let check = |tools: &str, expected: &[&str]| {
            let text = format!("---\nname: triage\ndescription: d\nallowed-tools:{tools}\n---\n");
            assert_eq!(accepted(&text).allowed_tools, expected, "{tools}");
        };

        check(" Read", &["Read"]);
        check(" Bash(git:*)  Bash(jq:*) Read", &["Bash(git:*)", "Bash(jq:*)", "Read"]);
        check(" Read, Grep", &["Read", "Grep"]);
        check(" [Read, Bash(git add:*)]", &["Read", "Bash(git add:*)"]);
        check("\n  - Read\n  - Grep", &["Read", "Grep"]);
        check("", &[]);
        check(" ''", &[]);
    }

    #[test]
    fn each_broken_rule_names_its_line() {
        let check = |text: &str, expected: &[(usize, &str)]| check_refused(text.as_bytes(), "triage", expected);

        check("", &[(1, "opens the front matter")]);
        check("# Triage\n", &[(1, "opens the front matter")]);
        check("\n---\nname: triage\ndescription: d\n---\n", &[(1, "opens the front matter")]);
        check("----\nname: triage\n----\n", &[(1, "opens the front matter")]);
        check("---\nname: triage\ndescription: d\n", &[(1, "closes the front matter")]);
        check("---\nname: triage\ndescription: d\n ---\n", &[(1, "closes the front matter")]);
        check("---", &[(1, "closes the front matter")]);
        check("---\n---\n", &[(1, "`name` is missing"), (1, "`description` is missing")]);
        check("---\ndescription: d\n---\n", &[(1, "`name` is missing")]);
        check("---\nname: triage\n---\n", &[(1, "`description` is missing")]);
        check("---\nname: triage\ndescription:\n---\n", &[(1, "`description` is missing")]);
        check("---\nname: triage\ndescription: ''\n---\n", &[(3, "1 to 1024 characters, found 0")]);
        check("---\nname: triage\ndescription: '   '\n---\n", &[(3, "1 to 1024 characters, found 0")]);
        check("---\nname: triage\n\ndescription: d\ncompatibility: ''\n---\n", &[(5, "1 to 500 characters, found 0")]);
        check("---\nname: triage\ndescription: d\nmetadata: text\n---\n", &[(4, "expected a table")]);
        check("---\nname: triage\ndescription: d\nmetadata: [1]\n---\n", &[(4, "expected a table")]);
        check("---\nname: triage\ndescription: d\nallowed-tools: 7\n---\n", &[(4, "separated by spaces")]);
        check("---\nname: triage\ndescription: d\nallowed-tools: [Read, 7]\n---\n", &[(4, "separated by spaces")]);
        check("---\nname: triage\nname: triage\ndescription: d\n---\n", &[(3, "name")]);
        check("---\nname: triage\ndescription: d\nother: 1\nother: 2\n---\n", &[(5, "other")]);
        check("---\nname: triage\ndescription: d\nmetadata:\n  a: 1\n  a: 2\n---\n", &[(6, "a")]);
        check("---\nname: triage\ndescription: [a]\n---\n", &[(3, "")]);
        check("---\n- name\n- description\n---\n", &[(2, "")]);
        check("---\njust words\n---\n", &[(2, "")]);
        check("---\nname: triage\ndescription: {a\n---\n", &[(3, "")]);
        check("---\r\nname: triage\r\ndescription: d\r\nmetadata: text\r\n---\r\n", &[(4, "expected a table")]);
        check(
            "---\nname: Triage\ndescription: ''\ncompatibility: ''\n---\n",
            &[(2, "`a-z`, `0-9` and `-`"), (3, "1 to 1024"), (4, "1 to 500")],
        );
    }

    #[test]
    fn text_that_is_not_utf8_names_the_line_of_the_first_bad_byte() {
        check_refused(b"---\nname: triage\ndescription: \xff\n---\n", "triage", &[(3, "UTF-8")]);
        check_refused(b"\xff\xfe-\0-\0-\0", "triage", &[(1, "UTF-8")]);
    }

    #[test]
    fn a_name_is_its_folder_in_lower_case_words() {
        let check = |name: &str, folder: &str, expected: Option<&str>| {
            let text = format!("---\nname: \"{name}\"\ndescription: d\n---\n");
            match expected {
                None => assert_eq!(parse(text.as_bytes(), folder).unwrap().name, name),
                Some(part) => check_refused(text.as_bytes(), folder, &[(2, part)]),
            }
        };
        let long = "a".repeat(64);

        for name in ["a", "7", "pdf-tools", "a-b-c-1", &long] {
            check(name, name, None);
        }
        check("", "", Some("1 to 64 characters, found 0"));
        check(&"a".repeat(65), &"a".repeat(65), Some("1 to 64 characters, found 65"));
        for name in ["-a", "a-", "a--b", "-"] {
            check(name, name, Some("no `-` at either end"));
        }
        for name in ["Triage", "a_b", "a b", "a.b", "../a", "ü", "a\\n"] {
            check(name, name, Some("only `a-z`, `0-9` and `-`"));
        }
        check("triage", "review", Some("the folder's name `review`, found `triage`"));
    }

    #[test]
    fn lengths_count_characters_not_bytes() {
        let check = |field: &str, length: usize, fits: bool| {
            let value = "ü".repeat(length);
            let text = match field {
                "description" => format!("---\nname: triage\ndescription: {value}\n---\n"),
                _ => format!("---\nname: triage\ndescription: d\n{field}: {value}\n---\n"),
            };
            assert_eq!(parse(text.as_bytes(), "triage").is_ok(), fits, "{field} {length}");
        };

        check("description", 1024, true);
        check("description", 1025, false);
        check("compatibility", 500, true);
        check("compatibility", 501, false);
    }

    #[test]
    fn yaml_that_grows_is_refused() {
        let deep =
            format!("---\nname: triage\ndescription: d\nmetadata: {}{}\n---\n", "[".repeat(500), "]".repeat(500));
        let mut aliases =
            String::from("---\nname: triage\ndescription: d\nmetadata:\n  a0: &a0 [x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let before = format!("*a{}", level - 1);
            let list = [before.as_str(); 8].join(", ");
            aliases.push_str(&format!("  a{level}: &a{level} [{list}]\n"));
        }
        aliases.push_str("---\n");

        for text in [deep, aliases] {
            parse(text.as_bytes(), "triage").expect_err("the text is a bomb");
        }
    }
}
