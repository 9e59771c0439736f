//! The frames of format 2, which are written today.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::frame::Frame;
use super::v1::StoredLoss;
use crate::event::{EventId, Seq};
use crate::eventlog::identity::Identity;
use crate::eventlog::layout::additions::Unreadable;
use crate::eventlog::layout::list::List;
use crate::eventlog::layout::record::Tombstone;
use crate::eventlog::layout::v2::{ChannelCounts, Deliveries, EventHeader, ReadDelivery};

/// A frame; `D` is [`Deliveries`] to write and a list to read.
#[derive(Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
enum StoredFrame<'a, D> {
    Head {
        head: Seq,
    },
    Event {
        #[serde(borrow)]
        header: EventHeader<'a>,
        deliveries: Option<D>,
    },
    Tombstone {
        first: Seq,
        gone: Tombstone,
    },
    Identities(Cow<'a, [(Identity, EventId)]>),
    Channel(&'a str, ChannelCounts),
    Value {
        space: &'a str,
        key: &'a str,
        value: &'a [u8],
    },
    Lost(StoredLoss),
    End {
        frames: u64,
        events: u64,
    },
}

/// Appends `frame` to `value`.
pub(super) fn write(frame: &Frame, value: Vec<u8>) -> Vec<u8> {
    let stored = match frame {
        Frame::Head { head } => StoredFrame::Head { head: *head },
        Frame::Event { event, identity, recipients, deliveries } => StoredFrame::Event {
            header: EventHeader::new(event, *identity, recipients, 0),
            deliveries: deliveries.as_deref().map(Deliveries),
        },
        Frame::Tombstone { first, gone } => StoredFrame::Tombstone { first: *first, gone: *gone },
        Frame::Identities(entries) => StoredFrame::Identities(Cow::Borrowed(entries)),
        Frame::Channel(name, counts) => StoredFrame::Channel(name.as_str(), ChannelCounts::of(counts)),
        Frame::Value { space, key, value } => StoredFrame::Value { space, key, value },
        Frame::Lost(lost) => StoredFrame::Lost(StoredLoss::of(lost)),
        Frame::End { frames, events } => StoredFrame::End { frames: *frames, events: *events },
    };
    postcard::to_extend(&stored, value).expect("frames hold nothing that postcard refuses")
}

/// Reads a frame; also says how many bytes follow it.
pub(super) fn read(content: &[u8]) -> Result<(Frame, usize), Unreadable> {
    let (frame, rest) = postcard::take_from_bytes::<StoredFrame<'_, List<ReadDelivery<'_>>>>(content)?;
    let frame = match frame {
        StoredFrame::Head { head } => Frame::Head { head },
        StoredFrame::Event { header, deliveries } => {
            let identity = header.identity;
            let (event, recipients) = header.into_event()?;
            let deliveries = deliveries.map(List::into_values).transpose()?;
            Frame::Event { event, identity, recipients, deliveries }
        }
        StoredFrame::Tombstone { first, gone } => Frame::Tombstone { first, gone },
        StoredFrame::Identities(entries) => Frame::Identities(entries.into_owned()),
        StoredFrame::Channel(name, counts) => Frame::Channel(name.parse()?, counts.into_counts()?),
        StoredFrame::Value { space, key, value } => {
            Frame::Value { space: space.to_owned(), key: key.to_owned(), value: Bytes::copy_from_slice(value) }
        }
        StoredFrame::Lost(lost) => Frame::Lost(lost.into_range()),
        StoredFrame::End { frames, events } => Frame::End { frames, events },
    };
    Ok((frame, rest.len()))
}
