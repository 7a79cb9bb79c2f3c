//! A machine of a test's own, and what the test sees of it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use noon_domain::{
    Address, AppId, Engine, Exit, Files, HealthChecks, Intent, Io, Layer, LayerId, LayerKind,
    Limits, Network, Place, Process, ProcessId, ProcessSpec, ProcessState, ProcessTypes, Reach,
    ReleaseId, Runnable, Secret, Size, Slug, SlugId, StackName, Timeouts, Timestamp, Timing,
    Version,
};
use noon_machine::{Hooks, Machine, Rules, Settings};
use tempfile::TempDir;

/// A server that says who it is, and where it was started from.
pub const SERVER: &str = r#"
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{os.environ['DYNO']} {os.environ['NOON_RELEASE_VERSION']} {os.environ.get('WORD')}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    address_family = __import__("socket").AF_INET6 if os.environ.get("V6") else 2
Server(("::1" if os.environ.get("V6") else "0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// The command that runs [`SERVER`].
pub const SERVE: &str = "/usr/bin/python3 server.py";

static APPS: AtomicU32 = AtomicU32::new(1);

/// A machine of a test's own. It complains of what it left behind.
pub struct Site {
    pub machine: Option<Arc<Machine>>,
    pub settings: Settings,
    pub lines: Arc<Mutex<Vec<String>>>,
    pub drained: Arc<Mutex<Vec<ProcessId>>>,
    pub timed: Arc<Mutex<Vec<Timing>>>,
    dir: TempDir,
}

/// An app of a test's own.
pub struct App {
    pub id: AppId,
    pub slot: u32,
    pub layer: LayerId,
    pub env: BTreeMap<String, Secret<String>>,
    pub reach: Reach,
}

impl Site {
    /// A machine with short limits, or nothing where sandboxes cannot be made.
    pub fn open() -> Option<Self> {
        Self::with(|_| {})
    }

    /// The same, with settings changed.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || !Path::new("/usr/bin/python3").exists() {
            eprintln!("skipped: this journey needs root and /usr/bin/python3");
            return None;
        }
        let _ = tracing_subscriber::fmt().with_test_writer().try_init();
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(dir.path().join("shims"), dir.path().join("layers"));
        settings.mode = noon_sandbox::enter_rootless().unwrap();
        settings.rules = Rules {
            boot_limit: Duration::from_secs(10),
            grace: Duration::from_secs(2),
            ..Rules::default()
        };
        change(&mut settings);
        let mut site = Self {
            machine: None,
            settings,
            lines: Arc::default(),
            drained: Arc::default(),
            timed: Arc::default(),
            dir,
        };
        site.start();
        Some(site)
    }

    /// Starts a machine over what is there.
    pub fn start(&mut self) {
        let (lines, drained) = (self.lines.clone(), self.drained.clone());
        let timed = self.timed.clone();
        let hooks = Hooks {
            sink: Arc::new(move |line| {
                lines
                    .lock()
                    .unwrap()
                    .push(format!("{}: {}", line.process, line.text));
            }),
            drained: Arc::new(move |process| {
                drained.lock().unwrap().push(process);
                Box::pin(std::future::ready(()))
            }),
            timed: Arc::new(move |timing| timed.lock().unwrap().push(timing)),
            ..Hooks::none()
        };
        self.machine = Some(Machine::new(self.settings.clone(), hooks).unwrap());
    }

    pub fn machine(&self) -> &Arc<Machine> {
        self.machine.as_ref().unwrap()
    }

    /// A layer of these files.
    pub fn layer(&self, files: &[(&str, &str)]) -> LayerId {
        let id = LayerId::from_bytes(std::array::from_fn(|_| rand()));
        let dir = self.settings.layers_dir.join(id.to_string());
        for (name, text) in files {
            let file = dir.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, text).unwrap();
        }
        id
    }

    pub fn app(&self) -> App {
        App {
            id: AppId::new(),
            slot: APPS.fetch_add(1, Ordering::Relaxed) + std::process::id() % 1000 * 100,
            layer: self.layer(&[("server.py", SERVER)]),
            env: BTreeMap::new(),
            reach: Network::None.into(),
        }
    }

    pub async fn processes(&self, app: &App) -> Vec<Process> {
        let mut all = self.machine().observe(app.id).await.unwrap();
        all.sort_by_key(|p| (p.name.clone(), p.started_at));
        all
    }

    /// What the app looks like, as in `web.1 v1 up`.
    pub async fn looks(&self, app: &App) -> Vec<String> {
        let show = |p: &Process| match p.release {
            Some(release) => format!("{} {release} {}", p.name, p.state),
            None => format!("{} {}", p.name, p.state),
        };
        self.processes(app).await.iter().map(show).collect()
    }

    /// Waits until the app looks like this.
    pub async fn until(&self, app: &App, like: impl Fn(&[Process]) -> bool) -> Vec<Process> {
        let begun = Instant::now();
        loop {
            let all = self.processes(app).await;
            if like(&all) {
                return all;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{:?}",
                self.looks(app).await
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn said(&self, part: &str) -> usize {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| line.contains(part)).count()
    }

    /// Stops everything, and checks that nothing is left.
    pub async fn close(mut self) {
        let pids = self.pids();
        self.machine.take().unwrap().shutdown(false).await;
        let left: Vec<_> = std::fs::read_dir(&self.settings.shims_dir)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .filter(|name| name != ".settled")
            .collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        for pid in pids {
            assert!(!is_running(pid), "process {pid} was left behind");
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let here = self.dir.path().to_str().unwrap();
        assert!(!mounts.contains(here), "a mount was left behind");
    }

    /// The init processes of all sandboxes.
    pub fn pids(&self) -> Vec<u32> {
        let shims = std::fs::read_dir(&self.settings.shims_dir).unwrap();
        let ask = |dir: PathBuf| {
            Some(
                noon_sandbox::Shim::connect(&dir)
                    .ok()?
                    .status()
                    .ok()?
                    .init_pid,
            )
        };
        let mut pids: Vec<_> = shims
            .filter_map(|entry| ask(entry.unwrap().path()))
            .collect();
        pids.sort_unstable();
        pids
    }
}

impl App {
    /// An intent to run these places of a release with this number.
    pub fn intent(&self, number: u32, places: &[(&str, &str)]) -> Intent {
        let place = |(name, command): &(&str, &str)| Place {
            name: name.parse().unwrap(),
            command: (*command).to_owned(),
            not_before: Timestamp::default(),
            size: Size::default(),
            timeouts: Timeouts::default(),
            health: HealthChecks::default(),
        };
        Intent {
            app: self.id,
            app_name: "demo".parse().unwrap(),
            slot: self.slot,
            release: Some(Arc::new(self.release(number))),
            reach: self.reach.clone(),
            places: places.iter().map(place).collect(),
        }
    }

    fn release(&self, number: u32) -> Runnable {
        // The same number is the same release, for as long as the app is.
        let id = self.id.as_uuid().as_u128() ^ u128::from(number);
        Runnable {
            id: ReleaseId::from_uuid(uuid::Uuid::from_u128(id)),
            version: Version::new(number),
            created_at: Timestamp::now(),
            slug: Slug {
                id: SlugId::from_bytes([0; 32]),
                stack: StackName::new("debian-12"),
                layers: vec![Layer {
                    id: self.layer,
                    kind: LayerKind::Source,
                    bytes: 0,
                }],
                process_types: ProcessTypes::default(),
                health: HealthChecks::default(),
                commit: "0".repeat(40).parse().unwrap(),
                builder: "test".to_owned(),
                created_at: Timestamp::now(),
            },
            env: self.env.clone(),
        }
    }

    /// A one-off of this app.
    pub fn one_off(&self, name: &str, command: &str) -> ProcessSpec {
        ProcessSpec {
            id: ProcessId::new(),
            app: self.id,
            app_name: "demo".parse().unwrap(),
            slot: self.slot,
            name: name.parse().unwrap(),
            release: Some(Version::new(1)),
            files: Files {
                layers: vec![self.layer],
                ..Files::default()
            },
            command: command.to_owned(),
            env: self.env.clone(),
            reach: self.reach.clone(),
            size: Some(Size::default()),
            limits: Limits::default(),
        }
    }
}

/// Runs a one-off and gives back how it ended and what it printed.
pub async fn captured(machine: &Machine, spec: ProcessSpec) -> (Exit, String) {
    let printed = Arc::new(Mutex::new(Vec::new()));
    let sink = printed.clone();
    let io = Io::Capture(Box::new(move |_, bytes| {
        sink.lock().unwrap().extend_from_slice(bytes)
    }));
    let exit = machine.run(spec, io).await.unwrap();
    let text = String::from_utf8_lossy(&printed.lock().unwrap()).into_owned();
    (exit, text)
}

/// What a process answers to a request.
pub fn get(process: &Process) -> String {
    let Some(endpoint) = &process.endpoint else {
        panic!("{} has no endpoint", process.name);
    };
    try_get(&endpoint.address).unwrap()
}

pub fn try_get(address: &Address) -> std::io::Result<String> {
    let port = match address {
        Address::Namespace { port, .. } => *port,
        Address::Tcp(address) => address.port(),
    };
    let socket = noon_machine::socket_for(address, false)?;
    let flags = rustix::fs::fcntl_getfl(&socket)?;
    rustix::fs::fcntl_setfl(&socket, flags - rustix::fs::OFlags::NONBLOCK)?;
    rustix::net::connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let mut stream = TcpStream::from(socket);
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.rsplit("\r\n").next().unwrap_or_default().to_owned())
}

pub fn all_up(processes: &[Process]) -> bool {
    processes.iter().all(|p| p.state == ProcessState::Up)
}

/// Whether there is such a process that is more than a zombie.
pub fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .trim()
        .chars()
        .next();
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

fn rand() -> u8 {
    uuid::Uuid::new_v4().as_bytes()[0]
}
