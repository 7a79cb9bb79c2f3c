//! What detection decides: a build, as values.

use noon_domain::{HealthChecks, ProcessTypes, ProcfileError};

use super::versions::Wanted;

/// Why a tree is not built: one sentence for the pusher.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal(pub(crate) String);

impl From<ProcfileError> for Refusal {
    fn from(error: ProcfileError) -> Self {
        Self(error.to_string())
    }
}

/// Refuses with a sentence.
pub(crate) fn refuse<T>(sentence: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(sentence.into()))
}

/// How a tree is built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    /// Which builder, as in `Python`.
    pub(crate) builder: &'static str,
    /// The process types.
    pub(crate) process_types: ProcessTypes,
    /// How web processes are judged.
    pub(crate) health: HealthChecks,
    /// Where the process types come from, for the pusher.
    pub(crate) declared_by: &'static str,
    /// What the pusher should know.
    pub(crate) warnings: Vec<String>,
    /// What must be on the stack.
    pub(crate) needs: Vec<Need>,
    /// How declared dependencies are installed.
    pub(crate) install: Option<Install>,
    /// What is run on source and dependencies.
    pub(crate) compile: Option<Compile>,
    /// Files of the tree that must be there and executable: (process type, path).
    pub(crate) executables: Vec<(String, String)>,
}

impl Plan {
    /// A plan that does nothing but declare.
    pub(crate) fn new(builder: &'static str, process_types: ProcessTypes) -> Self {
        Self {
            builder,
            process_types,
            health: HealthChecks::default(),
            declared_by: "Procfile declares types",
            warnings: Vec::new(),
            needs: Vec::new(),
            install: None,
            compile: None,
            executables: Vec::new(),
        }
    }
}

/// A program of the stack, and the versions that will do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Need {
    /// Which.
    pub(crate) runtime: Runtime,
    /// Each version that is asked for, and where.
    pub(crate) wanted: Vec<Wanted>,
}

/// A program that the stack may have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Runtime {
    Python,
    Node,
    Npm,
    Uv,
}

impl Runtime {
    pub(crate) const ALL: [Self; 4] = [Self::Python, Self::Node, Self::Npm, Self::Uv];

    /// The program's name.
    pub(crate) const fn program(self) -> &'static str {
        match self {
            Self::Python => "python3",
            Self::Node => "node",
            Self::Npm => "npm",
            Self::Uv => "uv",
        }
    }

    /// Its name for people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Node => "Node.js",
            Self::Npm => "npm",
            Self::Uv => "uv",
        }
    }

    /// What installs it on this stack.
    pub(crate) const fn package(self) -> &'static str {
        match self {
            Self::Python => "python3",
            Self::Node => "nodejs",
            Self::Npm => "npm",
            Self::Uv => "uv",
        }
    }
}

/// How declared dependencies are installed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Install {
    /// What installs them.
    pub(crate) tool: Tool,
    /// What the install step sees at `/app`.
    pub(crate) base: Base,
    /// Whether a lock file decides; without one nothing is remembered.
    pub(crate) is_locked: bool,
    /// What the pusher reads.
    pub(crate) announce: String,
    /// The commands, for a shell.
    pub(crate) script: String,
    /// The directory that the step makes, which the tree must not hold.
    pub(crate) makes: &'static str,
}

/// What installs dependencies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tool {
    /// uv, of the stack or fetched.
    Uv,
    /// The standard library's `venv`: nothing is declared, nothing is fetched.
    Venv,
    /// npm, of the stack.
    Npm,
}

impl Tool {
    /// The tool's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Uv => "uv",
            Self::Venv => "venv",
            Self::Npm => "npm",
        }
    }
}

/// What the install step sees at `/app`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Base {
    /// These files and nothing else: as long as they do not change, neither does what is installed.
    Manifests(Vec<(String, Vec<u8>)>),
    /// The whole tree, because a manifest refers to more of it.
    Source,
}

/// What is run on source and dependencies, without network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Compile {
    /// What the pusher reads.
    pub(crate) announce: String,
    /// The commands, for a shell.
    pub(crate) script: String,
}
