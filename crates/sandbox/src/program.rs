//! The shim program, kept ready to be run, and the tree that all its processes stand on.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::sys::{file, fresh, socket};
use crate::{Error, protocol};

/// A kernel of 6.3 and later wants to be told that a file in memory is a program.
const MFD_EXEC: u32 = 0x10;

/// The embedded shim program, kept as a sealed file in memory and started from there.
///
/// It also keeps the stack's mounts, made once at the first launch and copied for each process.
#[derive(Debug)]
pub struct ShimProgram {
    file: OwnedFd,
    template: Mutex<Option<Arc<Template>>>,
    lent: Mutex<HashMap<u32, Arc<Lent>>>,
}

/// The prepared mounts of the stack.
#[derive(Debug)]
pub(crate) struct Template {
    /// The mount namespace to be copied.
    pub(crate) namespace: OwnedFd,
    /// A writable way to its root directory, for new mount points.
    pub(crate) root: OwnedFd,
    /// When the files that were copied into it had last been changed.
    age: [Option<SystemTime>; 2],
}

/// Installing a library or setting the clock's zone replaces these; the tree is made anew then.
fn age() -> [Option<SystemTime>; 2] {
    let changed = |path| {
        std::fs::metadata(path)
            .and_then(|found| found.modified())
            .ok()
    };
    ["/etc/ld.so.cache", "/etc/localtime"].map(changed)
}

/// A user namespace that shows what belongs to `owner` on disk as one app's own.
///
/// Made by the first shim that needs it; a launcher keeps it for the next of the same app.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) owner: u32,
    pub(crate) namespace: OwnedFd,
}

/// More apps than this are not remembered at once.
const MOST_LENT: usize = 256;

impl ShimProgram {
    /// Keeps the program; fails when it is empty or the kernel keeps no programs in memory.
    pub fn from_bytes(bytes: &'static [u8]) -> io::Result<Self> {
        if bytes.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the shim program is empty",
            ));
        }
        let file = memory_file(MFD_EXEC).or_else(|_| memory_file(0))?;
        file::write_all(file.as_fd(), bytes)?;
        seal(&file)?;
        // Exec refuses a file that is open for writing, so only a read-only way to it is kept.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let file = file::open_at(file::here(), &path, libc::O_RDONLY)?;
        Ok(Self {
            file,
            template: Mutex::new(None),
            lent: Mutex::default(),
        })
    }

    /// Starts the program with one end of a socket as its standard input.
    pub(crate) fn start(&self) -> io::Result<(Child, OwnedFd)> {
        let (ours, theirs) = socket::pair()?;
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let mut command = Command::new(path);
        command
            .arg0("noon-shim")
            .env_clear()
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok((command.spawn()?, ours))
    }

    /// The mounts of the stack, made now if they have not been.
    pub(crate) fn template(&self) -> Result<Arc<Template>, Error> {
        let mut slot = self.template.lock().unwrap_or_else(PoisonError::into_inner);
        let age = age();
        if let Some(template) = slot.as_ref().filter(|template| template.age == age) {
            return Ok(Arc::clone(template));
        }
        let template = Arc::new(self.make_template()?);
        *slot = Some(Arc::clone(&template));
        Ok(template)
    }

    /// What an earlier shim made for this app.
    pub(crate) fn lent(&self, uid: u32) -> Option<Arc<Lent>> {
        let held = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&uid).map(Arc::clone)
    }

    /// Keeps what a shim made for this app.
    pub(crate) fn keep_lent(&self, uid: u32, lent: Lent) {
        let mut held = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MOST_LENT {
            held.clear();
        }
        held.insert(uid, Arc::new(lent));
    }

    fn make_template(&self) -> Result<Template, Error> {
        let age = age();
        let (mut child, connection) = self.start().map_err(Error::Shim)?;
        let request = protocol::plain(protocol::TEMPLATE);
        socket::send(connection.as_fd(), &request, &[], 0).map_err(Error::Shim)?;
        let answer = first_answer(&connection);
        child.wait().map_err(Error::Shim)?;
        let mut fds = answer?.fds.into_iter();
        match (fds.next(), fds.next()) {
            (Some(namespace), Some(root)) => Ok(Template {
                namespace,
                root,
                age,
            }),
            _ => Err(Error::Shim(io::Error::from(io::ErrorKind::InvalidData))),
        }
    }
}

/// What a shim gives once it has done what it was started for.
pub(crate) struct FirstAnswer {
    pub(crate) fds: Vec<OwnedFd>,
    /// The owner for whom a fresh [`Lent`] is among the descriptors.
    pub(crate) lends: Option<u32>,
}

/// Waits for a shim's first answer, or the step at which it failed.
pub(crate) fn first_answer(connection: &OwnedFd) -> Result<FirstAnswer, Error> {
    let mut answer = vec![0; protocol::LONGEST];
    let (length, fds) = socket::receive(connection.as_fd(), &mut answer, 0).map_err(Error::Shim)?;
    if length == 0 {
        return Err(Error::Shim(io::Error::from(io::ErrorKind::UnexpectedEof)));
    }
    match protocol::open(&answer[..length]).map_err(Error::Shim)? {
        (protocol::DONE, fields) => {
            let lends = protocol::read_lends(fields).map_err(Error::Shim)?;
            Ok(FirstAnswer { fds, lends })
        }
        (_, fields) => {
            let refusal = protocol::read_refusal(fields).map_err(Error::Shim)?;
            let source = match refusal.errno {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::other("the shim refused"),
            };
            Err(Error::Start {
                step: refusal.reason,
                source,
            })
        }
    }
}

fn memory_file(extra: u32) -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | extra;
    // SAFETY: the name is a C string.
    fresh(unsafe { libc::memfd_create(c"noon-shim".as_ptr(), flags) }.into())
}

fn seal(file: &OwnedFd) -> io::Result<()> {
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: F_ADD_SEALS takes a number.
    crate::sys::check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }.into())
        .map(drop)
}
