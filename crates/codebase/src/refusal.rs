//! Why a push is refused: one sentence each, which says what mends it.

/// What makes a push unacceptable. Nothing of a refused push is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The deploy branch would be gone.
    #[error(
        "{branch} is the branch that is deployed and cannot be deleted; to stop the app, scale it to 0"
    )]
    DeletesDeployBranch {
        /// The branch.
        branch: &'static str,
    },
    /// A ref that is neither branch nor tag.
    #[error(
        "{name} is neither a branch nor a tag; push branches (refs/heads/) and tags (refs/tags/) only"
    )]
    ForeignRef {
        /// The ref's full name.
        name: String,
    },
    /// Another push was quicker.
    #[error("{branch} has moved since this push began; fetch it, then push again")]
    Moved {
        /// The branch.
        branch: &'static str,
    },
    /// The history sent is cut off.
    #[error(
        "this is a shallow clone whose history ends early; run `git fetch --unshallow`, then push again"
    )]
    Shallow,
    /// The new tip has nothing in common with the present one.
    #[error(
        "the pushed history shares no commit with what {branch} holds here; push from a clone of \
         this app, or create a new app for the new history"
    )]
    Unrelated {
        /// The branch.
        branch: &'static str,
    },
    /// The deploy branch would point to something other than a commit.
    #[error("{branch} must point to a commit, and {object} is none; push a commit")]
    NoCommit {
        /// The branch.
        branch: &'static str,
        /// What it would point to.
        object: String,
    },
    /// The tree holds a submodule.
    #[error(
        "{path} is a git submodule, whose files are not part of the push; add the files themselves \
         to this repository"
    )]
    Submodule {
        /// Where in the tree.
        path: String,
    },
    /// The tree holds a pointer to a file kept elsewhere.
    #[error(
        "{path} is a Git LFS pointer, not the file itself; run `git lfs migrate export \
         --include={path}`, then push again"
    )]
    LfsPointer {
        /// Where in the tree.
        path: String,
    },
    /// The tree would fill the disk's table of files.
    #[error(
        "the source tree holds more than {limit} files and directories; remove what is not source"
    )]
    TooManyFiles {
        /// The most that is allowed.
        limit: u64,
    },
    /// The tree would fill the disk.
    #[error("the source tree holds more than {limit} bytes; remove what is not source")]
    TooManyBytes {
        /// The most that is allowed.
        limit: u64,
    },
}
