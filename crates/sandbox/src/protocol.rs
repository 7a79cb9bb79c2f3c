//! What client and shim say to each other.
//!
//! One message of a `SOCK_SEQPACKET` socket is one request or one answer. The first byte is the
//! verb, the second the version; the rest are fields (see `codec`). A shim that does not know a
//! verb answers with a refusal, so that a newer client can tell.

use std::io;

use crate::Ended;
use crate::codec::{Reader, Writer, number, text};

/// The version of the words below; a change that `codec` cannot absorb raises it.
pub(crate) const VERSION: u8 = 1;

/// The name of a shim's socket in its directory.
pub(crate) const SOCKET: &str = "sock";

/// The longest message, descriptors aside.
pub(crate) const LONGEST: usize = 64 * 1024;

pub(crate) const LAUNCH: u8 = 1;
pub(crate) const TEMPLATE: u8 = 2;
pub(crate) const STATUS: u8 = 10;
pub(crate) const OUTPUT: u8 = 11;
pub(crate) const NETNS: u8 = 12;
pub(crate) const SIGNAL: u8 = 13;
pub(crate) const KILL: u8 = 14;
pub(crate) const DISMISS: u8 = 15;
/// Words in a file in memory, then the descriptors of a command; its end is told here too.
pub(crate) const EXEC: u8 = 16;
/// A pipe of the client's own, for notices.
pub(crate) const WATCH: u8 = 17;
/// The end was taken note of; see [`crate::Shim::note_end`].
pub(crate) const NOTE: u8 = 18;
pub(crate) const DONE: u8 = 100;
pub(crate) const REFUSED: u8 = 101;

const SIGNAL_NUMBER: u16 = 1;
const REASON: u16 = 2;
const ERROR_NUMBER: u16 = 3;
const LABEL: u16 = 10;
const INIT_PID: u16 = 11;
const STARTED: u16 = 12;
const BOOT: u16 = 13;
const END: u16 = 14;
const UNREAD: u16 = 15;
const NOTED: u16 = 16;
const TOTAL: u16 = 20;
const LENDS: u16 = 21;

/// A message: its verb, then fields.
pub(crate) fn message(verb: u8, fields: Writer) -> Vec<u8> {
    let mut bytes = vec![verb, VERSION];
    bytes.extend(fields.done());
    bytes
}

/// The verb and the fields of a message.
pub(crate) fn open(message: &[u8]) -> io::Result<(u8, Reader<'_>)> {
    match message {
        [verb, _version, fields @ ..] => Ok((*verb, Reader::new(fields))),
        _ => Err(crate::codec::cut()),
    }
}

pub(crate) fn plain(verb: u8) -> Vec<u8> {
    message(verb, Writer::default())
}

pub(crate) fn signal(number: i32) -> Vec<u8> {
    message(
        SIGNAL,
        Writer::default().number(SIGNAL_NUMBER, number.into()),
    )
}

pub(crate) fn launch(total: usize) -> Vec<u8> {
    message(LAUNCH, Writer::default().number(TOTAL, total as i64))
}

/// The length of the launch that follows, or the signal of a request.
pub(crate) fn only_number(mut fields: Reader<'_>) -> io::Result<i64> {
    while let Some((field, value)) = fields.next()? {
        if matches!(field, SIGNAL_NUMBER | TOTAL) {
            return number(value);
        }
    }
    Err(crate::codec::cut())
}

/// The answer to a launch: the process runs. A user namespace for `lends` comes along.
pub(crate) fn launched(lends: Option<u32>) -> Vec<u8> {
    message(DONE, Writer::default().maybe(LENDS, lends.map(u64::from)))
}

/// For whom a user namespace came along.
pub(crate) fn read_lends(mut fields: Reader<'_>) -> io::Result<Option<u32>> {
    while let Some((field, value)) = fields.next()? {
        if field == LENDS {
            return number(value).map(|owner| Some(owner as u32));
        }
    }
    Ok(None)
}

/// Why something was refused: a step, and what the kernel said if it was the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: String,
    pub(crate) errno: Option<i32>,
}

pub(crate) fn refusal(reason: &str, errno: Option<i32>) -> Vec<u8> {
    let fields = Writer::default().text(REASON, reason);
    message(
        REFUSED,
        fields.maybe(ERROR_NUMBER, errno.map(|code| code as u64)),
    )
}

pub(crate) fn read_refusal(mut fields: Reader<'_>) -> io::Result<Refusal> {
    let mut refusal = Refusal {
        reason: String::new(),
        errno: None,
    };
    while let Some((field, value)) = fields.next()? {
        match field {
            REASON => refusal.reason = text(value)?,
            ERROR_NUMBER => refusal.errno = Some(number(value)? as i32),
            _ => {}
        }
    }
    Ok(refusal)
}

pub(crate) fn status(status: &crate::Status) -> Vec<u8> {
    let fields = Writer::default()
        .bytes(LABEL, &status.label)
        .number(INIT_PID, status.init_pid.into())
        .number(STARTED, status.started_at_micros)
        .text(BOOT, &status.boot_id)
        .number(UNREAD, status.unread as i64)
        .number(NOTED, status.noted.into());
    let fields = match status.ended {
        Some(ended) => fields.text(END, &ended.to_string()),
        None => fields,
    };
    message(DONE, fields)
}

/// Tells how a command ended that was let in; read by [`read_status`].
pub(crate) fn exec_ended(ended: Ended) -> Vec<u8> {
    message(DONE, Writer::default().text(END, &ended.to_string()))
}

pub(crate) fn read_status(mut fields: Reader<'_>) -> io::Result<crate::Status> {
    let mut status = crate::Status {
        label: Vec::new(),
        init_pid: 0,
        started_at_micros: 0,
        boot_id: String::new(),
        ended: None,
        unread: 0,
        noted: false,
    };
    while let Some((field, value)) = fields.next()? {
        match field {
            LABEL => status.label = value.to_vec(),
            INIT_PID => status.init_pid = number(value)? as u32,
            STARTED => status.started_at_micros = number(value)?,
            BOOT => status.boot_id = text(value)?,
            UNREAD => status.unread = number(value)? as u64,
            NOTED => status.noted = number(value)? != 0,
            END => status.ended = Ended::parse(&text(value)?),
            _ => {}
        }
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_the_way_to_the_client() {
        let told = crate::Status {
            label: b"x".to_vec(),
            init_pid: 7,
            started_at_micros: 12,
            boot_id: "b".into(),
            ended: Some(Ended::Signal(15)),
            unread: 5,
            noted: true,
        };
        let bytes = status(&told);
        let (verb, fields) = open(&bytes).unwrap();
        assert_eq!(verb, DONE);
        assert_eq!(read_status(fields).unwrap(), told);
    }

    #[test]
    fn a_refusal_names_its_reason() {
        let bytes = refusal("mount /app", Some(22));
        let (verb, fields) = open(&bytes).unwrap();
        assert_eq!(verb, REFUSED);
        let read = read_refusal(fields).unwrap();
        assert_eq!(
            read,
            Refusal {
                reason: "mount /app".into(),
                errno: Some(22)
            }
        );
    }
}
