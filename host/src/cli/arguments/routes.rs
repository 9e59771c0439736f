//! `gateway routes`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::OutputArguments;
use crate::event::{ChannelName, EventId};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RoutesCommand {
    /// List routes
    List {
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Say where an event goes with this configuration, or why no route takes it (exit code 1)
    Test(RoutesTestArguments),
}

#[derive(Debug, Args)]
#[group(id = "tried", required = true, multiple = false, args = ["sample", "event", "kind"])]
pub(in crate::cli) struct RoutesTestArguments {
    /// Sample in the plugin of a channel, such as `github/push`
    #[arg(long, value_name = "CHANNEL/NAME")]
    pub(in crate::cli) sample: Option<String>,
    /// Event id, as listed by `gateway events`
    #[arg(long, value_name = "ID", value_parser = event_id)]
    pub(in crate::cli) event: Option<EventId>,
    /// Kind, such as `github.push`
    #[arg(long)]
    pub(in crate::cli) kind: Option<String>,
    /// Channel of the kind; by default its part before the first dot
    #[arg(long, requires = "kind")]
    pub(in crate::cli) channel: Option<ChannelName>,
    /// Subject of the event
    #[arg(long, requires = "kind")]
    pub(in crate::cli) subject: Option<String>,
    /// Attribute of the event; repeatable
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = attribute, requires = "kind")]
    pub(in crate::cli) attributes: Vec<(String, String)>,
    /// File with the JSON data of the event
    #[arg(long, value_name = "FILE", requires = "kind")]
    pub(in crate::cli) data: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

fn event_id(text: &str) -> Result<EventId, String> {
    text.parse().map_err(|_| "expected an id as listed by `gateway events`".to_owned())
}

fn attribute(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as `severity=critical`")?;
    Ok((name.to_owned(), value.to_owned()))
}
