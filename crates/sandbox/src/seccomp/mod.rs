//! The filter of system calls: an allow-list, compiled into a search tree.
//!
//! A list of comparisons would cost the kernel hundreds of steps for each of its numbers when it is
//! loaded; a tree costs nine. The foreign architectures and x32 are shut first.

mod table;

use std::io;

use libc::sock_filter;

use crate::sys::check;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const IF_ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ABSENT: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// Where the kernel's `seccomp_data` holds the number and the architecture.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// Calls of the x32 kind have this bit.
const X32: u32 = 0x4000_0000;

/// Flags that make namespaces, as `clone` takes them.
const NEW_NAMESPACES: u32 = 0x7e02_0000;
/// Personalities that change nothing of weight: Linux, with or without an old `uname`, and "ask".
const PERSONALITIES: [u32; 5] = [0, 0x0008, 0x2_0000, 0x2_0008, u32::MAX];
const TERMINAL_INPUT: [u32; 2] = [0x5412, 0x541c];

/// What is to be done with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Return(u32),
    Clone,
    Socket,
    SocketPair,
    Ioctl,
    Personality,
}

/// A filter, ready to be loaded.
pub(crate) struct Filter(Vec<sock_filter>);

impl Filter {
    /// Compiles the filter of apps.
    pub(crate) fn compile() -> Self {
        let mut program = vec![
            load(ARCHITECTURE),
            step(IF_EQUAL, table::ARCHITECTURE, 1, 0),
            result(KILL),
            load(NUMBER),
        ];
        program.extend(tree(&ranges()));
        Self(program)
    }

    /// Puts this process and all it will start under the filter, for good.
    pub(crate) fn load(&self) -> io::Result<()> {
        let program = libc::sock_fprog {
            len: self.0.len() as u16,
            filter: self.0.as_ptr().cast_mut(),
        };
        // SAFETY: the program is live and its length true; the kernel copies it.
        check(unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                0,
                &raw const program,
            )
        })
        .map(drop)
    }
}

/// The verdict of every number: each entry holds from its number up to that of the next.
fn ranges() -> Vec<(u32, Verdict)> {
    let mut verdicts = vec![Verdict::Return(ABSENT); 512];
    let mut put = |calls: &[libc::c_long], verdict| {
        for call in calls {
            verdicts[*call as usize] = verdict;
        }
    };
    put(table::ALLOWED, Verdict::Return(ALLOW));
    put(table::ALLOWED_OLD, Verdict::Return(ALLOW));
    put(table::REFUSED, Verdict::Return(REFUSE));
    put(&[libc::SYS_clone], Verdict::Clone);
    put(&[libc::SYS_socket], Verdict::Socket);
    put(&[libc::SYS_socketpair], Verdict::SocketPair);
    put(&[libc::SYS_ioctl], Verdict::Ioctl);
    put(&[libc::SYS_personality], Verdict::Personality);
    verdicts.push(Verdict::Return(ABSENT));
    let mut ranges: Vec<(u32, Verdict)> = (0..).zip(verdicts).collect();
    ranges.dedup_by_key(|(_, verdict)| *verdict);
    ranges.push((X32, Verdict::Return(REFUSE)));
    ranges
}

/// A binary search for the range that holds the number.
fn tree(ranges: &[(u32, Verdict)]) -> Vec<sock_filter> {
    let (low, high) = match ranges {
        [] => return Vec::new(),
        [(_, verdict)] => return leaf(*verdict),
        _ => ranges.split_at(ranges.len() / 2),
    };
    let first = high[0].0;
    let (low, high) = (tree(low), tree(high));
    let mut program = match u8::try_from(low.len()) {
        Ok(distance) => vec![step(IF_AT_LEAST, first, distance, 0)],
        // A conditional jump reaches 255 steps; a plain one reaches anywhere.
        Err(_) => vec![
            step(IF_AT_LEAST, first, 0, 1),
            step(JUMP, low.len() as u32, 0, 0),
        ],
    };
    program.extend(low);
    program.extend(high);
    program
}

fn leaf(verdict: Verdict) -> Vec<sock_filter> {
    match verdict {
        Verdict::Return(value) => vec![result(value)],
        Verdict::Clone => vec![
            load(argument(0)),
            step(IF_ANY_BIT, NEW_NAMESPACES, 0, 1),
            result(REFUSE),
            result(ALLOW),
        ],
        Verdict::Ioctl => choice(argument(1), &TERMINAL_INPUT, REFUSE, ALLOW),
        Verdict::Personality => choice(argument(0), &PERSONALITIES, ALLOW, REFUSE),
        Verdict::SocketPair => choice(argument(0), &[libc::AF_UNIX as u32], ALLOW, REFUSE),
        Verdict::Socket => socket(),
    }
}

/// Only Unix, IPv4, IPv6 and the routing kind of netlink. Above all not AF_VSOCK, which no
/// namespace holds back.
fn socket() -> Vec<sock_filter> {
    let mut program = vec![
        load(argument(0)),
        step(IF_EQUAL, libc::AF_NETLINK as u32, 0, 4),
        load(argument(2)),
        step(IF_EQUAL, libc::NETLINK_ROUTE as u32, 0, 1),
        result(ALLOW),
        result(REFUSE),
    ];
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6].map(|family| family as u32);
    program.extend(choice(argument(0), &families, ALLOW, REFUSE));
    program
}

/// One result when the word at `offset` is among `values`, another when not.
fn choice(offset: u32, values: &[u32], among: u32, other: u32) -> Vec<sock_filter> {
    let mut program = vec![load(offset)];
    for (index, value) in values.iter().enumerate() {
        let to_match = values.len() - index;
        program.push(step(IF_EQUAL, *value, to_match as u8, 0));
    }
    program.extend([result(other), result(among)]);
    program
}

/// Where the low word of an argument lies; the kernel itself reads no more of those checked here.
fn argument(index: u32) -> u32 {
    16 + 8 * index
}

fn load(offset: u32) -> sock_filter {
    step(LOAD, offset, 0, 0)
}

fn result(value: u32) -> sock_filter {
    step(RETURN, value, 0, 0)
}

fn step(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would do, step by step.
    fn run(program: &[sock_filter], data: [u32; 16]) -> u32 {
        let (mut at, mut word) = (0, 0);
        loop {
            let now = &program[at];
            at += 1;
            let met = match now.code {
                LOAD => {
                    word = data[now.k as usize / 4];
                    continue;
                }
                RETURN => return now.k,
                JUMP => {
                    at += now.k as usize;
                    continue;
                }
                IF_EQUAL => word == now.k,
                IF_AT_LEAST => word >= now.k,
                IF_ANY_BIT => word & now.k != 0,
                other => panic!("unknown step {other}"),
            };
            at += usize::from(if met { now.jt } else { now.jf });
        }
    }

    fn call(number: i64, first: [u32; 3]) -> u32 {
        let mut data = [0; 16];
        data[0] = number as u32;
        data[1] = table::ARCHITECTURE;
        for (index, value) in first.into_iter().enumerate() {
            data[4 + 2 * index] = value;
        }
        run(&Filter::compile().0, data)
    }

    #[test]
    fn every_call_of_the_table_gets_its_verdict() {
        for number in table::ALLOWED.iter().chain(table::ALLOWED_OLD) {
            assert_eq!(call(*number, [0; 3]), ALLOW, "call {number}");
        }
        for number in table::REFUSED {
            assert_eq!(call(*number, [0; 3]), REFUSE, "call {number}");
        }
        assert_eq!(call(libc::SYS_clone3, [0; 3]), ABSENT);
        assert_eq!(call(511, [0; 3]), ABSENT);
        assert_eq!(call(100_000, [0; 3]), ABSENT);
    }

    #[test]
    fn arguments_decide_where_they_must() {
        let table = [
            (libc::SYS_clone, [libc::SIGCHLD as u32, 0, 0], ALLOW),
            (libc::SYS_clone, [libc::CLONE_NEWUSER as u32, 0, 0], REFUSE),
            (
                libc::SYS_clone,
                [libc::CLONE_NEWNS as u32 | 17, 0, 0],
                REFUSE,
            ),
            (
                libc::SYS_clone,
                [libc::CLONE_VM as u32 | libc::CLONE_VFORK as u32, 0, 0],
                ALLOW,
            ),
            (libc::SYS_socket, [libc::AF_INET as u32, 1, 0], ALLOW),
            (libc::SYS_socket, [libc::AF_INET6 as u32, 1, 0], ALLOW),
            (libc::SYS_socket, [libc::AF_UNIX as u32, 1, 0], ALLOW),
            (libc::SYS_socket, [libc::AF_VSOCK as u32, 1, 0], REFUSE),
            (libc::SYS_socket, [libc::AF_PACKET as u32, 3, 0], REFUSE),
            (libc::SYS_socket, [libc::AF_ALG as u32, 3, 0], REFUSE),
            (libc::SYS_socket, [libc::AF_NETLINK as u32, 3, 0], ALLOW),
            (libc::SYS_socket, [libc::AF_NETLINK as u32, 3, 12], REFUSE),
            (libc::SYS_socketpair, [libc::AF_UNIX as u32, 1, 0], ALLOW),
            (libc::SYS_socketpair, [libc::AF_INET as u32, 1, 0], REFUSE),
            (libc::SYS_ioctl, [0, libc::TIOCSTI as u32, 0], REFUSE),
            (libc::SYS_ioctl, [0, libc::TIOCLINUX as u32, 0], REFUSE),
            (libc::SYS_ioctl, [0, libc::TIOCGWINSZ as u32, 0], ALLOW),
            (libc::SYS_personality, [u32::MAX, 0, 0], ALLOW),
            (libc::SYS_personality, [0x0004_0000, 0, 0], REFUSE),
        ];
        for (number, arguments, verdict) in table {
            assert_eq!(call(number, arguments), verdict, "{number} {arguments:x?}");
        }
    }

    #[test]
    fn other_architectures_are_shut() {
        let mut data = [0; 16];
        data[1] = 0x4000_0003;
        assert_eq!(run(&Filter::compile().0, data), KILL);
        assert_eq!(call(i64::from(X32) + libc::SYS_read, [0; 3]), REFUSE);
        assert_eq!(call(i64::from(X32) + libc::SYS_ptrace, [0; 3]), REFUSE);
        assert_eq!(call(-1, [0; 3]), REFUSE);
    }

    #[test]
    fn a_verdict_takes_few_steps() {
        let steps = Filter::compile().0.len();
        assert!(steps < 700, "{steps} steps");
    }
}
