//! Builds (factor V): a commit on its way to a slug.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{AppId, BuildId, SlugId, StackName, Timestamp, UserId, Version};

/// A git commit (or tree) id: 40 or 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Commit(String);

/// A text is no git object id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no git object id")]
pub struct CommitError(pub String);

impl Commit {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl FromStr for Commit {
    type Err = CommitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if matches!(text.len(), 40 | 64) && text.bytes().all(hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(CommitError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A commit's tree, checked out: what a build starts from. Whoever is given it owns the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTree {
    /// The directory, on the same file system as the layers, holding the tree and nothing else.
    pub dir: PathBuf,
    /// The commit.
    pub commit: Commit,
    /// The git id of the commit's tree: equal ids are equal trees.
    pub tree: Commit,
}

/// How a build stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BuildStatus {
    /// Under way.
    Pending,
    /// Made a slug.
    Succeeded,
    /// Made none.
    Failed,
}

impl BuildStatus {
    /// The status as a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// One build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Its identity.
    pub id: BuildId,
    /// Whose.
    pub app: AppId,
    /// Who pushed.
    pub by: UserId,
    /// What was pushed.
    pub commit: Commit,
    /// The stack it is built on.
    pub stack: StackName,
    /// How it stands.
    pub status: BuildStatus,
    /// What it made.
    pub slug: Option<SlugId>,
    /// The release that it led to.
    pub release: Option<Version>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Why a build made no slug: which step, and one sentence for the pusher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct BuildFailure {
    /// The step, as in `detect` or `install dependencies`.
    pub step: String,
    /// What is wrong, where, and what mends it.
    pub sentence: String,
}
