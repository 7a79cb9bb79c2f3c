//! `/apps/X/dynos`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use noon_control::{Attachment, Permit, RunOrder, View, VisitOrder};
use noon_domain::{Process, ProcessFilter, Version, WindowSize};
use noon_wire::noon::{ExecCreate, ExecSession};
use noon_wire::{Dyno, DynoContext, DynoCreate, Named};
use uuid::Uuid;

use crate::House;
use crate::auth::{Asker, Body};
use crate::failure::Failure;

/// An answer with nothing in it.
type Accepted = (StatusCode, Json<serde_json::Map<String, serde_json::Value>>);

/// Lists processes.
pub async fn list(
    State(house): State<House>,
    Asker(who): Asker,
    Path(app): Path<String>,
) -> Result<Json<Vec<Dyno>>, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let processes = house.control.processes(&permit).await?;
    house.shown_dynos(&permit, processes).await.map(Json)
}

/// Shows a process, named by name or id.
pub async fn show(
    State(house): State<House>,
    Asker(who): Asker,
    Path((app, named)): Path<(String, String)>,
) -> Result<Json<Dyno>, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let processes = house.control.processes(&permit).await?;
    let dynos = house.shown_dynos(&permit, processes).await?;
    let found = dynos
        .into_iter()
        .find(|d| d.name == named || d.id.to_string() == named);
    found
        .map(Json)
        .ok_or_else(|| Failure::not_found("dyno", format!("there is no process {named}")))
}

/// Runs a one-off.
pub async fn run(
    State(house): State<House>,
    Asker(who): Asker,
    (Path(app), Body(create)): (Path<String>, Body<DynoCreate>),
) -> Result<(StatusCode, Json<Dyno>), Failure> {
    let permit = house.control.permit_operate(&who, &app).await?;
    let view = house.control.permit_view(&who, &app).await?;
    let is_attached = create.attach;
    let order = order(create)?;
    let (process, attach_url) = if is_attached {
        let attachment = house.control.run_attached(&permit, order).await?;
        let url = house.attach_url(&attachment);
        (attachment.process, Some(url))
    } else {
        (house.control.run_detached(&permit, order).await?, None)
    };
    let mut dynos = house.shown_dynos(&view, vec![process]).await?;
    let mut dyno = dynos
        .pop()
        .ok_or_else(|| Failure::not_found("dyno", "it has gone already"))?;
    dyno.attach_url = attach_url;
    Ok((StatusCode::CREATED, Json(dyno)))
}

fn order(create: DynoCreate) -> Result<RunOrder, Failure> {
    let DynoCreate {
        command,
        attach,
        mut env,
        force_no_tty,
        time_to_live,
        size,
    } = create;
    let has_terminal = attach && force_no_tty != Some(true);
    let terminal = has_terminal.then(|| window(&env));
    let size = size.map(noon_wire::SizeRef::Plain);
    let size = size.as_ref().map(crate::formation::size_by).transpose()?;
    retain_valid(&mut env);
    Ok(RunOrder {
        command,
        size,
        env,
        terminal,
        time_to_live: time_to_live.map(Duration::from_secs),
    })
}

/// The size of the user's window, by its environment.
fn window(env: &BTreeMap<String, String>) -> WindowSize {
    let side = |key: &str| env.get(key).and_then(|text| text.parse().ok());
    WindowSize {
        columns: side("COLUMNS").unwrap_or(80),
        rows: side("LINES").unwrap_or(24),
    }
}

fn retain_valid(env: &mut BTreeMap<String, String>) {
    env.retain(|key, value| key.parse::<noon_domain::ConfigKey>().is_ok() && !value.contains('\0'));
}

/// Prepares a command inside a running process.
pub async fn exec(
    State(house): State<House>,
    Asker(who): Asker,
    (Path((app, name)), Body(create)): (Path<(String, String)>, Body<ExecCreate>),
) -> Result<(StatusCode, Json<ExecSession>), Failure> {
    let permit = house.control.permit_operate(&who, &app).await?;
    let ExecCreate {
        command,
        mut env,
        force_no_tty,
    } = create;
    let terminal = (force_no_tty != Some(true)).then(|| window(&env));
    retain_valid(&mut env);
    let order = VisitOrder {
        name: name.parse().map_err(Failure::invalid)?,
        command,
        env,
        terminal,
    };
    let attachment = house.control.visit(&permit, order).await?;
    let session = ExecSession {
        attach_url: house.attach_url(&attachment),
        name: attachment.process.name.to_string(),
    };
    Ok((StatusCode::CREATED, Json(session)))
}

/// Restarts all processes of the formation.
pub async fn restart_all(
    State(house): State<House>,
    Asker(who): Asker,
    Path(app): Path<String>,
) -> Result<Accepted, Failure> {
    house.restarted(&who, &app, &ProcessFilter::All).await
}

/// Restarts one process.
pub async fn restart_one(
    State(house): State<House>,
    Asker(who): Asker,
    Path((app, dyno)): Path<(String, String)>,
) -> Result<Accepted, Failure> {
    house.restarted(&who, &app, &one(&dyno)?).await
}

/// Restarts all processes of a type.
pub async fn restart_type(
    State(house): State<House>,
    Asker(who): Asker,
    Path((app, kind)): Path<(String, String)>,
) -> Result<Accepted, Failure> {
    house.restarted(&who, &app, &all_of(&kind)?).await
}

/// Stops one process.
pub async fn stop_one(
    State(house): State<House>,
    Asker(who): Asker,
    Path((app, dyno)): Path<(String, String)>,
) -> Result<Accepted, Failure> {
    house.stopped(&who, &app, &one(&dyno)?).await
}

/// Stops all processes of a type.
pub async fn stop_type(
    State(house): State<House>,
    Asker(who): Asker,
    Path((app, kind)): Path<(String, String)>,
) -> Result<Accepted, Failure> {
    house.stopped(&who, &app, &all_of(&kind)?).await
}

fn one(dyno: &str) -> Result<ProcessFilter, Failure> {
    Ok(ProcessFilter::Name(dyno.parse().map_err(Failure::invalid)?))
}

fn all_of(kind: &str) -> Result<ProcessFilter, Failure> {
    Ok(ProcessFilter::Type(kind.parse().map_err(Failure::invalid)?))
}

fn accepted() -> Accepted {
    (StatusCode::ACCEPTED, Json(serde_json::Map::new()))
}

impl House {
    fn attach_url(&self, attachment: &Attachment) -> String {
        let secret = attachment.secret.expose();
        format!("{}/noon/attach/{secret}", self.settings.url)
    }

    async fn restarted(
        &self,
        who: &noon_domain::Principal,
        app: &str,
        which: &ProcessFilter,
    ) -> Result<Accepted, Failure> {
        let permit = self.control.permit_operate(who, app).await?;
        self.control.restart(&permit, which).await?;
        Ok(accepted())
    }

    async fn stopped(
        &self,
        who: &noon_domain::Principal,
        app: &str,
        which: &ProcessFilter,
    ) -> Result<Accepted, Failure> {
        let permit = self.control.permit_operate(who, app).await?;
        self.control.stop(&permit, which).await?;
        Ok(accepted())
    }

    async fn shown_dynos(
        &self,
        permit: &Permit<View>,
        processes: Vec<Process>,
    ) -> Result<Vec<Dyno>, Failure> {
        let mut ids: HashMap<Version, Uuid> = HashMap::new();
        let app = Named {
            id: permit.app().id.as_uuid(),
            name: permit.app().name.to_string(),
        };
        let mut dynos = Vec::new();
        for process in processes {
            // Build steps have no release, and are shown as builds.
            let Some(version) = process.release else {
                continue;
            };
            let release_id = match ids.get(&version) {
                Some(id) => *id,
                None => self.control.release(permit, version).await?.id.as_uuid(),
            };
            ids.insert(version, release_id);
            let context = DynoContext {
                app: app.clone(),
                release_id,
                attach_url: None,
            };
            dynos.push((process, context).into());
        }
        Ok(dynos)
    }
}
