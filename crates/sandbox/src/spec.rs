//! What to put inside walls, as data.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// One process to be run inside walls; sent to the shim over a socket, never through a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The launcher's own words about this process, opaque here; [`crate::Shim::status`] gives them back.
    pub label: Vec<u8>,
    /// The program and its arguments; a program without a slash is looked up in `PATH` of `env`.
    pub argv: Vec<String>,
    /// The whole environment of the process: nothing else is added.
    pub env: Vec<(String, String)>,
    /// The directory inside the walls in which the process starts.
    pub cwd: String,
    /// The host name that the process sees.
    pub hostname: String,
    /// The user and group id of the process, one per app and never 0.
    pub uid: u32,
    /// What stands at `/app`.
    pub app: AppDir,
    /// Further directories or files of the host.
    pub mounts: Vec<Bind>,
    /// Which network the process sees.
    pub network: Net,
    /// What the process may use up.
    pub limits: Limits,
    /// The stack below the app.
    pub system: System,
}

/// One command to be run inside the walls of a running process; everything else is as it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecSpec {
    /// The program and its arguments; a program without a slash is looked up in `PATH` of `env`.
    pub argv: Vec<String>,
    /// The whole environment of the command: nothing of the running process is added.
    pub env: Vec<(String, String)>,
    /// The directory inside the walls in which the command starts.
    pub cwd: String,
}

/// The tree at `/app`: read-only layers with one writable layer on top.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppDir {
    /// Directories of the host, the lowest first; each is read by its owner's eyes and never written.
    pub layers: Vec<PathBuf>,
    /// Where writes go: `None` keeps them in memory and loses them at the end.
    pub upper: Option<Upper>,
}

/// A writable layer on disk, kept after the end; both directories exist and share a parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upper {
    /// The directory that receives the writes; its owner on disk owns what the app writes.
    pub upper: PathBuf,
    /// An empty directory beside it for the kernel's own use.
    pub work: PathBuf,
}

/// A file or directory of the host that is shown inside the walls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Its absolute path on the host.
    pub source: PathBuf,
    /// Its absolute path inside: below `/app`, or one that the stack does not have.
    pub target: PathBuf,
    /// Whether the process may write to it; it then writes as the source's owner.
    pub writable: bool,
}

/// Which network a process sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Net {
    /// The network of the host, loopback and all: no wall.
    Host,
    /// A network of its own with nothing but loopback; ways out are added from outside.
    #[default]
    Isolated,
}

/// What a process and its children may use up; `None` is no limit of ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory, files in `/tmp` and the ephemeral layer included (where no cgroup counts,
    /// those are not). Beyond it the process is ended: [`crate::Ended::OutOfMemory`].
    pub memory: Option<u64>,
    /// Bytes of memory beyond which those who watch are told ([`crate::Notice`]) and nothing is
    /// ended. What the kernel could take back at once, clean files, does not count.
    pub memory_quota: Option<u64>,
    /// Its share of the CPU. Where no cgroup shares it out, a weight below 100 becomes niceness
    /// and the bound is not held.
    pub cpu: Option<Cpu>,
    /// Number of processes and threads.
    pub tasks: Option<u32>,
    /// Bytes of `/tmp`, `/dev/shm` and the ephemeral layer together; 512 MiB where not given.
    pub disk: Option<u64>,
    /// Open files of each process.
    pub nofile: Option<u64>,
}

/// A share of the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    /// Its part beside others while there is not enough for all: 1 to 10000, 100 is ordinary.
    pub weight: u32,
    /// The most that it gets even of an idle machine, in thousandths of a core; at least 10.
    pub millicores: Option<u32>,
}

/// The stack: the host's `/usr`, read-only, under a generated `/etc`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct System {
    /// The name servers; where empty, the host's own `/etc/resolv.conf` is shown.
    pub nameservers: Vec<IpAddr>,
    /// Further lines of `/etc/hosts`.
    pub hosts: Vec<(IpAddr, String)>,
}

/// What the process reads from and prints to.
#[derive(Debug)]
pub enum Stdio {
    /// Reads nothing; prints into one pipe, held by the shim: see [`crate::Shim::output`]. Not for
    /// [`crate::Shim::exec`].
    Piped,
    /// The given descriptors. A file among them would show its path on the host: give pipes or sockets.
    Attached {
        /// What the process reads.
        stdin: OwnedFd,
        /// Where it prints results.
        stdout: OwnedFd,
        /// Where it prints all else.
        stderr: OwnedFd,
    },
    /// The inner end of a terminal from [`crate::open_pty`]; it becomes the controlling terminal.
    Terminal(OwnedFd),
}
