//! Builds.

use noon_domain::{Build as DomainBuild, User};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::release::SlugRef;
use crate::{Owner, Time};

/// An app by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ref {
    /// The identity.
    pub id: Uuid,
}

/// Where a build's source came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceBlob {
    /// None: git vouches for the content.
    pub checksum: Option<String>,
    /// Where it was pushed to.
    pub url: String,
    /// The commit.
    pub version: Option<String>,
    /// None.
    pub version_description: Option<String>,
}

/// A build, as `GET /apps/X/builds` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Whose.
    pub app: Ref,
    /// None: noon's own builders are no buildpacks.
    pub buildpacks: Option<Vec<String>>,
    /// When it began.
    pub created_at: Time,
    /// The identity.
    pub id: Uuid,
    /// Where its output is.
    pub output_stream_url: String,
    /// The release that it led to.
    pub release: Option<Ref>,
    /// The slug that it made.
    pub slug: Option<SlugRef>,
    /// Where its source came from.
    pub source_blob: SourceBlob,
    /// The stack.
    pub stack: String,
    /// How it stands.
    pub status: String,
    /// When it last changed.
    pub updated_at: Time,
    /// Who pushed.
    pub user: Owner,
}

/// What the API knows of a build beside the build.
#[derive(Clone, Debug)]
pub struct BuildContext {
    /// Who pushed.
    pub user: User,
    /// Where it was pushed to.
    pub git_url: String,
    /// Where its output is.
    pub output_stream_url: String,
    /// The release's id.
    pub release_id: Option<Uuid>,
}

impl From<(DomainBuild, BuildContext)> for Build {
    fn from((build, context): (DomainBuild, BuildContext)) -> Self {
        let DomainBuild {
            id,
            app,
            by: _, // shown by the context, with its address
            commit,
            stack,
            status,
            slug,
            release: _, // shown by the context, by id
            created_at,
            updated_at,
        } = build;
        let BuildContext {
            user,
            git_url,
            output_stream_url,
            release_id,
        } = context;
        Self {
            app: Ref { id: app.as_uuid() },
            buildpacks: None,
            created_at: created_at.into(),
            id: id.as_uuid(),
            output_stream_url,
            release: release_id.map(|id| Ref { id }),
            slug: slug.map(SlugRef::from),
            source_blob: SourceBlob {
                checksum: None,
                url: git_url,
                version: Some(commit.to_string()),
                version_description: None,
            },
            stack: stack.to_string(),
            status: status.as_str().to_owned(),
            updated_at: updated_at.into(),
            user: Owner::from(&user),
        }
    }
}
