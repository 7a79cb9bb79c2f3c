//! What this door asks of the verbs.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use noon_domain::{App, Principal, Secret, SourceTree, Version};
use tokio::sync::mpsc::UnboundedSender;

/// The kinds of failure that callers tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// No valid token was shown.
    Unauthorized,
    /// The token's user may not do this.
    Forbidden,
    /// What was named does not exist. The word says what kind of thing.
    NotFound(&'static str),
    /// The user's own build, release phase or process failed; what served before serves on.
    AppFailed,
}

/// Why a verb did not do what it was asked.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
}

impl Error {
    /// Makes an error of a kind, with one sentence for the person.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// The kind.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// One sentence for the person who asked.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// What a deploy came to.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The release.
    pub version: Version,
    /// Where the app answers.
    pub url: String,
    /// How long each stage took, in their order.
    pub stages: Vec<(&'static str, Duration)>,
    /// Process types that the app declares and that have no process, for a hint.
    pub idle_types: Vec<String>,
}

/// What a push asks of the platform, in the order of the methods. `Control` is what answers in a
/// house; the journeys of this room's tests have a stand-in, for they deploy nothing.
pub trait Verbs: Send + Sync + 'static {
    /// That someone may deploy one app.
    type Permit: Send + 'static;
    /// That it is this push's turn among the pushes to one app. Ends when dropped.
    type Turn: Send + Sync + 'static;

    /// Finds out who shows this token. Fails with `Unauthorized`.
    fn authenticate(
        &self,
        token: &Secret<String>,
    ) -> impl Future<Output = Result<Principal, Error>> + Send;

    /// Finds an app by name or id and permits its deploy. Fails with `NotFound` or `Forbidden`.
    fn permit(
        &self,
        who: &Principal,
        app: &str,
    ) -> impl Future<Output = Result<(App, Self::Permit), Error>> + Send;

    /// Waits for this push's turn.
    fn begin(&self, permit: Self::Permit) -> impl Future<Output = Self::Turn> + Send;

    /// Builds, releases and boots, telling `out` what the pusher should read meanwhile.
    fn deploy(
        &self,
        turn: &Self::Turn,
        source: SourceTree,
        out: UnboundedSender<String>,
    ) -> impl Future<Output = Result<Deployed, Error>> + Send;
}
