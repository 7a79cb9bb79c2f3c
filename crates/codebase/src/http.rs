//! Git's smart HTTP protocol: who asks for which repository, and what git answers.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use noon_control::Kind;
use noon_domain::App;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::answer::{Answer, broken, denied, of_type, sentence};
use crate::body::Plain;
use crate::git::{self, Git};
use crate::hook::Listener;
use crate::push::Push;
use crate::repository::Repository;
use crate::service::Service;
use crate::{Error, Settings, Verbs, auth, setup};

/// What is read of a body whose sender may not send it, in bytes, so that it reads the answer.
const COURTESY: usize = 1 << 20;

/// The largest request of a clone or fetch, in bytes: the names of half a million commits.
const MAX_FETCH: u64 = 32 << 20;

/// What every request needs.
pub(crate) struct Room<V> {
    pub verbs: V,
    pub settings: Settings,
    pub git: Git,
    pub hooks: Listener,
}

/// Serves every app's repository at `/<app>.git`, to whoever `verbs` permits it.
///
/// # Errors
/// [`Error`] if its directories or its socket cannot be made, or git is missing or too old.
///
/// # Panics
/// Outside a tokio runtime.
pub fn router<V: Verbs>(verbs: V, settings: Settings) -> Result<Router, Error> {
    let settings = setup::set_up(settings)?;
    let git = Git::find(&settings)?;
    let hooks = Listener::bind(settings.hook_socket())?;
    let room = Arc::new(Room {
        verbs,
        settings,
        git,
        hooks,
    });
    Ok(Router::new()
        .route("/{repository}/info/refs", get(info_refs::<V>))
        .route("/{repository}/git-receive-pack", post(receive_pack::<V>))
        .route("/{repository}/git-upload-pack", post(upload_pack::<V>))
        .with_state(room))
}

impl<V: Verbs> Room<V> {
    /// Finds out who asks, and opens the repository that they may push to.
    async fn admit(
        &self,
        headers: &HeaderMap,
        name: &str,
    ) -> Result<(App, V::Permit), noon_control::Error> {
        let ask = || noon_control::Error::new(Kind::Unauthorized, "show a token as the password");
        let token = auth::token(headers).ok_or_else(ask)?;
        let who = self.verbs.authenticate(&token).await?;
        let ends = || {
            let sentence = format!("there is no repository {name} here: its name ends in .git");
            noon_control::Error::new(Kind::NotFound("app"), sentence)
        };
        let app = name.strip_suffix(".git").ok_or_else(ends)?;
        self.verbs.permit(&who, app).await
    }

    async fn open(&self, app: &App) -> Result<Repository, Error> {
        Repository::ensure(&self.git, &self.settings, app.id).await
    }
}

async fn info_refs<V: Verbs>(
    State(room): State<Arc<Room<V>>>,
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    let app = match room.admit(&headers, &name).await {
        Ok((app, _)) => app,
        Err(error) => return denied(&error),
    };
    let Some(service) = Service::asked_for(&query) else {
        return sentence(
            StatusCode::FORBIDDEN,
            "this git is too old to speak smart HTTP: update it",
        );
    };
    match advertise(&room, (&app, service), &headers).await {
        Ok(refs) => of_type(&format!("{}-advertisement", service.name()), refs.into()),
        Err(error) => broken(&error),
    }
}

/// The refs, led by a line that names the service, which version 2 does without.
async fn advertise<V: Verbs>(
    room: &Room<V>,
    (app, service): (&App, Service),
    headers: &HeaderMap,
) -> Result<Vec<u8>, Error> {
    let repository = room.open(app).await?;
    let mut command = serve(&repository, service, headers);
    command
        .stdin(Stdio::null())
        .arg("--http-backend-info-refs")
        .arg(repository.path());
    let output = git::output(command).await?;
    if !output.status.success() {
        let stderr = git::complaint(&output);
        return Err(Error::Git {
            command: service.name().into(),
            stderr,
        });
    }
    let has_version_2 = service
        .version(headers)
        .is_some_and(|asked| asked.contains("version=2"));
    let mut refs = Vec::new();
    if !has_version_2 {
        let line = format!("# service=git-{}\n", service.name());
        refs.extend(format!("{:04x}{line}0000", line.len() + 4).into_bytes());
    }
    refs.extend(output.stdout);
    Ok(refs)
}

fn serve(repository: &Repository, service: Service, headers: &HeaderMap) -> Command {
    let mut command = repository.service(service.name());
    command.arg("--stateless-rpc");
    if let Some(version) = service.version(headers) {
        command.env("GIT_PROTOCOL", version);
    }
    command
}

async fn receive_pack<V: Verbs>(
    State(room): State<Arc<Room<V>>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (app, permit) = match room.admit(&headers, &name).await {
        Ok(admitted) => admitted,
        Err(error) => return dismiss(&headers, body, denied(&error)).await,
    };
    let repository = match room.open(&app).await {
        Ok(repository) => repository,
        Err(error) => return dismiss(&headers, body, broken(&error)).await,
    };
    let body = Plain::new(&headers, body);
    let push = Push {
        room,
        permit,
        app: app.id,
        repository,
    };
    match push.start(body) {
        Ok(reply) => {
            // Resolves in any case: the task that reads cannot end without it.
            let _ = reply.sent.await;
            of_type("receive-pack-result", flow(reply.answer))
        }
        Err(error) => broken(&error),
    }
}

async fn upload_pack<V: Verbs>(
    State(room): State<Arc<Room<V>>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let app = match room.admit(&headers, &name).await {
        Ok((app, _)) => app,
        Err(error) => return dismiss(&headers, body, denied(&error)).await,
    };
    let repository = match room.open(&app).await {
        Ok(repository) => repository,
        Err(error) => return dismiss(&headers, body, broken(&error)).await,
    };
    let mut command = serve(&repository, Service::Upload, &headers);
    command.arg(repository.path()).stderr(Stdio::null());
    match command.spawn() {
        Ok(child) => upload(child, Plain::new(&headers, body)).await,
        Err(source) => broken(&Error::GitPipe {
            command: "upload-pack".into(),
            source,
        }),
    }
}

/// Feeds a fetch and passes its answer on at the client's own pace; ends when the client leaves.
async fn upload(mut child: Child, body: Plain) -> Answer {
    let stdin = child.stdin.take().expect("was asked for");
    let mut stdout = child.stdout.take().expect("was asked for");
    let (reader, answer) = mpsc::channel(8);
    tokio::spawn(async move {
        let mut buffer = vec![0; 32 << 10];
        while let Ok(length @ 1..) = stdout.read(&mut buffer).await {
            if reader
                .send(Bytes::copy_from_slice(&buffer[..length]))
                .await
                .is_err()
            {
                break;
            }
        }
        drop(child);
    });
    match body.feed(stdin, MAX_FETCH).await {
        Ok(()) => {
            let flow = stream::unfold(answer, async |mut answer: mpsc::Receiver<Bytes>| {
                answer
                    .recv()
                    .await
                    .map(|piece| (Ok::<_, std::io::Error>(piece), answer))
            });
            of_type("upload-pack-result", Body::from_stream(flow))
        }
        Err(error) => sentence(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

fn flow(answer: mpsc::UnboundedReceiver<Bytes>) -> Body {
    Body::from_stream(stream::unfold(
        answer,
        async |mut answer: mpsc::UnboundedReceiver<Bytes>| {
            answer
                .recv()
                .await
                .map(|piece| (Ok::<_, std::io::Error>(piece), answer))
        },
    ))
}

/// Reads what a client is sending before it is told no.
async fn dismiss(headers: &HeaderMap, body: Body, answer: Answer) -> Answer {
    // What cannot be read need not be: the answer is the same.
    let _ = Plain::new(headers, body).skip(COURTESY).await;
    answer
}
