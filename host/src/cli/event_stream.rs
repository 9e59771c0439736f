//! Server-sent events as a client reads them (HTML Living Standard, section 9.2).

/// Takes the bytes of a stream apart.
#[derive(Default)]
pub(super) struct EventStream {
    line: Vec<u8>,
    block: Block,
    /// How long to wait before the next connection, in milliseconds, as the server says it.
    pub(super) retry: Option<u64>,
    /// Where the next connection goes on.
    pub(super) last_id: Option<String>,
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) name: String,
    pub(super) data: String,
}

impl EventStream {
    /// A new stream that goes on after `last_id`.
    pub(super) fn after(last_id: Option<String>) -> Self {
        Self { last_id, ..Self::default() }
    }

    /// The events that a piece completes. Lines end with LF, as the gateway writes them.
    pub(super) fn take(&mut self, piece: &[u8]) -> Vec<Block> {
        let mut blocks = Vec::new();
        for byte in piece {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            if line.is_empty() {
                let block = std::mem::take(&mut self.block);
                blocks.extend((!block.data.is_empty()).then_some(block));
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.block.name),
                "id" => self.last_id = Some(value.to_owned()),
                "retry" => self.retry = value.parse().ok().or(self.retry),
                "data" => {
                    if !self.block.data.is_empty() {
                        self.block.data.push('\n');
                    }
                    self.block.data.push_str(value);
                }
                _ => {}
            }
        }
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_in_any_pieces() {
        let text = b"retry: 3000\n\nevent: event\nid: e.1\ndata: {\ndata: }\n\n: ping\n\nid: e.2\n\n";
        for size in [1, 7, text.len()] {
            let mut stream = EventStream::default();
            let blocks: Vec<_> = text.chunks(size).flat_map(|piece| stream.take(piece)).collect();
            assert_eq!(blocks, [Block { name: "event".to_owned(), data: "{\n}".to_owned() }]);
            assert_eq!((stream.retry, stream.last_id.as_deref()), (Some(3000), Some("e.2")));
        }
    }
}
