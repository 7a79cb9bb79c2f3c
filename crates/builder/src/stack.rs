//! What the stack can run: found by asking its programs, inside the sandbox, where builds see it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use noon_domain::StackName;

use crate::detect::{Plan, Runtime};

/// Where programs of the stack lie. The sandbox shows the same directories.
const PROGRAM_DIRS: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
/// The most of a version that is read.
const MAX_VERSION: usize = 40;

/// The stack's programs and their versions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Stack {
    versions: BTreeMap<Runtime, String>,
}

/// What the programs of the stack are on the disk: as long as it is the same, so are they.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fingerprint(Vec<(u64, u64, i64)>);

impl Fingerprint {
    pub(crate) fn take() -> Self {
        let mut seen = Vec::new();
        for dir in PROGRAM_DIRS {
            for runtime in Runtime::ALL {
                let program = Path::new(dir).join(runtime.program());
                if let Ok(file) = fs::metadata(program) {
                    seen.push((file.dev(), file.ino(), file.mtime()));
                }
            }
        }
        Self(seen)
    }
}

/// The script that asks each program for its version.
pub(crate) fn question() -> String {
    let ask = |runtime: Runtime| {
        let program = runtime.program();
        format!(
            "echo {program} $(command -v {program} >/dev/null && {program} --version 2>/dev/null)"
        )
    };
    Runtime::ALL.map(ask).join("; ")
}

impl Stack {
    /// Reads the answers: lines such as `node v20.20.2` or `python3 Python 3.11.2`.
    pub(crate) fn read(answers: &str) -> Self {
        let mut versions = BTreeMap::new();
        for line in answers.lines() {
            let mut words = line.split_whitespace();
            let program = words.next();
            let runtime = Runtime::ALL
                .into_iter()
                .find(|r| Some(r.program()) == program);
            let version = words.find_map(version);
            if let (Some(runtime), Some(version)) = (runtime, version) {
                versions.insert(runtime, version);
            }
        }
        Self { versions }
    }

    /// The version of a program, if the stack has it.
    pub(crate) fn version(&self, runtime: Runtime) -> Option<&str> {
        self.versions.get(&runtime).map(String::as_str)
    }

    /// Whether the stack has all that a plan needs; else one sentence for the pusher.
    pub(crate) fn check(&self, plan: &Plan, name: &StackName) -> Result<(), String> {
        for need in &plan.needs {
            let (runtime, wanted) = (need.runtime.name(), &need.wanted);
            let Some(version) = self.version(need.runtime) else {
                return Err(format!(
                    "{} apps need {runtime}, which the stack {name} lacks on this machine: its operator can add it with `apt-get install {}`",
                    plan.builder,
                    need.runtime.package()
                ));
            };
            for asked in wanted {
                let (by, range) = (asked.by, &asked.range);
                match asked.allows(version) {
                    Some(true) => {}
                    Some(false) => {
                        return Err(format!(
                            "{by} asks for {runtime} {range}, and the stack {name} has {version} only: change it to allow {version}"
                        ));
                    }
                    None => {
                        return Err(format!(
                            "{by} asks for {runtime} {range:?}, which is no version or range: the stack {name} has {version}"
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut each = self.versions.iter();
        each.try_for_each(|(runtime, version)| write!(f, "{} {version} ", runtime.program()))
    }
}

fn version(word: &str) -> Option<String> {
    let word = word.trim_start_matches('v');
    let is_version = word.len() <= MAX_VERSION && word.starts_with(|c: char| c.is_ascii_digit());
    is_version.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Snapshot, detect};

    const ANSWERS: &str = "python3 Python 3.11.2\nnode v20.20.2\nnpm\nuv uv 0.5.1 (abc)\n";

    fn check(files: &[(&str, &str)]) -> Result<(), String> {
        let plan = detect(&Snapshot::of(files), Default::default()).unwrap();
        Stack::read(ANSWERS).check(&plan, &StackName::new("debian-12"))
    }

    #[test]
    fn answers_are_read_program_by_program() {
        let stack = Stack::read(ANSWERS);
        let versions = Runtime::ALL.map(|runtime| stack.version(runtime));
        assert_eq!(
            versions,
            [Some("3.11.2"), Some("20.20.2"), None, Some("0.5.1")]
        );
    }

    #[test]
    fn unmet_versions_are_refused_with_what_can_be_had() {
        let web = ("Procfile", "web: run");
        let package = |engines: &str| format!(r#"{{"engines":{{"node":"{engines}"}}}}"#);
        assert_eq!(check(&[web, ("package.json", &package(">=18"))]), Ok(()));
        assert_eq!(
            check(&[web, ("package.json", &package("22.x"))]).unwrap_err(),
            "engines.node in package.json asks for Node.js 22.x, and the stack debian-12 has 20.20.2 only: change it to allow 20.20.2"
        );
        let error = check(&[
            web,
            ("requirements.txt", ""),
            ("runtime.txt", "python-3.12"),
        ]);
        assert!(
            error
                .unwrap_err()
                .starts_with("runtime.txt asks for Python 3.12, and the stack")
        );
        let error = check(&[web, ("requirements.txt", ""), (".python-version", "pypy")]);
        assert!(error.unwrap_err().contains("no version or range"));
    }

    #[test]
    fn a_program_that_the_stack_lacks_is_named_with_its_package() {
        let error = check(&[("package.json", r#"{"scripts":{"start":"node x"}}"#)]).unwrap_err();
        assert!(
            error.contains("need npm, which the stack debian-12 lacks"),
            "{error}"
        );
        assert!(error.ends_with("`apt-get install npm`"), "{error}");
    }
}
