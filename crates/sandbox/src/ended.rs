//! How a process ended, and the file that says so after its shim has left.

use std::fmt;
use std::path::Path;

/// The name of the exit file in the directory of a shim.
pub(crate) const EXIT_FILE: &str = "exit";

/// How the process inside the walls ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It left with this exit code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It used more memory than its own limit allows.
    OutOfMemory,
    /// The kernel ended it because the machine, or a group that holds the platform too, had no
    /// memory left; its own limit was not reached.
    MachineOutOfMemory,
}

impl Ended {
    /// What a wait status says.
    pub(crate) fn from_status(status: i32) -> Self {
        match libc::WIFSIGNALED(status) {
            true => Self::Signal(libc::WTERMSIG(status)),
            false => Self::Code(libc::WEXITSTATUS(status)),
        }
    }

    /// Whether it looks like the work of SIGKILL, of which the kernel's own is one.
    pub(crate) fn is_by_kill(self) -> bool {
        matches!(self, Self::Signal(libc::SIGKILL) | Self::Code(137))
    }

    /// The exit code as a shell would say it: 128 + n for a signal.
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
            Self::OutOfMemory | Self::MachineOutOfMemory => 128 + libc::SIGKILL,
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        match (words.next()?, words.next()?, words.next()) {
            ("v1", "code", Some(n)) => Some(Self::Code(n.parse().ok()?)),
            ("v1", "signal", Some(n)) => Some(Self::Signal(n.parse().ok()?)),
            ("v1", "oom", None) => Some(Self::OutOfMemory),
            ("v1", "machine-oom", None) => Some(Self::MachineOutOfMemory),
            _ => None,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "v1 code {code}"),
            Self::Signal(signal) => write!(f, "v1 signal {signal}"),
            Self::OutOfMemory => f.write_str("v1 oom"),
            Self::MachineOutOfMemory => f.write_str("v1 machine-oom"),
        }
    }
}

/// Reads how the process of `dir` ended, from the file its shim wrote; `None` when there is none.
pub fn read_exit(dir: &Path) -> Option<Ended> {
    Ended::parse(&std::fs::read_to_string(dir.join(EXIT_FILE)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_survives_its_own_text() {
        for ended in [
            Ended::Code(0),
            Ended::Code(3),
            Ended::Signal(9),
            Ended::OutOfMemory,
            Ended::MachineOutOfMemory,
        ] {
            assert_eq!(Ended::parse(&ended.to_string()), Some(ended));
        }
        assert_eq!(Ended::parse("v2 code 1"), None);
        assert_eq!(Ended::parse(""), None);
    }
}
