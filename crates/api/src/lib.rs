//! HTTP in, verb called, wire out: Heroku's Platform API v3, in the parts that noon's own commands
//! need, and below `/noon/` what Heroku has no word for.
//!
//! Serves every factor and decides nothing: each handler parses, asks `control` for a permit, calls
//! one verb with it and takes the answer to the wire. Log streams read the ring of `logs` straight
//! from its files, so that they work while the logs role is away.
//!
//! Deliberately absent: the store, SQL, engines and builders; and any rule that is not HTTP's.

mod account;
mod apps;
mod attach;
mod auth;
mod builds;
mod config;
mod domains;
mod dynos;
mod failure;
mod formation;
mod limits;
mod links;
mod list;
mod logs;
mod network;
mod noon;
mod releases;
mod sign;
mod streams;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, patch, post};
use noon_control::Control;

pub use sign::SigningKey;

/// What the API needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How clients reach this API, as in `http://127.0.0.1:8090`, without a trailing slash.
    pub url: String,
    /// Where the logs role keeps the apps' rings.
    pub logs_dir: PathBuf,
    /// Signs addresses that carry their own permission.
    pub signing_key: SigningKey,
}

/// What every handler is given.
#[derive(Clone)]
struct House {
    control: Arc<Control>,
    settings: Arc<Settings>,
}

impl House {
    fn git_url(&self, app: &noon_domain::App) -> String {
        format!("{}/{}.git", self.settings.url, app.name)
    }
}

/// The API as a router, to be served wherever the caller listens.
pub fn router(control: Arc<Control>, settings: Settings) -> Router {
    let house = House {
        control,
        settings: Arc::new(settings),
    };
    Router::new()
        .merge(platform())
        .nest("/apps/{app}", app())
        .nest("/noon", beyond())
        .fallback(failure::no_such_path)
        .method_not_allowed_fallback(failure::no_such_method)
        .with_state(house)
}

fn platform() -> Router<House> {
    Router::new()
        .route("/account", get(account::show))
        .route("/users/~", get(account::show))
        .route("/users/~/apps", get(apps::list))
        .route("/apps", get(apps::list).post(apps::create))
        .route("/dyno-sizes", get(limits::sizes))
        .route("/dyno-sizes/{size}", get(limits::size))
        .route(
            "/apps/{app}",
            get(apps::show).patch(apps::update).delete(apps::destroy),
        )
}

fn app() -> Router<House> {
    Router::new()
        .route("/config-vars", get(config::show).patch(config::change))
        .route("/releases", get(releases::list).post(releases::rollback))
        .route("/releases/{release}", get(releases::show))
        .route(
            "/releases/{release}/config-vars",
            get(config::show_of_release),
        )
        .route("/available-dyno-sizes", get(limits::sizes_of_app))
        .route("/formation", get(formation::list).patch(formation::scale))
        .route(
            "/formation/{type}",
            get(formation::show).patch(formation::scale_one),
        )
        .route("/formations/{type}", delete(dynos::restart_type))
        .route("/formations/{type}/actions/stop", post(dynos::stop_type))
        .route(
            "/dynos",
            get(dynos::list).post(dynos::run).delete(dynos::restart_all),
        )
        .route("/dynos/{dyno}", get(dynos::show).delete(dynos::restart_one))
        .route("/dynos/{dyno}/actions/stop", post(dynos::stop_one))
        .route("/domains", get(domains::list).post(domains::add))
        .route(
            "/domains/{domain}",
            get(domains::show).delete(domains::remove),
        )
        .route("/builds", get(builds::list))
        .route("/builds/{build}", get(builds::show))
        .route("/log-sessions", post(logs::create))
}

fn beyond() -> Router<House> {
    Router::new()
        .route("/server", get(noon::server))
        .route("/apps/{app}/processes", get(noon::processes))
        .route("/apps/{app}/links", get(links::list).post(links::add))
        .route("/apps/{app}/links/{other}", delete(links::remove))
        .route("/apps/{app}/processes/{name}/exec", post(dynos::exec))
        .route(
            "/apps/{app}/network",
            get(network::show).patch(network::change),
        )
        .route("/apps/{app}/limits", get(limits::list))
        .route("/apps/{app}/limits/{type}", patch(limits::change))
        .route("/apps/{app}/releases/verify", get(noon::verify))
        .route("/apps/{app}/releases/{release}/outcome", get(noon::outcome))
        .route("/apps/{app}/releases/{release}/times", get(noon::times))
        .route("/logs/{session}", get(logs::stream))
        .route("/streams/build/{id}/{signature}", get(streams::build))
        .route("/streams/release/{id}/{signature}", get(streams::release))
        .route("/attach/{secret}", get(attach::attach))
}
