//! What the shim does for the rest of its life: wait for the end, and answer.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::entrance::Terms;
use super::gauge::{Finding, Gauge};
use super::start;
use super::visitors::Visitors;
use super::watchers::Watchers;
use crate::cgroup::{Cgroup, Shortage};
use crate::ended::EXIT_FILE;
use crate::sys::{file, process, socket};
use crate::{Ended, Status, protocol};

/// How long a shim waits after the end for someone to take note; the exit file stays.
const LINGER: Duration = Duration::from_secs(600);
/// How often the shim looks up when something is due, in milliseconds.
const LOOK_MS: i32 = 1000;
/// More who ask at once are sent away.
const MOST_CLIENTS: usize = 64;

/// A started process and all that belongs to it.
pub(super) struct Process {
    /// What holds for everything inside.
    pub(super) terms: Terms,
    pub(super) label: Vec<u8>,
    pub(super) init: i32,
    pub(super) pidfd: OwnedFd,
    /// Where init tells the app's wait status.
    pub(super) exit: OwnedFd,
    /// Held open as long as the shim lives: init looks at its other end.
    #[expect(dead_code, reason = "being open is all that it does")]
    pub(super) tie: OwnedFd,
    pub(super) directory: OwnedFd,
    pub(super) proc: OwnedFd,
    pub(super) listener: OwnedFd,
    /// A user namespace for the launcher to keep, and for which owner it was made.
    pub(super) lends: Option<(u32, OwnedFd)>,
    pub(super) cgroup: Cgroup,
    pub(super) output: Option<OwnedFd>,
    pub(super) gauge: Gauge,
}

impl Process {
    /// To the kernel a process inside is no dearer than others, as far as the shim may say so.
    pub(super) fn level_score(&self, pid: i32) {
        start::level_score(&self.proc, pid);
    }
}

/// The shim at work.
pub(super) struct Keeper {
    process: Process,
    started_at_micros: i64,
    watchers: Watchers,
    /// For clients of the previous version, once there is one: both ends of a pipe into which
    /// nothing is written. It says by its end that we have one.
    life: Option<(OwnedFd, OwnedFd)>,
    ended: Option<(Ended, Instant)>,
    killed: bool,
    /// Whether the shim ended it for its memory.
    starved: bool,
    dismissed: bool,
    noted: bool,
    clients: Vec<OwnedFd>,
    visitors: Visitors,
}

/// An answer: words and descriptors.
type Answer = (Vec<u8>, Vec<OwnedFd>);

impl Keeper {
    pub(super) fn new(process: Process) -> Self {
        Self {
            process,
            started_at_micros: process::now_micros(),
            watchers: Watchers::default(),
            life: None,
            ended: None,
            killed: false,
            starved: false,
            dismissed: false,
            noted: false,
            clients: Vec::new(),
            visitors: Visitors::default(),
        }
    }

    /// Keeps the process to its end, and until someone has taken note of that.
    pub(super) fn keep(mut self, launcher: OwnedFd) -> io::Result<()> {
        let watch = self.watchers.admit()?;
        let lends = self.process.lends.take();
        let mut known = vec![watch.as_raw_fd()];
        known.extend(lends.iter().map(|(_, namespace)| namespace.as_raw_fd()));
        let words = protocol::launched(lends.as_ref().map(|(owner, _)| *owner));
        match socket::send(launcher.as_fd(), &words, &known, 0) {
            Ok(()) => self.clients.push(launcher),
            // A launcher that died meanwhile does not end its process.
            Err(error) if is_gone(&error) => drop(launcher),
            // One that lives and cannot be told must not take it for a failed start.
            Err(error) => return Err(error),
        }
        drop((lends, watch));
        self.process.gauge.arm(&self.process.cgroup);
        while !self.may_leave() {
            self.turn()?;
        }
        let _ = file::unlink_at(self.process.directory.as_fd(), protocol::SOCKET, 0);
        Ok(())
    }

    fn may_leave(&self) -> bool {
        match self.ended {
            Some((_, at)) => {
                self.dismissed || self.noted && self.unread() == 0 || at.elapsed() >= LINGER
            }
            None => false,
        }
    }

    /// What was printed stays readable until someone has read it: logs may be away.
    fn unread(&self) -> u64 {
        let output = self.process.output.as_ref();
        output.map_or(0, |output| file::unread(output.as_fd()))
    }

    /// Waits for one thing to happen and does what it asks for.
    fn turn(&mut self) -> io::Result<()> {
        let mut set = vec![socket::readable(self.process.listener.as_fd())];
        set.push(socket::readable(self.process.pidfd.as_fd()));
        set.extend(self.process.gauge.entries());
        set.extend(self.watchers.entries());
        set.extend(
            self.clients
                .iter()
                .map(|client| socket::readable(client.as_fd())),
        );
        if self.ended.is_some() {
            set[1].fd = -1;
        }
        let visitors = set.len();
        set.extend(self.visitors.poll_entries());
        socket::poll(&mut set, self.patience())?;
        let stirred: Vec<RawFd> = set[2..visitors]
            .iter()
            .filter(|entry| entry.revents != 0)
            .map(|entry| entry.fd)
            .collect();
        if set[1].revents != 0 {
            self.end();
        }
        self.visitors.tend(&set[visitors..], &self.process.cgroup);
        for fd in stirred {
            if !self.watchers.forget(fd) && !self.process.gauge.ring(fd) {
                self.hear(fd);
            }
        }
        if set[0].revents != 0 {
            self.accept();
        }
        self.watch_memory();
        Ok(())
    }

    /// How long to wait for something to happen, in milliseconds.
    fn patience(&self) -> i32 {
        let lingers = self.ended.is_some() || self.visitors.is_timed();
        let linger = lingers.then_some(LOOK_MS);
        let gauge = self.process.gauge.due().filter(|_| self.ended.is_none());
        // Up to the full millisecond, lest it be asked in vain.
        let gauge = gauge.map(|due| i32::try_from(due.as_millis() + 1).unwrap_or(i32::MAX));
        linger.into_iter().chain(gauge).min().unwrap_or(-1)
    }

    /// Tells of memory beyond the quota, and ends what nobody else holds to its limit.
    fn watch_memory(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let Process {
            gauge,
            cgroup,
            proc,
            init,
            ..
        } = &mut self.process;
        let roots = self.visitors.pids().chain([*init]).collect();
        match gauge.look(cgroup, proc, roots) {
            Finding::Fine => {}
            Finding::Tell(notice) => self.watchers.tell(notice),
            Finding::TooMuch => self.starved = self.kill().is_ok(),
        }
    }

    /// Takes note of the end: on disk first, then towards those who wait.
    fn end(&mut self) {
        let init = process::reap(self.process.init, 0).ok().flatten();
        let mut status = [0; 4];
        let app = match file::read(self.process.exit.as_fd(), &mut status) {
            Ok(4) => Some(i32::from_le_bytes(status)),
            _ => init.map(|(_, status)| status),
        };
        let ended = self.judge(app.unwrap_or(libc::SIGKILL));
        self.process.cgroup.remove();
        // A full disk must not keep the end from those who wait for it.
        let _ = self.write_exit(ended);
        self.ended = Some((ended, Instant::now()));
        self.life = None;
        self.watchers.part();
    }

    fn judge(&mut self, status: i32) -> Ended {
        let ended = Ended::from_status(status);
        match (ended.is_by_kill(), self.starved, self.killed) {
            (false, _, _) | (true, false, true) => ended,
            (true, true, _) => Ended::OutOfMemory,
            (true, false, false) => {
                let Process { gauge, cgroup, .. } = &mut self.process;
                let shortage = gauge.shortage(cgroup, self.visitors.starved());
                shortage.map_or(ended, Shortage::ended)
            }
        }
    }

    fn write_exit(&self, ended: Ended) -> io::Result<()> {
        let at = self.process.directory.as_fd();
        let fresh = "exit.new";
        file::write_file(at, fresh, format!("{ended}\n").as_bytes())?;
        file::sync(file::open_at(at, fresh, libc::O_RDONLY)?.as_fd())?;
        file::rename_at(at, fresh, EXIT_FILE)?;
        file::sync(at)
    }

    /// Only the platform's own user may ask.
    fn accept(&mut self) {
        let Ok(client) = socket::accept(self.process.listener.as_fd()) else {
            return;
        };
        let known = socket::peer(client.as_fd()).is_ok_and(|peer| peer.uid == process::user());
        if known && self.clients.len() < MOST_CLIENTS {
            self.clients.push(client);
        }
    }

    /// Answers one request; a client that has left or talks nonsense is let go.
    fn hear(&mut self, fd: RawFd) {
        let Some(index) = self
            .clients
            .iter()
            .position(|client| client.as_raw_fd() == fd)
        else {
            return;
        };
        let client = self.clients.swap_remove(index);
        let mut request = [0; 256];
        let heard = socket::receive(client.as_fd(), &mut request, libc::MSG_DONTWAIT);
        let Ok((length @ 1.., given)) = heard else {
            return;
        };
        if request[0] == protocol::EXEC {
            return self.let_in(client, given);
        }
        let (words, fds) = self
            .answer(&request[..length])
            .unwrap_or_else(|error| (refusal(&error), Vec::new()));
        let fds: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        if socket::send(client.as_fd(), &words, &fds, libc::MSG_DONTWAIT).is_ok() {
            self.clients.push(client);
        }
    }

    /// From then on the connection is the command's own.
    fn let_in(&mut self, client: OwnedFd, given: Vec<OwnedFd>) {
        let done = match self.ended {
            Some(_) => Err(io::Error::other("the process has ended")),
            None => self.visitors.let_in(&self.process, &client, given),
        };
        if let Err(error) = done {
            let _ = socket::send(client.as_fd(), &refusal(&error), &[], libc::MSG_DONTWAIT);
        }
    }

    fn answer(&mut self, request: &[u8]) -> io::Result<Answer> {
        let (verb, fields) = protocol::open(request)?;
        let done = protocol::plain(protocol::DONE);
        match verb {
            protocol::STATUS => Ok((protocol::status(&self.status()), vec![self.life()?])),
            protocol::WATCH => Ok((done, vec![self.watch()?])),
            protocol::OUTPUT => Ok((done, vec![self.output()?])),
            protocol::NETNS => Ok((done, vec![self.network()?])),
            protocol::SIGNAL => {
                let number = protocol::only_number(fields)? as i32;
                self.signal(number).map(|()| (done, Vec::new()))
            }
            protocol::KILL => self.kill().map(|()| (done, Vec::new())),
            protocol::DISMISS if self.ended.is_some() => {
                self.dismissed = true;
                Ok((done, Vec::new()))
            }
            protocol::NOTE if self.ended.is_some() => {
                self.noted = true;
                Ok((done, Vec::new()))
            }
            protocol::DISMISS | protocol::NOTE => {
                Err(io::Error::other("the process has not ended"))
            }
            _ => Err(io::Error::other("this shim does not know that request")),
        }
    }

    fn status(&self) -> Status {
        let boot = file::read_knob(self.process.proc.as_fd(), "sys/kernel/random/boot_id");
        Status {
            label: self.process.label.clone(),
            init_pid: self.process.init as u32,
            started_at_micros: self.started_at_micros,
            boot_id: boot.unwrap_or_default().trim().to_owned(),
            ended: self.ended.map(|(ended, _)| ended),
            unread: self.unread(),
            noted: self.noted,
        }
    }

    /// A pipe that ends when the process does; after the end, one that has ended.
    fn life(&mut self) -> io::Result<OwnedFd> {
        if self.ended.is_some() {
            return file::pipe().map(|(read, _)| read);
        }
        let held = match self.life.take() {
            Some(held) => held,
            None => file::pipe()?,
        };
        let read = held.0.try_clone();
        self.life = Some(held);
        read
    }

    /// A pipe of the client's own, for notices until the end.
    fn watch(&mut self) -> io::Result<OwnedFd> {
        match self.ended {
            Some(_) => file::pipe().map(|(read, _)| read),
            None => self.watchers.admit(),
        }
    }

    fn output(&self) -> io::Result<OwnedFd> {
        match &self.process.output {
            Some(read) => read.try_clone(),
            None => Err(io::Error::other(
                "the process prints elsewhere than into a pipe",
            )),
        }
    }

    fn network(&self) -> io::Result<OwnedFd> {
        // Not reaped, so that the number is still init's.
        match self.ended {
            Some(_) => Err(io::Error::other("the process has ended")),
            None => {
                let path = format!("{}/ns/net", self.process.init);
                file::open_at(self.process.proc.as_fd(), &path, libc::O_RDONLY)
            }
        }
    }

    fn signal(&mut self, signal: i32) -> io::Result<()> {
        match signal {
            libc::SIGKILL => self.kill(),
            libc::SIGSTOP | libc::SIGCHLD => Err(io::Error::other("this signal cannot be sent")),
            _ if self.ended.is_some() => Ok(()),
            _ => gone_is_fine(process::signal_fd(self.process.pidfd.as_fd(), signal)),
        }
    }

    fn kill(&mut self) -> io::Result<()> {
        if self.ended.is_some() {
            return Ok(());
        }
        self.killed = true;
        self.process.cgroup.kill();
        gone_is_fine(process::signal_fd(
            self.process.pidfd.as_fd(),
            libc::SIGKILL,
        ))
    }
}

fn refusal(error: &io::Error) -> Vec<u8> {
    protocol::refusal(&error.to_string(), error.raw_os_error())
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset)
}

fn gone_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        done => done,
    }
}
