//! What this machine offers, for `noon doctor`.

/// One thing that noon needs, or can do more with.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Finding {
    /// What it is.
    pub name: String,
    /// Whether it is there.
    pub ok: bool,
    /// Whether a server cannot do without it.
    pub needed: bool,
    /// What was found, or what is lost without it.
    pub what: String,
    /// The command that mends it, where there is one.
    pub mend: Option<String>,
}

/// What no server can do without. All else is a feature more, or a wall more.
const NEEDED: &[&str] = &[
    "kernel 6.1",
    "user namespaces",
    "overlay in user namespaces",
    "seccomp filters",
    "git",
];

/// What only root's server makes use of, and only another user's.
const OF_ROOT: &[&str] = &["nft", "ip"];
const OF_OTHERS: &[&str] = &[
    "newuidmap and a range in /etc/subuid",
    "pasta",
    "/dev/net/tun",
];

/// What the walls of apps are made of on this machine, for a server of this user.
pub fn walls() -> Vec<Finding> {
    let unused = match noon_sandbox::is_rootless() {
        true => OF_ROOT,
        false => OF_OTHERS,
    };
    let probes = noon_sandbox::probe().into_iter();
    probes
        .filter(|probe| !unused.contains(&probe.name))
        .map(wall)
        .collect()
}

/// Looks at this machine, as this user.
pub fn findings() -> Vec<Finding> {
    let mut findings = walls();
    findings.push(git());
    findings.push(runtime("python3", "Python apps", "apt-get install python3"));
    findings.push(runtime(
        "node",
        "Node.js apps",
        "apt-get install nodejs npm",
    ));
    findings.push(runtime("npm", "Node.js apps", "apt-get install npm"));
    findings
}

fn wall(probe: noon_sandbox::Probe) -> Finding {
    let noon_sandbox::Probe {
        name,
        present,
        found,
        cost,
        mend,
    } = probe;
    let what = match (present, found.is_empty()) {
        (true, false) => found,
        (true, true) => "there".to_owned(),
        (false, _) => cost.to_owned(),
    };
    Finding {
        name: name.to_owned(),
        ok: present,
        needed: NEEDED.contains(&name),
        what,
        mend: mend.map(str::to_owned),
    }
}

fn git() -> Finding {
    let found = output("git", &["--version"]);
    Finding {
        name: "git".to_owned(),
        ok: found.is_some(),
        needed: true,
        what: found.unwrap_or_else(|| "without it nothing can be pushed".to_owned()),
        mend: Some("apt-get install git".to_owned()),
    }
}

/// A language's runtime on the stack, which is what apps see: not what this user's PATH holds.
fn runtime(program: &str, whose: &str, mend: &str) -> Finding {
    let dirs = ["/usr/bin", "/usr/local/bin", "/bin"];
    let path = dirs
        .iter()
        .map(|dir| format!("{dir}/{program}"))
        .find(|path| std::fs::metadata(path).is_ok_and(|found| found.is_file()));
    let version = path
        .as_deref()
        .and_then(|path| output(path, &["--version"]));
    Finding {
        name: program.to_owned(),
        ok: path.is_some(),
        needed: false,
        what: match (path, version) {
            (Some(path), Some(version)) => format!("{path}: {version}"),
            (Some(path), None) => path,
            (None, _) => format!("without it on the stack {whose} cannot be built"),
        },
        mend: Some(mend.to_owned()),
    }
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = std::process::Command::new(program)
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}
