//! One connection of the platform's socket, as the collector has it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use crate::message::{self, Message};

/// A connected part of the platform.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    inbox: Vec<u8>,
    taken: u64,
}

impl Connection {
    /// Takes a connection.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            inbox: Vec::new(),
            taken: 0,
        })
    }

    /// The socket.
    pub(crate) const fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Reads once: the messages that are whole now. An error ends the connection.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Vec<Message>> {
        match self.stream.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.inbox.extend_from_slice(&buffer[..count]),
            Err(error) if is_nothing(&error) => {}
            Err(error) => return Err(error),
        }
        self.parse()
    }

    fn parse(&mut self) -> io::Result<Vec<Message>> {
        let (mut messages, mut done) = (Vec::new(), 0);
        let garbled = |_| io::Error::from(io::ErrorKind::InvalidData);
        while let Some((message, length)) = message::take(&self.inbox[done..]).map_err(garbled)? {
            messages.push(message);
            done += length;
        }
        self.inbox.drain(..done);
        self.taken += messages.len() as u64;
        Ok(messages)
    }

    /// Tells the other side that all received messages are kept. It reads while it waits for
    /// this, so a full socket means that it is not well: the connection ends, and it may try again.
    pub(crate) fn acknowledge(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.taken.to_le_bytes())
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
