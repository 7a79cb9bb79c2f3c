//! `/apps/X/formation`.

use axum::Json;
use axum::extract::{Path, State};
use noon_domain::{App, FormationChange, ProcessTypes, Size, SizeError};
use noon_wire::{Formation, FormationUpdate, FormationUpdates, SizeRef};

use crate::House;
use crate::auth::{Asker, Body};
use crate::failure::Failure;

/// Lists process types and quantities.
pub async fn list(
    State(house): State<House>,
    Asker(who): Asker,
    Path(app): Path<String>,
) -> Result<Json<Vec<Formation>>, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let (types, formation) = house.control.formation(&permit).await?;
    Ok(Json(shown(permit.app(), &types, &formation)))
}

/// Shows one process type.
pub async fn show(
    State(house): State<House>,
    Asker(who): Asker,
    Path((app, kind)): Path<(String, String)>,
) -> Result<Json<Formation>, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let (types, formation) = house.control.formation(&permit).await?;
    one(shown(permit.app(), &types, &formation), &kind)
}

/// Scales several types at once.
pub async fn scale(
    State(house): State<House>,
    Asker(who): Asker,
    (Path(app), Body(FormationUpdates { updates })): (Path<String>, Body<FormationUpdates>),
) -> Result<Json<Vec<Formation>>, Failure> {
    house.scaled(&who, &app, &updates).await.map(Json)
}

/// Scales one type.
pub async fn scale_one(
    State(house): State<House>,
    Asker(who): Asker,
    (Path((app, kind)), Body(update)): (Path<(String, String)>, Body<OneUpdate>),
) -> Result<Json<Formation>, Failure> {
    let update = FormationUpdate {
        kind: kind.clone(),
        quantity: update.quantity,
        size: update.size,
        dyno_size: update.dyno_size,
    };
    one(house.scaled(&who, &app, &[update]).await?, &kind)
}

/// The body of `PATCH /apps/X/formation/TYPE`.
#[derive(serde::Deserialize)]
pub struct OneUpdate {
    quantity: Option<noon_wire::Quantity>,
    size: Option<String>,
    dyno_size: Option<SizeRef>,
}

fn one(formations: Vec<Formation>, kind: &str) -> Result<Json<Formation>, Failure> {
    let missing = || Failure::not_found("formation", format!("there is no process type {kind}"));
    formations
        .into_iter()
        .find(|f| f.kind == kind)
        .map(Json)
        .ok_or_else(missing)
}

fn shown(app: &App, types: &ProcessTypes, formation: &noon_domain::Formation) -> Vec<Formation> {
    // The release phase too, of which there are none: it has a size.
    types
        .iter()
        .map(|typed| Formation::new(app, typed, formation))
        .collect()
}

impl House {
    async fn scaled(
        &self,
        who: &noon_domain::Principal,
        app: &str,
        updates: &[FormationUpdate],
    ) -> Result<Vec<Formation>, Failure> {
        let permit = self.control.permit_operate(who, app).await?;
        let changes = updates.iter().map(change).collect::<Result<Vec<_>, _>>()?;
        let (types, formation) = self.control.scale(&permit, &changes).await?;
        Ok(shown(permit.app(), &types, &formation))
    }
}

/// One order to scale and to resize.
fn change(update: &FormationUpdate) -> Result<FormationChange, Failure> {
    let FormationUpdate {
        kind,
        quantity,
        size,
        dyno_size,
    } = update;
    let quantity = quantity
        .as_ref()
        .map(|quantity| quantity.to_string().parse());
    let size = size
        .clone()
        .map(SizeRef::Plain)
        .or_else(|| dyno_size.clone());
    Ok(FormationChange {
        quantity: quantity.transpose().map_err(Failure::invalid)?,
        size: size.as_ref().map(size_by).transpose()?,
        ..FormationChange::of(kind.parse().map_err(Failure::invalid)?)
    })
}

/// The size that a client names.
pub fn size_by(named: &SizeRef) -> Result<Size, Failure> {
    noon_wire::size_by(named).ok_or_else(|| {
        let text = match named {
            SizeRef::Plain(text) => text.clone(),
            SizeRef::Object { id, name } => name.clone().unwrap_or_else(|| format!("{id:?}")),
        };
        Failure::invalid(SizeError(text))
    })
}
