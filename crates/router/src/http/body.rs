//! Where a body ends.

use super::chunked::{BadChunk, Chunked};

/// A body on its way, and how its end will be known.
#[derive(Debug)]
pub(crate) enum Body {
    /// So many bytes are still to come.
    Length(u64),
    /// It says so itself.
    Chunked(Box<Chunked>),
    /// When its sender closes; the flag tells that it has.
    UntilClose(bool),
}

impl Body {
    /// No body.
    pub(crate) const EMPTY: Self = Self::Length(0);

    /// A chunked body, before its first chunk.
    pub(crate) fn chunked() -> Self {
        Self::Chunked(Box::new(Chunked::new()))
    }

    /// Whether all of it has come.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_done(),
            Self::UntilClose(is_closed) => *is_closed,
        }
    }

    /// Follows the body through these bytes; gives how many belong to it.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize, BadChunk> {
        match self {
            Self::Length(left) => {
                let some = usize::try_from(*left).map_or(bytes.len(), |l| l.min(bytes.len()));
                *left -= some as u64;
                Ok(some)
            }
            Self::Chunked(chunked) => chunked.take(bytes),
            Self::UntilClose(_) => Ok(bytes.len()),
        }
    }

    /// Notes that its sender has closed; gives whether that was its end.
    pub(crate) fn close(&mut self) -> bool {
        if let Self::UntilClose(is_closed) = self {
            *is_closed = true;
        }
        self.is_done()
    }
}
