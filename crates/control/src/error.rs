//! What the verbs answer when they cannot: kind, message for the person, source for the log.

use std::error::Error as StdError;
use std::fmt;

use noon_domain::{
    BuildFailure, ConfigError, EngineError, FormationError, HostnameError, ProcessNameError,
};

/// The kinds of failure that callers tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// No valid token was shown.
    Unauthorized,
    /// The token's user may not do this.
    Forbidden,
    /// What was named does not exist. The word says what kind of thing.
    NotFound(&'static str),
    /// The request makes no sense as it stands; nothing was changed.
    Invalid,
    /// A name is taken, or the thing is in the wrong state for this.
    Conflict,
    /// The user's own build, release phase or process failed; what served before serves on.
    AppFailed,
    /// Something that noon leans on is away; the same request may work later.
    Unavailable,
    /// noon itself failed.
    Failed,
}

/// Why a verb did not do what it was asked.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Makes an error of a kind, with one sentence for the person.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Adds what the log should know.
    #[must_use]
    pub fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// The kind.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// One sentence for the person who asked.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// All that lies behind it, for the log: each cause after the one that it caused.
    pub fn causes(&self) -> Option<String> {
        let mut next = StdError::source(self);
        let mut causes = Vec::new();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes.dedup();
        (!causes.is_empty()).then(|| causes.join(": "))
    }

    pub(crate) fn invalid(error: impl StdError) -> Self {
        Self::new(Kind::Invalid, error.to_string())
    }

    pub(crate) fn not_found(what: &'static str, name: impl fmt::Display) -> Self {
        Self::new(
            Kind::NotFound(what),
            format!("there is no {what} {name} here"),
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

macro_rules! invalid_from {
    ($($error:ty),*) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::invalid(error)
            }
        })*
    };
}

invalid_from!(ConfigError, FormationError, HostnameError, ProcessNameError);

impl From<noon_store::Error> for Error {
    fn from(error: noon_store::Error) -> Self {
        use noon_store::Error as Store;
        let kind = match &error {
            Store::Unavailable { .. } | Store::Busy { .. } | Store::DiskFull { .. } => {
                Kind::Unavailable
            }
            Store::NotFound { what, .. } => Kind::NotFound(what),
            Store::Taken { .. } | Store::BrokenChain(_) | Store::Settled { .. } => Kind::Conflict,
            Store::Refused { .. }
            | Store::BadUrl { .. }
            | Store::TooNew { .. }
            | Store::WrongKey
            | Store::Corrupt { .. }
            | Store::NoRandomness => Kind::Failed,
        };
        Self::new(kind, error.to_string()).caused_by(error)
    }
}

impl From<BuildFailure> for Error {
    fn from(failure: BuildFailure) -> Self {
        Self::new(Kind::AppFailed, failure.sentence.clone()).caused_by(failure)
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        let kind = match &error {
            EngineError::Boot { .. } => Kind::AppFailed,
            EngineError::NoRoom { .. } => Kind::Unavailable,
            EngineError::Refused { .. } => Kind::Conflict,
            EngineError::Failed { .. } => Kind::Failed,
        };
        Self::new(kind, error.to_string()).caused_by(error)
    }
}
