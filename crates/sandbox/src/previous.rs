//! A shim as the first version shipped it, which speaks from a recording.
//!
//! What runs under such a shim is to be taken up, asked and stopped by this version. Its words stand
//! here as bytes, so that no change of our encoding changes them too.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::thread::JoinHandle;

use crate::sys::{file, socket};
use crate::{Ended, Error, ExecSpec, Shim, Stdio, protocol};

const STATUS: &[u8] = b"\x0a\x01";
const OUTPUT: &[u8] = b"\x0b\x01";
const NETNS: &[u8] = b"\x0c\x01";
const SIGTERM: &[u8] = b"\x0d\x01\x01\0\x08\0\0\0\x0f\0\0\0\0\0\0\0";
const KILL: &[u8] = b"\x0e\x01";
const DISMISS: &[u8] = b"\x0f\x01";

const DONE: &[u8] = b"\x64\x01";
const RUNS: &[u8] = b"\x64\x01\x0a\0\x05\0\0\0web.1\
    \x0b\0\x08\0\0\0\x92\x10\0\0\0\0\0\0\
    \x0c\0\x08\0\0\0\x80\x96\x98\0\0\0\0\0\
    \x0d\0\x04\0\0\0boot";
const HAS_ENDED: &[u8] = b"\x64\x01\x0a\0\x05\0\0\0web.1\
    \x0b\0\x08\0\0\0\x92\x10\0\0\0\0\0\0\
    \x0c\0\x08\0\0\0\x80\x96\x98\0\0\0\0\0\
    \x0d\0\x04\0\0\0boot\
    \x0e\0\x09\0\0\0v1 code 3";
const UNKNOWN: &[u8] = b"\x65\x01\x02\0\x24\0\0\0this shim does not know that request";

/// Where it listens, and the process it is said to keep.
struct Previous {
    home: tempfile::TempDir,
    /// Closed when the process is to have ended.
    alive: Option<OwnedFd>,
    thread: JoinHandle<io::Result<()>>,
}

impl Previous {
    /// A shim that has one client after the other, as many as are said.
    fn start(clients: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = file::open_dir(home.path()).unwrap();
        let path = format!("/proc/self/fd/{}/{}", dir.as_raw_fd(), protocol::SOCKET);
        let listener = socket::listen(&path).unwrap();
        let (life, alive) = file::pipe().unwrap();
        let thread = std::thread::spawn(move || {
            for _ in 0..clients {
                socket::poll(&mut [socket::readable(listener.as_fd())], -1)?;
                serve(&socket::accept(listener.as_fd())?, &life)?;
            }
            Ok(())
        });
        Self {
            home,
            alive: Some(alive),
            thread,
        }
    }

    fn finish(self) {
        self.thread.join().unwrap().unwrap();
    }
}

fn serve(client: &OwnedFd, life: &OwnedFd) -> io::Result<()> {
    loop {
        let mut request = [0; 256];
        let (length, _) = socket::receive(client.as_fd(), &mut request, 0)?;
        let ended = has_ended(life)?;
        let (words, gives) = match &request[..length] {
            [] => return Ok(()),
            STATUS if ended => (HAS_ENDED, true),
            STATUS => (RUNS, true),
            OUTPUT => (DONE, true),
            NETNS if !ended => (DONE, true),
            SIGTERM | KILL | DISMISS => (DONE, false),
            _ => (UNKNOWN, false),
        };
        let fds = [life.as_raw_fd()];
        socket::send(client.as_fd(), words, &fds[..usize::from(gives)], 0)?;
    }
}

fn has_ended(life: &OwnedFd) -> io::Result<bool> {
    let mut set = [socket::readable(life.as_fd())];
    socket::poll(&mut set, 0)?;
    Ok(set[0].revents != 0)
}

#[test]
fn a_shim_of_the_previous_version_is_understood() {
    let mut previous = Previous::start(1);
    let mut shim = Shim::connect(previous.home.path()).unwrap();
    let status = shim.status().unwrap();
    assert_eq!(status.label, b"web.1");
    assert_eq!(
        (status.init_pid, status.started_at_micros),
        (4242, 10_000_000)
    );
    assert_eq!(status.boot_id, "boot");
    assert_eq!(
        (status.ended, status.unread, status.noted),
        (None, 0, false)
    );
    shim.output().unwrap();
    shim.netns().unwrap();
    shim.signal(libc::SIGTERM).unwrap();
    shim.kill().unwrap();
    let nothing = shim.next_notice().unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    drop(previous.alive.take());
    assert_eq!(shim.next_notice().unwrap(), None);
    assert_eq!(shim.status().unwrap().ended, Some(Ended::Code(3)));
    assert!(matches!(shim.note_end(), Err(Error::Refused { .. })));
    shim.dismiss().unwrap();
    previous.finish();
}

#[test]
fn a_shim_of_the_previous_version_lets_nobody_in_and_says_so() {
    let previous = Previous::start(1);
    let spec = ExecSpec {
        argv: vec!["true".into()],
        env: Vec::new(),
        cwd: "/app".into(),
    };
    let inner = Stdio::Terminal(file::pipe().unwrap().0);
    let refused = Shim::exec(previous.home.path(), &spec, inner);
    let Err(Error::Refused { reason, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(reason, "this shim does not know that request");
    previous.finish();
}
