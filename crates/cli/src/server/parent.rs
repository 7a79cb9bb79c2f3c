//! The parent: holds the data directory and the listeners, and runs the roles.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use noon_domain::Timeout;
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::data::{Data, SHIMS};
use super::role::Role;
use super::settings::{Settings, VARIABLES};
use super::{ServerError, banner, handover, keys, safety, signals};

/// Runs the platform: API, git, builds, router, logs and all apps, in the foreground.
///
/// It needs no configuration: each setting is an environment variable with a working default,
/// listed below. The first start prints how to log in. SIGTERM or Ctrl-C stops all in order.
///
///   noon server
///   NOON_DATA_DIR=/srv/noon NOON_DOMAIN=apps.example.com NOON_HTTP_ADDR=0.0.0.0:80 noon server
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = variables())]
pub struct ServerArgs {
    /// Leave apps running when the server stops; the next start takes them up again.
    #[arg(long)]
    pub detach_apps: bool,
}

fn variables() -> String {
    let line = |(name, default, meaning): &(&str, &str, &str)| {
        format!("  {name}\n      {meaning} [default: {default}]\n")
    };
    let lines: String = VARIABLES.iter().map(line).collect();
    format!("Environment:\n{lines}")
}

/// How long a role has to stop by itself, beyond the time that apps have.
const PATIENCE: Duration = Duration::from_secs(60);
/// A role that lived so long has not failed at its start.
const SETTLED: Duration = Duration::from_secs(10);
/// The longest pause before a role is started again: a house without control must not stay so.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Runs the server until it is told to stop.
pub fn serve(args: &ServerArgs) -> Result<(), ServerError> {
    let settings = Settings::from_env()?;
    noon_sandbox::resume_rootless(&settings.data_dir.join(SHIMS)).map_err(|error| {
        ServerError::failed("this user cannot have namespaces of their own", error)
    })?;
    signals::log_to_stdout();
    look_at_machine(&settings)?;
    allow_files();
    let data = Data::prepare(settings.data_dir.clone())?;
    let _held = data.hold()?;
    keys::master_key(&data.at("master.key"))?;
    let listeners = Listeners {
        api: bind("NOON_API_ADDR", settings.api_addr)?,
        http: bind("NOON_HTTP_ADDR", settings.http_addr)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| ServerError::failed("no event loop", error))?;
    runtime.block_on(async {
        let socket = data.socket("server");
        let meeting = handover::listen(&socket).and_then(|listener| {
            listener.set_nonblocking(true)?;
            UnixListener::from_std(listener)
        });
        let meeting = meeting.map_err(|error| {
            ServerError::failed(format!("cannot listen at {}", socket.display()), error)
        })?;
        let mut parent = Parent {
            settings,
            listeners,
            detach_apps: args.detach_apps,
            roles: HashMap::new(),
        };
        parent.run(&meeting).await
    })
}

/// Says once what this machine lacks, and refuses where that would be unsafe.
fn look_at_machine(settings: &Settings) -> Result<(), ServerError> {
    let addresses = [settings.http_addr, settings.api_addr];
    let missing = safety::judge(&super::doctor::walls(), &addresses, settings.allowed)?;
    for wall in missing {
        tracing::warn!("this machine lacks {wall}");
    }
    Ok(())
}

fn bind(variable: &str, address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address).map_err(|error| {
        let mend = match error.kind() {
            std::io::ErrorKind::AddrInUse => format!("is taken: set {variable} to a free one"),
            std::io::ErrorKind::PermissionDenied => {
                format!("needs more rights than this user has: set {variable} to a port from 1024")
            }
            _ => format!("cannot be listened on ({error}): set {variable}"),
        };
        ServerError(format!("the address {address} {mend}"))
    })
}

struct Listeners {
    api: TcpListener,
    http: TcpListener,
}

struct Running {
    child: Child,
    since: Instant,
    failures: u32,
}

struct Parent {
    settings: Settings,
    listeners: Listeners,
    detach_apps: bool,
    roles: HashMap<u8, Running>,
}

/// What the parent hears of.
enum Event {
    Ready(Role),
    Ended(Role, ExitStatus),
    Again(Role, u32),
    Stop,
}

impl Parent {
    async fn run(&mut self, meeting: &UnixListener) -> Result<(), ServerError> {
        let children = signal(SignalKind::child());
        let mut children =
            children.map_err(|error| ServerError::failed("no signals of children", error))?;
        for role in Role::ALL {
            self.start(role, 0)?;
        }
        let (ready, mut readies) = mpsc::unbounded_channel();
        let (again, mut agains) = mpsc::unbounded_channel();
        let stop = signals::told_to_stop();
        tokio::pin!(stop);
        let mut up = Vec::new();
        loop {
            let event = tokio::select! {
                Ok((stream, _)) = meeting.accept() => {
                    self.welcome(stream, &ready);
                    continue;
                }
                Some(role) = readies.recv() => Event::Ready(role),
                Some((role, failures)) = agains.recv() => Event::Again(role, failures),
                (role, status) = ended(&mut self.roles, &mut children) => Event::Ended(role, status),
                _ = &mut stop => Event::Stop,
            };
            match event {
                Event::Ready(role) => self.note_ready(role, &mut up),
                Event::Ended(role, status) if up.len() < Role::ALL.len() => {
                    self.stop().await;
                    let name = role.name();
                    return Err(ServerError(format!(
                        "{name} did not start ({status}): see above"
                    )));
                }
                Event::Ended(role, status) => self.plan_restart(role, status, &again),
                Event::Again(role, failures) => self.start(role, failures)?,
                Event::Stop => {
                    tracing::info!("stopping");
                    self.stop().await;
                    return Ok(());
                }
            }
        }
    }

    fn note_ready(&self, role: Role, up: &mut Vec<Role>) {
        if up.contains(&role) {
            return;
        }
        up.push(role);
        if up.len() == Role::ALL.len() {
            print!("{}", banner::up(&self.settings));
        }
    }

    /// Gives a role that came its listener, and listens for its word that it is ready.
    fn welcome(&self, stream: UnixStream, ready: &mpsc::UnboundedSender<Role>) {
        let http = self.listeners.http.try_clone();
        let api = self.listeners.api.try_clone();
        let ready = ready.clone();
        tokio::spawn(async move {
            if let Err(error) = meet(stream, (api.ok(), http.ok()), ready).await {
                tracing::warn!(%error, "a role left while it was welcomed");
            }
        });
    }

    fn start(&mut self, role: Role, failures: u32) -> Result<(), ServerError> {
        let failed = |error| ServerError::failed(format!("cannot start {}", role.name()), error);
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(format!("noon-{}", role.name()))
            .arg("role")
            .arg(role.name());
        if self.detach_apps {
            command.arg("--detach-apps");
        }
        let child = command.stdin(Stdio::null()).spawn().map_err(failed)?;
        self.roles.insert(
            role as u8,
            Running {
                child,
                since: Instant::now(),
                failures,
            },
        );
        Ok(())
    }

    /// Has a role started again: at once, and more slowly each time it fails at its start. What
    /// the other roles need meanwhile is not kept waiting.
    fn plan_restart(
        &mut self,
        role: Role,
        status: ExitStatus,
        again: &mpsc::UnboundedSender<(Role, u32)>,
    ) {
        let failures = match self.roles.remove(&(role as u8)) {
            Some(running) if running.since.elapsed() < SETTLED => running.failures + 1,
            _ => 0,
        };
        tracing::warn!(role = role.name(), %status, failures, "role ended, starts again");
        let again = again.clone();
        tokio::spawn(async move {
            sleep(pause(failures)).await;
            // A parent that is gone starts nobody.
            let _ = again.send((role, failures));
        });
    }

    /// Stops the roles: control first, which stops the apps while the router still answers.
    async fn stop(&mut self) {
        for role in [Role::Control, Role::Router, Role::Logs] {
            let Some(mut running) = self.roles.remove(&(role as u8)) else {
                continue;
            };
            if let Some(pid) = running.child.id().and_then(|id| i32::try_from(id).ok()) {
                let pid = rustix::process::Pid::from_raw(pid);
                let term = rustix::process::Signal::TERM;
                let _ = pid.map(|pid| rustix::process::kill_process(pid, term));
            }
            let patience = patience(role, self.settings.stop_timeout);
            if timeout(patience, running.child.wait()).await.is_err() {
                tracing::warn!(role = role.name(), "did not stop in time, is killed");
                let _ = running.child.kill().await;
            }
        }
    }
}

/// How long a role has to stop by itself. Control waits for apps to drain and then to stop, for as
/// long as is set for them, which only it knows; it ends by itself at the latest after that.
fn patience(role: Role, stop_timeout: Duration) -> Duration {
    match role {
        Role::Control => {
            let longest = stop_timeout.max(Timeout::LONGEST.duration());
            longest.saturating_mul(2).saturating_add(PATIENCE)
        }
        Role::Router | Role::Logs => PATIENCE,
    }
}

/// How long a role waits that failed so often in a row.
fn pause(failures: u32) -> Duration {
    let first = Duration::from_millis(50);
    (first * (1 << failures.min(7)) - first).min(LONGEST_PAUSE)
}

async fn meet(
    stream: UnixStream,
    (api, http): (Option<TcpListener>, Option<TcpListener>),
    ready: mpsc::UnboundedSender<Role>,
) -> std::io::Result<()> {
    let mut stream = stream;
    let word = stream.read_u8().await?;
    let Some(role) = Role::ALL.into_iter().find(|role| *role as u8 == word) else {
        return Ok(());
    };
    let listener = match role {
        Role::Control => api,
        Role::Router => http,
        Role::Logs => None,
    };
    let plain = stream.into_std()?;
    handover::give(&plain, listener.as_ref())?;
    let mut stream = UnixStream::from_std(plain)?;
    stream.read_u8().await?;
    let _ = ready.send(role);
    Ok(())
}

/// Waits until any of the roles ends.
async fn ended(roles: &mut HashMap<u8, Running>, children: &mut Signal) -> (Role, ExitStatus) {
    loop {
        for role in Role::ALL {
            let running = roles.get_mut(&(role as u8));
            if let Some(Ok(Some(status))) = running.map(|running| running.child.try_wait()) {
                return (role, status);
            }
        }
        // What ended since the handler stands is not missed: it is told at the next call.
        children.recv().await;
    }
}

/// Lets this process and its roles have as many files open as the machine allows: each process of
/// an app takes some.
fn allow_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "no more files may be open than before");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_is_given_the_time_that_apps_may_be_given() {
        let hour = Timeout::LONGEST.duration();
        for (server, expected) in [(30, hour), (7200, 2 * hour)] {
            let given = patience(Role::Control, Duration::from_secs(server));
            assert!(given > expected * 2, "to drain and to stop: {given:?}");
        }
        assert_eq!(patience(Role::Logs, hour), PATIENCE);
        assert!(patience(Role::Control, Duration::MAX) == Duration::MAX);
    }

    #[test]
    fn a_role_comes_back_at_once_and_never_later_than_in_a_second() {
        assert_eq!(pause(0), Duration::ZERO);
        assert_eq!(pause(1), Duration::from_millis(50));
        assert!((0..100).all(|failures| pause(failures) <= LONGEST_PAUSE));
        assert!(pause(2) < pause(3));
    }
}
