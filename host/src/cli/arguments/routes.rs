//! `gateway routes`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::super::names;
use super::super::request::EventName;
use super::output::{OutputArguments, TableArguments};
use crate::event::ChannelName;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RoutesCommand {
    /// List routes
    List {
        #[command(flatten)]
        table: TableArguments,
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
    /// Event id as listed by `gateway events`, its beginning, its position, or `latest`
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) event: Option<EventName>,
    /// Kind, such as `github.push`
    #[arg(long)]
    pub(in crate::cli) kind: Option<String>,
    /// Channel of the kind; by default its part before the first dot
    #[arg(long, requires = "kind", add = ArgValueCandidates::new(names::channels))]
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

fn attribute(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as `severity=critical`")?;
    Ok((name.to_owned(), value.to_owned()))
}
