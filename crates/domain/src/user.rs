//! Users and what proves them.

use crate::{Timestamp, TokenId, UserId};

/// A person or a machine that may ask for things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its identity.
    pub id: UserId,
    /// Its e-mail address, by which it is named in the ledger.
    pub email: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A token as remembered: never the token itself, of which only a digest is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// Its identity.
    pub id: TokenId,
    /// Whom it proves.
    pub user: UserId,
    /// What it was made for, in its maker's words.
    pub description: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ceases to prove anything; `None` is never.
    pub expires_at: Option<Timestamp>,
}

/// Who is asking: a user that showed a valid token. Only authentication makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user.
    pub user: User,
    /// The token that was shown.
    pub token: TokenId,
}
