//! `gateway plugin test --record`: the next requests of a channel of the running gateway become samples.

use std::path::Path;

use ::http::Method;
use anyhow::{Context, anyhow};
use serde_json::Value;

use super::record::write;
use crate::cli::client::Client;
use crate::cli::connection::Connection;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::event::ChannelName;

/// Records the next `count` requests of a channel.
pub(in crate::cli::plugin) async fn run(
    connection: &Connection,
    channel: &ChannelName,
    count: u32,
    dir: &Path,
) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    let mut written = 0;
    let recorded = tokio::select! {
        recorded = record(&client, channel, count, dir, &mut written) => recorded,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(anyhow::Error::from),
    };
    output::note(&format!("recorded {written} of {count} samples in `{}`", dir.display()));
    recorded?;
    if written == 0 { Err(anyhow!("channel `{channel}` received no requests").into()) } else { Ok(()) }
}

async fn record(
    client: &Client,
    channel: &ChannelName,
    count: u32,
    dir: &Path,
    written: &mut u32,
) -> anyhow::Result<()> {
    let mut waiting = Vec::new();
    let mut is_recording = false;
    let mut sink = |piece: bytes::Bytes| {
        if !std::mem::replace(&mut is_recording, true) {
            output::note(&format!("recording channel `{channel}` of {}, press Ctrl-C to stop", client.origin()));
        }
        waiting.extend_from_slice(&piece);
        // A large request comes in many pieces: search for its end only in a piece that can hold it.
        if !piece.contains(&b'\n') {
            return Ok(());
        }
        while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = waiting.drain(..=end).collect();
            if line.trim_ascii().is_empty() {
                continue;
            }
            let json: Value = serde_json::from_slice(&line).context("the gateway did not send a recorded request")?;
            let path = write(dir, &json).map_err(anyhow::Error::msg)?;
            *written += 1;
            output::text(&format!("{}\n", path.display())).map_err(|_| anyhow!("cannot write to stdout"))?;
        }
        Ok(())
    };
    let path = format!("/admin/channels/{channel}/record?count={count}");
    Ok(client.stream(Method::POST, &path, &mut sink).await?)
}
