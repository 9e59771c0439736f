use super::*;
use crate::channel::Request;

const NAMES: &str = r#"["triage", "@fix"]"#;

/// The command in a text as `name(arguments)`; the names that count are given as JSON.
fn found(text: &str, names: Option<&str>) -> Option<String> {
    let request = Request::new("POST");
    let request = names.map_or(Request::new("POST"), |names| request.with_config(SETTING, names));
    find_for(request.host(), text, &["U1"]).map(|command| format!("{}({})", command.name, command.arguments))
}

#[test]
fn a_command_begins_a_line_and_ends_with_it() {
    for (text, expected) in [
        ("/fix", Some("fix()")),
        ("  /fix   the leak \r\nat once", Some("fix(the leak)")),
        ("Thanks!\n\n/fix the leak", Some("fix(the leak)")),
        ("/Fix-It_2 now\n/other", Some("fix-it_2(now)")),
        ("/fix\tthe\u{7}leak", Some("fix(the leak)")),
        ("please /fix", None),
        ("- /fix", None),
        ("/usr/bin/env", None),
        ("/-fix", None),
        ("/fix.", None),
        ("/ fix", None),
        ("//fix", None),
        ("/", None),
        ("", None),
    ] {
        assert_eq!(found(text, None).as_deref(), expected, "{text:?}");
    }
}

#[test]
fn a_name_that_is_too_long_is_ignored_and_long_arguments_are_cut() {
    let name = "a".repeat(63);
    assert_eq!(found(&format!("/{name} x"), None), Some(format!("{name}(x)")));
    assert_eq!(found(&format!("/{name}a x"), None), None);
    assert_eq!(found(&format!("/fix {}", "é".repeat(600)), None), Some(format!("fix({})", "é".repeat(512))));
}

#[test]
fn quotes_code_and_comments_hold_no_commands() {
    for text in [
        "> /fix",
        " >/fix",
        "```\n/fix\n```",
        "~~~~ text\n/fix\n~~~\n/fix\n~~~~",
        "```\n/fix",
        "    /fix",
        "\t/fix",
        "  \t/fix",
        "`/fix`",
        "see `a\n/fix b`",
        "``a ` b\n/fix c``",
        "<!-- try\n/fix\n-->",
        "<!-- a --> <!-- b\n/fix",
    ] {
        assert_eq!(found(text, None), None, "{text:?}");
    }
}

#[test]
fn a_command_after_quotes_code_and_comments_counts() {
    for text in [
        "> quoted\n/fix x",
        "```\n/other\n```\n/fix x",
        "``` a ``` b\n/fix x",
        "    /other\n/fix x",
        "   /fix x",
        "`a` and `b`\n/fix x",
        "see `a\n/other b`\n/fix x",
        "a stray ` here\n/fix x",
        "a stray ` here\n\n/fix x `",
        "<!-- /other -->\n/fix x",
        "<!--\n/other\n-->\n/fix x",
    ] {
        assert!(found(text, None).is_some_and(|command| command.starts_with("fix(x")), "{text:?}");
    }
}

#[test]
fn only_listed_names_count_if_there_is_a_list() {
    for (text, names, expected) in [
        ("@triage look", None, None),
        ("@triage look", Some(NAMES), Some("triage(look)")),
        ("@Triage: look", Some(NAMES), Some("triage(look)")),
        ("@triage, look", Some(NAMES), Some("triage(look)")),
        ("/FIX it", Some(NAMES), Some("fix(it)")),
        ("@fix it", Some(NAMES), Some("fix(it)")),
        ("@octo-cat thanks\n@triage look", Some(NAMES), Some("triage(look)")),
        ("/deploy", Some(NAMES), None),
        ("@triage-team look", Some(NAMES), None),
        ("@triage/core look", Some(NAMES), None),
        ("/fix", Some("[]"), None),
        ("/fix", Some("fix"), None),
    ] {
        assert_eq!(found(text, names).as_deref(), expected, "{text:?} {names:?}");
    }
}

#[test]
fn a_mention_of_the_account_is_a_command_without_a_setting() {
    for (text, names, expected) in [
        ("<@U1> fix it", None, Some("mention(fix it)")),
        ("<@!U1>, fix it", None, Some("mention(fix it)")),
        ("<@U1|Kettle> fix it", None, Some("kettle(fix it)")),
        ("<@U1|The kettle> fix it", None, Some("mention(fix it)")),
        ("<@U1> fix it", Some(NAMES), Some("triage(fix it)")),
        ("<@U2> fix it", Some(NAMES), None),
        ("<@U1", None, None),
        ("hey <@U1>", None, None),
    ] {
        assert_eq!(found(text, names).as_deref(), expected, "{text:?} {names:?}");
    }
}

#[test]
fn an_invalid_setting_is_logged_when_it_is_used() {
    let request = Request::new("POST").with_config(SETTING, "fix");
    assert_eq!(find(request.host(), "no command"), None);
    assert_eq!(request.host().logged(), []);
    assert_eq!(find(request.host(), "/fix"), None);
    assert_eq!(request.host().logged()[0].0, Level::Error);
}

#[test]
fn an_edit_does_not_repeat_a_command() {
    for (before, text, expected) in [
        ("/fix a", "/fix a\n\nPlease.", None),
        ("/fix a", "/fix b", Some("b")),
        ("text", "/fix a", Some("a")),
        ("/fix a", "text", None),
    ] {
        let found = Written::Edited { before, text }.command(Request::new("POST").host());
        assert_eq!(found.map(|command| command.arguments).as_deref(), expected, "{before:?} {text:?}");
    }
}

#[test]
fn an_ignored_sender_is_known_by_any_of_its_names() {
    for (config, expected) in [
        (Some(r#"["Kettle[bot]", "b\u0063"]"#), true),
        (Some(r#"["U7"]"#), true),
        (Some(r#"["@u7"]"#), true),
        (Some(r#"[42]"#), true),
        (Some(r#"[{"id": "kettle"}, "u7"]"#), true),
        (Some(r#"["kettle"]"#), false),
        (Some(r#"["", "@"]"#), false),
        (Some("[]"), false),
        (Some("kettle[bot]"), false),
        (None, false),
    ] {
        let request = Request::new("POST");
        let request = config.map_or(Request::new("POST"), |config| request.with_config("ignore_senders", config));
        assert_eq!(is_ignored(request.host(), &["", "kettle[bot]", "u7", "42"]), expected, "{config:?}");
    }
}

#[test]
fn an_event_carries_the_command_as_attributes() {
    let command = |name: &str, arguments: &str| Some(Command { name: name.into(), arguments: arguments.into() });
    let event = Event::new("said").with_command(command("fix", "the leak"));
    assert_eq!((event.attribute("command"), event.attribute("commandargs")), (Some("fix"), Some("the leak")));
    let event = Event::new("said").with_command(command("fix", ""));
    assert_eq!((event.attribute("command"), event.attribute("commandargs")), (Some("fix"), None));
    assert_eq!(Event::new("said").with_command(None), Event::new("said"));
}

#[test]
fn hostile_text_is_scanned_in_linear_time() {
    let runs: String = (1..200).map(|length| "`".repeat(length) + " ").collect();
    for (text, expected) in [
        (runs + "\n/fix x", Some("fix(x)")),
        ("`\n/fix\n".repeat(20_000), Some("fix()")),
        // The scanned part ends within the last code.
        ("`\n/f\n`\n".repeat(20_000), Some("f()")),
        ("/fix-\u{e9}\n".repeat(20_000), None),
        ("<!--".repeat(20_000), None),
        ("```".repeat(20_000), None),
        (format!("{}/fix", " ".repeat(1 << 20)), None),
    ] {
        let start = &text[..4];
        assert_eq!(found(&text, None).as_deref(), expected, "{start:?}");
    }
}

/// Otherwise a text of one long paragraph would be scanned to its end for each line that looks like a command.
#[test]
fn the_end_of_a_paragraph_is_found_once() {
    let mut lines = Lines::new("a\n/b\n\nc\n/d");
    assert_eq!(lines.end_of_paragraph(0), 4);
    lines.text = "Something else.";
    assert_eq!(lines.end_of_paragraph(2), 4, "it is cached");
    lines.text = "a\n/b\n\nc\n/d";
    assert_eq!(lines.end_of_paragraph(6), 10);
}

#[test]
fn a_fence_within_a_line_gets_its_own_line() {
    for (text, expected) in [
        ("```let a;```\n/fix x", Some("fix(x)")),
        ("look: ```\n/fix x```", None),
        ("```a\n/other```\n/fix x", Some("fix(x)")),
        ("no code", None),
    ] {
        assert_eq!(found(&split_fences(text), None).as_deref(), expected, "{text:?}");
    }
}
