//! `/apps/X/config-vars`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use noon_domain::{ConfigChange, ConfigVars, Secret};

use crate::House;
use crate::auth::{Asker, Body};
use crate::failure::Failure;

/// Config vars as the API shows them: a flat map.
type Shown = Json<BTreeMap<String, String>>;

/// Shows the config vars of the current release.
pub async fn show(
    State(house): State<House>,
    Asker(who): Asker,
    Path(app): Path<String>,
) -> Result<Shown, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    Ok(shown(&house.control.config(&permit).await?))
}

/// Shows the config vars of one release.
pub async fn show_of_release(
    State(house): State<House>,
    Asker(who): Asker,
    Path((app, release)): Path<(String, String)>,
) -> Result<Shown, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let release = house.release(&permit, &release).await?;
    Ok(shown(
        &house.control.config_of(&permit, release.version).await?,
    ))
}

/// Changes config vars: texts set, nulls remove.
pub async fn change(
    State(house): State<House>,
    Asker(who): Asker,
    (Path(app), Body(change)): (Path<String>, Body<BTreeMap<String, Option<String>>>),
) -> Result<Shown, Failure> {
    let permit = house.control.permit_operate(&who, &app).await?;
    let mut checked = ConfigChange::new();
    for (key, value) in change {
        checked.insert(
            key.parse().map_err(Failure::invalid)?,
            value.map(Secret::new),
        );
    }
    Ok(shown(
        &house.control.change_config(&permit, &checked).await?,
    ))
}

fn shown(vars: &ConfigVars) -> Shown {
    Json(
        vars.iter()
            .map(|(key, value)| (key.to_string(), value.expose().clone()))
            .collect(),
    )
}
