//! Accounts.

use noon_domain::User;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Named, Time};

/// A user, as `GET /account` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Always false: noon sends nothing to third parties.
    pub allow_tracking: bool,
    /// Always false.
    pub beta: bool,
    /// Not kept.
    pub country_of_residence: Option<String>,
    /// When the user was made.
    pub created_at: Time,
    /// None: there are no teams.
    pub default_organization: Option<Named>,
    /// None: there are no teams.
    pub default_team: Option<Named>,
    /// None: nothing is billed.
    pub delinquent_at: Option<Time>,
    /// The e-mail address.
    pub email: String,
    /// Always false.
    pub federated: bool,
    /// The identity.
    pub id: Uuid,
    /// None.
    pub identity_provider: Option<Named>,
    /// Not kept.
    pub last_login: Option<Time>,
    /// Not kept.
    pub name: Option<String>,
    /// Not kept.
    pub sms_number: Option<String>,
    /// None.
    pub suspended_at: Option<Time>,
    /// Always false.
    pub two_factor_authentication: bool,
    /// When the user was last changed.
    pub updated_at: Time,
    /// Always true: the platform's owner needs no proof of an address.
    pub verified: bool,
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        let User {
            id,
            email,
            created_at,
            updated_at,
        } = user;
        Self {
            allow_tracking: false,
            beta: false,
            country_of_residence: None,
            created_at: created_at.into(),
            default_organization: None,
            default_team: None,
            delinquent_at: None,
            email,
            federated: false,
            id: id.as_uuid(),
            identity_provider: None,
            last_login: None,
            name: None,
            sms_number: None,
            suspended_at: None,
            two_factor_authentication: false,
            updated_at: updated_at.into(),
            verified: true,
        }
    }
}
