//! One launch, from the launcher's request to the running command.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::app::App;
use super::entrance::Terms;
use super::failure::{At, Failure, Outcome};
use super::gauge::Gauge;
use super::ground::{Given, Ground, prepare};
use super::init::Init;
use super::keeper::{Keeper, Process};
use super::tree::Tree;
use crate::cgroup;
use crate::envelope::Envelope;
use crate::protocol;
use crate::sys::file;
use crate::sys::process::{self, Forked};
use crate::sys::socket;

/// Launches and keeps one process; returns when it may be forgotten.
pub(super) fn launch(connection: OwnedFd, fds: Vec<OwnedFd>, total: usize) -> io::Result<()> {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGPIPE, libc::SIGTERM] {
        process::ignore_signal(signal);
    }
    let mut bytes = receive(&connection, total)?;
    let mut envelope = Envelope::decode(&bytes)?;
    forget(&mut bytes);
    let given = Given::new(fds, envelope.lent.is_some())?;
    let started = start(&mut envelope, given);
    let values = envelope.spec.env.into_iter().map(|(_, value)| value);
    values.for_each(|value| forget(&mut value.into_bytes()));
    match started {
        Ok(keeper) => {
            // From here on nothing of this process need be open to its own user.
            process::control(libc::PR_SET_DUMPABLE, 0)?;
            keeper.keep(connection)
        }
        Err(failure) => super::refuse(&connection, &failure),
    }
}

/// Leaves no secret in memory that is not needed any more.
fn forget(bytes: &mut [u8]) {
    bytes.fill(0);
    std::hint::black_box(bytes);
}

fn receive(connection: &OwnedFd, total: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; total];
    let mut filled = 0;
    while filled < total {
        let (count, _) = socket::receive(connection.as_fd(), &mut bytes[filled..], 0)?;
        if count == 0 {
            return Err(crate::codec::cut());
        }
        filled += count;
    }
    Ok(bytes)
}

fn start(envelope: &mut Envelope, given: Given) -> Outcome<Keeper> {
    let directory = given.directory.as_fd();
    let started = prepare(envelope, &given).and_then(|mut ground| {
        let forked = fork(envelope, &given, &mut ground);
        let forked = forked.inspect_err(|_| ground.cgroup.remove())?;
        Ok((forked, ground))
    });
    let (inside, ground) = started.inspect_err(|_| {
        let _ = file::unlink_at(directory, protocol::SOCKET, 0);
    })?;
    let terms = Terms {
        uid: envelope.spec.uid,
        limits: envelope.spec.limits,
        network: envelope.spec.network,
        nested: envelope.nested,
        bound_tasks: !ground.cgroup.limits_tasks(),
        niceness: niceness(envelope, ground.cgroup.limits_cpu()),
        in_group: ground.cgroup.birthplace().is_some(),
    };
    Ok(Keeper::new(Process {
        terms,
        gauge: Gauge::new(&envelope.spec.limits, &ground.cgroup),
        label: std::mem::take(&mut envelope.spec.label),
        init: inside.pid,
        pidfd: inside.pidfd,
        exit: inside.exit,
        tie: inside.tie,
        directory: given.directory,
        proc: ground.proc,
        listener: inside.listener,
        lends: ground.lends,
        cgroup: ground.cgroup,
        output: ground.output.map(|(read, _)| read),
    }))
}

/// What the shim keeps of the processes inside.
struct Inside {
    pid: i32,
    pidfd: OwnedFd,
    exit: OwnedFd,
    tie: OwnedFd,
    listener: OwnedFd,
}

fn fork(envelope: &Envelope, given: &Given, ground: &mut Ground) -> Outcome<Inside> {
    let doors = ground.cgroup.doors().at("opening the cgroups")?;
    let (go, tie) = file::pipe().at("making a pipe")?;
    let (ready, tell_ready) = file::pipe().at("making a pipe")?;
    let (exit, tell_exit) = file::pipe().at("making a pipe")?;
    process::enter(given.namespace.as_fd(), libc::CLONE_NEWNS).at("entering the stack's tree")?;
    let mut kinds =
        libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    if envelope.nested {
        kinds |= libc::CLONE_NEWUSER;
    }
    let forked = match process::fork_into(kinds, ground.cgroup.birthplace()) {
        // A group may be made by whoever may not enter it: bounds are then kept without it.
        Err(error) if cgroup::is_not_permitted(&error) && ground.cgroup.birthplace().is_some() => {
            ground.cgroup.give_up_v2();
            process::fork_into(kinds, None)
        }
        forked => forked,
    };
    let (pid, pidfd) = match forked.at("making the namespaces")? {
        Forked::Parent(pid, pidfd) => (pid, pidfd),
        Forked::Child => {
            drop((ready, tie, exit));
            let app = app(envelope, given, ground);
            let tree = tree(envelope, ground);
            Init {
                tree,
                app,
                doors: &doors,
                go: &go,
                ready: tell_ready,
                exit: tell_exit,
            }
            .live()
        }
    };
    drop((go, tell_ready, tell_exit));
    map_user(envelope, ground, pid)
        .inspect(|()| level_score(&ground.proc, pid))
        .and_then(|()| file::write_all(tie.as_fd(), &[1]).at("starting init"))
        // While init is at work, since a new name on a disk takes its time.
        .and_then(|()| listen(given))
        .and_then(|listener| wait_until_ready(&ready).map(|()| listener))
        .map_err(|failure| end(failure, pid, &pidfd))
        .map(|listener| Inside {
            pid,
            pidfd,
            exit,
            tie,
            listener,
        })
}

fn listen(given: &Given) -> Outcome<OwnedFd> {
    process::change_directory(given.directory.as_fd()).at("entering the shim's directory")?;
    let listener = socket::listen(protocol::SOCKET).at("listening in the shim's directory")?;
    process::change_path("/").at("leaving the shim's directory")?;
    Ok(listener)
}

/// Nothing inside outlives a start that failed.
fn end(failure: Failure, pid: i32, pidfd: &OwnedFd) -> Failure {
    let _ = process::signal_fd(pidfd.as_fd(), libc::SIGKILL);
    let _ = process::reap(pid, 0);
    failure
}

fn app<'a>(envelope: &'a Envelope, given: &'a Given, ground: &'a Ground) -> App<'a> {
    let nothing = ground.nothing.as_fd();
    let stdio: [BorrowedFd<'a>; 3] = match (&given.stdio[..], &ground.output) {
        ([input, output, error, ..], _) => [input.as_fd(), output.as_fd(), error.as_fd()],
        ([inner], _) => [inner.as_fd(); 3],
        (_, Some((_, write))) => [nothing, write.as_fd(), write.as_fd()],
        _ => [nothing; 3],
    };
    let bound_tasks = !ground.cgroup.limits_tasks();
    let niceness = niceness(envelope, ground.cgroup.limits_cpu());
    App {
        envelope,
        stdio,
        filter: &ground.filter,
        bound_tasks,
        niceness,
    }
}

fn niceness(envelope: &Envelope, is_shared_out: bool) -> i32 {
    match envelope.spec.limits.cpu {
        Some(cpu) if !is_shared_out => cgroup::niceness(cpu.weight),
        _ => 0,
    }
}

fn tree<'a>(envelope: &'a Envelope, ground: &'a Ground) -> Tree<'a> {
    let (sources, console) = (&ground.sources, ground.console.as_ref());
    Tree {
        envelope,
        sources,
        resolv_conf: &ground.resolv_conf,
        console,
        limits: &ground.limits,
    }
}

/// Maps the app's one user in its namespace, where it has one.
fn map_user(envelope: &Envelope, ground: &Ground, pid: i32) -> Outcome<()> {
    if envelope.nested {
        let map = format!("{} 0 1\n", envelope.spec.uid);
        let knob = |name: &str, text: &str| {
            file::write_knob(ground.proc.as_fd(), &format!("{pid}/{name}"), text)
        };
        knob("setgroups", "deny").at("freezing groups")?;
        knob("uid_map", &map).at("mapping the user")?;
        knob("gid_map", &map).at("mapping the group")?;
    }
    Ok(())
}

/// The platform may be dearer to the kernel than others; its apps are not, as far as it may say so.
pub(super) fn level_score(proc: &OwnedFd, pid: i32) {
    let own = file::read_knob(proc.as_fd(), "self/oom_score_adj").unwrap_or_default();
    if own.trim() != "0" {
        let _ = file::write_knob(proc.as_fd(), &format!("{pid}/oom_score_adj"), "0");
    }
}

fn wait_until_ready(ready: &OwnedFd) -> Outcome<()> {
    let report = file::read_to_end(ready.as_fd(), 1 << 16).at("waiting for the command")?;
    match Failure::read(&report) {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}
