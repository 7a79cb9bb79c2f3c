//! The way out without being root: a network namespace for all processes together, which one
//! `pasta` connects to the world as any program of this user would be.

use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::nat::egress;
use crate::Error;

/// Where `pasta` takes questions for this machine's name server.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// Where `pasta` notes its number, beside the namespace.
const NOTE: &str = "pasta.pid";

/// The flags: IPv4 alone, set up by `pasta` itself, and not one port or address of this machine's
/// own within reach, which its defaults would give.
const FLAGS: [&str; 16] = [
    "--ipv4-only",
    "--config-net",
    "--no-map-gw",
    "--no-dhcp",
    "--no-ndp",
    "--no-ra",
    "--quiet",
    "-t",
    "none",
    "-u",
    "none",
    "-T",
    "none",
    "-U",
    "none",
    "--netns-only",
];

/// The network that all processes of this machine share on their way out.
#[derive(Debug)]
pub struct Shared {
    file: PathBuf,
    /// The namespace.
    pub netns: OwnedFd,
    /// The `pasta` at its other end; `None` where it has ended.
    pasta: Option<OwnedFd>,
}

impl Shared {
    /// Makes the namespace and connects it. A `pasta` that an earlier machine left goes by itself
    /// when the file is taken away to which its namespace was bound.
    ///
    /// # Errors
    /// [`Error::Egress`], with what a program said that failed.
    pub fn open(shims_dir: &Path) -> Result<Self, Error> {
        let dir = shims_dir.join(".egress");
        fs::create_dir_all(&dir).map_err(egress("make a directory"))?;
        let file = dir.join("netns");
        take_away(&file);
        File::create(&file).map_err(egress("make a file to bind a network to"))?;
        let mut unshare = Command::new("unshare");
        unshare.arg(format!("--net={}", file.display())).arg("true");
        run(unshare).map_err(egress("make a network with unshare"))?;
        let netns = File::open(&file).map_err(egress("open a network"))?;
        let note = dir.join(NOTE);
        let mut pasta = Command::new("pasta");
        pasta
            .args(FLAGS)
            .arg("--dns-forward")
            .arg(RESOLVER.to_string());
        pasta.arg("--netns").arg(&file).arg("--pid").arg(&note);
        run(pasta).map_err(egress("connect a network with pasta"))?;
        Ok(Self {
            file,
            netns: netns.into(),
            pasta: started(&note),
        })
    }

    /// Takes the namespace away, and ends `pasta` rather than wait until it notices.
    pub fn close(self) {
        take_away(&self.file);
        if let Some(pasta) = &self.pasta {
            let _ = rustix::process::pidfd_send_signal(pasta, rustix::process::Signal::TERM);
        }
        if let Some(dir) = self.file.parent() {
            let _ = fs::remove_dir(dir);
        }
    }
}

fn take_away(file: &Path) {
    let _ = rustix::mount::unmount(file, rustix::mount::UnmountFlags::DETACH);
    let _ = fs::remove_file(file);
    let _ = fs::remove_file(file.with_file_name(NOTE));
}

/// The program that noted its number a moment ago.
fn started(note: &Path) -> Option<OwnedFd> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let number = fs::read_to_string(note).ok()?.trim().parse().ok()?;
    pidfd_open(Pid::from_raw(number)?, PidfdFlags::empty()).ok()
}

fn run(mut program: Command) -> io::Result<()> {
    let out = program
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    match out.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(
            String::from_utf8_lossy(&out.stderr).trim().to_owned(),
        )),
    }
}
