//! Identities. One type per noun, so that no app's id is ever passed for a build's.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a fresh, random identity.
            #[expect(clippy::new_without_default, reason = "a default identity would be a lie")]
            pub fn new() -> Self {
                Self(Uuid::new_v4())
            }

            /// Takes an identity that was made elsewhere.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The identity as a UUID.
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id!(
    /// Names an app for ever, through every rename.
    AppId
);
id!(
    /// Names one build.
    BuildId
);
id!(
    /// Names one release across all apps; within an app its version does.
    ReleaseId
);
id!(
    /// Names one run of one process: a restart is another process.
    ProcessId
);
id!(
    /// Names a user.
    UserId
);
id!(
    /// Names an access token, without being it.
    TokenId
);
id!(
    /// Names a custom domain of an app.
    DomainId
);
