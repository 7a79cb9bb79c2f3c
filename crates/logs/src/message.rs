//! What passes through the platform's socket.
//!
//! From the platform, little-endian: the length of what follows as u32, its kind as u8, then
//! - kind 1, a line: app (16 bytes), microseconds (i64), source (u8), length of the process's name
//!   (u16), the name, the text;
//! - kind 2, look again: nothing;
//! - kind 3, forget: app (16 bytes).
//!
//! Back, after every batch: how many messages of this connection were taken in all, as u64.

use noon_domain::{AppId, LogLine, LogSource, Timestamp};
use uuid::Uuid;

use crate::frame::{MAX_NAME, array, source};
use crate::split::MAX_LINE_BYTES;

const LENGTH: usize = 4;
const LINE_HEAD: usize = 1 + 16 + 8 + 1 + 2;
/// No message is longer, its length left out.
const MAX_BODY: usize = LINE_HEAD + MAX_NAME + MAX_LINE_BYTES;

/// One message to the collector.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Message {
    /// Keep this.
    Line(LogLine),
    /// There may be other processes now.
    LookAgain,
    /// This app is gone.
    Forget(AppId),
}

/// The other side speaks another language.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Garbled;

/// Appends a line; what is longer than the longest is cut.
pub(crate) fn put_line(out: &mut Vec<u8>, line: &LogLine, text: &[u8]) {
    let process = &line.process.as_bytes()[..line.process.len().min(MAX_NAME)];
    let text = &text[..text.len().min(MAX_LINE_BYTES)];
    put_head(out, 1, LINE_HEAD + process.len() + text.len());
    out.extend_from_slice(line.app.as_uuid().as_bytes());
    out.extend_from_slice(&line.at.as_micros().to_le_bytes());
    out.push(u8::from(line.source == LogSource::Platform));
    out.extend_from_slice(&u16::try_from(process.len()).unwrap_or(0).to_le_bytes());
    out.extend_from_slice(process);
    out.extend_from_slice(text);
}

/// Appends the order to look again.
pub(crate) fn put_look_again(out: &mut Vec<u8>) {
    put_head(out, 2, 1);
}

/// Appends the order to forget an app.
pub(crate) fn put_forget(out: &mut Vec<u8>, app: AppId) {
    put_head(out, 3, 1 + 16);
    out.extend_from_slice(app.as_uuid().as_bytes());
}

fn put_head(out: &mut Vec<u8>, kind: u8, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(0).to_le_bytes());
    out.push(kind);
}

/// The length of the first message in `bytes`, its own length included; `None` if it is not whole.
pub(crate) fn length(bytes: &[u8]) -> Result<Option<usize>, Garbled> {
    if bytes.len() < LENGTH {
        return Ok(None);
    }
    let body = usize::try_from(u32::from_le_bytes(array(bytes, 0))).map_err(|_| Garbled)?;
    if !(1..=MAX_BODY).contains(&body) {
        return Err(Garbled);
    }
    Ok((LENGTH + body <= bytes.len()).then_some(LENGTH + body))
}

/// The first message in `bytes` and its length; `None` if it is not whole.
pub(crate) fn take(bytes: &[u8]) -> Result<Option<(Message, usize)>, Garbled> {
    let Some(length) = length(bytes)? else {
        return Ok(None);
    };
    let body = &bytes[LENGTH..length];
    let message = match (body[0], body.len()) {
        (1, LINE_HEAD..) => Message::Line(line(body)?),
        (2, 1) => Message::LookAgain,
        (3, 17) => Message::Forget(app(body)),
        _ => return Err(Garbled),
    };
    Ok(Some((message, length)))
}

fn app(body: &[u8]) -> AppId {
    AppId::from_uuid(Uuid::from_bytes(array(body, 1)))
}

fn line(body: &[u8]) -> Result<LogLine, Garbled> {
    let text_at = LINE_HEAD + usize::from(u16::from_le_bytes(array(body, 26)));
    let process = body.get(LINE_HEAD..text_at).ok_or(Garbled)?;
    Ok(LogLine {
        app: app(body),
        at: Timestamp::from_micros(i64::from_le_bytes(array(body, 17))),
        source: source(body[25]),
        process: String::from_utf8_lossy(process).into_owned(),
        text: String::from_utf8_lossy(&body[text_at..]).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn messages_read_back_as_they_were_written(
            process in ".{0,40}", text in ".{0,300}", at: i64, platform: bool, cut: prop::sample::Index,
        ) {
            let source = if platform { LogSource::Platform } else { LogSource::App };
            let at = Timestamp::from_micros(at);
            let line = LogLine { app: AppId::new(), at, source, process, text };
            let mut bytes = Vec::new();
            put_line(&mut bytes, &line, line.text.as_bytes());
            prop_assert_eq!(take(&bytes[..cut.index(bytes.len())]), Ok(None));
            put_look_again(&mut bytes);
            put_forget(&mut bytes, line.app);
            let mut got = Vec::new();
            let mut rest = bytes.as_slice();
            while let Some((message, length)) = take(rest).unwrap() {
                got.push(message);
                rest = &rest[length..];
            }
            let app = line.app;
            prop_assert_eq!(got, [Message::Line(line), Message::LookAgain, Message::Forget(app)]);
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn garbage_is_refused_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = take(&bytes);
        }
    }

    #[test]
    fn a_length_beyond_all_messages_is_refused() {
        assert_eq!(take(&[0xFF; 64]), Err(Garbled));
        assert_eq!(take(&[0; 64]), Err(Garbled));
        assert_eq!(take(&[1, 0, 0, 0, 9]), Err(Garbled));
    }
}
