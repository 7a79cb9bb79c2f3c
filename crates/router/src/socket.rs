//! One end of a connection, and the bytes that were read from it too early.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

const SCRATCH: usize = 64 * 1024;

thread_local! {
    /// The one read buffer of this thread: idle connections need none of their own.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// A connection with what was read ahead of its use.
pub(crate) struct Socket {
    stream: TcpStream,
    /// Read, and not used yet.
    pub(crate) ahead: BytesMut,
    /// Whether the other side has closed its half.
    pub(crate) has_ended: bool,
}

impl Socket {
    /// Takes a connection. Small messages go at once.
    pub(crate) fn new(stream: TcpStream) -> Self {
        // A socket that is gone already says so at its first use.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            ahead: BytesMut::new(),
            has_ended: false,
        }
    }

    /// Reads once; `use_bytes` sees what came, and an empty slice is the end.
    pub(crate) fn poll_read<T>(
        &mut self,
        cx: &mut Context<'_>,
        use_bytes: impl FnOnce(&mut Self, &mut Context<'_>, &[u8]) -> T,
    ) -> Poll<io::Result<T>> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut room = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
            self.has_ended |= room.filled().is_empty();
            Poll::Ready(Ok(use_bytes(self, cx, room.filled())))
        })
    }

    /// Reads once into what is kept ahead; gives how many bytes came, none at the end.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_read(cx, |socket, _, bytes| {
            socket.ahead.extend_from_slice(bytes);
            bytes.len()
        })
    }

    /// Reads once, as [`Self::poll_fill`].
    pub(crate) async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// Writes what it can.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    /// Closes our half.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Closes our half.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Writes it all.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Gives the first bytes of what is kept ahead up, and the memory with the last of them.
    pub(crate) fn consume(&mut self, count: usize) -> BytesMut {
        let taken = self.ahead.split_to(count);
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        taken
    }

    /// Whether it is open and silent, as a connection between two requests should be.
    pub(crate) fn is_silent(&self) -> bool {
        let mut byte = [0];
        let read = self.stream.try_read(&mut byte);
        self.ahead.is_empty() && matches!(read, Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }
}
