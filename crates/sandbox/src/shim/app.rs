//! The way from a fork to the app's first instruction.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::raw::c_char;

use super::failure::{At, Failure, Outcome};
use crate::envelope::{Envelope, Wiring};
use crate::seccomp::Filter;
use crate::sys::{self, file, landlock, network, process, socket};
use crate::{Limits, Net};

/// Where programs are looked for when the environment has no PATH.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// No capability through uid 0 or its change, and all of it locked.
const SECURE_BITS: u64 = 0b1110_1111;
const CLOSE_ON_EXEC: u32 = 4;
/// Too few bytes for any core, and by that number none for a program that the host's
/// `core_pattern` names either: it would get the whole memory of the app, whatever the limit.
const NO_CORE: u64 = 1;

/// The app as it will be; everything was made before the fork.
pub(super) struct App<'a> {
    pub(super) envelope: &'a Envelope,
    /// What becomes standard input, output and error.
    pub(super) stdio: [BorrowedFd<'a>; 3],
    pub(super) filter: &'a Filter,
    /// Whether the number of tasks must be bounded here, since no cgroup does it.
    pub(super) bound_tasks: bool,
    /// How nice it must be, since no cgroup shares out the CPU.
    pub(super) niceness: i32,
}

impl App<'_> {
    pub(super) fn is_isolated(&self) -> bool {
        self.envelope.spec.network == Net::Isolated
    }

    /// Becomes the app; on a failed step says so and leaves.
    pub(super) fn become_it(&self, init: &OwnedFd, ready: BorrowedFd<'_>) -> ! {
        if let Err(failure) = self.try_become(init) {
            failure.report(ready);
        }
        process::leave(127)
    }

    fn try_become(&self, init: &OwnedFd) -> Outcome<()> {
        let spec = &self.envelope.spec;
        if self.is_isolated() {
            process::unshare(libc::CLONE_NEWNET).at("making a network namespace")?;
            network::raise_loopback().at("raising the loopback interface")?;
        }
        process::set_hostname(&spec.hostname).at_place("setting the host name", &spec.hostname)?;
        socket::send(init.as_fd(), &[1], &[], 0).at("telling init")?;
        let program = self.lock_down()?;
        // Init mounts until now; it is also out of reach from here on.
        let (told, rules) = socket::receive(init.as_fd(), &mut [0], 0).at("waiting for init")?;
        if told == 0 {
            process::leave(127);
        }
        if let Some(rules) = rules.first() {
            landlock::enforce(rules.as_fd()).at("setting bounds by Landlock")?;
        }
        self.begin(&program)
    }

    /// Gives up for good all that an app does not have, but its user and capabilities.
    pub(super) fn lock_down(&self) -> Outcome<Program> {
        self.limits(&self.envelope.spec.limits)
            .at("setting limits")?;
        process::be_nice(self.niceness);
        self.wire().at("connecting standard input and output")?;
        let program = Program::new(self.envelope).at("reading the command")?;
        process::drop_bounding_set().at("dropping privileges")?;
        process::control(libc::PR_SET_SECUREBITS, SECURE_BITS).at("locking privileges")?;
        process::control(libc::PR_SET_NO_NEW_PRIVS, 1).at("refusing privileges")?;
        self.filter.load().at("loading the system call filter")?;
        Ok(program)
    }

    /// Becomes the app's user, and the program.
    pub(super) fn begin(&self, program: &Program) -> Outcome<()> {
        let spec = &self.envelope.spec;
        process::become_user(spec.uid).at("becoming the app's user")?;
        // A change of user may open it to that user; it still has more than the app, until now.
        process::control(libc::PR_SET_DUMPABLE, 0).at("hiding")?;
        process::keep_capabilities(0).at("dropping capabilities")?;
        process::change_path(&spec.cwd).at_place("starting in", &spec.cwd)?;
        process::reset_signals();
        program.exec()
    }

    /// A bound that this process may not raise stays as it is.
    fn limits(&self, limits: &Limits) -> io::Result<()> {
        process::limit(libc::RLIMIT_CORE, NO_CORE)?;
        if let Some(files) = limits.nofile {
            process::limit(libc::RLIMIT_NOFILE, files)?;
        }
        if let Some(tasks) = limits.tasks.filter(|_| self.bound_tasks) {
            process::limit(libc::RLIMIT_NPROC, u64::from(tasks) + 1)?;
        }
        Ok(())
    }

    /// A pipe can be opened again as `/dev/stdout` only by its owner.
    fn give(&self, fd: BorrowedFd<'_>) {
        let is_pipe = |found: libc::stat| found.st_mode & libc::S_IFMT == libc::S_IFIFO;
        if !self.envelope.nested && file::stat(fd).is_ok_and(is_pipe) {
            let _ = file::chown_at(fd, "", self.envelope.spec.uid);
        }
    }

    fn wire(&self) -> io::Result<()> {
        process::new_session()?;
        for (number, fd) in (0..).zip(self.stdio) {
            self.give(fd);
            process::duplicate_onto(fd, number)?;
        }
        if self.envelope.wiring == Wiring::Terminal {
            process::own_terminal(self.stdio[0])?;
        }
        process::mark_range(3, CLOSE_ON_EXEC)
    }
}

/// A program with its arguments and environment, as the kernel takes them.
pub(super) struct Program {
    paths: Vec<CString>,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl Program {
    fn new(envelope: &Envelope) -> io::Result<Self> {
        let spec = &envelope.spec;
        let join = |(key, value): &(String, String)| sys::cstring(format!("{key}={value}"));
        let all = |list: &[String]| list.iter().map(sys::cstring).collect::<io::Result<_>>();
        let environment = spec.env.iter().map(join).collect::<io::Result<_>>()?;
        let path = spec
            .env
            .iter()
            .find(|(key, _)| key == "PATH")
            .map(|(_, path)| path.as_str());
        let paths = candidates(&spec.argv[0], path.unwrap_or(DEFAULT_PATH));
        Ok(Self {
            paths: all(&paths)?,
            arguments: all(&spec.argv)?,
            environment,
        })
    }

    /// Returns only when no candidate could be run.
    fn exec(&self) -> Outcome<()> {
        let (arguments, environment) = (pointers(&self.arguments), pointers(&self.environment));
        let mut worst = io::Error::from_raw_os_error(libc::ENOENT);
        for path in &self.paths {
            // SAFETY: all three are live; the lists end with a null pointer.
            unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
            let error = io::Error::last_os_error();
            if !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) {
                worst = error;
            }
        }
        let name = self
            .arguments
            .first()
            .map(|name| name.to_string_lossy().into_owned());
        Err(Failure {
            step: format!("running {:?}", name.unwrap_or_default()),
            source: worst,
        })
    }
}

fn pointers(list: &[CString]) -> Vec<*const c_char> {
    list.iter()
        .map(|text| text.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

/// Where a program may be: its own path, or its name in each directory of PATH.
fn candidates(program: &str, path: &str) -> Vec<String> {
    match program.contains('/') {
        true => vec![program.to_owned()],
        false => {
            let directories = path.split(':').filter(|directory| !directory.is_empty());
            directories
                .map(|directory| format!("{directory}/{program}"))
                .collect()
        }
    }
}
