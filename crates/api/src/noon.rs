//! What Heroku has no word for.

use axum::Json;
use axum::extract::{Path, State};
use noon_control::Kind;
use noon_wire::noon::{LedgerReport, ProcessInfo, ReleaseOutcome, ServerInfo, TypeTimes, millis};

use crate::House;
use crate::auth::Asker;
use crate::failure::Failure;

/// Says what this platform is. Anyone may ask.
pub async fn server(State(house): State<House>) -> Json<ServerInfo> {
    let settings = house.control.settings();
    Json(ServerInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        domain: settings.domain.clone(),
        port: settings.port,
    })
}

/// Shows what the list of dynos cannot say.
pub async fn processes(
    State(house): State<House>,
    Asker(who): Asker,
    Path(app): Path<String>,
) -> Result<Json<Vec<ProcessInfo>>, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let processes = house.control.processes(&permit).await?;
    let times = house.control.place_times(&permit).await?;
    let shown = processes.into_iter().map(|process| ProcessInfo {
        id: process.id.as_uuid(),
        state: process.state.to_string(),
        boot_ms: process.boot.or_else(|| times.boot(process.id)).map(millis),
        last_stop_ms: times.last_stop(&process.name).map(millis),
        name: process.name.to_string(),
        expires_at: process.expires_at.map(Into::into),
    });
    Ok(Json(shown.collect()))
}

/// Says how long the processes of a release took to boot and to stop.
pub async fn times(
    State(house): State<House>,
    Asker(who): Asker,
    Path((app, release)): Path<(String, String)>,
) -> Result<Json<Vec<TypeTimes>>, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let release = house.release(&permit, &release).await?;
    let times = house
        .control
        .release_times(&permit, release.version)
        .await?;
    Ok(Json(times.into_iter().map(TypeTimes::from).collect()))
}

/// Walks the ledger.
pub async fn verify(
    State(house): State<House>,
    Asker(who): Asker,
    Path(app): Path<String>,
) -> Result<Json<LedgerReport>, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    match house.control.verify_ledger(&permit).await {
        Ok(entries) => Ok(Json(LedgerReport {
            entries,
            intact: true,
            broken: None,
        })),
        Err(error) if error.kind() == Kind::Conflict => {
            let broken = Some(error.message().to_owned());
            Ok(Json(LedgerReport {
                entries: 0,
                intact: false,
                broken,
            }))
        }
        Err(error) => Err(error.into()),
    }
}

/// Says how a release came out, and why.
pub async fn outcome(
    State(house): State<House>,
    Asker(who): Asker,
    Path((app, release)): Path<(String, String)>,
) -> Result<Json<ReleaseOutcome>, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let release = house.release(&permit, &release).await?;
    let outcome = house.control.outcome(&permit, release.version).await?;
    Ok(Json(ReleaseOutcome {
        status: outcome.status.as_str().to_owned(),
        why: outcome.why,
    }))
}
