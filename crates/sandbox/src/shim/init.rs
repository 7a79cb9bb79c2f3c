//! Pid 1 inside the walls: mounts the tree, starts the app, hands on signals, reaps.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use super::app::App;
use super::bounds;
use super::failure::{At, Outcome};
use super::tree::Tree;
use crate::cgroup;
use crate::sys::landlock::Ruleset;
use crate::sys::{file, process, socket};

/// Keeps init from being any user of the host, or any app.
const INIT_UID: u32 = 0x7ff0_0000;
/// Init may do one thing more than its app: signal it.
const MAY_KILL: u32 = 1 << 5;

/// What init needs; all of it was made before the fork.
pub(super) struct Init<'a> {
    pub(super) tree: Tree<'a>,
    pub(super) app: App<'a>,
    /// The v1 groups to join.
    pub(super) doors: &'a [OwnedFd],
    /// Readable once the user namespace is mapped; closed when the shim has died.
    pub(super) go: &'a OwnedFd,
    /// Where a failed step is reported; closed without a word once the command runs.
    pub(super) ready: OwnedFd,
    /// Where the app's wait status goes.
    pub(super) exit: OwnedFd,
}

impl Init<'_> {
    /// Lives as pid 1; never returns.
    pub(super) fn live(self) -> ! {
        process::block_signals();
        process::set_name(c"noon-init");
        match self.start() {
            Ok((app, exit)) => watch(app, &exit),
            Err(()) => process::leave(127),
        }
    }

    fn start(self) -> Result<(i32, OwnedFd), ()> {
        match self.prepare() {
            Ok(app) => Ok((app, self.exit)),
            Err(failure) => {
                failure.report(self.ready.as_fd());
                Err(())
            }
        }
    }

    fn prepare(&self) -> Outcome<i32> {
        process::control(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64).at("tying to the shim")?;
        if file::read(self.go.as_fd(), &mut [0]).at("waiting for the shim")? == 0 {
            process::leave(127);
        }
        // A v1 group of the CPU has no room for real time, and an app no claim to it.
        process::be_ordinary();
        cgroup::join(self.doors).at("joining the cgroups")?;
        process::unshare(libc::CLONE_NEWCGROUP).at("hiding the cgroups")?;
        // Once for both: init has what it can do by other means, as has the app for now.
        process::drop_bounding_set().at("dropping privileges")?;
        // The app makes its network while init mounts: both take about as long.
        let (mine, its) = socket::pair().at("making a socket")?;
        let pid = match process::fork().at("forking")? {
            0 => {
                drop(mine);
                self.app.become_it(&its, self.ready.as_fd())
            }
            pid => pid,
        };
        drop(its);
        self.tree.build()?;
        // The app has to wait for its network anyway.
        let bounds = bounds::of(&self.tree.envelope.spec, &self.app.stdio);
        let bounds = bounds.at("making bounds for Landlock")?;
        self.settle(&mine, pid, bounds.as_ref())?;
        Ok(pid)
    }

    /// Waits for the app's network, hides from it, and lets it go on.
    fn settle(&self, app: &OwnedFd, pid: i32, bounds: Option<&Ruleset>) -> Outcome<()> {
        let (told, _) = socket::receive(app.as_fd(), &mut [0], 0).at("waiting for the app")?;
        if told == 0 {
            // It has reported its own failure.
            process::leave(127);
        }
        if self.app.is_isolated() {
            let network = format!("/proc/{pid}/ns/net");
            let network = file::open_at(file::here(), &network, libc::O_RDONLY);
            let network = network.at("opening the network namespace")?;
            process::enter(network.as_fd(), libc::CLONE_NEWNET).at("entering the network")?;
        }
        self.shrink()?;
        let bounds: Vec<RawFd> = bounds.map(AsRawFd::as_raw_fd).into_iter().collect();
        let _ = socket::send(app.as_fd(), &[1], &bounds, 0);
        Ok(())
    }

    /// Gives up all that is not needed to signal and reap.
    fn shrink(&self) -> Outcome<()> {
        if !self.tree.envelope.nested {
            let uid = INIT_UID | (self.tree.envelope.spec.uid & 0xf_ffff);
            process::control(libc::PR_SET_KEEPCAPS, 1).at("keeping one capability")?;
            process::become_user(uid).at("becoming init's user")?;
        }
        process::keep_capabilities(MAY_KILL).at("dropping capabilities")?;
        process::control(libc::PR_SET_NO_NEW_PRIVS, 1).at("refusing privileges")?;
        process::control(libc::PR_SET_DUMPABLE, 0).at("hiding init")?;
        // A change of user loosens the tie.
        process::control(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64).at("tying to the shim")?;
        let mut set = [socket::readable(self.go.as_fd())];
        socket::poll(&mut set, 0).at("asking for the shim")?;
        if set[0].revents & libc::POLLHUP != 0 {
            process::leave(127);
        }
        Ok(())
    }
}

/// Hands on signals and reaps until the app has ended; then the kernel ends all the rest.
fn watch(app: i32, exit: &OwnedFd) -> ! {
    let exit = keep_only(exit);
    loop {
        match process::next_signal() {
            libc::SIGCHLD => {
                if let Some(status) = reap_all(app) {
                    let _ = exit.map(|exit| file::write_all(exit.as_fd(), &status.to_le_bytes()));
                    process::leave(0);
                }
            }
            signal => {
                process::signal_all(signal);
                // One that was stopped would never hear it.
                process::signal_all(libc::SIGCONT);
            }
        }
    }
}

/// Closes every descriptor but this one, which gets the number 3.
fn keep_only(exit: &OwnedFd) -> io::Result<OwnedFd> {
    let high = process::duplicate_above(exit.as_fd(), 512)?;
    process::close_range(0, high.as_raw_fd() as u32 - 1);
    process::close_range(high.as_raw_fd() + 1, u32::MAX);
    Ok(high)
}

/// Reaps all that has ended; the wait status of the app if it is among them.
fn reap_all(app: i32) -> Option<i32> {
    let mut found = None;
    while let Ok(Some((pid, status))) = process::reap(-1, libc::WNOHANG) {
        if pid == app {
            found = Some(status);
        }
    }
    found
}
