//! Reads the events of a consumer and acknowledges them. It pulls: each request waits until there is something.
//!
//! `GATEWAY_URL=http://127.0.0.1:8080 GATEWAY_API_KEY=... cargo run -- [--out FILE]`

use std::collections::hash_map::RandomState;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::{Request, Response};
use ureq::{Agent, Body};

const CONSUMER: &str = "audit";
/// How long the gateway waits for an event, and how long we wait for the gateway.
const WAIT: &str = "20s";
const SILENCE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

enum Trouble {
    /// Coming back would not help.
    Refused(String),
    /// It may go on after a while; the gateway may have said after how long.
    Later(String, Duration),
}

struct Subscriber {
    agent: Agent,
    url: String,
    key: String,
    out: Option<File>,
    /// Proves that it is our turn.
    lease: Option<String>,
    /// Ids of events that are done with and not acknowledged yet.
    done: Vec<String>,
}

impl Subscriber {
    /// Acknowledges what is done, then pulls the next events and does them.
    fn turn(&mut self) -> Result<(), Trouble> {
        self.acknowledge()?;
        let lease = self.lease.as_ref().map(|lease| format!("&lease={lease}")).unwrap_or_default();
        let path = format!("/api/consumers/{CONSUMER}/events?limit=100&wait={WAIT}{lease}");
        // If the answer does not arrive, the events in it must come again. They do so with a new lease.
        let had_lease = self.lease.take().is_some();
        let (status, pulled) = self.call("GET", &path, "")?;
        if status == 409 && had_lease {
            return Ok(());
        }
        if status == 409 {
            return Err(Trouble::Later(format!("not our turn: {pulled}"), Duration::ZERO));
        }
        self.lease = pulled["lease"].as_str().map(str::to_owned);
        for message in pulled["messages"].as_array().into_iter().flatten() {
            match message["type"].as_str() {
                Some("event") => self.process(&message["event"])?,
                Some("gap") => eprintln!("events are missing: {message}"),
                _ => {}
            }
        }
        self.acknowledge()
    }

    /// Your work. An event that was not acknowledged comes again, so it must not matter whether it is done twice.
    fn process(&mut self, event: &Value) -> Result<(), Trouble> {
        let text = |name: &str| event[name].as_str().unwrap_or("-");
        println!("{} {} {}", text("type"), text("subject"), text("id"));
        if let Some(out) = &mut self.out {
            writeln!(out, "{}", text("id")).map_err(|error| Trouble::Refused(error.to_string()))?;
        }
        self.done.push(text("id").to_owned());
        Ok(())
    }

    fn acknowledge(&mut self) -> Result<(), Trouble> {
        if self.done.is_empty() {
            return Ok(());
        }
        let body = json!({"lease": self.lease, "ids": self.done}).to_string();
        let (status, answer) = self.call("POST", &format!("/api/consumers/{CONSUMER}/ack"), &body)?;
        let done = std::mem::take(&mut self.done);
        if status == 409 {
            eprintln!("not acknowledged: {answer}");
            // The consumer has another receiver, or was moved, or the gateway was restarted. The events come again.
            self.lease = None;
            return Ok(());
        }
        // Only now they never come again.
        for id in &done {
            println!("acked {id}");
        }
        Ok(())
    }

    /// The status, 200 or 409, and the JSON of an answer.
    fn call(&self, method: &str, path: &str, body: &str) -> Result<(u16, Value), Trouble> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json")
            .body(body.to_owned())
            .map_err(|error| Trouble::Refused(error.to_string()))?;
        let lost = |error: ureq::Error| Trouble::Later(format!("the connection is lost: {error}"), Duration::ZERO);
        let mut response: Response<Body> = self.agent.run(request).map_err(lost)?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        // A page of events may be large.
        let text = response.body_mut().with_config().limit(64 << 20).read_to_string().map_err(lost)?;
        match status {
            200 | 409 => serde_json::from_str(&text)
                .map(|answer| (status, answer))
                .map_err(|error| Trouble::Later(error.to_string(), Duration::ZERO)),
            408 | 429 | 500.. => {
                Err(Trouble::Later(format!("{status}: {text}"), Duration::from_secs(retry_after.unwrap_or(0))))
            }
            _ => Err(Trouble::Refused(format!("{status}: {text}"))),
        }
    }
}

/// A part of the pause that grows, and is random, so that not all come back at once.
fn growing(failures: u32) -> Duration {
    let longest = Duration::from_secs(1 << failures.min(6)).min(LONGEST_PAUSE);
    // The standard library has no random numbers, but its hashers begin with some.
    let random = f64::from(RandomState::new().build_hasher().finish() as u32) / f64::from(u32::MAX);
    longest.mul_f64(0.5 + random / 2.0)
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let out = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => None,
        (Some("--out"), Some(file)) => match OpenOptions::new().append(true).create(true).open(&file) {
            Ok(opened) => Some(opened),
            Err(error) => {
                eprintln!("{file}: {error}");
                return ExitCode::FAILURE;
            }
        },
        _ => {
            eprintln!("usage: subscriber [--out FILE]");
            return ExitCode::from(2);
        }
    };
    let url = std::env::var("GATEWAY_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let key = std::env::var("GATEWAY_API_KEY").unwrap_or_default();
    let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(SILENCE)).build();
    let url = url.trim_end_matches('/').to_owned();
    let mut subscriber = Subscriber { agent: config.into(), url, key, out, lease: None, done: Vec::new() };
    let mut failures = 0;
    loop {
        match subscriber.turn() {
            Ok(()) => failures = 0,
            Err(Trouble::Refused(why)) => {
                eprintln!("refused: {why}");
                return ExitCode::FAILURE;
            }
            Err(Trouble::Later(why, wait)) => {
                eprintln!("{why}");
                std::thread::sleep(wait + growing(failures));
                failures += 1;
            }
        }
    }
}
