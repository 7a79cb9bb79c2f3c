//! The control role: store, engine, builder, verbs, API and git, joined.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use noon_builder::{BuildLimits, Builder};
use noon_control::{Control, Times};
use noon_domain::{AppId, BoxFuture, RouteTable, Secret, StackName};
use noon_logs::Client as LogClient;
use noon_machine::{Machine, Rules};
use noon_router::feed::Publisher;
use noon_store::{NewToken, Store};

use super::data::Data;
use super::role::Stage;
use super::settings::Settings;
use super::{ServerError, banner, keys, signals};

/// How often what was thrown away is deleted, and layers that nothing needs are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// How long a deploy waits for the routers to follow the new routes.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(2);
/// How long platform lines may take to reach the logs role at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Plays control until told to stop.
pub fn play(stage: Stage) -> Result<(), ServerError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(512 * 1024)
        .enable_all()
        .build()
        .map_err(|error| ServerError::failed("no event loop", error))?;
    runtime.block_on(run(stage))
}

fn say(error: impl std::fmt::Display) -> ServerError {
    ServerError(error.to_string())
}

async fn run(mut stage: Stage) -> Result<(), ServerError> {
    let listener = stage
        .listener
        .take()
        .ok_or_else(|| say("control was given no listener"))?;
    let (settings, data) = (stage.settings.clone(), stage.data.clone());
    let master = keys::master_key(&data.at("master.key"))?;
    let store = Store::open(&database_url(&settings, &data), &master)
        .await
        .map_err(say)?;
    let first_token = first_start(&store, &settings).await?;
    let logs = LogClient::connect(data.socket("logs")).map_err(say)?;
    let publisher = Publisher::bind(&data.socket("routes"), Some(data.kept_routes()));
    let publisher = Arc::new(publisher.map_err(say)?);
    let times = Times::default();
    let machine = machine(&stage, (&logs, &publisher), &times)?;
    let adopted = machine.adopt().await.map_err(say)?;
    tracing::info!(?adopted, "took up what runs");

    let builder = builder(&settings, &data, machine.clone())?;
    let (control, looks) = Control::new(
        store,
        machine.clone(),
        builder.clone(),
        (
            control_settings(&settings),
            control_hooks(&data, (&logs, &publisher), (&builder, times)),
        ),
    );
    control.recover().await.map_err(say)?;
    tokio::spawn(control.clone().reconcile(looks));
    tokio::spawn(control.clone().keep_times());
    tokio::spawn(sweep(control.clone(), builder));

    let api = noon_api::Settings {
        url: banner::api_url(&settings),
        logs_dir: data.at("logs"),
        signing_key: keys::signing_key(&master),
    };
    let git = noon_codebase::Settings::below(data.dir(), own_program()?);
    let doors = noon_api::router(control.clone(), api)
        .merge(noon_codebase::router(control.clone(), git).map_err(say)?);
    let serving = tokio::spawn(serve(listener, doors));
    stage.ready();
    if let Some(token) = first_token {
        // The parent's banner comes first: it waits for this role's word.
        tokio::time::sleep(Duration::from_millis(200)).await;
        println!("\n{}", banner::first_login(&settings, token.expose()));
    }
    signals::told_to_stop_by_parent().await.map_err(say)?;
    serving.abort();
    machine.shutdown(stage.detach_apps).await;
    let _ = control.keep_waiting_times().await; // what cannot be kept has been logged
    tokio::task::spawn_blocking(move || logs.flush(LAST_WORDS))
        .await
        .map_err(say)?;
    Ok(())
}

fn database_url(settings: &Settings, data: &Data) -> String {
    let default = || format!("sqlite://{}", data.at("noon.db").display());
    settings.database_url.clone().unwrap_or_else(default)
}

/// The program that git's hook starts: this one, wherever it stands now.
fn own_program() -> Result<PathBuf, ServerError> {
    std::env::current_exe().map_err(|error| ServerError::failed("own program not found", error))
}

/// Makes the owner where there is none yet, with a first token to be shown once.
async fn first_start(
    store: &Store,
    settings: &Settings,
) -> Result<Option<Secret<String>>, ServerError> {
    let owner = store.ensure_owner(&settings.owner).await.map_err(say)?;
    if !store.tokens(owner.id).await.map_err(say)?.is_empty() {
        return Ok(None);
    }
    let secret = match &settings.owner_token {
        Some(token) => Secret::new(token.clone()),
        None => random_token()?,
    };
    let new = NewToken {
        user: owner.id,
        description: "first start".to_owned(),
        secret: secret.clone(),
        expires_at: None,
    };
    store.create_token(&new).await.map_err(say)?;
    Ok(Some(secret))
}

fn random_token() -> Result<Secret<String>, ServerError> {
    let mut noise = [0; 24];
    getrandom::fill(&mut noise).map_err(|error| ServerError::failed("no random token", error))?;
    let text: String = noise.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Secret::new(format!("noon_{text}")))
}

fn machine(
    stage: &Stage,
    (logs, publisher): (&LogClient, &Arc<Publisher>),
    times: &Times,
) -> Result<Arc<Machine>, ServerError> {
    let (settings, data) = (&stage.settings, &stage.data);
    let (drains, looks) = (publisher.clone(), logs.clone());
    let hooks = noon_machine::Hooks {
        sink: logs.sink(),
        drained: Arc::new(move |process| {
            let drains = drains.clone();
            Box::pin(async move { drains.drained(process).await })
        }),
        launched: Arc::new(move || looks.look_again()),
        timed: times.sink(),
    };
    let rules = Rules {
        boot_limit: settings.boot_timeout,
        grace: settings.stop_timeout,
        ..Rules::default()
    };
    let settings = noon_machine::Settings {
        rules,
        mode: stage.mode,
        ..noon_machine::Settings::new(data.at("shims"), data.at("layers"))
    };
    Machine::new(settings, hooks).map_err(say)
}

fn builder(
    settings: &Settings,
    data: &Data,
    engine: Arc<Machine>,
) -> Result<Arc<Builder>, ServerError> {
    let settings = noon_builder::Settings {
        layers_dir: data.at("layers"),
        cache_dir: data.at("cache"),
        work_dir: data.at("builds"),
        trash_dir: data.at("trash"),
        build_env: settings.build_env.clone(),
        stack: stack(),
        limits: BuildLimits::default(),
        network: settings.networks.default,
        grace: Duration::from_secs(3600),
    };
    Builder::new(settings, engine).map(Arc::new).map_err(say)
}

fn stack() -> StackName {
    StackName::new(noon_sandbox::stack_name())
}

fn control_settings(settings: &Settings) -> noon_control::Settings {
    noon_control::Settings {
        domain: settings.domain.clone(),
        port: settings.http_addr.port(),
        stack: stack(),
        boot_timeout: settings.boot_timeout,
        stop_timeout: settings.stop_timeout,
        networks: settings.networks,
        one_offs: settings.one_offs,
    }
}

fn control_hooks(
    data: &Data,
    (logs, publisher): (&LogClient, &Arc<Publisher>),
    (builder, times): (&Arc<Builder>, Times),
) -> noon_control::Hooks {
    let (data, client, builder) = (data.clone(), logs.clone(), builder.clone());
    let forgotten = move |app| -> BoxFuture<'static, ()> {
        Box::pin(forget(app, data.clone(), client.clone(), builder.clone()))
    };
    let (gives, waits) = (publisher.clone(), publisher.clone());
    let routes = move |table: &RouteTable| {
        if let Err(error) = gives.publish(table) {
            tracing::error!(%error, "routes not published");
        }
    };
    let routed = move || -> BoxFuture<'static, ()> {
        let publisher = waits.clone();
        Box::pin(async move {
            // A router that hangs must not hold up whoever deploys.
            let _ = tokio::time::timeout(TAKEN_UP_WITHIN, publisher.taken_up()).await;
        })
    };
    noon_control::Hooks {
        sink: logs.sink(),
        routes: Arc::new(routes),
        routed: Arc::new(routed),
        forgotten: Arc::new(forgotten),
        times,
    }
}

/// Removes what other rooms keep for an app that was destroyed.
async fn forget(app: AppId, data: Data, logs: LogClient, builder: Arc<Builder>) {
    logs.forget(app);
    if let Err(error) = builder.purge_cache(app).await {
        tracing::error!(%app, %error, "build cache not removed");
    }
    let Ok(program) = own_program() else { return };
    let git = noon_codebase::Settings::below(data.dir(), program);
    if let Err(error) = noon_codebase::remove_repository(&git, app).await {
        tracing::error!(%app, %error, "repository not removed");
    }
}

/// Deletes what was thrown away, and throws away layers that no slug needs.
async fn sweep(control: Arc<Control>, builder: Arc<Builder>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        match control.layers_in_use().await {
            Ok(keep) => {
                if let Err(error) = builder.collect(&keep).await {
                    tracing::error!(%error, "layers not collected");
                }
            }
            Err(error) => tracing::error!(%error, "layers in use not known"),
        }
        if let Err(error) = builder.sweep_trash().await {
            tracing::error!(%error, "trash not swept");
        }
    }
}

async fn serve(listener: TcpListener, doors: axum::Router) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    axum::serve(listener, doors).await
}
