//! Processes, signals and privileges.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::{again, check, fresh};

/// What `clone3` takes; zero means "not asked for".
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The two sides of a fork.
pub(crate) enum Forked {
    /// This is the new process.
    Child,
    /// This is the old one; the new one's number and descriptor.
    Parent(i32, OwnedFd),
}

/// Forks into new namespaces and, where given, into a v2 cgroup. The caller has one thread only.
pub(crate) fn fork_into(namespaces: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Forked> {
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: namespaces as u64 | CLONE_PIDFD,
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: no memory is shared with the child (no CLONE_VM), and the process has one thread,
    // so that the child finds every lock free.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<CloneArgs>()) })?;
    match pid {
        0 => Ok(Forked::Child),
        // SAFETY: the kernel stored a fresh descriptor for us alone.
        _ => Ok(Forked::Parent(pid as i32, unsafe {
            OwnedFd::from_raw_fd(pidfd)
        })),
    }
}

/// Forks plainly; 0 in the child. The caller has one thread only.
pub(crate) fn fork() -> io::Result<i32> {
    // SAFETY: the process has one thread, so that the child finds every lock free; where it may
    // have more, the caller bounds how long it waits for the child.
    check(unsafe { libc::fork() }.into()).map(|pid| pid as i32)
}

/// Ends this process at once.
pub(crate) fn leave(code: i32) -> ! {
    // SAFETY: _exit takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// Enters new namespaces.
pub(crate) fn unshare(namespaces: i32) -> io::Result<()> {
    // SAFETY: unshare takes no pointers.
    check(unsafe { libc::unshare(namespaces) }.into()).map(drop)
}

/// Enters a namespace of the given kind.
pub(crate) fn enter(namespace: BorrowedFd<'_>, kind: i32) -> io::Result<()> {
    // SAFETY: setns takes no pointers.
    check(unsafe { libc::setns(namespace.as_raw_fd(), kind) }.into()).map(drop)
}

/// One `prctl` with numbers only.
pub(crate) fn control(option: i32, value: u64) -> io::Result<()> {
    // SAFETY: the options used in this crate take numbers, no pointers.
    check(unsafe { libc::prctl(option, value, 0, 0, 0) }.into()).map(drop)
}

/// Opens a process by its number.
pub(crate) fn open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes numbers.
    fresh(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// Sends a signal through a descriptor of a process.
pub(crate) fn signal_fd(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: siginfo may be null.
    let done = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            none,
            0,
        )
    };
    check(done).map(drop)
}

/// Sends a signal to a child of this process, which it has not reaped.
pub(crate) fn signal(child: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes numbers.
    check(unsafe { libc::kill(child, signal) }.into()).map(drop)
}

/// Sends a signal to the process group that a child of this process leads.
pub(crate) fn signal_group(child: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes numbers.
    check(unsafe { libc::kill(-child, signal) }.into()).map(drop)
}

/// Sends a signal to every process that this one can see, but itself.
pub(crate) fn signal_all(signal: i32) {
    // SAFETY: kill takes numbers. Only pid 1 of a namespace calls this.
    unsafe { libc::kill(-1, signal) };
}

/// Reaps one child if one has ended: its number and wait status.
pub(crate) fn reap(pid: i32, flags: i32) -> io::Result<Option<(i32, i32)>> {
    let mut status = 0;
    let pid = again(|| {
        // SAFETY: status is live.
        check(unsafe { libc::waitpid(pid, &raw mut status, flags | libc::__WALL) }.into())
    })?;
    Ok((pid > 0).then_some((pid as i32, status)))
}

/// Blocks every signal that can be blocked.
pub(crate) fn block_signals() {
    // SAFETY: the set is live and filled before it is used.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
}

/// Waits for any blocked signal.
pub(crate) fn next_signal() -> i32 {
    let mut signal = 0;
    // SAFETY: the set and the number are live.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigwait(&raw const all, &raw mut signal);
    }
    signal
}

/// Gives every signal its default meaning and unblocks all, as a fresh program expects.
pub(crate) fn reset_signals() {
    // SAFETY: SIG_DFL is valid for every number, and the empty set is live.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Ignores a signal.
pub(crate) fn ignore_signal(signal: i32) {
    // SAFETY: SIG_IGN is valid for every signal.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Starts a session of its own.
pub(crate) fn new_session() -> io::Result<()> {
    // SAFETY: setsid takes nothing.
    check(unsafe { libc::setsid() }.into()).map(drop)
}

/// Makes the terminal behind a descriptor the controlling one.
pub(crate) fn own_terminal(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: TIOCSCTTY takes a number.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSCTTY, 0) }.into()).map(drop)
}

/// Copies a descriptor onto a fixed number that survives an exec.
pub(crate) fn duplicate_onto(fd: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    // SAFETY: dup2 takes numbers; 0 to 2 are owned by nobody in this program.
    check(unsafe { libc::dup2(fd.as_raw_fd(), number) }.into()).map(drop)
}

/// Moves a descriptor to a number of at least `least`, close-on-exec.
pub(crate) fn duplicate_above(fd: BorrowedFd<'_>, least: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes a number.
    fresh(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least) }.into())
}

/// Closes all descriptors from `first` to `last`.
pub(crate) fn close_range(first: RawFd, last: u32) {
    // SAFETY: callers own what they close, or are about to exec or loop without it.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}

/// Closes all descriptors from 3 on but these.
pub(crate) fn close_all_but(kept: &[RawFd]) {
    let mut kept = kept.to_vec();
    kept.sort_unstable();
    let mut next = 3;
    for fd in kept.into_iter().filter(|fd| *fd >= 3) {
        if fd > next {
            close_range(next, fd as u32 - 1);
        }
        next = fd + 1;
    }
    close_range(next, u32::MAX);
}

/// How this libc numbers resources.
#[cfg(target_env = "musl")]
pub(crate) type Resource = libc::c_int;
/// How this libc numbers resources.
#[cfg(not(target_env = "musl"))]
pub(crate) type Resource = libc::__rlimit_resource_t;

/// Sets both bounds of a resource limit, or leaves what is narrower.
pub(crate) fn limit(resource: Resource, wanted: u64) -> io::Result<()> {
    // SAFETY: rlimit is plain numbers, for which zero is valid.
    let mut now: libc::rlimit = unsafe { std::mem::zeroed() };
    // SAFETY: now is live; the resource is one of libc's.
    check(unsafe { libc::getrlimit(resource, &raw mut now) }.into())?;
    let bound = wanted.min(now.rlim_max);
    let to = libc::rlimit {
        rlim_cur: bound,
        rlim_max: bound,
    };
    // SAFETY: to is live.
    check(unsafe { libc::setrlimit(resource, &raw const to) }.into()).map(drop)
}

/// Gives way to others by so many steps more; it cannot be taken back without privilege.
pub(crate) fn be_nice(steps: i32) {
    if steps > 0 {
        // SAFETY: nice takes a number.
        unsafe { libc::nice(steps) };
    }
}

/// Leaves a real-time class, if this process was started in one.
pub(crate) fn be_ordinary() {
    // SAFETY: sched_getscheduler takes a number, 0 being this process; sched_param is plain
    // numbers, for which zero is valid, and is live.
    unsafe {
        let none: libc::sched_param = std::mem::zeroed();
        let class = libc::sched_getscheduler(0);
        if matches!(
            class,
            libc::SCHED_FIFO | libc::SCHED_RR | libc::SCHED_DEADLINE
        ) {
            libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const none);
        }
    }
}

/// Becomes a user and the group of the same number, with no other groups.
pub(crate) fn become_user(uid: u32) -> io::Result<()> {
    // SAFETY: a list of length 0 is not read.
    let groups = check(unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>()) });
    match groups {
        // They are frozen in a user's namespace; who may not set them may not set the next either.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {}
        done => drop(done?),
    }
    // SAFETY: both take numbers.
    check(unsafe { libc::syscall(libc::SYS_setresgid, uid, uid, uid) })?;
    // SAFETY: as above.
    check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }).map(drop)
}

/// Keeps only the capabilities of `mask` (bits below 32), and makes none inheritable.
pub(crate) fn keep_capabilities(mask: u32) -> io::Result<()> {
    let head: [u32; 2] = [0x2008_0522, 0];
    let sets: [u32; 6] = [mask, mask, 0, 0, 0, 0];
    // SAFETY: version 3 takes a header of two words and six words of sets.
    check(unsafe { libc::syscall(libc::SYS_capset, head.as_ptr(), sets.as_ptr()) }).map(drop)
}

/// Makes capabilities impossible to regain by any exec.
pub(crate) fn drop_bounding_set() -> io::Result<()> {
    for capability in 0u64.. {
        // To ask costs a fifth of dropping what was dropped before.
        // SAFETY: PR_CAPBSET_READ takes a number.
        match check(unsafe { libc::prctl(libc::PR_CAPBSET_READ, capability, 0, 0, 0) }.into()) {
            // What the kernel does not know ends the list.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            Ok(0) => {}
            held => held.and_then(|_| control(libc::PR_CAPBSET_DROP, capability))?,
        }
    }
    Ok(())
}

/// Now, in microseconds since 1970.
pub(crate) fn now_micros() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
        })
}

/// Makes a directory the current one.
pub(crate) fn change_directory(to: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: fchdir takes a number.
    check(unsafe { libc::fchdir(to.as_raw_fd()) }.into()).map(drop)
}

/// Makes the directory at a path the current one.
pub(crate) fn change_path(path: &str) -> io::Result<()> {
    let path = super::cstring(path)?;
    // SAFETY: the path is a live C string.
    check(unsafe { libc::chdir(path.as_ptr()) }.into()).map(drop)
}

/// Sets the host name of this namespace.
pub(crate) fn set_hostname(name: &str) -> io::Result<()> {
    // SAFETY: pointer and length are those of a live string.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }.into()).map(drop)
}

/// Sets flags on all descriptors from `first` on.
pub(crate) fn mark_range(first: RawFd, flags: u32) -> io::Result<()> {
    // SAFETY: close_range takes numbers.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) }).map(drop)
}

/// The effective user of this process.
pub(crate) fn user() -> u32 {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// The effective group of this process.
pub(crate) fn group() -> u32 {
    // SAFETY: getegid takes nothing and cannot fail.
    unsafe { libc::getegid() }
}

/// Names this process for those who list processes.
pub(crate) fn set_name(name: &std::ffi::CStr) {
    // SAFETY: the name is a C string; the kernel copies its first 15 bytes.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// Sets which mode bits new files do not get.
pub(crate) fn set_umask(mask: u32) {
    // SAFETY: umask takes a number and cannot fail.
    unsafe { libc::umask(mask) };
}
