//! `/noon/apps/X/links`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use noon_control::LinkInfo;
use noon_wire::{Named, noon};

use crate::House;
use crate::auth::{Asker, Body};
use crate::failure::Failure;

/// Lists the apps that an app's processes reach.
pub async fn list(
    State(house): State<House>,
    Asker(who): Asker,
    Path(app): Path<String>,
) -> Result<Json<Vec<noon::LinkInfo>>, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let links = house.control.links(&permit).await?;
    Ok(Json(links.into_iter().map(shown).collect()))
}

/// Adds a link, and answers once it leads somewhere.
pub async fn add(
    State(house): State<House>,
    Asker(who): Asker,
    (Path(app), Body(create)): (Path<String>, Body<noon::LinkCreate>),
) -> Result<(StatusCode, Json<noon::LinkInfo>), Failure> {
    let permit = house.control.permit_operate(&who, &app).await?;
    let link = house.control.add_link(&permit, &create.app).await?;
    Ok((StatusCode::CREATED, Json(shown(link))))
}

/// Removes a link.
pub async fn remove(
    State(house): State<House>,
    Asker(who): Asker,
    Path((app, other)): Path<(String, String)>,
) -> Result<Json<noon::LinkInfo>, Failure> {
    let permit = house.control.permit_operate(&who, &app).await?;
    let link = house.control.remove_link(&permit, &other).await?;
    Ok(Json(shown(link)))
}

fn shown(info: LinkInfo) -> noon::LinkInfo {
    let LinkInfo {
        link,
        to,
        host,
        restarted,
    } = info;
    noon::LinkInfo {
        app: Named {
            id: to.id.as_uuid(),
            name: to.name.to_string(),
        },
        host: host.to_string(),
        created_at: link.created_at.into(),
        restarted,
    }
}
