//! Where a value lies in the segments, as the store of keys has it in the value's place.

/// Where a value lies in the segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pointer {
    pub(super) segment: u64,
    /// From the beginning of the file.
    pub(super) offset: u64,
    pub(super) length: u32,
}

impl Pointer {
    /// The first byte. No record of the log begins with it, because their versions count from 1: an older program takes a
    /// pointer for a damaged record.
    const MARK: u8 = 0;
    /// A value of this size stays in its segment.
    const LARGE: usize = 1024;
    const LENGTH: usize = 21;

    /// Whether `value` stays in its segment: when it is large, or could be taken for a pointer.
    pub(super) fn is_for(value: &[u8]) -> bool {
        value.len() >= Self::LARGE || value.first() == Some(&Self::MARK)
    }

    pub(super) fn write(self) -> Vec<u8> {
        let mut value = Vec::with_capacity(Self::LENGTH);
        value.push(Self::MARK);
        value.extend_from_slice(&self.segment.to_le_bytes());
        value.extend_from_slice(&self.offset.to_le_bytes());
        value.extend_from_slice(&self.length.to_le_bytes());
        value
    }

    /// The pointer that the store has in a value's place; `None` when it has the value itself.
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let value: &[u8; Self::LENGTH] = value.try_into().ok()?;
        let (&[mark], value) = value.split_first_chunk()?;
        let (segment, value) = value.split_first_chunk()?;
        let (offset, length) = value.split_first_chunk()?;
        (mark == Self::MARK).then_some(Self {
            segment: u64::from_le_bytes(*segment),
            offset: u64::from_le_bytes(*offset),
            length: u32::from_le_bytes(length.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_told_from_a_value() {
        let pointer = Pointer { segment: 7, offset: 1 << 40, length: 9 };
        let written = pointer.write();

        assert_eq!(Pointer::read(&written), Some(pointer));
        assert!(Pointer::is_for(&written), "a value that looks like a pointer is not kept in its place");
        assert!(Pointer::is_for(&[1; 1024]) && !Pointer::is_for(&[1; 1023]) && !Pointer::is_for(&[]));
        for value in [&written[1..], &[1; 21], &[]] {
            assert_eq!(Pointer::read(value), None);
        }
    }
}
