//! The users as whom the attacks are tried, one run of this program each.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::stage::{SECRET, left_behind};

/// Names the user in the environment of a run.
pub const MODE: &str = "NOON_TEST_ATTACKS_AS";
/// Ordinary users without a name.
const LONELY: u32 = 54_323;
const DELEGATED: u32 = 54_324;
/// Kernel settings that no attack may have changed; nothing else on a machine of tests does.
const SETTINGS: [&str; 5] = [
    "kernel/core_pattern",
    "kernel/hostname",
    "kernel/sysrq",
    "user/max_user_namespaces",
    "vm/overcommit_memory",
];

/// Runs the attacks as root and as ordinary users; as an ordinary user, as that one alone.
pub fn run_as_each(names: &[&str]) -> ExitCode {
    let is_root = std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .contains("Uid:\t0\t0");
    let before = settings();
    let runs = Runs::new(names);
    let mut failed = Vec::new();
    let mut note = |mode: &'static str, passed: bool| {
        if !passed {
            failed.push(mode);
        }
    };
    if is_root {
        note("root", runs.run_as("root", 0, 0, &[]));
        note("lone", runs.run_as("lone", LONELY, LONELY, &[]));
        match User::new() {
            Some(user) => note("range", runs.run_as("range", user.uid, user.gid, &[])),
            None => {
                eprintln!("skipped: a user with a range of ids, for want of useradd or newuidmap")
            }
        }
        match Groups::new(DELEGATED) {
            Some(groups) => note(
                "delegated",
                runs.run_as("delegated", DELEGATED, DELEGATED, &groups.0),
            ),
            None => eprintln!("skipped: a user with cgroups, for want of cgroups"),
        }
    } else {
        eprintln!("skipped: all users but this one, for want of root");
        note("lone", runs.run_here());
    }
    assert_eq!(settings(), before, "a setting of the kernel was changed");
    if !failed.is_empty() {
        eprintln!("attacks failed as {failed:?}");
    }
    ExitCode::from(u8::from(!failed.is_empty()))
}

fn settings() -> Vec<(&'static str, String)> {
    let read =
        |name| std::fs::read_to_string(Path::new("/proc/sys").join(name)).unwrap_or_default();
    SETTINGS.iter().map(|name| (*name, read(*name))).collect()
}

/// What all runs share: copies of the programs, which every user may read, and the names to run.
struct Runs<'a> {
    ground: tempfile::TempDir,
    names: &'a [&'a str],
}

impl<'a> Runs<'a> {
    fn new(names: &'a [&'a str]) -> Self {
        let ground = tempfile::tempdir().unwrap();
        open(ground.path());
        let runs = Self { ground, names };
        runs.copy(&std::env::current_exe().unwrap(), "program");
        runs.copy(env!("CARGO_BIN_EXE_noon-shim").as_ref(), "shim");
        runs
    }

    fn copy(&self, from: &Path, name: &str) {
        let to = self.ground.path().join(name);
        std::fs::copy(from, &to).unwrap();
        open(&to);
    }

    fn run_as(&self, mode: &str, uid: u32, gid: u32, groups: &[PathBuf]) -> bool {
        let script = "for group in $GROUPS_TO_JOIN; do echo $$ > $group/cgroup.procs || exit 1; done; exec \"$@\"";
        let joined: Vec<_> = groups.iter().map(|path| path.to_str().unwrap()).collect();
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]);
        if uid != 0 {
            command.args(["setpriv", "--clear-groups"]);
            command.args([format!("--reuid={uid}"), format!("--regid={gid}")]);
        }
        command.arg(self.ground.path().join("program"));
        command.env("GROUPS_TO_JOIN", joined.join(" "));
        let home = self.home(mode);
        chown(&home, Some(uid), Some(gid)).unwrap();
        self.finish(command, mode, &home)
    }

    fn run_here(&self) -> bool {
        let command = Command::new(self.ground.path().join("program"));
        self.finish(command, "lone", &self.home("lone"))
    }

    fn home(&self, mode: &str) -> PathBuf {
        let home = self.ground.path().join(mode);
        std::fs::create_dir(&home).unwrap();
        home
    }

    fn finish(&self, mut command: Command, mode: &str, home: &Path) -> bool {
        let shim = self.ground.path().join("shim");
        let before = std::fs::read(&shim).unwrap();
        let status = command
            .args(self.names)
            .env(MODE, mode)
            .env("NOON_TEST_SHIM", &shim)
            .env("TMPDIR", home)
            .env("NOON_TEST_SECRET", SECRET.concat())
            .status()
            .unwrap();
        let mut left = left_behind(home);
        let entries = std::fs::read_dir(home).unwrap().flatten();
        left.extend(entries.map(|entry| entry.path().display().to_string()));
        left.iter()
            .for_each(|what| eprintln!("left behind as {mode}: {what}"));
        let is_whole = std::fs::read(&shim).unwrap() == before;
        assert!(is_whole, "the shim's program was changed");
        status.success() && left.is_empty()
    }
}

fn open(path: &Path) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// How the users of runs begin.
const NAME: &str = "noonattack";

/// Removes the users of runs that were killed.
fn sweep() {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let names = users.lines().filter_map(|line| line.split(':').next());
    for name in names {
        let owner = name
            .strip_prefix(NAME)
            .map(|pid| Path::new("/proc").join(pid));
        if owner.is_some_and(|owner| !owner.exists()) {
            let _ = Command::new("userdel").arg(name).status();
        }
    }
}

/// A user with a range in `/etc/subuid`, gone at the end.
struct User {
    name: String,
    uid: u32,
    gid: u32,
}

impl User {
    fn new() -> Option<Self> {
        sweep();
        let name = format!("{NAME}{}", std::process::id());
        Command::new("newuidmap").output().ok()?;
        let made = Command::new("useradd").args(["-M", &name]).status().ok()?;
        let ask = |flag: &str| {
            let output = Command::new("id").args([flag, &name]).output().ok()?;
            String::from_utf8_lossy(&output.stdout).trim().parse().ok()
        };
        let (uid, gid) = (ask("-u")?, ask("-g")?);
        made.success().then_some(Self { name, uid, gid })
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.name).status();
    }
}

/// How the groups of a run begin.
const PREFIX: &str = "noon-attacks-";

/// Cgroups that were given to a user, one in each hierarchy that is mounted; gone at the end.
struct Groups(Vec<PathBuf>);

impl Groups {
    fn new(uid: u32) -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let one = root.join("cgroup.procs").exists().then(|| root.to_owned());
        let many = ["memory", "pids", "cpu", "unified"].map(|name| root.join(name));
        let homes = many.into_iter().chain(one);
        let name = format!("{PREFIX}{}", std::process::id());
        let mut groups = Self(Vec::new());
        for home in homes.filter(|home| home.join("cgroup.procs").exists()) {
            clear(&home);
            let group = home.join(&name);
            std::fs::create_dir(&group).ok()?;
            let given = Command::new("chown")
                .arg("-R")
                .arg(format!("{uid}:{uid}"))
                .arg(&group)
                .status();
            groups.0.push(group);
            given.ok()?;
        }
        (!groups.0.is_empty()).then_some(groups)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.0.iter().for_each(|group| remove(group));
    }
}

/// Removes the groups of runs that were killed.
fn clear(home: &Path) {
    for group in crate::stage::directories(home) {
        let name = group.file_name().unwrap_or_default().to_string_lossy();
        let owner = name
            .strip_prefix(PREFIX)
            .map(|pid| Path::new("/proc").join(pid));
        if owner.is_some_and(|owner| !owner.exists()) {
            remove(&group);
        }
    }
}

fn remove(group: &Path) {
    // The user's own, one in the other, are empty by now.
    let _ = Command::new("find")
        .arg(group)
        .args(["-depth", "-type", "d", "-exec", "rmdir", "{}", ";"])
        .status();
}
