//! Converts the markup of Jira to text for the search for commands: without code and quotes, each paragraph on its own line.
//!
//! Jira has two formats: its wiki markup, and documents (Atlassian Document Format).

use gateway_plugin_sdk::json::{Object, Objects, Text, repair};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Replaces text that is left out, so that the text after it is not at the start of its line.
const LEFT_OUT: char = '\u{fffc}';

/// The bytes of wiki markup that are scanned: more than Jira lets a person write.
const MAX_TEXT: usize = 128 << 10;
/// The most bytes of a mention or of the parameters of a block.
const MAX_MARK: usize = 256;

/// The text of a comment or a description; `None` if it has another shape.
pub(crate) fn text_of(value: &RawValue) -> Option<String> {
    // A text that is cut off within a character can still have a command before it.
    text_in(value.get()).or_else(|| text_in(&repair(value.get())))
}

fn text_in(json: &str) -> Option<String> {
    if json.starts_with('{') {
        let document: Node<'_> = serde_json::from_str(json).ok()?;
        let mut text = String::new();
        document.write(&mut text);
        return Some(text);
    }
    serde_json::from_str::<Text<'_>>(json).ok()?.get().map(of_wiki)
}

/// Wiki markup without its blocks of code and quotes, mentions as `<@id>`.
pub(crate) fn of_wiki(wiki: &str) -> String {
    const BLOCKS: [&str; 3] = ["code", "noformat", "quote"];
    let mut rest = &wiki[..wiki.floor_char_boundary(MAX_TEXT)];
    let mut text = String::with_capacity(rest.len());
    while let Some(open) = rest.find(['{', '[']) {
        let (before, at) = rest.split_at(open);
        text.push_str(before);
        if let Some((account, after)) = at.strip_prefix("[~").and_then(|at| split_soon(at, ']')) {
            text.extend(["<@", account.trim_start_matches("accountid:"), ">"]);
            rest = after;
            continue;
        }
        let block = BLOCKS.into_iter().find_map(|name| Some((name, after_tag(at, name)?)));
        let Some((name, inside)) = block else {
            text.push_str(&at[..1]);
            rest = &at[1..];
            continue;
        };
        text.push(LEFT_OUT);
        // A block that is not closed extends to the end.
        let mut inside = inside;
        rest = loop {
            let Some(next) = inside.find('{') else { break "" };
            inside = &inside[next..];
            match after_tag(inside, name) {
                Some(after) => break after,
                None => inside = &inside[1..],
            }
        };
    }
    text.push_str(rest);
    text.lines().filter(|line| !line.trim_start().starts_with("bq.")).collect::<Vec<_>>().join("\n")
}

/// The text after `{name}` or `{name:...}`.
fn after_tag<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.strip_prefix('{')?.strip_prefix(name)?;
    match rest.as_bytes().first()? {
        b'}' => Some(&rest[1..]),
        b':' => split_soon(rest, '}').filter(|(inner, _)| !inner.contains('\n')).map(|(_, after)| after),
        _ => None,
    }
}

/// The text before and after a mark that is at most [`MAX_MARK`] bytes away. The limit keeps a text with many unclosed marks from
/// being searched to its end for each of them.
fn split_soon(text: &str, mark: char) -> Option<(&str, &str)> {
    let end = text[..text.floor_char_boundary(MAX_MARK)].find(mark)?;
    Some((&text[..end], &text[end + mark.len_utf8()..]))
}

/// A node of a document.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Node<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    content: Objects<Node<'a>>,
    #[serde(borrow)]
    marks: Objects<Mark<'a>>,
    #[serde(borrow)]
    attrs: Object<Attributes<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mark<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attributes<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
}

impl Node<'_> {
    fn write(&self, text: &mut String) {
        match self.kind.get().unwrap_or_default() {
            "codeBlock" | "blockquote" => {}
            "hardBreak" => text.push('\n'),
            "text" if self.marks.get().iter().any(|mark| mark.kind.is("code")) => text.push(LEFT_OUT),
            "text" => text.push_str(self.text.get().unwrap_or_default()),
            "mention" => {
                let attributes = self.attrs.get();
                let id = attributes.and_then(|attributes| attributes.id.get()).unwrap_or_default();
                let name = attributes.and_then(|attributes| attributes.text.get()).unwrap_or_default();
                text.extend(["<@", id, "|", name.trim_start_matches('@'), ">"]);
            }
            kind => {
                if kind == "listItem" {
                    text.push_str("- ");
                }
                for node in self.content.get() {
                    node.write(text);
                }
                if matches!(kind, "paragraph" | "heading") {
                    text.push_str("\n\n");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> Option<String> {
        text_of(serde_json::from_str(json).unwrap()).map(|text| text.trim().to_owned())
    }

    #[test]
    fn wiki_markup_loses_code_and_quotes() {
        for (wiki, expected) in [
            ("plain {color:red}red{color}", "plain {color:red}red{color}"),
            ("{code}\n/fix\n{code}\n/go", "\u{fffc}\n/go"),
            ("{code:java|title=a}\n{quote}\n/fix\n{code} /go", "\u{fffc} /go"),
            ("a {noformat}/fix{noformat} b", "a \u{fffc} b"),
            ("{quote}\n/fix\n{quote}\nb", "\u{fffc}\nb"),
            ("{quote}\n/fix", "\u{fffc}"),
            ("bq. /fix\n bq. /fix\nb", "b"),
            ("[~accountid:5b1:a] fix [~ada] and [a|b] {", "<@5b1:a> fix <@ada> and [a|b] {"),
            ("{code", "{code"),
        ] {
            assert_eq!(of_wiki(wiki), expected, "{wiki}");
        }
    }

    #[test]
    fn the_search_for_a_mark_and_the_length_of_a_text_are_limited() {
        let near = "a".repeat(MAX_MARK - 1);
        assert_eq!(of_wiki(&format!("[~{near}]")), format!("<@{near}>"));
        assert_eq!(of_wiki(&format!("{{code:{}}}/fix", &near[1..])), "\u{fffc}");
        for far in [format!("[~a{near}]"), format!("{{code:{near}}}/fix")] {
            assert_eq!(of_wiki(&far), far);
        }
        for hostile in ["[~", "{code:", "{quote:\u{e9}", "[~{code:"] {
            let text = hostile.repeat(MAX_TEXT);
            assert_eq!(of_wiki(&text), text[..text.floor_char_boundary(MAX_TEXT)], "{hostile}");
        }
    }

    #[test]
    fn a_document_is_read_by_paragraphs() {
        let document = |content: &str| format!(r#"{{"type":"doc","version":1,"content":[{content}]}}"#);
        let paragraph = |content: &str| document(&format!(r#"{{"type":"paragraph","content":[{content}]}}"#));
        for (json, expected) in [
            (paragraph(r#"{"type":"text","text":"/fix it"}"#), "/fix it"),
            (paragraph(r#"{"type":"text","text":"a"},{"type":"hardBreak"},{"type":"text","text":"b"}"#), "a\nb"),
            (
                paragraph(r#"{"type":"mention","attrs":{"id":"5b1","text":"@Kettle"}},{"type":"text","text":" fix"}"#),
                "<@5b1|Kettle> fix",
            ),
            (paragraph(r#"{"type":"text","text":"/fix","marks":[{"type":"code"}]}"#), "\u{fffc}"),
            (paragraph(r#"{"type":"text","text":"/fix","marks":[{"type":"strong"}]}"#), "/fix"),
            (document(r#"{"type":"codeBlock","content":[{"type":"text","text":"/fix"}]}"#), ""),
            (
                document(
                    r#"{"type":"blockquote","content":[{"type":"paragraph","content":[{"type":"text","text":"/fix"}]}]}"#,
                ),
                "",
            ),
            (
                document(
                    r#"{"type":"bulletList","content":[{"type":"listItem","content":[{"type":"paragraph","content":[
                        {"type":"text","text":"/fix"}]}]}]}"#,
                ),
                "- /fix",
            ),
        ] {
            assert_eq!(text(&json).as_deref(), Some(expected), "{json}");
        }
    }

    #[test]
    fn a_text_that_is_cut_off_keeps_its_beginning() {
        assert_eq!(text(r#""/fix it \ud83d""#).as_deref(), Some("/fix it \u{fffd}"));
        let document = r#"{"type":"doc","content":[{"type":"text","text":"/fix \ud83d"}]}"#;
        assert_eq!(text(document).as_deref(), Some("/fix \u{fffd}"));
    }

    #[test]
    fn a_value_of_another_shape_has_no_text() {
        let deep = [&r#"{"content":["#.repeat(500), "{}", &"]}".repeat(500)].concat();
        for json in ["null", "[]", "true", r#""""#, &deep] {
            assert!(text(json).is_none_or(|text| text.is_empty() || text == "true"), "{json:.20}");
        }
    }
}
