//! A PostgreSQL server of our own: started by the first test that needs it, shared by those that
//! run beside it, stopped by the last.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use sqlx::{AnyConnection, AssertSqlSafe, Connection};

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

pub struct Server {
    child: Mutex<Child>,
    dir: tempfile::TempDir,
    databases: AtomicU32,
}

impl Server {
    /// The server that runs, or a new one; `None` where PostgreSQL is not installed.
    pub fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// A server for one test alone, which may stop it.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            let required = std::env::var_os("NOON_TEST_REQUIRE_POSTGRES").is_some();
            assert!(!required, "PostgreSQL is required here and not installed");
            eprintln!("skipped: PostgreSQL is not installed (no initdb and postgres found)");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            chown(dir.path(), Some(uid), Some(gid)).unwrap();
        }
        init(&programs, dir.path(), user);
        let child = Mutex::new(spawn(&programs, dir.path(), user));
        let server = Self {
            child,
            dir,
            databases: AtomicU32::new(0),
        };
        server.wait_until_ready();
        Some(server)
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub async fn fresh_database(&self) -> String {
        sqlx::any::install_default_drivers();
        let name = format!("noon{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut conn = AnyConnection::connect(&self.url("postgres")).await.unwrap();
        let create = sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")));
        create.execute(&mut conn).await.unwrap();
        self.url(&name)
    }

    pub fn url(&self, database: &str) -> String {
        let dir = self.dir.path().to_str().unwrap().replace('/', "%2F");
        format!("postgres://noon@localhost/{database}?host={dir}")
    }

    /// Stops it as a crash would: at once, with connections open.
    pub fn stop(&self) {
        let mut child = self
            .child
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        drop(child.stdin.take());
        let _ = child.wait();
    }

    /// Starts it once more after [`Self::stop`].
    pub fn start_again(&self) {
        let programs = programs().expect("it ran before");
        let child = spawn(&programs, self.dir.path(), unprivileged());
        *self.child.lock().unwrap() = child;
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        let pid_file = self.data().join("postmaster.pid");
        for _ in 0..600 {
            let text = std::fs::read_to_string(&pid_file).unwrap_or_default();
            if text
                .lines()
                .nth(7)
                .is_some_and(|line| line.trim() == "ready")
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("PostgreSQL did not start: {}", self.log());
    }

    fn log(&self) -> String {
        let mut text = String::new();
        let _ =
            File::open(self.dir.path().join("log")).and_then(|mut f| f.read_to_string(&mut text));
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Programs {
    initdb: PathBuf,
    postgres: PathBuf,
}

fn programs() -> Option<Programs> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for entry in std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
    {
        dirs.push(entry.path().join("bin"));
    }
    let dir = dirs
        .iter()
        .find(|d| d.join("initdb").exists() && d.join("postgres").exists())?;
    Some(Programs {
        initdb: dir.join("initdb"),
        postgres: dir.join("postgres"),
    })
}

/// PostgreSQL will not run as root: then it runs as `postgres`, or as `nobody`.
fn unprivileged() -> Option<(u32, u32)> {
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map(str::parse);
        Some((ids.next()?.ok()?, ids.next()?.ok()?))
    };
    is_root.then(|| {
        find("postgres")
            .or_else(|| find("nobody"))
            .unwrap_or((65534, 65534))
    })
}

fn init(programs: &Programs, dir: &Path, user: Option<(u32, u32)>) {
    let mut command = Command::new(&programs.initdb);
    command.arg("-D").arg(dir.join("data"));
    command.args([
        "-A",
        "trust",
        "-U",
        "noon",
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
    ]);
    let output = as_user(&mut command, dir, user).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Lives as long as its standard input: should these tests be killed, no server is left behind.
const KEEPER: &str = r#""$@" </dev/null & cat >/dev/null; kill -QUIT $!; wait $!"#;

fn spawn(programs: &Programs, dir: &Path, user: Option<(u32, u32)>) -> Child {
    let log = File::create(dir.join("log")).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", KEEPER, "sh"]).arg(&programs.postgres);
    command.arg("-D").arg(dir.join("data")).arg("-k").arg(dir);
    command.args(["-c", "listen_addresses=", "-c", "max_connections=200"]);
    command.args(["-c", "shared_buffers=32MB", "-c", "fsync=off"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log);
    as_user(&mut command, dir, user).spawn().unwrap()
}

fn as_user<'c>(command: &'c mut Command, dir: &Path, user: Option<(u32, u32)>) -> &'c mut Command {
    command.current_dir(dir).env_remove("PGDATA");
    match user {
        Some((uid, gid)) => command.uid(uid).gid(gid),
        None => command,
    }
}
