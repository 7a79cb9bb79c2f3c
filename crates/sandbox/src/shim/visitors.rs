//! Commands that were let in beside the app, as children of the shim, and those who asked for them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::entrance::Entrance;
use super::failure::Failure;
use super::keeper::Process;
use crate::cgroup::{Cgroup, Shortage};
use crate::sys::process::{self, Forked};
use crate::sys::{file, socket};
use crate::{Ended, protocol};

/// More at once are not let in.
const MOST: usize = 16;
/// How long a command has to heed that the one who asked for it has left.
const GRACE: Duration = Duration::from_secs(5);
/// What a visitor waits for: its report, its end, the word of the one who asked.
const PLACES: usize = 3;

/// All who are inside now.
#[derive(Default)]
pub(super) struct Visitors {
    all: Vec<Visitor>,
    /// How many the kernel has ended for want of memory.
    starved: u64,
}

struct Visitor {
    pid: i32,
    pidfd: OwnedFd,
    /// Who asked; `None` once they have left.
    host: Option<OwnedFd>,
    /// Where a failed step is reported; `None` once the command runs.
    ready: Option<OwnedFd>,
    /// When it is ended that does not heed a hang-up.
    deadline: Option<Instant>,
    killed: bool,
    /// How many had been ended for want of memory when it came.
    starved_before: u64,
}

impl Visitors {
    /// Lets a command in. The end is told to `host`, as is a step that failed.
    pub(super) fn let_in(
        &mut self,
        process: &Process,
        host: &OwnedFd,
        given: Vec<OwnedFd>,
    ) -> io::Result<()> {
        if self.all.len() >= MOST {
            return Err(io::Error::other(format!(
                "{MOST} commands run inside already"
            )));
        }
        let mut given = given.into_iter();
        let words = given.next().ok_or_else(crate::codec::cut)?;
        let stdio: Vec<OwnedFd> = given.collect();
        let (ready, tell_ready) = file::pipe()?;
        let doors = process.cgroup.doors()?;
        let entrance = Entrance {
            terms: &process.terms,
            init: process.pidfd.as_fd(),
            doors: &doors,
            words: &words,
            stdio: &stdio,
            ready: &tell_ready,
        };
        let host = host.try_clone()?;
        let (pid, pidfd) = fork(process, &entrance)?;
        process.level_score(pid);
        self.all.push(Visitor {
            pid,
            pidfd,
            host: Some(host),
            ready: Some(ready),
            deadline: None,
            killed: false,
            starved_before: process.cgroup.out_of_memory_kills(),
        });
        Ok(())
    }

    /// What is to be polled, in the order that [`Self::tend`] expects.
    pub(super) fn poll_entries(&self) -> impl Iterator<Item = libc::pollfd> {
        self.all.iter().flat_map(|visitor| {
            let entry = |fd: Option<&OwnedFd>| match fd {
                Some(fd) => socket::readable(fd.as_fd()),
                None => nothing(),
            };
            // The end is told after the beginning.
            let ends = visitor.ready.is_none().then_some(&visitor.pidfd);
            [
                entry(visitor.ready.as_ref()),
                entry(ends),
                entry(visitor.host.as_ref()),
            ]
        })
    }

    /// Whether somebody may be overdue, so that time matters.
    pub(super) fn is_timed(&self) -> bool {
        self.all.iter().any(|visitor| visitor.deadline.is_some())
    }

    /// Their numbers.
    pub(super) fn pids(&self) -> impl Iterator<Item = i32> {
        self.all.iter().map(|visitor| visitor.pid)
    }

    /// How many the kernel has ended for want of memory, who were not the app.
    pub(super) fn starved(&self) -> u64 {
        self.starved
    }

    /// Does what [`Self::poll_entries`] found to be done.
    pub(super) fn tend(&mut self, found: &[libc::pollfd], cgroup: &Cgroup) {
        let spoke: Vec<[bool; PLACES]> = found
            .chunks_exact(PLACES)
            .map(|of_one| [0, 1, 2].map(|place| of_one[place].revents != 0))
            .collect();
        let mut index = 0;
        let starved = &mut self.starved;
        self.all.retain_mut(|visitor| {
            let [ready, ended, host] = spoke.get(index).copied().unwrap_or_default();
            index += 1;
            if host {
                visitor.hear();
            }
            if ready {
                visitor.begin();
            }
            visitor.hurry();
            if ended && let Some(ended) = visitor.end(cgroup) {
                let starves = matches!(ended, Ended::OutOfMemory | Ended::MachineOutOfMemory);
                *starved += u64::from(starves);
                return false;
            }
            true
        });
    }
}

fn nothing() -> libc::pollfd {
    libc::pollfd {
        fd: -1,
        events: 0,
        revents: 0,
    }
}

/// From the first time on, all children of this shim are born inside: there is no other kind.
fn fork(process: &Process, entrance: &Entrance<'_>) -> io::Result<(i32, OwnedFd)> {
    process::enter(process.pidfd.as_fd(), libc::CLONE_NEWPID)?;
    let group = process.cgroup.birthplace();
    // Where init is in the group, nobody is let in past its limits.
    let group = group.filter(|_| process.terms.in_group);
    match process::fork_into(0, group)? {
        Forked::Parent(pid, pidfd) => Ok((pid, pidfd)),
        Forked::Child => entrance.pass(),
    }
}

impl Visitor {
    /// Says whether the command runs.
    fn begin(&mut self) {
        let Some(ready) = self.ready.take() else {
            return;
        };
        // One write, short enough to be whole.
        let mut report = [0; 4096];
        let length = file::read(ready.as_fd(), &mut report).unwrap_or(0);
        match Failure::read(&report[..length]) {
            None => self.tell(&protocol::plain(protocol::DONE)),
            Some(failure) => {
                let code = failure.source.raw_os_error();
                self.tell(&protocol::refusal(&failure.step, code));
                self.host = None;
            }
        }
    }

    fn tell(&self, words: &[u8]) {
        if let Some(host) = &self.host {
            let _ = socket::send(host.as_fd(), words, &[], libc::MSG_DONTWAIT);
        }
    }

    /// Takes a word of the one who asked; these have no answer.
    fn hear(&mut self) {
        let Some(host) = &self.host else { return };
        let mut request = [0; 256];
        let heard = match socket::receive(host.as_fd(), &mut request, libc::MSG_DONTWAIT) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            heard => heard.map(|(length, _)| length),
        };
        match heard.and_then(|length| protocol::open(&request[..length])) {
            Ok((protocol::KILL, _)) => self.kill(),
            Ok((protocol::SIGNAL, fields)) => match protocol::only_number(fields) {
                Ok(number) => self.signal(number as i32),
                Err(_) => self.hang_up(),
            },
            _ => self.hang_up(),
        }
    }

    fn signal(&mut self, signal: i32) {
        match signal {
            libc::SIGKILL => self.kill(),
            // Until it runs its group is not its own.
            _ if self.ready.is_some() => {
                let _ = process::signal_fd(self.pidfd.as_fd(), signal);
            }
            _ => {
                let _ = process::signal_group(self.pid, signal);
            }
        }
    }

    fn kill(&mut self) {
        self.killed = true;
        let _ = process::signal_fd(self.pidfd.as_fd(), libc::SIGKILL);
        if self.ready.is_none() {
            let _ = process::signal_group(self.pid, libc::SIGKILL);
        }
    }

    /// Nobody is there any more for whom it works.
    fn hang_up(&mut self) {
        self.host = None;
        self.deadline = Some(Instant::now() + GRACE);
        self.signal(libc::SIGHUP);
        // One that was stopped would never hear it.
        self.signal(libc::SIGCONT);
    }

    fn hurry(&mut self) {
        if self.deadline.is_some_and(|at| Instant::now() >= at) {
            self.kill();
        }
    }

    /// Reaps it, which lets the kernel end the sandbox too, and says how it ended.
    fn end(&mut self, cgroup: &Cgroup) -> Option<Ended> {
        let reaped = process::reap(self.pid, libc::WNOHANG);
        let ended = match reaped {
            Ok(None) => return None,
            Ok(Some((_, status))) => Ended::from_status(status),
            Err(_) => Ended::Signal(libc::SIGKILL),
        };
        let shortage = match self.killed || !ended.is_by_kill() {
            true => None,
            false => cgroup.shortage(true, self.starved_before),
        };
        let ended = shortage.map_or(ended, Shortage::ended);
        self.tell(&protocol::exec_ended(ended));
        Some(ended)
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        // Reached with a living command only when the shim itself leaves, after init.
        let _ = process::signal_fd(self.pidfd.as_fd(), libc::SIGKILL);
    }
}
