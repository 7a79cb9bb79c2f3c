//! One launch, from the launcher's request to the running command.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::app::App;
use super::failure::{At, Failure, Outcome};
use super::init::Init;
use super::keeper::{Keeper, Process};
use super::sources::{Sources, Taker};
use super::tree::Tree;
use crate::cgroup::{Cgroup, Homes};
use crate::envelope::{Envelope, Wiring};
use crate::protocol;
use crate::seccomp::Filter;
use crate::sys::file::{self, here};
use crate::sys::mount;
use crate::sys::process::{self, Forked};
use crate::sys::socket;

/// How much an app may print before somebody must read; best effort.
const PIPE_BYTES: i32 = 1 << 20;

/// What the launcher sends along with its words.
struct Given {
    directory: OwnedFd,
    namespace: OwnedFd,
    root: OwnedFd,
    lent: Option<OwnedFd>,
    stdio: Vec<OwnedFd>,
}

impl Given {
    fn new(fds: Vec<OwnedFd>, has_lent: bool) -> io::Result<Self> {
        let mut fds = fds.into_iter();
        match (fds.next(), fds.next(), fds.next()) {
            (Some(directory), Some(namespace), Some(root)) => {
                let lent = if has_lent { fds.next() } else { None };
                let stdio = fds.collect();
                Ok(Self {
                    directory,
                    namespace,
                    root,
                    lent,
                    stdio,
                })
            }
            _ => Err(crate::codec::cut()),
        }
    }
}

/// Launches and keeps one process; returns when it may be forgotten.
pub(super) fn launch(connection: OwnedFd, fds: Vec<OwnedFd>, total: usize) -> io::Result<()> {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGPIPE, libc::SIGTERM] {
        process::ignore_signal(signal);
    }
    let mut envelope = Envelope::decode(&receive(&connection, total)?)?;
    let given = Given::new(fds, envelope.lent.is_some())?;
    match start(&mut envelope, given) {
        Ok(keeper) => keeper.keep(connection),
        Err(failure) => super::refuse(&connection, &failure),
    }
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

/// What is made before the fork, while the host is still in sight.
struct Ground {
    proc: OwnedFd,
    sources: Sources,
    lends: Option<(u32, OwnedFd)>,
    cgroup: Cgroup,
    resolv_conf: Vec<u8>,
    console: Option<OwnedFd>,
    output: Option<(OwnedFd, OwnedFd)>,
    nothing: OwnedFd,
    filter: Filter,
}

fn start(envelope: &mut Envelope, given: Given) -> Outcome<Keeper> {
    let directory = given.directory.as_fd();
    let started = prepare(envelope, &given).and_then(|ground| {
        let cgroup = &ground.cgroup;
        let forked = fork(envelope, &given, &ground).inspect_err(|_| cgroup.remove())?;
        Ok((forked, ground))
    });
    let (inside, ground) = started.inspect_err(|_| {
        let _ = file::unlink_at(directory, protocol::SOCKET, 0);
    })?;
    Ok(Keeper::new(Process {
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

fn prepare(envelope: &Envelope, given: &Given) -> Outcome<Ground> {
    let spec = &envelope.spec;
    let proc = file::open_dir("/proc".as_ref()).at("opening /proc")?;
    let lent = given.lent.as_ref().and_then(|lent| lent.try_clone().ok());
    let mut sources = Taker::new(envelope, &proc, lent).take()?;
    let lends = sources.lends.take();
    for shown in &sources.binds {
        let target = &shown.target;
        make_target(given, target, shown.is_directory).at_place("making", target)?;
    }
    let output = match envelope.wiring {
        Wiring::Piped => Some(file::pipe().at("making a pipe")?),
        _ => None,
    };
    if let Some((read, _)) = &output {
        file::widen_pipe(read.as_fd(), PIPE_BYTES);
    }
    let console = console(envelope, given).at("taking the terminal")?;
    let nothing = file::open_at(here(), "/dev/null", libc::O_RDWR).at("opening /dev/null")?;
    let homes = Homes::find(envelope.nested);
    let cgroup = Cgroup::make(&homes, &envelope.directory, &spec.limits);
    let resolv_conf = resolv_conf(envelope);
    let filter = Filter::compile();
    Ok(Ground {
        proc,
        sources,
        lends,
        cgroup,
        resolv_conf,
        console,
        output,
        nothing,
        filter,
    })
}

/// Mount points outside `/app` lie in the stack's root directory, which all its copies share.
fn make_target(given: &Given, target: &str, is_directory: bool) -> io::Result<()> {
    if target.starts_with("/app/") {
        return Ok(());
    }
    let target = target.trim_start_matches('/');
    let ends = target.match_indices('/').map(|(at, _)| at);
    for end in ends {
        file::mkdir_at(given.root.as_fd(), &target[..end], 0o755)?;
    }
    match is_directory {
        true => file::mkdir_at(given.root.as_fd(), target, 0o755),
        false => {
            let flags = libc::O_WRONLY | libc::O_CREAT;
            file::open_at(given.root.as_fd(), target, flags).map(drop)
        }
    }
}

/// The terminal as `/dev/console`, so that programs inside find its name.
fn console(envelope: &Envelope, given: &Given) -> io::Result<Option<OwnedFd>> {
    match (envelope.wiring, given.stdio.first()) {
        (Wiring::Terminal, Some(inner)) => {
            if !envelope.nested {
                file::chown_at(inner.as_fd(), "", envelope.spec.uid)?;
            }
            let path = format!("/proc/self/fd/{}", inner.as_raw_fd());
            mount::clone_tree(here(), &path, false).map(Some)
        }
        _ => Ok(None),
    }
}

fn resolv_conf(envelope: &Envelope) -> Vec<u8> {
    let servers = &envelope.spec.system.nameservers;
    match servers.is_empty() {
        true => std::fs::read("/etc/resolv.conf").unwrap_or_default(),
        false => {
            let lines = servers
                .iter()
                .map(|server| format!("nameserver {server}\n"));
            lines.collect::<String>().into_bytes()
        }
    }
}

/// What the shim keeps of the processes inside.
struct Inside {
    pid: i32,
    pidfd: OwnedFd,
    exit: OwnedFd,
    tie: OwnedFd,
    listener: OwnedFd,
}

fn fork(envelope: &Envelope, given: &Given, ground: &Ground) -> Outcome<Inside> {
    let doors = ground.cgroup.doors();
    let (go, tie) = file::pipe().at("making a pipe")?;
    let (ready, tell_ready) = file::pipe().at("making a pipe")?;
    let (exit, tell_exit) = file::pipe().at("making a pipe")?;
    process::enter(given.namespace.as_fd(), libc::CLONE_NEWNS).at("entering the stack's tree")?;
    let mut kinds =
        libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    if envelope.nested {
        kinds |= libc::CLONE_NEWUSER;
    }
    let forked = process::fork_into(kinds, ground.cgroup.birthplace());
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
    App {
        envelope,
        stdio,
        filter: &ground.filter,
        bound_tasks,
    }
}

fn tree<'a>(envelope: &'a Envelope, ground: &'a Ground) -> Tree<'a> {
    let (sources, console) = (&ground.sources, ground.console.as_ref());
    Tree {
        envelope,
        sources,
        resolv_conf: &ground.resolv_conf,
        console,
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

fn wait_until_ready(ready: &OwnedFd) -> Outcome<()> {
    let report = file::read_to_end(ready.as_fd(), 1 << 16).at("waiting for the command")?;
    match Failure::read(&report) {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}
