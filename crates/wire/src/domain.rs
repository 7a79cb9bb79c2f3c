//! Domains.

use noon_domain::CustomDomain;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Named, Time, named_id};

/// A host name that leads to an app, as `GET /apps/X/domains` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// None: certificates do not come by themselves yet.
    pub acm_status: Option<String>,
    /// None.
    pub acm_status_reason: Option<String>,
    /// Whose.
    pub app: Named,
    /// What to point the name at.
    pub cname: Option<String>,
    /// When it was added.
    pub created_at: Time,
    /// The host name.
    pub hostname: String,
    /// The identity.
    pub id: Uuid,
    /// `heroku` for the platform's own name of the app, else `custom`.
    pub kind: String,
    /// None.
    pub sni_endpoint: Option<Named>,
    /// `none`: nothing is waited for.
    pub status: String,
    /// When it was last changed.
    pub updated_at: Time,
}

/// What the API knows of a domain beside the domain.
#[derive(Clone, Debug)]
pub struct DomainContext {
    /// Whose.
    pub app: Named,
    /// The platform's own host name of the app.
    pub own_hostname: String,
}

impl From<(CustomDomain, DomainContext)> for Domain {
    fn from((domain, context): (CustomDomain, DomainContext)) -> Self {
        let CustomDomain {
            id,
            app: _,
            hostname,
            created_at,
        } = domain;
        Self {
            acm_status: None,
            acm_status_reason: None,
            app: context.app,
            cname: Some(context.own_hostname),
            created_at: created_at.into(),
            hostname: hostname.to_string(),
            id: id.as_uuid(),
            kind: "custom".to_owned(),
            sni_endpoint: None,
            status: "none".to_owned(),
            updated_at: created_at.into(),
        }
    }
}

impl Domain {
    /// The platform's own host name of an app.
    pub fn own(app: &noon_domain::App, hostname: &str) -> Self {
        Self {
            acm_status: None,
            acm_status_reason: None,
            app: Named {
                id: app.id.as_uuid(),
                name: app.name.to_string(),
            },
            cname: None,
            created_at: app.created_at.into(),
            hostname: hostname.to_owned(),
            id: named_id("domain", hostname),
            kind: "heroku".to_owned(),
            sni_endpoint: None,
            status: "none".to_owned(),
            updated_at: app.created_at.into(),
        }
    }
}

/// The body of `POST /apps/X/domains`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainCreate {
    /// The host name.
    pub hostname: String,
}
