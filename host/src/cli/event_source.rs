//! A subscription that is opened again whenever it ends, from where it was.

use std::collections::VecDeque;
use std::time::Duration;

use ::http::{HeaderValue, Method};
use anyhow::Context;
use serde_json::Value;

use super::client::{Client, NoAnswer, NotOpened, Opened};
use super::event_stream::{Block, EventStream};
use super::failure::Failure;
use super::output;

/// Between two tries; it doubles up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The path for a subscription that goes on after the event with this id, or that begins.
pub(super) type PathAfter<'a> = Box<dyn Fn(Option<&str>) -> String + 'a>;

pub(super) struct EventSource<'a> {
    client: &'a Client,
    path: PathAfter<'a>,
    headers: Vec<(String, HeaderValue)>,
    stream: EventStream,
    opened: Option<Opened>,
    /// Received and not handed out.
    blocks: VecDeque<Block>,
    pause: Duration,
    /// Whether the gateway did not answer the last time.
    is_lost: bool,
    /// What is noted once it has begun: what comes from then on is not missed.
    greeting: Option<String>,
}

impl<'a> EventSource<'a> {
    pub(super) fn new(
        client: &'a Client,
        path: PathAfter<'a>,
        mut headers: Vec<(String, HeaderValue)>,
        greeting: String,
    ) -> Self {
        headers.push(("accept".to_owned(), HeaderValue::from_static("text/event-stream")));
        Self {
            client,
            path,
            headers,
            stream: EventStream::default(),
            opened: None,
            blocks: VecDeque::new(),
            pause: PAUSE,
            is_lost: false,
            greeting: Some(greeting),
        }
    }

    /// The next message, with its name. Waits for it, and for the gateway. Cancel safe.
    ///
    /// # Errors
    /// What would only be refused again.
    pub(super) async fn next(&mut self) -> Result<(String, Value), Failure> {
        loop {
            if let Some(Block { name, data }) = self.blocks.pop_front() {
                if name == "connection.ack" {
                    self.pause = PAUSE;
                    let was_lost = std::mem::take(&mut self.is_lost);
                    if let Some(greeting) = self.greeting.take() {
                        output::note(&greeting);
                    } else if was_lost {
                        output::note(&format!("reading from {} again", self.client.origin()));
                    }
                }
                let message = serde_json::from_str(&data).context("the gateway sent what is not JSON")?;
                return Ok((name, message));
            }
            let Some(opened) = &mut self.opened else {
                self.open().await?;
                continue;
            };
            match opened.next().await {
                Some(piece) => self.blocks.extend(self.stream.take(&piece)),
                None => {
                    self.opened = None;
                    self.is_lost = true;
                    self.rest().await;
                }
            }
        }
    }

    async fn open(&mut self) -> Result<(), Failure> {
        let path = (self.path)(self.stream.last_id.as_deref());
        self.stream = EventStream::after(self.stream.last_id.take());
        match self.client.open(Method::GET, &path, self.headers.clone()).await {
            Ok(opened) => {
                self.opened = Some(opened);
                return Ok(());
            }
            Err(reason) if reason.is_final() => return Err(NoAnswer::from(reason).into()),
            Err(reason) => self.note(reason),
        }
        self.rest().await;
        Ok(())
    }

    fn note(&mut self, reason: NotOpened) {
        if !std::mem::replace(&mut self.is_lost, true) {
            let reason = anyhow::Error::from(NoAnswer::from(reason)).to_string();
            output::note(&format!("{}; trying again until it answers", reason.lines().next().unwrap_or_default()));
        }
    }

    /// Waits before the next try: longer each time, and as long as the gateway asks for.
    async fn rest(&mut self) {
        let asked = self.stream.retry.map_or(Duration::ZERO, Duration::from_millis);
        let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
        let pause = self.pause.max(asked.min(LONGEST_PAUSE)).mul_f64(0.5 + random / 2.0);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        tokio::time::sleep(pause).await;
    }
}
