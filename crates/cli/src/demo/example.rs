//! The apps that the binary can show by itself.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// An app to push.
#[derive(Debug)]
pub struct Example {
    /// What it is.
    pub about: &'static str,
    /// The line that makes its web process exit at its start.
    pub breaking: &'static str,
    programs: &'static [&'static str],
    files: &'static [(&'static str, &'static str)],
}

macro_rules! file {
    ($app:literal, $name:literal) => {
        (
            $name,
            include_str!(concat!("../../../../examples/", $app, "/", $name)),
        )
    };
}

const PYTHON: Example = Example {
    about: "Python, with a web process, a worker and a release phase",
    breaking: "echo 'raise SystemExit(\"out of coffee\")' >> app.py",
    programs: &["python3"],
    files: &[
        file!("python-web", "Procfile"),
        file!("python-web", "requirements.txt"),
        file!("python-web", "app.py"),
        file!("python-web", "worker.py"),
        file!("python-web", "migrate.py"),
    ],
};

const NODE: Example = Example {
    about: "Node.js, with a build step and a dependency",
    breaking: "echo 'throw new Error(\"out of coffee\");' >> server.js",
    programs: &["node", "npm"],
    files: &[
        file!("node-web", "Procfile"),
        file!("node-web", "package.json"),
        file!("node-web", "package-lock.json"),
        file!("node-web", "build.js"),
        file!("node-web", "page.txt"),
        file!("node-web", "server.js"),
    ],
};

const PERL: Example = Example {
    about: "a Procfile and a script, with nothing to install",
    breaking: "echo 'exit 1' > web.sh",
    programs: &["perl"],
    files: &[
        file!("shell-web", "Procfile"),
        file!("shell-web", "web.sh"),
        file!("shell-web", "web.pl"),
    ],
};

/// Where the stack of apps has its programs.
const DIRS: [&str; 3] = ["/usr/bin", "/usr/local/bin", "/bin"];

impl Example {
    /// The first whose runtime is on this machine.
    ///
    /// # Errors
    /// [`Error::Demo`] where there is none.
    pub fn choose() -> Result<Self> {
        let mut examples = [PYTHON, NODE, PERL].into_iter();
        examples.find(Self::can_run).ok_or(Error::Demo {
            step: "looked for an app to show",
            why: "there is neither python3 nor node nor perl in /usr/bin: install one".to_owned(),
        })
    }

    /// One whose build needs no network, if this machine can run it.
    pub fn without_dependencies() -> Option<Self> {
        Some(PERL).filter(Self::can_run)
    }

    fn can_run(&self) -> bool {
        let is_there =
            |program: &&str| DIRS.iter().any(|dir| Path::new(dir).join(program).exists());
        self.programs.iter().all(is_there)
    }

    /// Writes its files.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, dir: &Path) -> Result<()> {
        self.files.iter().try_for_each(|(name, text)| {
            let path = dir.join(name);
            fs::write(&path, text).map_err(Error::io(format!("writing {}", path.display())))
        })
    }
}
