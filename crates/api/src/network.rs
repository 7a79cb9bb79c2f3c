//! `/noon/apps/X/network`.

use axum::Json;
use axum::extract::{Path, State};
use noon_control::NetworkInfo;
use noon_domain::Network;
use noon_wire::noon;

use crate::House;
use crate::auth::{Asker, Body};
use crate::failure::Failure;

/// Shows what an app's processes may reach.
pub async fn show(
    State(house): State<House>,
    Asker(who): Asker,
    Path(app): Path<String>,
) -> Result<Json<noon::NetworkInfo>, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    Ok(Json(shown(house.control.network(&permit).await?)))
}

/// Chooses it, and answers once it is so.
pub async fn change(
    State(house): State<House>,
    Asker(who): Asker,
    (Path(app), Body(update)): (Path<String>, Body<noon::NetworkUpdate>),
) -> Result<Json<noon::NetworkInfo>, Failure> {
    let permit = house.control.permit_operate(&who, &app).await?;
    let wanted = update.network.as_deref().map(str::parse::<Network>);
    let wanted = wanted.transpose().map_err(Failure::invalid)?;
    Ok(Json(shown(
        house.control.set_network(&permit, wanted).await?,
    )))
}

fn shown(info: NetworkInfo) -> noon::NetworkInfo {
    noon::NetworkInfo {
        network: info.granted.to_string(),
        chosen: info.chosen.map(|network| network.to_string()),
        most: info.most.to_string(),
    }
}
