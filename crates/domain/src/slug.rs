//! Slugs (factor V): what a build made, immutable and named by its content.

use std::fmt;
use std::str::FromStr;

use crate::{Commit, HealthChecks, ProcessTypes, Timestamp};

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes a SHA-256 digest.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The digest.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_digest(text).map(Self)
            }
        }
    };
}

digest!(
    /// The SHA-256 of a layer's normalised tree.
    LayerId
);
digest!(
    /// The SHA-256 of a slug's manifest.
    SlugId
);

/// A text is no SHA-256 in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 64 lower-case hexadecimal digits")]
pub struct DigestError;

fn parse_digest(text: &str) -> Result<[u8; 32], DigestError> {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() != 64 || !text.bytes().all(hex) {
        return Err(DigestError);
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| DigestError)?;
    }
    Ok(bytes)
}

/// The name of a stack: the system under every app, as in `debian-12`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StackName(String);

impl StackName {
    /// Takes a stack's name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a layer holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LayerKind {
    /// The commit's tree.
    Source,
    /// Declared dependencies, as installed.
    Dependencies,
    /// What the build made of both.
    Output,
}

impl LayerKind {
    /// The kind as a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Dependencies => "dependencies",
            Self::Output => "output",
        }
    }
}

/// One layer of a slug: a directory tree, named by its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its digest.
    pub id: LayerId,
    /// What it holds.
    pub kind: LayerKind,
    /// Its size, in bytes.
    pub bytes: u64,
}

/// What a build made: enough to run, with a release's env and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slug {
    /// The digest of all that follows but `created_at`.
    pub id: SlugId,
    /// The system it was built on and runs on.
    pub stack: StackName,
    /// Its layers, the lowest first. Together they are `/app`.
    pub layers: Vec<Layer>,
    /// Its process types.
    pub process_types: ProcessTypes,
    /// How its web processes are judged.
    pub health: HealthChecks,
    /// The commit it was built from.
    pub commit: Commit,
    /// Which builder made it, as in `Python` or `Node.js`.
    pub builder: String,
    /// When it was first made.
    pub created_at: Timestamp,
}

impl Slug {
    /// Its size, in bytes.
    pub fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.bytes).sum()
    }
}
