//! `gateway subscribe`: events as a subscriber reads them, over a stream that is opened again whenever it ends.

use ::http::{HeaderValue, Method};
use anyhow::anyhow;
use serde_json::{Value, json};

use super::arguments::output::Format;
use super::arguments::subscribe::{KeyArguments, SubscribeArguments};
use super::client::Client;
use super::connection::{Connection, Origin};
use super::event_source::EventSource;
use super::failure::Failure;
use super::forward::Forward;
use super::list::shown;
use super::output;
use super::request::{encoded, parameters};
use super::tail::time_of_day;

/// Whoever reads, and what becomes of an event.
struct Subscriber<'a> {
    gateway: &'a Client,
    arguments: &'a SubscribeArguments,
    program: Option<Client>,
    headers: Vec<(String, HeaderValue)>,
    /// Proves that it is the one who holds the consumer.
    lease: Option<String>,
}

/// Prints or forwards events until Ctrl-C.
pub(super) async fn run(connection: &Connection, arguments: SubscribeArguments) -> Result<(), Failure> {
    tokio::select! {
        read = read_all(connection, &arguments) => read,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted.map_err(anyhow::Error::from)?),
    }
}

/// The header with a caller's key.
pub(super) fn with_key(arguments: &KeyArguments) -> Result<Vec<(String, HeaderValue)>, Failure> {
    let key = arguments.key.as_deref().filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| {
        Failure::Call("expected the key of a caller\nhint: `--key KEY`, or set GATEWAY_API_KEY".into())
    })?;
    let mut value =
        HeaderValue::from_str(key).map_err(|_| Failure::Call("the key is not a valid header value".into()))?;
    value.set_sensitive(true);
    Ok(vec![("api-key".to_owned(), value)])
}

async fn read_all(connection: &Connection, arguments: &SubscribeArguments) -> Result<(), Failure> {
    let gateway = Client::webhooks(connection, None)?;
    let program = arguments.forward.as_deref().map(|url| target(connection, url)).transpose()?;
    let headers = with_key(&arguments.key)?;
    let greeting = format!("reading from {}, press Ctrl-C to stop", gateway.origin());
    let mut source = EventSource::new(&gateway, Box::new(|after| path(arguments, after)), headers.clone(), greeting);
    let mut subscriber = Subscriber { gateway: &gateway, arguments, program, headers, lease: None };
    loop {
        let (name, message) = source.next().await?;
        subscriber.take(&name, &message).await?;
    }
}

/// The path of a subscription. A consumer goes on where it left off.
fn path(arguments: &SubscribeArguments, after: Option<&str>) -> String {
    let SubscribeArguments { consumer, since, channel, kind, subject, key, .. } = arguments;
    let since = consumer.is_none().then(|| after.unwrap_or(since).to_owned());
    let query = parameters(&[
        ("consumer", consumer.clone()),
        ("since", since),
        ("channel", channel.clone()),
        ("kind", kind.clone()),
        ("subject", subject.clone()),
    ]);
    format!("{}/subscribe?{query}", key.prefix)
}

/// The program that events are posted to, and the path there.
fn target(connection: &Connection, url: &str) -> Result<Client, Failure> {
    let origin = Origin::parse(url).map_err(|problem| Failure::Call(format!("`--forward`: {problem}").into()))?;
    Client::webhooks(connection, Some(&origin))
}

impl Subscriber<'_> {
    async fn take(&mut self, name: &str, message: &Value) -> Result<(), Failure> {
        match name {
            "connection.ack" | "consumer" => {
                let role = if name == "consumer" { message } else { &message["consumer"] };
                self.lease = role["lease"].as_str().map(str::to_owned);
                if role["role"] == "standby" {
                    output::note("another connection of the consumer is active, this one stands by");
                }
                Ok(())
            }
            "gap" => {
                let missing = message["missing_at_most"]
                    .as_u64()
                    .map(|most| format!(" at most {most} events"))
                    .unwrap_or_default();
                output::note(&format!(
                    "gap:{missing} missing after {} ({})",
                    shown(&message["from"]),
                    shown(&message["reason"])
                ));
                Ok(())
            }
            "event" => self.event(message).await,
            _ => Ok(()),
        }
    }

    async fn event(&mut self, message: &Value) -> Result<(), Failure> {
        let event = &message["event"];
        let outcome = match &self.program {
            None => Ok(String::new()),
            Some(program) => Forward::of_cloud_event(event)?.send(program).await,
        };
        match self.arguments.output.format {
            Format::Json => output::text(&format!("{}\n", output::escaped(&event.to_string())))?,
            Format::Text => {
                let about =
                    [time_of_day(&shown(&event["time"])), shown(&event["type"]), shown(&event["subject"])].join("  ");
                let (Ok(told) | Err(told)) = &outcome;
                output::text(&format!(
                    "{}\n",
                    output::clean(format!("{}  {told}", about.trim_end()).trim_end(), false)
                ))?;
            }
        }
        let (Some(consumer), Some(lease)) = (&self.arguments.consumer, &self.lease) else { return Ok(()) };
        let (verb, mut body) = match outcome {
            Ok(_) => ("ack", json!({"ids": [event["id"]]})),
            Err(reason) => ("nack", json!({"id": event["id"], "delay_ms": 1000, "reason": reason})),
        };
        body["lease"] = json!(lease);
        let path = format!("{}/consumers/{}/{verb}", self.arguments.key.prefix, encoded(consumer));
        let mut headers = self.headers.clone();
        headers.push(("content-type".to_owned(), HeaderValue::from_static("application/json")));
        let reply = self.gateway.send(Method::POST, &path, headers, body.to_string().into()).await;
        match reply {
            Ok(reply) if reply.status.is_success() => {}
            Ok(reply) => output::note(&format!("{verb} was answered {}; the event comes again", reply.status)),
            Err(reason) => {
                output::note(&format!("{verb} failed: {}; the event comes again", anyhow!(anyhow::Error::from(reason))))
            }
        }
        Ok(())
    }
}
