//! The way of a command into a running sandbox, from the fork to its first instruction.
//!
//! The fork happens straight into the sandbox's pid namespace and cgroup, so that whatever becomes
//! of the command ends with init. From then on the app could see it, and could do nothing to it:
//! it is not dumpable, and until it has given up its last capability it has one more than the app.
//! It holds nothing of the host but what the command is given (CVE-2016-9962).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::app::App;
use super::failure::{At, Outcome};
use crate::cgroup;
use crate::envelope::{Envelope, Wiring, empty};
use crate::seccomp::Filter;
use crate::sys::{file, process};
use crate::{Limits, Net, Spec};

/// Words longer than these are no command but an accident.
const LONGEST: usize = 16 << 20;

/// What holds for everything inside one sandbox.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) uid: u32,
    pub(super) limits: Limits,
    pub(super) network: Net,
    pub(super) nested: bool,
    /// Whether the number of tasks must be bounded by an rlimit, since no cgroup does it.
    pub(super) bound_tasks: bool,
    /// How nice all must be, since no cgroup shares out the CPU.
    pub(super) niceness: i32,
    /// Whether init was born into the v2 group.
    pub(super) in_group: bool,
}

/// One who goes in; everything was made before the fork.
pub(super) struct Entrance<'a> {
    pub(super) terms: &'a Terms,
    /// Init, whose namespaces are entered.
    pub(super) init: BorrowedFd<'a>,
    /// The v1 groups to join.
    pub(super) doors: &'a [OwnedFd],
    /// The command, as an envelope in a file in memory.
    pub(super) words: &'a OwnedFd,
    /// One terminal, or standard input, output and error.
    pub(super) stdio: &'a [OwnedFd],
    /// Where a failed step is reported; closed without a word once the command runs.
    pub(super) ready: &'a OwnedFd,
}

impl Entrance<'_> {
    /// Becomes the command; on a failed step says so and leaves.
    pub(super) fn pass(&self) -> ! {
        if let Err(failure) = self.try_pass() {
            failure.report(self.ready.as_fd());
        }
        process::leave(127)
    }

    fn try_pass(&self) -> Outcome<()> {
        process::control(libc::PR_SET_DUMPABLE, 0).at("hiding")?;
        self.let_go();
        process::be_ordinary();
        cgroup::join(self.doors).at("joining the cgroups")?;
        let envelope = self.envelope()?;
        let filter = Filter::compile();
        let stdio = match self.stdio {
            [input, output, error, ..] => [input.as_fd(), output.as_fd(), error.as_fd()],
            [inner, ..] => [inner.as_fd(); 3],
            [] => return Err(crate::codec::cut()).at("taking the descriptors"),
        };
        if envelope.wiring == Wiring::Terminal && !self.terms.nested {
            file::chown_at(stdio[0], "", self.terms.uid).at("giving away the terminal")?;
        }
        process::enter(self.init, self.kinds()).at("entering the namespaces")?;
        let app = App {
            envelope: &envelope,
            stdio,
            filter: &filter,
            bound_tasks: self.terms.bound_tasks,
            niceness: self.terms.niceness,
        };
        let program = app.lock_down()?;
        app.begin(&program)
    }

    /// Closes all that the shim had open, but what is needed on the way.
    fn let_go(&self) {
        let mut kept = vec![
            self.init.as_raw_fd(),
            self.words.as_raw_fd(),
            self.ready.as_raw_fd(),
        ];
        kept.extend(self.doors.iter().chain(self.stdio).map(AsRawFd::as_raw_fd));
        process::close_all_but(&kept);
    }

    /// What the command asks for, within what holds inside.
    fn envelope(&self) -> Outcome<Envelope> {
        let bytes = file::read_to_end(self.words.as_fd(), LONGEST).at("reading the command")?;
        let mut envelope = Envelope::decode(&bytes).at("reading the command")?;
        envelope.nested = self.terms.nested;
        envelope.spec = Spec {
            argv: envelope.spec.argv,
            env: envelope.spec.env,
            cwd: envelope.spec.cwd,
            uid: self.terms.uid,
            limits: self.terms.limits,
            network: self.terms.network,
            ..empty()
        };
        match envelope.spec.argv.is_empty() {
            true => Err(crate::codec::cut()).at("reading the command"),
            false => Ok(envelope),
        }
    }

    /// All at once, so that there is no moment between two walls.
    fn kinds(&self) -> i32 {
        let mut kinds =
            libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWCGROUP;
        if self.terms.network == Net::Isolated {
            kinds |= libc::CLONE_NEWNET;
        }
        if self.terms.nested {
            kinds |= libc::CLONE_NEWUSER;
        }
        kinds
    }
}
