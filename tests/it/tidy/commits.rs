//! The subjects of commits are short enough for every list of them.

use std::process::Command;

use super::files::{obey, root};

/// The last commit before the rule.
const START: &str = "ed4190de265513485b5ac9fff5ad0b4291b35684";

/// The most characters of a subject.
const MOST: usize = 72;

const RULE: &str = "a commit's subject has at most 72 characters; what does not fit goes into the body";

#[test]
fn commit_subjects_are_short() {
    match log(&format!("{START}..HEAD")) {
        Ok(log) => obey(&too_long(&log), RULE),
        Err(reason) => eprintln!("skipped: {reason}"),
    }
}

/// One line for each commit of `range`; the error says why there are none to be had.
fn log(range: &str) -> Result<String, String> {
    let mut git = Command::new("git");
    let output = git.current_dir(root()).args(["log", "--format=%h %s", range, "--"]).output();
    let output = output.map_err(|error| format!("git does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("no history: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn too_long(log: &str) -> Vec<String> {
    let subjects = log.lines().filter_map(|line| line.split_once(' '));
    let lengths = subjects.map(|(commit, subject)| (commit, subject, subject.chars().count()));
    let long = lengths.filter(|(_, _, length)| *length > MOST);
    long.map(|(commit, subject, length)| format!("{commit}: {length} characters: {subject}")).collect()
}

#[test]
fn a_long_subject_is_found() {
    let exact = "x".repeat(MOST);
    let check = |log: &str, expected: usize| assert_eq!(too_long(log).len(), expected, "{log}");

    check("", 0);
    check(&format!("abc1234 {exact}\nabc1235 Keep the event"), 0);
    check(&format!("abc1234 {exact}y\nabc1235 Keep the event"), 1);
    check(&format!("abc1234 {}", "é".repeat(MOST)), 0);
}

#[test]
fn a_folder_without_that_history_is_told() {
    assert!(log("0000000000000000000000000000000000000001..HEAD").is_err());
}
