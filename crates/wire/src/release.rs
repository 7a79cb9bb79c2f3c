//! Releases.

use noon_domain::{Release as DomainRelease, SlugId, User};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Named, Owner, Time};

/// A slug by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlugRef {
    /// The identity.
    pub id: Uuid,
}

impl From<SlugId> for SlugRef {
    /// Slugs are named by 256 bits here and by a UUID there: the first half stands for the whole.
    fn from(slug: SlugId) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&slug.as_bytes()[..16]);
        Self {
            id: uuid::Builder::from_custom_bytes(half).into_uuid(),
        }
    }
}

/// What a release runs, by kind and id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The identity.
    pub id: Uuid,
    /// Always `slug`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A release, as `GET /apps/X/releases` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// None yet.
    pub addon_plan_names: Vec<String>,
    /// Whose.
    pub app: Named,
    /// The slug, once more.
    pub artifacts: Vec<Artifact>,
    /// When it was made.
    pub created_at: Time,
    /// Whether the app runs it now.
    pub current: bool,
    /// Why it was made.
    pub description: String,
    /// Whether a rollback may take it up.
    pub eligible_for_rollback: bool,
    /// The identity.
    pub id: Uuid,
    /// Where its release phase's output is.
    pub output_stream_url: Option<String>,
    /// The slug.
    pub slug: Option<SlugRef>,
    /// How it came out.
    pub status: String,
    /// When it came out so.
    pub updated_at: Time,
    /// Who made it.
    pub user: Owner,
    /// The number.
    pub version: u32,
}

/// What the API knows of a release beside the release.
#[derive(Clone, Debug)]
pub struct ReleaseContext {
    /// Whose.
    pub app: Named,
    /// Who made it.
    pub user: User,
    /// Where its release phase's output is, where there was a phase.
    pub output_stream_url: Option<String>,
}

impl From<(DomainRelease, ReleaseContext)> for Release {
    fn from((release, context): (DomainRelease, ReleaseContext)) -> Self {
        let eligible_for_rollback = release.can_be_rolled_back_to();
        let DomainRelease {
            id,
            app: _, // shown by the context, with its name
            version,
            slug,
            reason,
            by: _, // shown by the context, with its address
            created_at,
            status,
            updated_at,
            current,
            has_slug_kept: _, // shown as eligible_for_rollback
        } = release;
        let ReleaseContext {
            app,
            user,
            output_stream_url,
        } = context;
        let slug = slug.map(SlugRef::from);
        Self {
            addon_plan_names: Vec::new(),
            app,
            artifacts: slug
                .iter()
                .map(|slug| Artifact {
                    id: slug.id,
                    kind: "slug".to_owned(),
                })
                .collect(),
            created_at: created_at.into(),
            current,
            description: reason.to_string(),
            eligible_for_rollback,
            id: id.as_uuid(),
            output_stream_url,
            slug,
            status: status.as_str().to_owned(),
            updated_at: updated_at.into(),
            user: Owner::from(&user),
            version: version.get(),
        }
    }
}

/// The body of `POST /apps/X/releases` that rolls back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// The release to take up again, by id or number.
    pub release: String,
}
