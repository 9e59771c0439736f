//! Which routes take an event, and what is said of one that none takes.

use std::time::Duration;

use super::*;
use crate::event::{OnTimeout, Pattern};

const SYNC: SyncMode = SyncMode { timeout: Duration::from_secs(1), on_timeout: OnTimeout::Accepted };

fn route(channels: &[&str], kinds: &[&str], agents: &[&str], mode: Mode) -> RouteSettings {
    let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text).unwrap()).collect();
    RouteSettings {
        channels: patterns(channels),
        kinds: patterns(kinds),
        conditions: Vec::new(),
        fallback: false,
        agents: agents.iter().map(|agent| agent.parse().unwrap()).collect(),
        mode,
        priority: None,
        respond: false,
        skills: vec![agents[0].to_owned()],
    }
}

fn text(field: Field, expected: &'static str) -> Condition {
    Condition { field, test: Test::Is(Scalar::Text(expected.into())) }
}

/// An event of the channel that its kind names.
struct Sample {
    channel: ChannelName,
    kind: &'static str,
    attributes: Vec<(String, String)>,
    data: &'static str,
}

impl Sample {
    fn new(kind: &'static str) -> Self {
        let channel = kind.split('.').next().unwrap().parse().unwrap();
        Self { channel, kind, attributes: Vec::new(), data: "{}" }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            channel: &self.channel,
            kind: self.kind,
            subject: None,
            attributes: &self.attributes,
            data: self.data.as_bytes(),
        }
    }
}

fn names(routes: &Routes, sample: &Sample) -> Vec<String> {
    routes.destination(&sample.facts()).recipients.iter().map(|to| to.agent.to_string()).collect()
}

#[test]
fn an_event_goes_to_every_agent_of_every_route_that_takes_it_once() {
    let routes = Routes::new(vec![
        route(&["github"], &["*"], &["a", "b"], Mode::Async),
        route(&["*"], &["*.push"], &["b", "c"], Mode::Async),
    ]);

    assert_eq!(names(&routes, &Sample::new("github.push")), ["a", "b", "c"]);
    assert_eq!(names(&routes, &Sample::new("github.ping")), ["a", "b"]);
    assert_eq!(routes.terms(&Sample::new("github.push").facts(), &"b".parse().unwrap()).skills, ["a", "b"]);
}

#[test]
fn the_route_says_how_urgent_an_event_is_or_else_the_event_itself() {
    let mut routes =
        [route(&["github"], &["*"], &["a", "b"], Mode::Async), route(&["*"], &["*.push"], &["b"], Mode::Async)];
    routes[1].priority = Some(Priority::High);
    let routes = Routes::new(routes.to_vec());
    let check = |kind: &'static str, attribute: &str, expected: &[(&str, Priority)]| {
        let found = routes.destination(&Sample::new(kind).with("priority", attribute).facts()).recipients;
        let found: Vec<_> = found.iter().map(|to| (to.agent.as_str(), to.priority)).collect();
        assert_eq!(found, expected, "{kind} {attribute}");
    };

    check("github.ping", "low", &[("a", Priority::Low), ("b", Priority::Low)]);
    check("github.ping", "urgent", &[("a", Priority::Normal), ("b", Priority::Normal)]);
    check("github.push", "low", &[("a", Priority::Low), ("b", Priority::High)]);
}

#[test]
fn an_answer_goes_back_where_a_route_to_its_agent_says_so() {
    let mut routes =
        [route(&["github"], &["*"], &["a", "b"], Mode::Async), route(&["*"], &["*.push"], &["b"], Mode::Async)];
    routes[1].respond = true;
    let routes = Routes::new(routes.to_vec());
    let responds = |kind, agent: &str| routes.terms(&Sample::new(kind).facts(), &agent.parse().unwrap()).responds;

    assert!(responds("github.push", "b"));
    assert!(!responds("github.push", "a"));
    assert!(!responds("github.ping", "b"));
}

#[test]
fn a_caller_waits_only_for_a_single_synchronous_route() {
    let routes = Routes::new(vec![
        route(&["github"], &["*"], &["a"], Mode::Sync(SYNC)),
        route(&["*"], &["*.push"], &["b"], Mode::Async),
    ]);
    let wait = |kind| routes.destination(&Sample::new(kind).facts()).wait;

    assert!(routes.may_wait(&"github".parse().unwrap()));
    assert!(!routes.may_wait(&"grafana".parse().unwrap()));
    assert_eq!(wait("github.ping"), Some(SYNC));
    assert_eq!(wait("github.push"), None);
}

#[test]
fn a_fallback_takes_what_no_other_route_takes() {
    let fallback = RouteSettings { fallback: true, ..route(&["*"], &["*"], &["stub"], Mode::Async) };
    let routes = Routes::new(vec![fallback, route(&["github"], &["*"], &["a"], Mode::Sync(SYNC))]);

    assert_eq!(names(&routes, &Sample::new("github.push")), ["a"]);
    assert_eq!(routes.destination(&Sample::new("github.push").facts()).wait, Some(SYNC));
    assert_eq!(names(&routes, &Sample::new("dummy.received")), ["stub"]);
}

#[test]
fn an_event_must_meet_every_condition() {
    let private = Condition {
        field: Field::Data(Pointer::new("/repository/private").unwrap()),
        test: Test::Is(Scalar::Flag(true)),
    };
    let severity = text(Field::Attribute("severity".to_owned()), "critical");
    let conditions = vec![severity, private];
    let routes = Routes::new(vec![RouteSettings { conditions, ..route(&["github"], &["*"], &["a"], Mode::Async) }]);
    let sample = |data| Sample { data, ..Sample::new("github.push").with("severity", "critical") };

    assert_eq!(names(&routes, &sample(r#"{"repository": {"private": true}}"#)), ["a"]);
    for other in [sample(r#"{"repository": {"private": false}}"#), sample("{}"), sample("no JSON")] {
        assert_eq!(names(&routes, &other), Vec::<String>::new(), "{}", other.data);
    }
}

#[test]
fn what_no_route_takes_has_a_nearest_one() {
    let severity = Condition {
        field: Field::Attribute("severity".to_owned()),
        test: Test::AnyOf(["critical", "page"].map(|text| Test::Is(Scalar::Text(text.into()))).to_vec()),
    };
    let data = text(Field::Data(Pointer::new("/ref").unwrap()), "main");
    let conditions = vec![severity, data];
    let routes = Routes::new(vec![
        route(&["grafana"], &["*"], &["a"], Mode::Async),
        RouteSettings { conditions, ..route(&["github", "git*"], &["github.push"], &["b", "c"], Mode::Async) },
    ]);
    let unrouted = |sample: &Sample| routes.explain(&sample.facts()).unrouted.unwrap();
    let push = || Sample::new("github.push");

    for (sample, expected) in [
        (Sample::new("dummy.received"), "`routes[0]` to `a`, which expects `grafana` as the channel, found `dummy`"),
        (
            Sample::new("github.ping"),
            "`routes[1]` to `b`, `c`, which expects `github.push` as the kind, found `github.ping`",
        ),
        (
            push().with("severity", "warning"),
            "`routes[1]` to `b`, `c`, which expects `severity` to be \"critical\" or \"page\", found \"warning\"",
        ),
        (push(), "`routes[1]` to `b`, `c`, which expects `severity` to be \"critical\" or \"page\", found nothing"),
        (
            Sample { data: r#"{"ref": ["dev"]}"#, ..push().with("severity", "page") },
            "`routes[1]` to `b`, `c`, which expects `data./ref` to be \"main\", found \"dev\"",
        ),
    ] {
        assert_eq!(unrouted(&sample), format!("no route takes it; the nearest is {expected}"));
    }
    assert_eq!(
        Routes::new(Vec::new()).explain(&push().facts()).unrouted.unwrap(),
        "no route takes it, because there are none: add `[[routes]]`"
    );
}
