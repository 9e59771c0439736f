//! `gateway listen`: what channels accept, posted to a program on this machine, for whoever develops one.
//!
//! The gateway is only asked for its events, so nothing is left behind there, and a gateway elsewhere will do.

use std::io::{self, BufRead};
use std::thread;

use tokio::sync::mpsc;

use super::arguments::listen::ListenArguments;
use super::arguments::select::SelectArguments;
use super::client::Client;
use super::connection::{Connection, Origin};
use super::event_source::EventSource;
use super::failure::Failure;
use super::follow::check_channel;
use super::forward::Forward;
use super::list::shown;
use super::output;
use super::request::parameters;

/// Forwards events until Ctrl-C.
pub(super) async fn run(connection: &Connection, arguments: ListenArguments) -> Result<(), Failure> {
    tokio::select! {
        forwarded = forward_all(connection, &arguments) => forwarded,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted.map_err(anyhow::Error::from)?),
    }
}

async fn forward_all(connection: &Connection, arguments: &ListenArguments) -> Result<(), Failure> {
    let gateway = Client::admin(connection)?;
    let program = Origin::parse(&format!("http://127.0.0.1:{}", arguments.port)).map_err(anyhow::Error::msg)?;
    let program = Client::webhooks(connection, Some(&program))?;
    check_channel(&gateway, &arguments.select).await?;
    let greeting = format!("forwarding to {}{}, Enter repeats the last event", program.origin(), arguments.path);
    let mut source = EventSource::new(&gateway, Box::new(|after| path(arguments, after)), Vec::new(), greeting);
    let mut enter = enter();
    let mut last: Option<Forward> = None;
    loop {
        tokio::select! {
            next = source.next() => {
                let (name, message) = next?;
                let id = shown(&message["event"]["id"]);
                if name != "event" {
                    continue;
                }
                // With the headers of its request, which a subscription does not carry.
                match gateway.get(&format!("/admin/events/{id}")).await {
                    Ok(event) => {
                        let forward = Forward::of(&event, &arguments.path)?;
                        forward.post(&program).await?;
                        last = Some(forward);
                    }
                    Err(reason) => {
                        let reason = anyhow::Error::from(reason).to_string();
                        output::note(&format!("event {id} was not forwarded: {reason}"));
                    }
                }
            }
            Some(()) = enter.recv() => match &last {
                Some(forward) => forward.post(&program).await?,
                None => output::note("no event yet"),
            }
        }
    }
}

/// The path of an operator's subscription: from now on, or from where it was.
fn path(arguments: &ListenArguments, after: Option<&str>) -> String {
    let SelectArguments { channel, kind } = &arguments.select;
    let query = parameters(&[
        ("since", Some(after.unwrap_or("latest").to_owned())),
        ("channel", channel.as_ref().map(ToString::to_string)),
        ("kind", kind.clone()),
    ]);
    format!("/admin/subscribe?{query}")
}

/// Hears of each press of Enter. What is pressed while an event is on its way counts once.
fn enter() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            if line.is_err() || matches!(sender.try_send(()), Err(mpsc::error::TrySendError::Closed(()))) {
                break;
            }
        }
    });
    receiver
}
