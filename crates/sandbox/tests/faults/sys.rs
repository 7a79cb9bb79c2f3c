//! The system calls of the tracer and of the test, made once and kept small.
#![expect(unsafe_code, reason = "tracing is made of system calls")]

use std::ffi::CStr;
use std::io;

/// What a traced process stopped for.
pub enum Stop {
    Gone,
    Call,
    Forked(i32),
    Executed,
    Paused,
    Signal(i32),
}

/// At which end of a system call it is.
pub enum Call {
    Begins(i64),
    Ended,
    Other,
}

const OPTIONS: i32 = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC;

fn trace(request: libc::c_uint, pid: i32, address: usize, data: usize) -> i64 {
    // SAFETY: the callers give live memory where the request takes an address.
    unsafe { libc::ptrace(request, pid, address, data) }
}

pub fn seize(pid: i32) {
    assert_eq!(trace(libc::PTRACE_SEIZE, pid, 0, OPTIONS as usize), 0);
}

/// A process that was killed meanwhile is heard of again as gone.
pub fn go_on(pid: i32, signal: i32) {
    trace(libc::PTRACE_SYSCALL, pid, 0, signal as usize);
}

pub fn let_go(pid: i32) {
    trace(libc::PTRACE_DETACH, pid, 0, 0);
}

pub fn kill(pid: i32) {
    // SAFETY: a number and a signal; the process is traced by us, so the number is still its own.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// Waits for the next stop of any; `None` when nobody is left.
pub fn next_stop() -> Option<(i32, Stop)> {
    let mut status = 0;
    // SAFETY: status is live.
    let pid = unsafe { libc::waitpid(-1, &mut status, libc::__WALL) };
    if pid < 0 {
        return None;
    }
    if !libc::WIFSTOPPED(status) {
        return Some((pid, Stop::Gone));
    }
    let signal = libc::WSTOPSIG(status);
    let stop = match status >> 16 {
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
            let mut child: libc::c_ulong = 0;
            trace(libc::PTRACE_GETEVENTMSG, pid, 0, &raw mut child as usize);
            Stop::Forked(child as i32)
        }
        libc::PTRACE_EVENT_EXEC => Stop::Executed,
        libc::PTRACE_EVENT_STOP => Stop::Paused,
        _ if signal == libc::SIGTRAP | 0x80 => Stop::Call,
        _ => Stop::Signal(signal),
    };
    Some((pid, stop))
}

pub fn call(pid: i32) -> Call {
    // SAFETY: all zeros is a value of it.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    let size = size_of_val(&info);
    trace(
        libc::PTRACE_GET_SYSCALL_INFO,
        pid,
        size,
        &raw mut info as usize,
    );
    match info.op {
        // SAFETY: the kernel says that this one of the variants is there.
        libc::PTRACE_SYSCALL_INFO_ENTRY => Call::Begins(unsafe { info.u.entry.nr } as i64),
        libc::PTRACE_SYSCALL_INFO_EXIT => Call::Ended,
        _ => Call::Other,
    }
}

const CALL_NUMBER: usize = 15 * 8;
const RESULT: usize = 10 * 8;

/// Has the call at which the process stands not be made.
pub fn take_away(pid: i32) {
    trace(libc::PTRACE_POKEUSER, pid, CALL_NUMBER, usize::MAX);
}

/// Has the call that was taken away return an error.
pub fn answer(pid: i32, errno: i32) {
    trace(
        libc::PTRACE_POKEUSER,
        pid,
        RESULT,
        (-i64::from(errno)) as usize,
    );
}

pub fn pipe() -> (i32, i32) {
    let mut both = [0; 2];
    // SAFETY: there is room for two.
    let made = unsafe { libc::pipe2(both.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0);
    (both[0], both[1])
}

pub fn own_pid() -> i32 {
    std::process::id() as i32
}

/// Forks a program that has one thread.
pub fn fork() -> i32 {
    // SAFETY: the caller has one thread.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    pid
}

pub fn close(fd: i32) {
    // SAFETY: the callers own the number.
    unsafe { libc::close(fd) };
}

/// Lets go of the standard descriptors: one is the launcher's connection.
pub fn close_below(end: i32) {
    (0..end).for_each(close);
}

pub fn read_byte(fd: i32) {
    // SAFETY: there is room for one.
    unsafe { libc::read(fd, [0u8].as_mut_ptr().cast(), 1) };
}

pub fn write_byte(fd: i32) {
    // SAFETY: there is one.
    unsafe { libc::write(fd, [0u8].as_ptr().cast(), 1) };
}

pub fn become_program(path: &CStr, name: &CStr) -> ! {
    let arguments = [name.as_ptr(), std::ptr::null()];
    let environment = [std::ptr::null()];
    // SAFETY: the strings are live and the lists end with null.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    leave()
}

pub fn leave() -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(0) }
}

/// A mount namespace of our own, and orphans that come to us.
pub fn live_apart(with_mounts: bool) -> io::Result<()> {
    // SAFETY: numbers only; the string ends with a zero.
    let done = unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) == 0
            && (!with_mounts
                || libc::unshare(libc::CLONE_NEWNS) == 0
                    && libc::mount(
                        std::ptr::null(),
                        c"/".as_ptr(),
                        std::ptr::null(),
                        libc::MS_REC | libc::MS_PRIVATE,
                        std::ptr::null(),
                    ) == 0)
    };
    match done {
        true => Ok(()),
        false => Err(io::Error::last_os_error()),
    }
}

/// Reaps what has ended; whether any child is left.
pub fn children_are_left() -> bool {
    loop {
        // SAFETY: the status is not asked for.
        match unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG | libc::__WALL) } {
            0 => return true,
            -1 => return false,
            _ => {}
        }
    }
}

/// Waits until a descriptor is readable or has ended; false when the time is up.
pub fn wait_readable(fd: i32, timeout_ms: i32) -> bool {
    let mut set = [libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    }];
    // SAFETY: set is live and has one entry.
    unsafe { libc::poll(set.as_mut_ptr(), 1, timeout_ms) > 0 }
}
