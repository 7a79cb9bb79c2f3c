//! `/apps/X/releases`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use noon_control::{Permit, View};
use noon_domain::Release;
use noon_wire::{Named, ReleaseContext, Rollback};

use crate::House;
use crate::auth::{Asker, Body};
use crate::failure::Failure;
use crate::list::{Ordered, part};

const BY_VERSION: Ordered<noon_wire::Release> = Ordered {
    field: "version",
    key: |release| release.version.to_string(),
};

/// Lists releases.
pub async fn list(
    State(house): State<House>,
    Asker(who): Asker,
    (Path(app), headers): (Path<String>, HeaderMap),
) -> Result<Response, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let mut releases = Vec::new();
    for release in house.control.releases(&permit).await? {
        releases.push(house.shown_release(&permit, release).await?);
    }
    releases.sort_by_key(|release| release.version);
    part(&headers, &BY_VERSION, releases)
}

/// Shows a release, named by number or id.
pub async fn show(
    State(house): State<House>,
    Asker(who): Asker,
    Path((app, release)): Path<(String, String)>,
) -> Result<Json<noon_wire::Release>, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let release = house.release(&permit, &release).await?;
    Ok(Json(house.shown_release(&permit, release).await?))
}

/// Rolls back to an earlier release.
pub async fn rollback(
    State(house): State<House>,
    Asker(who): Asker,
    (Path(app), Body(Rollback { release })): (Path<String>, Body<Rollback>),
) -> Result<(StatusCode, Json<noon_wire::Release>), Failure> {
    let view = house.control.permit_view(&who, &app).await?;
    let target = house.release(&view, &release).await?;
    let permit = house.control.permit_operate(&who, &app).await?;
    let made = house.control.rollback(&permit, target.version).await?;
    Ok((
        StatusCode::CREATED,
        Json(house.shown_release(&view, made).await?),
    ))
}

impl House {
    /// The release that a path or a body names, by number or id.
    pub async fn release(&self, permit: &Permit<View>, named: &str) -> Result<Release, Failure> {
        if let Ok(version) = named.parse() {
            return Ok(self.control.release(permit, version).await?);
        }
        let id = named.parse().map_err(|_| {
            Failure::not_found(
                "release",
                format!("there is no release {named}: use vN, N or an id"),
            )
        })?;
        Ok(self.control.release_by_id(permit, id).await?)
    }

    async fn shown_release(
        &self,
        permit: &Permit<View>,
        release: Release,
    ) -> Result<noon_wire::Release, Failure> {
        let has_output = self.control.phase_output(release.id).await?.is_some();
        let context = ReleaseContext {
            app: Named {
                id: permit.app().id.as_uuid(),
                name: permit.app().name.to_string(),
            },
            user: self.control.user(release.by).await?,
            output_stream_url: has_output.then(|| self.stream_url("release", &release.id)),
        };
        Ok((release, context).into())
    }
}
