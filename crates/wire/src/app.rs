//! Apps.

use noon_domain::{App as DomainApp, User};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{REGION, Time, named_id};

/// A thing that is shown by id and name only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The identity.
    pub id: Uuid,
    /// The name.
    pub name: String,
}

impl Named {
    /// A thing whose identity follows from its name.
    pub fn by_name(kind: &str, name: &str) -> Self {
        Self {
            id: named_id(kind, name),
            name: name.to_owned(),
        }
    }
}

/// A user as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The e-mail address.
    pub email: String,
    /// The identity.
    pub id: Uuid,
}

impl From<&User> for Owner {
    fn from(user: &User) -> Self {
        Self {
            email: user.email.clone(),
            id: user.id.as_uuid(),
        }
    }
}

/// An app, as `GET /apps/X` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Whether certificates come by themselves.
    pub acm: bool,
    /// None: apps are not archived.
    pub archived_at: Option<Time>,
    /// The stack of new builds.
    pub build_stack: Named,
    /// The builder of the current slug.
    pub buildpack_provided_description: Option<String>,
    /// When it was made.
    pub created_at: Time,
    /// Always `cedar`.
    pub generation: Named,
    /// Where to push.
    pub git_url: String,
    /// The identity.
    pub id: Uuid,
    /// None.
    pub internal_routing: Option<bool>,
    /// Whether the maintenance page answers.
    pub maintenance: bool,
    /// The name.
    pub name: String,
    /// None: there are no teams.
    pub organization: Option<Named>,
    /// Who made it.
    pub owner: Owner,
    /// The one region.
    pub region: Named,
    /// When a release last became current.
    pub released_at: Option<Time>,
    /// Not measured.
    pub repo_size: Option<i64>,
    /// The current slug's size, in bytes.
    pub slug_size: Option<i64>,
    /// None.
    pub space: Option<Named>,
    /// The stack of the current release.
    pub stack: Named,
    /// None: there are no teams.
    pub team: Option<Named>,
    /// When it was last changed.
    pub updated_at: Time,
    /// Where it answers.
    pub web_url: Option<String>,
}

/// What the API knows of an app beside the app.
#[derive(Clone, Debug)]
pub struct AppContext {
    /// Who made it.
    pub owner: User,
    /// Where to push.
    pub git_url: String,
    /// Where it answers.
    pub web_url: String,
    /// The builder and the size in bytes of the current slug.
    pub slug: Option<(String, u64)>,
}

impl From<(DomainApp, AppContext)> for App {
    fn from((app, context): (DomainApp, AppContext)) -> Self {
        let DomainApp {
            id,
            name,
            owner: _, // shown by the context, with its address
            stack,
            slot: _, // the machine's affair
            maintenance,
            network: _, // shown below /noon/
            created_at,
            updated_at,
            released_at,
        } = app;
        let AppContext {
            owner,
            git_url,
            web_url,
            slug,
        } = context;
        let stack = Named::by_name("stack", stack.as_str());
        let (builder, size) = slug.unzip();
        Self {
            acm: false,
            archived_at: None,
            build_stack: stack.clone(),
            buildpack_provided_description: builder,
            created_at: created_at.into(),
            generation: Named::by_name("generation", "cedar"),
            git_url,
            id: id.as_uuid(),
            internal_routing: None,
            maintenance,
            name: name.to_string(),
            organization: None,
            owner: Owner::from(&owner),
            region: Named::by_name("region", REGION),
            released_at: released_at.map(Time),
            repo_size: None,
            slug_size: size.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            space: None,
            stack,
            team: None,
            updated_at: updated_at.into(),
            web_url: Some(web_url),
        }
    }
}

/// The body of `POST /apps`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AppCreate {
    /// The name; one is made up where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The body of `PATCH /apps/X`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AppUpdate {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Maintenance on or off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<bool>,
}
