//! What a shim tells those who watch its process, before it ends.

/// Something that happened to a running process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// It uses more memory than its quota; told again every 20 seconds at most while it does.
    MemoryOverQuota {
        /// How many bytes it uses.
        bytes: u64,
    },
}

const MEMORY: u64 = 1;

impl Notice {
    /// The length of one record in the pipe, in bytes.
    pub(crate) const LENGTH: usize = 16;

    pub(crate) fn encode(self) -> [u8; Self::LENGTH] {
        let Self::MemoryOverQuota { bytes } = self;
        let mut record = [0; Self::LENGTH];
        record[..8].copy_from_slice(&MEMORY.to_le_bytes());
        record[8..].copy_from_slice(&bytes.to_le_bytes());
        record
    }

    /// `None` for what only a newer shim knows.
    pub(crate) fn decode(record: [u8; Self::LENGTH]) -> Option<Self> {
        let [kind, value] = [&record[..8], &record[8..]].map(|half| {
            half.iter()
                .rev()
                .fold(0, |number, byte| number << 8 | u64::from(*byte))
        });
        (kind == MEMORY).then_some(Self::MemoryOverQuota { bytes: value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_survives_its_record() {
        for bytes in [0, 1, 600 << 20, u64::MAX] {
            let notice = Notice::MemoryOverQuota { bytes };
            assert_eq!(Notice::decode(notice.encode()), Some(notice));
        }
        assert_eq!(Notice::decode([0xff; Notice::LENGTH]), None);
    }
}
