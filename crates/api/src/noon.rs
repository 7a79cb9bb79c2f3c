//! What Heroku has no word for.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use noon_control::Kind;
use noon_wire::noon::{LedgerReport, ProcessInfo, ReleaseOutcome, ServerInfo};

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
    let shown = processes.into_iter().map(|process| ProcessInfo {
        id: process.id.as_uuid(),
        name: process.name.to_string(),
        state: process.state.to_string(),
        boot_ms: process.boot.map(millis),
    });
    Ok(Json(shown.collect()))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
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
