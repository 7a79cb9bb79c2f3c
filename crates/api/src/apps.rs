//! `/apps`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use noon_domain::App;
use noon_wire::{AppContext, AppCreate, AppUpdate};

use crate::House;
use crate::auth::{Asker, Body};
use crate::failure::Failure;
use crate::list::{Ordered, part};

const BY_NAME: Ordered<noon_wire::App> = Ordered {
    field: "name",
    key: |app| app.name.clone(),
};

/// Lists apps.
pub async fn list(
    State(house): State<House>,
    Asker(who): Asker,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let mut apps = Vec::new();
    for app in house.control.apps(&who).await? {
        apps.push(house.shown(app).await?);
    }
    apps.sort_by(|a, b| a.name.cmp(&b.name));
    part(&headers, &BY_NAME, apps)
}

/// Makes an app.
pub async fn create(
    State(house): State<House>,
    Asker(who): Asker,
    Body(create): Body<AppCreate>,
) -> Result<(StatusCode, Json<noon_wire::App>), Failure> {
    let app = match create.name {
        Some(name) => {
            let name = name.parse().map_err(Failure::invalid)?;
            house.control.create_app(&who, name).await?
        }
        None => house.control.create_app_with_any_name(&who).await?,
    };
    Ok((StatusCode::CREATED, Json(house.shown(app).await?)))
}

/// Shows an app.
pub async fn show(
    State(house): State<House>,
    Asker(who): Asker,
    Path(app): Path<String>,
) -> Result<Json<noon_wire::App>, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    Ok(Json(house.shown(permit.app().clone()).await?))
}

/// Renames an app, or switches maintenance.
pub async fn update(
    State(house): State<House>,
    Asker(who): Asker,
    (Path(app), Body(update)): (Path<String>, Body<AppUpdate>),
) -> Result<Json<noon_wire::App>, Failure> {
    let AppUpdate { name, maintenance } = update;
    let mut shown = house.control.permit_view(&who, &app).await?.app().clone();
    if let Some(is_on) = maintenance {
        let permit = house.control.permit_operate(&who, &app).await?;
        shown = house.control.set_maintenance(&permit, is_on).await?;
    }
    if let Some(name) = name {
        let permit = house.control.permit_own(&who, &app).await?;
        let name = name.parse().map_err(Failure::invalid)?;
        shown = house.control.rename_app(&permit, name).await?;
    }
    Ok(Json(house.shown(shown).await?))
}

/// Destroys an app.
pub async fn destroy(
    State(house): State<House>,
    Asker(who): Asker,
    Path(app): Path<String>,
) -> Result<Json<noon_wire::App>, Failure> {
    let permit = house.control.permit_own(&who, &app).await?;
    let shown = house.shown(permit.app().clone()).await?;
    house.control.destroy_app(&permit).await?;
    Ok(Json(shown))
}

impl House {
    async fn shown(&self, app: App) -> Result<noon_wire::App, Failure> {
        let info = self.control.app_info(app).await?;
        let context = AppContext {
            owner: self.control.user(info.app.owner).await?,
            git_url: self.git_url(&info.app),
            web_url: self.control.web_url(&info.app),
            slug: info.slug.map(|slug| (slug.builder.clone(), slug.bytes())),
        };
        Ok((info.app, context).into())
    }
}
