//! The frames of format 1, frozen. They are read; nothing writes them any more.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::frame::Frame;
use super::{LostKind, LostRange};
use crate::event::{EventId, Seq, Timestamp};
use crate::eventlog::identity::Identity;
use crate::eventlog::layout::additions::Unreadable;
use crate::eventlog::layout::list::List;
use crate::eventlog::layout::moved::{CONSUMERS, REPLAYS, versioned};
use crate::eventlog::layout::record::Tombstone;
use crate::eventlog::layout::v1::{ChannelCounts, Delivery, Event, Recipient};

#[derive(Deserialize)]
enum StoredFrame<'a> {
    Head {
        head: Seq,
    },
    Event {
        #[serde(borrow)]
        event: Event<'a>,
        identity: Option<Identity>,
        #[serde(borrow)]
        recipients: Vec<Recipient<'a>>,
        #[serde(borrow)]
        deliveries: Option<List<Delivery<'a>>>,
    },
    Tombstone {
        first: Seq,
        gone: Tombstone,
    },
    Identities(Vec<(Identity, EventId)>),
    Consumer(String, Seq),
    Channel(&'a str, ChannelCounts),
    Replay(Replay),
    Lost(StoredLoss),
    End {
        frames: u64,
        events: u64,
    },
    State(String, String, Bytes),
}

#[derive(Debug, Serialize, Deserialize)]
struct Replay {
    id: u64,
    filter: Filter,
    by: String,
    rate: u32,
    total: u64,
    created_at: Timestamp,
    ended_at: Option<Timestamp>,
    next: Seq,
    last: Seq,
    replayed: u64,
    skipped: u64,
    state: u32,
    error: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Filter {
    channel: Option<String>,
    kind: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    state: Option<u32>,
    agent: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredLoss {
    what: What,
    first: Option<Seq>,
    last: Option<Seq>,
    detail: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum What {
    Events,
    Deliveries,
    Identities,
    Records,
}

impl StoredLoss {
    pub(super) fn of(lost: &LostRange) -> Self {
        let what = match lost.what {
            LostKind::Events => What::Events,
            LostKind::Deliveries => What::Deliveries,
            LostKind::Identities => What::Identities,
            LostKind::Records => What::Records,
        };
        Self { what, first: lost.first, last: lost.last, detail: lost.detail.clone() }
    }

    pub(super) fn into_range(self) -> LostRange {
        let what = match self.what {
            What::Events => LostKind::Events,
            What::Deliveries => LostKind::Deliveries,
            What::Identities => LostKind::Identities,
            What::Records => LostKind::Records,
        };
        LostRange { what, first: self.first, last: self.last, detail: self.detail }
    }
}

/// Reads a frame; also says how many bytes follow it.
pub(super) fn read(content: &[u8]) -> Result<(Frame, usize), Unreadable> {
    let (frame, rest) = postcard::take_from_bytes::<StoredFrame<'_>>(content)?;
    let as_value = |space: &str, key: String, content: &[u8]| Frame::Value {
        space: space.to_owned(),
        key,
        value: versioned(content),
    };
    let frame = match frame {
        StoredFrame::Head { head } => Frame::Head { head },
        StoredFrame::Event { event, identity, recipients, deliveries } => Frame::Event {
            event: event.into_event()?,
            identity,
            recipients: recipients.into_iter().map(Recipient::into_recipient).collect::<Result<_, _>>()?,
            deliveries: deliveries.map(List::into_values).transpose()?,
        },
        StoredFrame::Tombstone { first, gone } => Frame::Tombstone { first, gone },
        StoredFrame::Identities(entries) => Frame::Identities(entries),
        StoredFrame::Consumer(name, seq) => as_value(CONSUMERS, name, &postcard::to_stdvec(&seq)?),
        StoredFrame::Channel(name, counts) => Frame::Channel(name.parse()?, counts.into_counts()),
        StoredFrame::Replay(replay) => as_value(REPLAYS, replay.id.to_string(), &postcard::to_stdvec(&replay)?),
        StoredFrame::Lost(lost) => Frame::Lost(lost.into_range()),
        StoredFrame::End { frames, events } => Frame::End { frames, events },
        StoredFrame::State(space, key, value) => Frame::Value { space, key, value },
    };
    Ok((frame, rest.len()))
}
