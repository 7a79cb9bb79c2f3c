//! `/dyno-sizes`, and `/noon/apps/X/limits`.

use axum::Json;
use axum::extract::{Path, State};
use noon_domain::{Formation, FormationChange, ProcessType, ProcessTypes, Size, SizeError};
use noon_wire::noon::{TypeLimits, TypeLimitsUpdate};
use noon_wire::{DynoSize, SizeRef};

use crate::House;
use crate::auth::{Asker, Body};
use crate::failure::Failure;

/// Lists the sizes.
pub async fn sizes(Asker(_): Asker) -> Json<Vec<DynoSize>> {
    Json(Size::ALL.map(DynoSize::from).into())
}

/// Lists the sizes that an app can choose from: all.
pub async fn sizes_of_app(
    State(house): State<House>,
    Asker(who): Asker,
    Path(app): Path<String>,
) -> Result<Json<Vec<DynoSize>>, Failure> {
    house.control.permit_view(&who, &app).await?;
    Ok(Json(Size::ALL.map(DynoSize::from).into()))
}

/// Shows one size.
pub async fn size(Asker(_): Asker, Path(named): Path<String>) -> Result<Json<DynoSize>, Failure> {
    let found = noon_wire::size_by(&SizeRef::Plain(named.clone()));
    let missing = || Failure::not_found("dyno-size", SizeError(named).to_string());
    found.map(|size| Json(size.into())).ok_or_else(missing)
}

/// Shows what the processes of each type are given.
pub async fn list(
    State(house): State<House>,
    Asker(who): Asker,
    Path(app): Path<String>,
) -> Result<Json<Vec<TypeLimits>>, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let (types, formation) = house.control.formation(&permit).await?;
    Ok(Json(house.limits(&types, &formation)))
}

/// Sets how long the processes of a type may take.
pub async fn change(
    State(house): State<House>,
    Asker(who): Asker,
    (Path((app, kind)), Body(update)): (Path<(String, String)>, Body<TypeLimitsUpdate>),
) -> Result<Json<Vec<TypeLimits>>, Failure> {
    let permit = house.control.permit_operate(&who, &app).await?;
    let TypeLimitsUpdate {
        boot_timeout,
        stop_timeout,
    } = update;
    let parse = |text: Option<String>| text.map(|text| text.parse()).transpose();
    let change = FormationChange {
        boot: parse(boot_timeout).map_err(Failure::invalid)?,
        stop: parse(stop_timeout).map_err(Failure::invalid)?,
        ..FormationChange::of(kind.parse().map_err(Failure::invalid)?)
    };
    let (types, formation) = house.control.scale(&permit, &[change]).await?;
    Ok(Json(house.limits(&types, &formation)))
}

impl House {
    /// The types that have processes, and those for which something is set already.
    fn limits(&self, types: &ProcessTypes, formation: &Formation) -> Vec<TypeLimits> {
        let mut kinds: Vec<&ProcessType> = types.scalable().collect();
        let set = formation.iter_settings().map(|(kind, _)| kind);
        kinds.extend(set.filter(|kind| !kind.is_release() && types.command(kind).is_none()));
        kinds
            .into_iter()
            .map(|kind| self.limits_of(kind, formation))
            .collect()
    }

    fn limits_of(&self, kind: &ProcessType, formation: &Formation) -> TypeLimits {
        let defaults = self.control.settings();
        let settings = formation.settings(kind);
        let (boot, stop) = (settings.timeouts.boot, settings.timeouts.stop);
        TypeLimits {
            kind: kind.to_string(),
            size: settings.size.to_string(),
            boot_timeout: boot.map_or(defaults.boot_timeout.as_secs(), |boot| boot.as_secs()),
            boot_timeout_is_set: boot.is_some(),
            stop_timeout: stop.map_or(defaults.stop_timeout.as_secs(), |stop| stop.as_secs()),
            stop_timeout_is_set: stop.is_some(),
        }
    }
}
