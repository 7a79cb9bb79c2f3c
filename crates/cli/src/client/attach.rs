//! A terminal, or three pipes, joined to a process far away.
//!
//! One HTTP upgrade to `noon-attach`, then frames both ways (`noon_wire::noon::frame`). The
//! calling thread takes what the process prints; a thread each sends stdin and signals, and ends
//! with the program. Whatever ends the conversation shuts the socket down, so that there is one
//! way out, on which the terminal is put back.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use noon_wire::noon::frame;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;

use crate::error::{Error, Result};
use crate::server_url::ServerUrl;
use crate::terminal::{self, RawMode};

/// So many Ctrl-C within a second end the conversation, should the far end not listen.
const WAY_OUT: usize = 4;
const CTRL_C: u8 = 3;
/// The most that the answer's head may hold, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// A line to a process.
#[derive(Clone)]
struct Line {
    stream: Arc<TcpStream>,
    sending: Arc<Mutex<()>>,
    ended_by: Arc<AtomicU8>,
}

/// Joins this terminal, or these pipes, to the process behind `url`; returns its exit code.
///
/// # Errors
/// [`Error::Attach`] where the connection fails or ends too early; [`Error::Interrupted`] where a
/// signal ended it here.
pub fn attach(url: &str, is_tty: bool) -> Result<u8> {
    let line = Line::open(url)?;
    let raw = if is_tty {
        Some(RawMode::every_key())
    } else {
        None
    };
    let raw = raw
        .transpose()
        .map_err(Error::io("setting up the terminal"))?;
    line.watch_signals(is_tty)?;
    line.send_stdin(is_tty);
    let ended = line.receive();
    drop(raw);
    match line.ended_by.load(Ordering::SeqCst) {
        0 => ended,
        signal => Err(Error::Interrupted(signal)),
    }
}

impl Line {
    fn open(url: &str) -> Result<Self> {
        let failed = |why: String| Error::Attach(why);
        let (server, path) =
            ServerUrl::split(url).ok_or_else(|| failed("the server named no URL".to_owned()))?;
        if server.is_https {
            return Err(failed(
                "it would be over TLS, which noon run does not speak yet".into(),
            ));
        }
        let host = server.host.trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, server.port)).map_err(|e| failed(e.to_string()))?;
        let _ = stream.set_nodelay(true);
        upgrade(&stream, &server.authority(), &path)?;
        Ok(Self {
            stream: stream.into(),
            sending: Arc::default(),
            ended_by: Arc::default(),
        })
    }

    fn send(&self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let _turn = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        (&*self.stream).write_all(&frame::encode(kind, payload))
    }

    fn send_size(&self) {
        if let Some((columns, rows)) = terminal::size() {
            let [a, b] = columns.to_be_bytes();
            let [c, d] = rows.to_be_bytes();
            let _ = self.send(frame::RESIZE, &[a, b, c, d]);
        }
    }

    fn end(&self, signal: u8) {
        self.ended_by.store(signal, Ordering::SeqCst);
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn watch_signals(&self, is_tty: bool) -> Result<()> {
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM, SIGWINCH])
            .map_err(Error::io("listening to signals"))?;
        if is_tty {
            self.send_size();
        }
        let line = self.clone();
        thread::spawn(move || {
            let mut is_asked = false;
            for signal in signals.forever() {
                match signal {
                    SIGWINCH => line.send_size(),
                    SIGINT if !is_asked => {
                        is_asked = line.send(frame::SIGNAL, &[SIGINT as u8]).is_ok();
                    }
                    other => line.end(other as u8),
                }
            }
        });
        Ok(())
    }

    fn send_stdin(&self, is_tty: bool) {
        let line = self.clone();
        thread::spawn(move || {
            let mut way_out = WayOut::default();
            let mut buffer = [0; 32 * 1024];
            loop {
                let count = io::stdin().read(&mut buffer).unwrap_or(0);
                let sent = match count {
                    0 => line.send(frame::END, &[]),
                    _ => line.send(frame::STDIN, &buffer[..count]),
                };
                if is_tty && way_out.is_taken(&buffer[..count], Instant::now()) {
                    line.end(SIGINT as u8);
                }
                if count == 0 || sent.is_err() {
                    return;
                }
            }
        });
    }

    fn receive(&self) -> Result<u8> {
        let broken = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Error::Attach("it closed before the process ended".to_owned())
            }
            _ => Error::Attach(error.to_string()),
        };
        let mut stream = &*self.stream;
        loop {
            let (kind, payload) = read_frame(&mut stream).map_err(broken)?;
            match kind {
                frame::STDOUT => write_out(&mut io::stdout().lock(), &payload)?,
                frame::STDERR => write_out(&mut io::stderr().lock(), &payload)?,
                frame::EXIT => return Ok(exit_code(&payload)),
                frame::FAILED => {
                    return Err(Error::Attach(
                        String::from_utf8_lossy(&payload).into_owned(),
                    ));
                }
                _ => {} // a later server may say more
            }
        }
    }
}

fn upgrade(mut stream: &TcpStream, authority: &str, path: &str) -> Result<()> {
    let failed = |error: io::Error| Error::Attach(error.to_string());
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\n\
         Upgrade: noon-attach\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let head = read_head(&mut stream).map_err(failed)?;
    let status = head.split_whitespace().nth(1).unwrap_or("nothing");
    match status {
        "101" => Ok(()),
        "404" => Err(Error::Attach(
            "the process has ended, or waited too long".to_owned(),
        )),
        other => Err(Error::Attach(format!(
            "the server answered {other} in place of 101"
        ))),
    }
}

/// Reads byte by byte, for what follows the head is not HTTP any more.
fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
        if head.len() > MAX_HEAD {
            return Err(io::Error::other("the server's answer has no end"));
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn read_frame(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let (kind, length) = frame::decode_head(head);
    if length > frame::MAX {
        return Err(io::Error::other("the server sent a frame that is too long"));
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload)?;
    Ok((kind, payload))
}

fn write_out(to: &mut impl Write, bytes: &[u8]) -> Result<()> {
    to.write_all(bytes)
        .and_then(|()| to.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Error::ReaderGone,
            _ => Error::io("writing the process's output")(error),
        })
}

fn exit_code(payload: &[u8]) -> u8 {
    let code = payload.try_into().map_or(1, i32::from_be_bytes);
    u8::try_from(code).unwrap_or(255)
}

/// Counts Ctrl-C.
#[derive(Debug, Default)]
struct WayOut {
    pressed: Vec<Instant>,
}

impl WayOut {
    fn is_taken(&mut self, keys: &[u8], now: Instant) -> bool {
        self.pressed
            .retain(|then| now.duration_since(*then) < Duration::from_secs(1));
        self.pressed
            .extend(keys.iter().filter(|key| **key == CTRL_C).map(|_| now));
        self.pressed.len() >= WAY_OUT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_they_were_sent_and_long_ones_do_not() {
        let mut bytes = frame::encode(frame::STDOUT, b"hello");
        bytes.extend(frame::encode(frame::EXIT, &7_i32.to_be_bytes()));
        let mut stream = bytes.as_slice();
        assert_eq!(
            read_frame(&mut stream).unwrap(),
            (frame::STDOUT, b"hello".to_vec())
        );
        let (kind, payload) = read_frame(&mut stream).unwrap();
        assert_eq!((kind, exit_code(&payload)), (frame::EXIT, 7));
        let long = [frame::STDOUT, 0xff, 0xff, 0xff, 0xff];
        let refusal = read_frame(&mut long.as_slice()).unwrap_err().to_string();
        assert!(refusal.contains("too long"), "{refusal}");
        assert!(read_frame(&mut [1, 0, 0, 0, 9, 1].as_slice()).is_err());
    }

    #[test]
    fn the_head_ends_where_the_frames_begin() {
        let mut stream = b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x01\0\0\0\0".as_slice();
        assert!(read_head(&mut stream).unwrap().contains(" 101 "));
        assert_eq!(stream, b"\x01\0\0\0\0");
    }

    #[test]
    fn four_ctrl_c_within_a_second_are_a_way_out() {
        let mut way_out = WayOut::default();
        let start = Instant::now();
        for (offset_ms, keys, is_taken) in [
            (0, "\x03\x03\x03", false),
            (1500, "\x03", false),
            (1600, "\x03\x03", false),
            (1700, "x\x03", true),
        ] {
            let now = start + Duration::from_millis(offset_ms);
            assert_eq!(
                way_out.is_taken(keys.as_bytes(), now),
                is_taken,
                "{offset_ms}"
            );
        }
    }
}
