//! The router role: routes from control, sockets from the machine, lines to the logs.

use std::sync::Arc;

use noon_logs::Client as LogClient;
use noon_router::feed::Subscriber;
use noon_router::{Hooks, Routes, Settings, serve};

use super::role::Stage;
use super::{ServerError, signals};

/// Carries requests until told to stop.
pub fn play(mut stage: Stage) -> Result<(), ServerError> {
    let say = |error: &dyn std::fmt::Display| ServerError(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| ServerError::failed("no event loop", error))?;
    runtime.block_on(async {
        let missing = || ServerError("the router was given no listener".to_owned());
        let listener = stage.listener.take().ok_or_else(missing)?;
        let logs = LogClient::connect(stage.data.socket("logs")).map_err(|e| say(&e))?;
        let hooks = Hooks {
            socket: Arc::new(noon_machine::socket_for),
            listen: Arc::new(noon_machine::listen_inside),
            sink: logs.sink(),
        };
        let routes = Routes::new();
        let kept = stage.data.kept_routes();
        let mut subscriber =
            Subscriber::new(stage.data.socket("routes"), routes.clone(), Some(kept));
        let first = subscriber.first_table();
        tokio::spawn(subscriber.run());
        tokio::spawn(async move {
            // Requests are answered from now on; up means that what control does is followed too.
            if first.await.is_ok() {
                stage.ready();
            }
        });
        let stop = async {
            // Without signals there is nothing to wait for: the parent kills.
            if signals::told_to_stop_by_parent().await.is_err() {
                std::future::pending().await
            }
        };
        serve(Settings::new(vec![listener]), hooks, routes, stop)
            .await
            .map_err(|e| say(&e))
    })
}
