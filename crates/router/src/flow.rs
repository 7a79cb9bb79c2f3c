//! One direction of one message: bytes from one socket to the other, up to the body's end.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};

use crate::http::body::Body;
use crate::http::chunked::BadChunk;
use crate::socket::Socket;

/// Bytes on their way.
pub(crate) struct Flow {
    /// Taken from the one side, not yet by the other. Nothing is read while there is any.
    pending: BytesMut,
    body: Body,
    /// How many bytes of the body were taken.
    pub(crate) bytes: u64,
}

/// Why a flow broke off.
#[derive(Debug)]
pub(crate) enum FlowError {
    /// The source failed or closed too early.
    Source,
    /// The sink does not take any more.
    Sink,
    /// The source sent what is no body.
    Bad(BadChunk),
}

/// What a step of a flow needs: where from, where to, and a mark that something moved.
pub(crate) struct Ends<'a> {
    pub(crate) from: &'a mut Socket,
    pub(crate) to: &'a mut Socket,
    pub(crate) moved: &'a mut bool,
}

impl Flow {
    /// A head, and the body that follows it.
    pub(crate) fn new(head: &[u8], body: Body) -> Self {
        Self {
            pending: BytesMut::from(head),
            body,
            bytes: 0,
        }
    }

    /// Whether it waits for the sink rather than for the source.
    pub(crate) fn waits_for_sink(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Moves what can be moved; ready when the sink has all.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut ends: Ends<'_>,
    ) -> Poll<Result<(), FlowError>> {
        loop {
            self.take_ahead(ends.from)?;
            ready!(self.poll_flush(cx, &mut ends))?;
            if self.body.is_done() {
                return Poll::Ready(Ok(()));
            }
            if ends.from.ahead.is_empty() {
                ready!(self.poll_source(cx, &mut ends))?;
            }
        }
    }

    /// Takes what was read too early.
    fn take_ahead(&mut self, from: &mut Socket) -> Result<(), FlowError> {
        if !from.ahead.is_empty() && !self.body.is_done() {
            let count = self.body.take(&from.ahead).map_err(FlowError::Bad)?;
            self.bytes += count as u64;
            self.pending.unsplit(from.consume(count));
        }
        Ok(())
    }

    fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut Ends<'_>,
    ) -> Poll<Result<(), FlowError>> {
        while !self.pending.is_empty() {
            match ready!(ends.to.poll_write(cx, &self.pending)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(FlowError::Sink)),
                Ok(count) => self.pending.advance(count),
            }
            *ends.moved = true;
        }
        self.pending = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Reads once, and hands on at once what the sink takes at once.
    fn poll_source(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut Ends<'_>,
    ) -> Poll<Result<(), FlowError>> {
        let Ends { from, to, moved } = ends;
        if from.has_ended {
            return Poll::Ready(self.end());
        }
        let read = ready!(from.poll_read(cx, |from, cx, bytes| self.pass(cx, (from, to), bytes)));
        **moved = true;
        Poll::Ready(read.map_err(|_: io::Error| FlowError::Source).flatten())
    }

    fn pass(
        &mut self,
        cx: &mut Context<'_>,
        (from, to): (&mut Socket, &mut Socket),
        bytes: &[u8],
    ) -> Result<(), FlowError> {
        if bytes.is_empty() {
            return self.end();
        }
        let count = self.body.take(bytes).map_err(FlowError::Bad)?;
        self.bytes += count as u64;
        from.ahead.extend_from_slice(&bytes[count..]);
        let written = match to.poll_write(cx, &bytes[..count]) {
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(_)) => return Err(FlowError::Sink),
            Poll::Pending => 0,
        };
        self.pending.extend_from_slice(&bytes[written..count]);
        Ok(())
    }

    fn end(&mut self) -> Result<(), FlowError> {
        if self.body.close() {
            Ok(())
        } else {
            Err(FlowError::Source)
        }
    }

    /// Whether the source has sent all of it.
    pub(crate) fn has_all(&self) -> bool {
        self.body.is_done()
    }

    /// Takes the rest of the body from the source and lets it go.
    pub(crate) fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Socket,
    ) -> Poll<Result<(), FlowError>> {
        loop {
            self.take_ahead(from)?;
            self.pending.clear();
            if self.body.is_done() {
                return Poll::Ready(Ok(()));
            }
            match ready!(from.poll_fill(cx)) {
                Ok(0) => return Poll::Ready(self.end()),
                Ok(_) => {}
                Err(_) => return Poll::Ready(Err(FlowError::Source)),
            }
        }
    }
}
