//! Threads whose work can wait have a low priority, and those that serve requests have not.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::fs;

use crate::support::{Setup, built_in};

#[tokio::test]
async fn what_can_wait_gives_way_to_requests() {
    let gateway = Setup::new().plugin(built_in::DUMMY).start().await;
    let tasks = format!("/proc/{}/task", gateway.pid());
    let has = |name: &str, expected: i32| {
        let named = fs::read_dir(&tasks)
            .unwrap()
            .flatten()
            .filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name));
        let mut found = named.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok()).peekable();
        found.peek().is_some() && found.all(|stat| niceness(&stat) == expected)
    };

    for name in ["plugin-loader", "plugin-worker", "plugin-slow", "eventlog-apply"] {
        gateway.until(&format!("{name} to give way"), async || has(name, 10).then_some(())).await;
    }
    for name in ["tokio-rt-worker", "eventlog"] {
        assert!(has(name, 0), "{name}");
    }
}

/// The niceness in `/proc/PID/stat`.
pub(crate) fn niceness(stat: &str) -> i32 {
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().parse().unwrap()
}
