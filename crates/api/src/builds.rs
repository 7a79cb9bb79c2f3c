//! `/apps/X/builds`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use noon_control::{Permit, View};
use noon_domain::Build;
use noon_wire::BuildContext;

use crate::House;
use crate::auth::Asker;
use crate::failure::Failure;
use crate::list::{Ordered, part};

const BY_TIME: Ordered<noon_wire::Build> = Ordered {
    field: "id",
    key: |build| build.id.to_string(),
};

/// Lists builds, the oldest first.
pub async fn list(
    State(house): State<House>,
    Asker(who): Asker,
    (Path(app), headers): (Path<String>, HeaderMap),
) -> Result<Response, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let mut builds = Vec::new();
    for build in house.control.builds(&permit).await?.into_iter().rev() {
        builds.push(house.shown_build(&permit, build).await?);
    }
    part(&headers, &BY_TIME, builds)
}

/// Shows a build.
pub async fn show(
    State(house): State<House>,
    Asker(who): Asker,
    Path((app, build)): Path<(String, String)>,
) -> Result<Json<noon_wire::Build>, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let missing = || Failure::not_found("build", format!("there is no build {build} here"));
    let id = build.parse().map_err(|_| missing())?;
    let build = house.control.build(&permit, id).await?;
    Ok(Json(house.shown_build(&permit, build).await?))
}

impl House {
    async fn shown_build(
        &self,
        permit: &Permit<View>,
        build: Build,
    ) -> Result<noon_wire::Build, Failure> {
        let context = BuildContext {
            user: self.control.user(build.by).await?,
            git_url: self.git_url(permit.app()),
            output_stream_url: self.stream_url("build", &build.id),
            release_id: self
                .control
                .release_of(&build)
                .await?
                .map(|r| r.id.as_uuid()),
        };
        Ok((build, context).into())
    }
}
