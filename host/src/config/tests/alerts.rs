//! `[alerts]`, and the callers that speak for agents.

use std::time::Duration;

use super::{check_problems, config, config_with};
use crate::alert::{Environment, Level, Settings, Window};
use crate::config::restart_keys;
use crate::event::Priority;
use crate::skill::Catalog;

const CHANNEL: &str = "[channels.alertmanager]\n[channels.grafana]\n";

fn problems(text: &str, expected: &[&str]) {
    check_problems(&format!("{CHANNEL}{text}"), expected);
}

#[test]
fn channels_of_alerts_keep_their_repetitions() {
    let config = config(&format!("{CHANNEL}[alerts]\nchannels = ['grafana']"));

    let keeps = config.ingest.channels.iter().map(|channel| (channel.name.as_str(), channel.keep_repeats));
    assert_eq!(keeps.collect::<Vec<_>>(), [("alertmanager", false), ("grafana", true)]);
    let names: Vec<_> = config.alerts.channels.iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["grafana"]);
}

#[test]
fn keys_become_settings() {
    let text = r#"
        [alerts]
        channels = ["alertmanager", "grafana"]
        scope_label = "cluster"
        ignore_labels = []
        group_by = ["service"]
        cooldown = "10m"
        cooldown_max = "2h"
        block_after = 0
        max_signals = 1000000
        [alerts.severity]
        Ticket = "low"
        [alerts.environment]
        labels = ["stage"]
        staging = ["QA-*"]
        default = "development"
        [alerts.escalation.staging]
        total = 3
        priority = "immediate"
        unacked_after = "30m"
        repeat_every = "1h"
        [alerts.storm]
        key = []
        signals = 0
        [[alerts.correlate]]
        name = "checkout"
        channels = ["graf*"]
        labels = { service = "check*" }
        by = ["region"]
    "#;
    let settings = config(&format!("{CHANNEL}{text}")).alerts;

    let default = Settings::default();
    assert_eq!(settings.scope_label.as_deref(), Some("cluster"));
    assert_eq!((settings.ignore_labels, settings.group_by), (vec![], vec!["service".to_owned()]));
    assert_eq!(settings.cooldown, Duration::from_secs(600));
    assert_eq!((settings.block_after, settings.max_signals), (0, 1_000_000));
    assert_eq!(settings.severity.into_iter().collect::<Vec<_>>(), [("ticket".to_owned(), Level::Low)]);
    let environment = settings.environment;
    assert_eq!((environment.labels, environment.default), (vec!["stage".to_owned()], Environment::Development));
    assert!(environment.values[1][0].matches("qa-7"), "values are compared in lower case");
    assert_eq!(environment.values[0], default.environment.values[0]);
    let [production, staging, _] = settings.escalation;
    assert_eq!(production, default.escalation[0]);
    assert_eq!((staging.total, staging.burst, staging.priority), (3, 5, Priority::High));
    let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
    assert_eq!((staging.unacked_after, staging.repeat_every), (minutes(30), minutes(60)));
    assert_eq!((settings.storm.key.len(), settings.storm.signals, settings.storm.resources), (0, 0, 5));
    let [rule] = settings.correlate.as_slice() else { panic!("one rule") };
    assert_eq!((rule.name.as_str(), rule.labels[0].0.as_str()), ("checkout", "service"));
    assert!(rule.channels[0].matches("grafana") && rule.labels[0].1.matches("checkout"));
    assert_eq!(settings.heartbeats, default.heartbeats);
}

#[test]
fn heartbeats_replace_the_default_ones() {
    let heartbeats =
        |keys: &str| config(&format!("{CHANNEL}[alerts]\nchannels = ['grafana']\n{keys}")).alerts.heartbeats;

    assert_eq!(heartbeats("").len(), 2);
    assert_eq!(heartbeats("heartbeats = []"), []);
    let text = "[[alerts.heartbeats]]\nname = 'eu'\nlabels = { alertname = 'Watchdog', cluster = 'eu-*' }\nmissing_after = '5m'";
    let [eu] = heartbeats(text).try_into().unwrap();
    assert_eq!((eu.name.as_str(), eu.labels.len(), eu.missing_after), ("eu", 2, Some(Duration::from_secs(300))));
}

#[test]
fn problems_name_what_was_expected() {
    for (text, expected) in [
        (
            "[alerts]\nchannels = ['alertmanger', 'grafana', 'grafana']",
            &[
                "alerts.channels[0]: expected the name of a channel of this file, found `alertmanger`",
                "alerts.channels[2]: expected each channel once, found `grafana`",
            ][..],
        ),
        (
            "[alerts]\ncooldown = '2h'\ncooldown_max = '1h'",
            &["alerts.cooldown: expected a duration of at most `cooldown_max` (`1h`), found `2h`"],
        ),
        (
            "[alerts]\nkeep = '5m'",
            &[
                "alerts.keep: expected a duration of at least `flap_window` (`15m`): an incident may come back for so long, \
                 found `5m`",
            ],
        ),
        (
            "[alerts]\nlate_window = '0s'\nstale_after = '366d'",
            &[
                "alerts.late_window: expected a duration from `1ms` to `8760h`, found `0s`",
                "alerts.stale_after: expected a duration from `1ms` to `8760h`, found `366d`",
            ],
        ),
        (
            "[alerts]\nmax_signals = 0\nmax_incidents = 1000001\nblock_after = -1",
            &[
                "alerts.block_after: expected a whole number from 0 to 1000, found `-1`",
                "alerts.max_signals: expected a whole number from 1 to 1000000, found `0`",
                "alerts.max_incidents: expected a whole number from 1 to 1000000, found `1000001`",
            ],
        ),
        (
            "[alerts]\nscope_label = ''\ngroup_by = ['job', '', 'job']\nvolatile_annotations = [\"a\\u0000\"]",
            &[
                "alerts.scope_label: expected the name of a label, found an empty text",
                "alerts.volatile_annotations[0]: expected the name of an annotation, found `a\u{fffd}`",
                "alerts.group_by[1]: expected the name of a label, found an empty text",
                "alerts.group_by[2]: expected each name once, found `job`",
            ],
        ),
        (
            "[alerts.severity]\npage = 'hi'\nPage = 'high'\npAge = 'high'\n' ' = 'low'\nx = 1",
            &[
                "alerts.severity.\" \": expected a word of a sender, found ` `",
                "alerts.severity.pAge: expected each word once, in capitals or not, found `pAge`",
                "alerts.severity.page: expected `critical`, `high`, `warning`, `info`, `low` or `unknown`, found `hi`",
                "alerts.severity.x: expected `critical`, `high`, `warning`, `info`, `low` or `unknown`, found `1`",
            ],
        ),
        ("[alerts]\nseverity = 'high'", &["alerts.severity: expected a table, found `high`"]),
        (
            "[alerts.environment]\nproduction = ['a[']\ndefault = 'prod'",
            &[
                "alerts.environment.production[0]: expected a pattern, found `a[`",
                "alerts.environment.default: expected `production`, `staging` or `development`, found `prod`",
            ],
        ),
        (
            "[alerts.escalation.live]\ntotal = 5",
            &["alerts.escalation.live: expected a key of `alerts.escalation`, found `live`"],
        ),
        (
            "[alerts.escalation.production]\nburst = 101\npriority = 'high'\nrepeat_every = '1h'",
            &[
                "alerts.escalation.production.burst: expected a whole number from 0 to 100, found `101`",
                "alerts.escalation.production.priority: expected `immediate`, `normal` or `low`, found `high`",
                "alerts.escalation.production.unacked_after: expected the time after which it is told first, because \
                 `repeat_every` is set, found nothing",
            ],
        ),
        (
            "[alerts.storm]\nsignals = 1001\ncalm_for = '0s'",
            &[
                "alerts.storm.signals: expected a whole number from 0 to 1000, found `1001`",
                "alerts.storm.calm_for: expected a duration from `1ms` to `8760h`, found `0s`",
            ],
        ),
        (
            "[[alerts.correlate]]\n[[alerts.correlate]]\nname = 'a b'\nby = ['x']\n[[alerts.correlate]]\nname = 'a'\nby = []\n\
             labels = { service = 5 }\n[[alerts.correlate]]\nname = 'a'\nby = []\nlabels = 'x'",
            &[
                "alerts.correlate[0].name: expected a name, found nothing",
                "alerts.correlate[0].by: expected the labels whose values alerts of one incident have in common, found nothing",
                "alerts.correlate[1].name: expected a name of 1 to 63 of `a-z`, `0-9` and `-`, not starting with `-`, \
                 found `a b`",
                "alerts.correlate[2].labels.service: expected a pattern, found `5`",
                "alerts.correlate[3].name: expected a name of its own, found `a`, which is taken",
                "alerts.correlate[3].labels: expected a table, found `x`",
            ],
        ),
        (
            "[[alerts.heartbeats]]\nname = 'a'\n[[alerts.heartbeats]]\nname = 'a'\nlabels = { alertname = '*' }",
            &[
                "alerts.heartbeats[0].labels: expected the labels that its alert has, found nothing",
                "alerts.heartbeats[1].name: expected a name of its own, found `a`, which is taken",
                "alerts.heartbeats[1].labels: expected the labels that its alert has, found patterns that alerts without \
                 these labels match too",
            ],
        ),
        (
            "[[alerts.silences]]\nname = 'a'\nmatchers = ['x', 'y=~\"[\"']\n[[alerts.maintenance]]\nname = 'a'\nmatchers = []\n\
             from = '22:00'\nuntil = '23:00'\ntimezone = 'UTC'\n[[alerts.maintenance]]\nname = 'b'\nmatchers = 'x=y'\n\
             days = ['funday']\nfrom = '22:00'",
            &[
                "alerts.silences[0].matchers[0]: expected matchers such as `severity=\"info\"` or `cluster=~\"eu-.*\"`, \
                 found `x`",
                "alerts.silences[0].matchers[1]: expected matchers such as `severity=\"info\"` or `cluster=~\"eu-.*\"`, \
                 found `y=~\"[\"`",
                "alerts.silences[0].until: expected a time, found nothing",
                "alerts.maintenance[0].name: expected a name of its own, found `a`, which is taken",
                "alerts.maintenance[0].matchers: expected matchers such as `severity=\"info\"` or `cluster=~\"eu-.*\"`, \
                 found an empty list",
                "alerts.maintenance[0].timezone: expected no `timezone` without `days`, found one",
                "alerts.maintenance[0].from: expected a time such as `2026-01-31T22:00:00Z`, found `22:00`",
                "alerts.maintenance[1].until: expected a time, found nothing",
            ],
        ),
        (
            "[[alerts.maintenance]]\nname = 'b'\nmatchers = 'x=y'\ndays = ['funday']\nfrom = '22:00'\nuntil = '23:00'",
            &["alerts.maintenance[0].days: expected a day such as `sat` or `saturday`, found `funday`"],
        ),
        (
            "[[alerts.inhibit]]\ntarget = ['x=~\"(a{1000}){1000}\"']",
            &[
                "alerts.inhibit[0].source: expected matchers such as `severity=\"info\"` or `cluster=~\"eu-.*\"`, found nothing",
                "alerts.inhibit[0].target[0]: expected matchers such as `severity=\"info\"` or `cluster=~\"eu-.*\"`, \
                 found `x=~\"(a{1000}){1000}\"`",
            ],
        ),
    ] {
        problems(text, expected);
    }
}

#[test]
fn silences_and_windows_are_open_at_their_times() {
    let text = r#"
        [alerts]
        channels = ["grafana"]
        [[alerts.silences]]
        name = "migration"
        matchers = ['host=~"old-.*"']
        until = "2026-01-31T22:00:00Z"
        [[alerts.maintenance]]
        name = "once"
        matchers = ['host="db", env!="prod"']
        from = "2026-01-31T22:00:00+01:00"
        until = "2026-01-31T23:00:00+01:00"
        [[alerts.maintenance]]
        name = "weekly"
        matchers = ['host="web"']
        days = ["sat"]
        from = "22:00"
        until = "04:00"
        timezone = "+02:00"
    "#;
    let maintenance = config(&format!("{CHANNEL}{text}")).alerts.maintenance;

    for (host, time, expected) in [
        ("old-1", "2026-01-31T21:59:59Z", Some("migration")),
        ("old-1", "2026-01-31T22:00:00Z", None),
        ("db", "2026-01-31T21:00:00Z", Some("once")),
        ("db", "2026-01-31T22:00:00Z", None),
        ("web", "2026-01-31T19:59:59Z", None),
        ("web", "2026-01-31T20:00:00Z", Some("weekly")),
        ("web", "2026-02-01T01:59:59Z", Some("weekly")),
    ] {
        let window = maintenance.active(|label| (label == "host").then_some(host), time.parse().unwrap());
        assert_eq!(window.map(Window::name), expected, "{host} {time}");
    }
}

#[test]
fn what_changes_nothing_is_warned_of() {
    for (text, expected) in [
        ("", None),
        ("[alerts]\nkeep = '168h'", None),
        (
            "[alerts]\nkeep = '169h'",
            Some("alerts: no `channels`, so nothing is an alert and the other keys change nothing"),
        ),
        ("[alerts]\nchannels = ['grafana']\nkeep = '169h'", None),
        (
            "[alerts]\nchannels = ['grafana']\n[[alerts.correlate]]\nname = 'a'\nchannels = ['alert*']\nby = []",
            Some("alerts.correlate[0].channels: `alert*` is none of `alerts.channels`"),
        ),
    ] {
        let warnings = config(&format!("{CHANNEL}{text}")).warnings;
        let warnings: Vec<_> = warnings.iter().filter(|warning| warning.starts_with("alerts")).collect();
        assert_eq!(warnings, Vec::from_iter(expected), "{text}");
    }
}

#[test]
fn nothing_of_alerts_needs_a_restart() {
    let before = config(CHANNEL);
    let after = config(&format!("{CHANNEL}[alerts]\nchannels = ['grafana']\nmax_signals = 7\nstorm.signals = 7"));

    assert_ne!(before.alerts, after.alerts);
    assert_eq!(restart_keys(&before, &after), Vec::<&str>::new());
}

#[test]
fn callers_speak_for_one_agent() {
    let text = |triage: &str, other: &str| {
        format!(
            "[callers.a]\nkind = 'bearer'\nsecret = {{ env = 'A' }}\n[callers.b]\nkind = 'bearer'\nsecret = {{ env = 'A' }}\n\
             [agents.other]\n{other}\n[agents.triage]\n{triage}\n"
        )
    };
    let with_secret = |text: &str| config_with(text, &[("A", "secret-secret")]);

    let config = with_secret(&text("callers = ['a', 'b']", "")).unwrap();
    let callers: Vec<Vec<_>> = config
        .dispatch
        .agents
        .iter()
        .map(|agent| agent.callers.iter().map(|caller| caller.name.as_str()).collect())
        .collect();
    assert_eq!(callers, [vec![], vec!["a", "b"]]);
    for (triage, other, expected) in [
        ("callers = ['c']", "", "agents.triage.callers[0]: expected `a` or `b`, found `c`"),
        ("callers = []", "", "agents.triage.callers: expected at least one caller, found an empty list"),
        (
            "callers = ['a']",
            "callers = ['a']",
            "agents.triage.callers: expected callers of this agent alone, found `a`, which is one of `other`",
        ),
    ] {
        assert_eq!(with_secret(&text(triage, other)).unwrap_err(), [expected]);
    }
    let in_the_way = format!("{}[channels.hook]\npath = '/api/hook'", text("callers = ['a']", ""));
    assert_eq!(
        with_secret(&in_the_way).unwrap_err(),
        ["subscribe.prefix: expected paths that no channel has, found `/api/hook` of channel `hook`"]
    );
}

/// What is found of the channels `alertmanager` and `grafana`, which are channels of alerts, and of the routes in `text`.
#[track_caller]
fn check_findings(text: &str, expected: &[&str]) {
    let config = config(&format!(
        "{CHANNEL}[channels.hook]\n[agents.a]\n[agents.b]\n[alerts]\nchannels = ['alertmanager', 'grafana']\n{text}"
    ));
    let findings = config.judged().findings(&|_| None, &Catalog::default());
    assert_eq!(findings.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{text}");
}

fn route(keys: &str) -> String {
    format!("[[routes]]\n{keys}\n")
}

#[test]
fn alerts_that_nobody_takes_are_found() {
    let both =
        "alerts: nobody takes `alerts.opened` and `alerts.escalated`; add a route with `channels = [\"alerts\"]`";
    for (keys, expected) in [
        ("channels = ['*']\nkinds = ['hook.*']\nagents = ['a']", Some(both)),
        ("channels = ['alerts']\nkinds = ['*.storm.*']\nagents = ['a']", Some(both)),
        (
            "channels = ['alerts']\nkinds = ['alerts.opened']\nagents = ['a']",
            Some("alerts: nobody takes `alerts.escalated`; add a route with `channels = [\"alerts\"]`"),
        ),
        ("channels = ['alerts']\nkinds = ['alerts.*ed']\nagents = ['a']", None),
        ("channels = ['alerts']\nwhere = { severity = 'critical' }\nagents = ['a']", None),
    ] {
        check_findings(&route(keys), &Vec::from_iter(expected));
    }
    let subscriber =
        "[callers.c]\nkind = 'certificate'\nnames = ['c']\n[subscribers.s]\ncallers = ['c']\nchannels = ['alerts']";
    check_findings(subscriber, &[]);
}

#[test]
fn an_agent_that_is_told_twice_is_found() {
    let alerts = route("channels = ['alerts']\nagents = ['b', 'a']");
    let twice = |index: usize, channel: &str, told: usize| {
        format!(
            "routes[{index}]: agent `a` gets what channel `{channel}` is told as it is, and from `routes[{told}]` what it comes \
             to: it is told of each alert twice"
        )
    };
    for (keys, expected) in [
        ("channels = ['grafana']\nagents = ['a']", vec![twice(1, "grafana", 0)]),
        ("agents = ['a']", vec![twice(1, "alertmanager", 0), twice(1, "grafana", 0)]),
        ("kinds = ['hook.*', 'grafana.unknown']\nagents = ['a']", vec![]),
        ("channels = ['hook']\nagents = ['a']", vec![]),
        ("channels = ['grafana']\nwhere = { status = 'x' }\nagents = ['a']", vec![]),
        ("channels = ['grafana']\nfallback = true\nagents = ['a']", vec![twice(1, "grafana", 0)]),
        ("channels = ['grafana', 'alerts']\nagents = ['a']", vec![twice(1, "grafana", 0)]),
    ] {
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        check_findings(&format!("{alerts}{}", route(keys)), &expected);
    }
    let archive = "[agents.archive]\n[[routes]]\nchannels = ['*']\nagents = ['archive']\n";
    let fallback = route("channels = ['grafana']\nfallback = true\nagents = ['a']");
    check_findings(&format!("{alerts}{archive}{fallback}"), &[]);
}

#[test]
fn kinds_of_alerts_that_there_are_not_are_found() {
    let alerts = route("channels = ['alerts']\nagents = ['a']");
    for (keys, expected) in [
        (
            "channels = ['alerts']\nkinds = ['alerts.open', 'alerts.storm.*', 'alerts.unknown']\nagents = ['b']",
            &[
                "routes[1].kinds[0]: channel `alerts` has no kind `open`; did you mean `alerts.opened`?",
                "routes[1].kinds[2]: channel `alerts` has no kind `unknown`",
            ][..],
        ),
        (
            "kinds = ['alerts.opened', 'hook.*']\nagents = ['b']",
            &["routes[1].kinds[0]: the route must name `alerts` in `channels`, a channel of the gateway itself"],
        ),
        ("channels = ['gateway']\nkinds = ['gateway.delivery.dead']\nagents = ['b']", &[]),
    ] {
        check_findings(&format!("{alerts}{}", route(keys)), expected);
    }
    let config = config("[agents.a]\n[[routes]]\nchannels = ['alerts']\nagents = ['a']");
    let findings = config.judged().findings(&|_| None, &Catalog::default());
    assert_eq!(
        findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["routes[0]: there are no events of `alerts`, because `alerts.channels` is not set"]
    );
}
