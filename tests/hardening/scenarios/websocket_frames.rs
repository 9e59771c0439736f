//! SUB1: the frames of the Autobahn testsuite, and a few more.

mod cases;
mod texts;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::report::Report;
use crate::subscriber::Subscriber;
use crate::suite::Scale;
use crate::support::{Frame, ws};
use crate::victim::Victim;

use super::Outcome;

/// The number of cases in the groups 1 to 7, 9 and 10 of Autobahn's list.
const AUTOBAHN: usize = 301;

/// Cases at once.
const AT_ONCE: usize = 50;

/// The time between two pieces of a frame, so that the gateway reads each one by itself.
const PAUSE: Duration = Duration::from_millis(1);

/// One case, with the number of Autobahn's list, or the section of RFC 6455 if it is not in the list.
struct Case {
    name: String,
    steps: Vec<Step>,
}

enum Step {
    /// Sends these bytes at once.
    Send(Vec<u8>),
    /// Sends these bytes in pieces of this size.
    Pieces(Vec<u8>, usize),
    /// Reads the next answer before anything else is sent.
    Expect(Answer),
}

/// What the gateway must answer. A case that ends with another answer than `Close` is closed by the subscriber.
#[derive(Debug, PartialEq)]
enum Answer {
    /// The message was understood, though its type is unknown: its `ref` comes back.
    Unknown(String),
    Pong(Vec<u8>),
    /// A close frame with this code, and the end of the connection.
    Close(Option<u16>),
}

pub(super) async fn run(scale: Scale) -> Outcome {
    let mut report = Report::new(scale.rounds);
    for round in 0..scale.rounds {
        scale.progress(round);
        // Pings of the gateway would mix with the answers.
        let keys = "ping = \"1h\"\ntimeout = \"2h\"\nmessages = { rate = \"100000/s\", burst = 100000 }\n";
        let mut victim = Victim::start_with_subscriber(keys).await;
        victim.watch_memory();
        let cases: Vec<_> = cases::all().into_iter().chain(texts::all()).collect();
        let (own, listed): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| case.name.starts_with("RFC"));
        report.expect(listed.len() == AUTOBAHN, || format!("{} cases of Autobahn, not {AUTOBAHN}", listed.len()));
        if round == 0 {
            report.note(format!("{} cases of Autobahn, {} more", listed.len(), own.len()));
        }
        report.attacks += listed.len() + own.len();

        let address = victim.gateway.client.address();
        let mut running = JoinSet::new();
        for case in listed.into_iter().chain(own) {
            if running.len() >= AT_ONCE {
                let ended: Result<(), String> = running.join_next().await.unwrap().unwrap();
                report.expect(ended.is_ok(), || ended.unwrap_err());
            }
            running.spawn(case.run(address));
        }
        for ended in running.join_all().await {
            report.expect(ended.is_ok(), || ended.unwrap_err());
        }
        let gone = async || (victim.subscribers().await == 0).then_some(());
        victim.gateway.until("all connections to end", gone).await;
        report.memory(victim.memory_grown(), 64 << 20);
    }
    Ok(report)
}

impl Case {
    async fn run(self, address: SocketAddr) -> Result<(), String> {
        let Self { name, mut steps } = self;
        let closes = |step: &Step| matches!(step, Step::Expect(Answer::Close(_)));
        if !steps.iter().any(closes) {
            steps.extend([Step::Send(cases::close(1000)), Step::Expect(Answer::Close(Some(1000)))]);
        }
        let mut subscriber = Subscriber::connect(address, "").await;
        for step in steps {
            match step {
                // A connection that has ended shows in the answers.
                Step::Send(bytes) => {
                    subscriber.write(&bytes).await;
                }
                Step::Pieces(bytes, size) => {
                    for piece in bytes.chunks(size) {
                        if !subscriber.write(piece).await {
                            break;
                        }
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                Step::Expect(expected) => {
                    let found = Answer::next(&mut subscriber).await;
                    if found.as_ref() != Ok(&expected) {
                        return Err(format!("{name}: expected {}, found {}", shown(&expected), shown(&found)));
                    }
                }
            }
        }
        let rest = subscriber.frame().await;
        if rest == Frame::End { Ok(()) } else { Err(format!("{name}: expected the end, found {}", shown(&rest))) }
    }
}

impl Answer {
    /// The next one; the error is a frame that no case expects.
    async fn next(subscriber: &mut Subscriber) -> Result<Self, Frame> {
        loop {
            match subscriber.frame().await {
                Frame::Pong(payload) => return Ok(Self::Pong(payload)),
                Frame::Close(reason) => return Ok(Self::Close(reason.map(|(code, _)| code))),
                Frame::Text(text) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    match (message["type"].as_str(), message["code"].as_str(), message["ref"].as_str()) {
                        (Some("error"), Some("unknown_type"), Some(reference)) => {
                            return Ok(Self::Unknown(reference.to_owned()));
                        }
                        // It precedes the close frame.
                        (Some("connection.close"), ..) => {}
                        _ => return Err(Frame::Text(text)),
                    }
                }
                frame => return Err(frame),
            }
        }
    }
}

/// The beginning of it: messages are long.
fn shown(it: &impl fmt::Debug) -> String {
    format!("{it:?}").chars().take(80).collect()
}

/// A text message in one frame.
fn text(payload: impl AsRef<[u8]>) -> Vec<u8> {
    ws::frame(ws::FIN | ws::TEXT, payload.as_ref())
}

/// A message with these payloads in one frame each, the first of which has this opcode.
fn parts<'a>(opcode: u8, payloads: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = payloads.into_iter().map(|payload| ws::frame(0, payload)).collect();
    frames[0][0] |= opcode;
    frames.last_mut().unwrap()[0] |= ws::FIN;
    frames
}

/// A message of an unknown type with this text as `ref`.
fn message(reference: &str) -> String {
    format!(r#"{{"type":"x","ref":"{reference}"}}"#)
}

/// The text of a message with this size, and its `ref`. The message is no smaller than one without a `ref`.
fn sized(bytes: usize) -> (String, String) {
    let reference = "*".repeat(bytes.saturating_sub(message("").len()));
    (message(&reference), reference)
}
