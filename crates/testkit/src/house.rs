//! The house: a server and its user, in a home of their own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Answer, Ran, Repo, TestUser, eventually, leftovers};

/// The owner's token in every test.
const TOKEN: &str = "noon_token_of_this_test_only";

/// A house to be.
#[derive(Debug)]
pub struct HouseBuilder {
    bin: PathBuf,
    env: BTreeMap<String, String>,
    user: Option<TestUser>,
    hidden: Vec<String>,
}

/// A running server and its user.
#[derive(Debug)]
pub struct House {
    bin: PathBuf,
    env: BTreeMap<String, String>,
    user: Option<TestUser>,
    hidden: Vec<String>,
    home: tempfile::TempDir,
    server: Option<Child>,
    has_disk: bool,
    /// The port of the API and git.
    pub api: u16,
    /// The port of the router.
    pub http: u16,
}

impl HouseBuilder {
    /// A setting of the server's.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Everything as this user.
    #[must_use]
    pub fn user(mut self, user: TestUser) -> Self {
        self.user = Some(user);
        self
    }

    /// Hides a directory or a file of this machine from the server. Only root can.
    #[must_use]
    pub fn hide(mut self, path: &str) -> Self {
        self.hidden.push(path.to_owned());
        self
    }

    /// Starts the server, and logs its user in.
    pub fn start(self) -> House {
        let mut house = self.prepare();
        house.start_and_log_in();
        house
    }

    /// A house whose server is not started yet.
    pub fn prepare(self) -> House {
        let Self {
            bin,
            env,
            user,
            hidden,
        } = self;
        let home = tempfile::Builder::new()
            .prefix("noon-house-")
            .tempdir()
            .expect("a home");
        let (api, http) = (free_port(), free_port());
        let house = House {
            bin,
            env,
            user,
            hidden,
            home,
            server: None,
            has_disk: false,
            api,
            http,
        };
        house.chown(house.home.path());
        house
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

impl House {
    /// A house for this noon.
    pub fn of(bin: impl Into<PathBuf>) -> HouseBuilder {
        HouseBuilder {
            bin: bin.into(),
            env: BTreeMap::new(),
            user: None,
            hidden: Vec::new(),
        }
    }

    /// The home directory of all that happens here.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The server's data directory.
    pub fn data(&self) -> PathBuf {
        self.home().join("data")
    }

    /// Starts the server, and logs its user in.
    pub fn start_and_log_in(&mut self) {
        self.start_server();
        self.log_in();
    }

    /// Logs the server's user in.
    pub fn log_in(&self) {
        let server = format!("http://127.0.0.1:{}", self.api);
        let _ = self
            .noon(&["login", "--server", &server, "--token", TOKEN])
            .ok();
    }

    /// Puts the data directory on a disk of its own, as small as this. Only root can: else false.
    pub fn put_data_on_a_disk_of(&mut self, size: &str) -> bool {
        fs::create_dir_all(self.data()).expect("a directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "noon-test"])
            .arg(self.data())
            .status();
        self.has_disk = mounted.is_ok_and(|status| status.success());
        self.chown(&self.data());
        self.has_disk
    }

    /// From now on another noon is run: a copy with another content, as after an upgrade.
    pub fn upgrade(&mut self) {
        let newer = self.home().join("noon-of-tomorrow");
        fs::copy(&self.bin, &newer).expect("a copy");
        let mut file = File::options().append(true).open(&newer).expect("the copy");
        std::io::Write::write_all(&mut file, b"\0").expect("one more byte");
        self.chown(&newer);
        self.bin = newer;
    }

    /// Starts the server and waits until it answers.
    pub fn start_server(&mut self) {
        self.start_server_with(&[]);
    }

    /// Starts the server with further arguments, and waits until it answers.
    pub fn start_server_with(&mut self, arguments: &[&str]) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("a log");
        let arguments: Vec<&str> = [&["server"], arguments].concat();
        let mut command = self.surrounded(self.command(&self.bin.clone(), &arguments));
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log);
        self.server = Some(command.spawn().expect("a server"));
        let server = self.server.as_mut().expect("just started");
        let (api, http) = (self.api, self.http);
        let log = self.home.path().join("server.log");
        eventually("the server answers", || {
            let ended = server.try_wait().expect("a status");
            let said = || fs::read_to_string(&log).unwrap_or_default();
            assert!(ended.is_none(), "the server ended: {}", said());
            let is_up = crate::get(api, "api", "/noon/server").status == 200
                && crate::get(http, "nobody.localhost", "/").status == 404
                && said().contains("is up");
            is_up.then_some(())
        });
    }

    /// Whether all happens as an ordinary user.
    pub fn is_rootless(&self) -> bool {
        self.user.is_some() || !rustix::process::geteuid().is_root()
    }

    /// Runs noon in the surroundings of the server.
    pub fn noon_as_server(&self, arguments: &[&str]) -> Ran {
        let mut command = self.surrounded(self.command(&self.bin.clone(), arguments));
        let shown = format!("noon {}", arguments.join(" "));
        let output = command.stdin(Stdio::null()).output();
        Ran::from_output(shown, output.expect("a program"))
    }

    /// Gives an ordinary user's server the tunnel device that other machines give to everyone, and
    /// hides what is to be hidden, in a mount namespace of its own: here the device may be root's
    /// alone.
    fn surrounded(&self, command: Command) -> Command {
        let tun = "mount -t tmpfs tun /dev/net && mknod -m 666 /dev/net/tun c 10 200";
        let tun = self.user.as_ref().map(|_| tun.to_owned());
        let hidden = self.hidden.iter().map(|path| {
            format!("if [ -d {path} ]; then mount -t tmpfs none {path}; else mount --bind /dev/null {path}; fi")
        });
        let steps: Vec<String> = tun.into_iter().chain(hidden).collect();
        if steps.is_empty() {
            return command;
        }
        let script = format!("{}; exec \"$@\"", steps.join("; "));
        let mut wrapped = Command::new("unshare");
        wrapped.args(["--mount", "--", "sh", "-c", &script, "sh"]);
        wrapped.arg(command.get_program()).args(command.get_args());
        wrapped.env_clear();
        wrapped.envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        wrapped.current_dir(self.home());
        wrapped
    }

    /// What the server has printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.home().join("server.log")
    }

    /// Runs noon.
    pub fn noon(&self, arguments: &[&str]) -> Ran {
        self.noon_in(self.home(), arguments)
    }

    /// Runs noon in a directory.
    pub fn noon_in(&self, dir: &Path, arguments: &[&str]) -> Ran {
        self.run_in(dir, &self.bin.display().to_string(), arguments)
    }

    /// Runs a program in a directory, as the house's user.
    pub fn run_in(&self, dir: &Path, program: &str, arguments: &[&str]) -> Ran {
        let mut command = self.command(Path::new(program), arguments);
        let shown = format!("{program} {}", arguments.join(" "));
        let output = command.current_dir(dir).stdin(Stdio::null()).output();
        Ran::from_output(shown, output.expect("a program"))
    }

    /// A program to be run as the house's user, with nothing of this process's environment but
    /// what finds programs and the operator's certificates.
    pub fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = match &self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                let id = user.uid.to_string();
                command
                    .args([
                        "--reuid",
                        &id,
                        "--regid",
                        &id,
                        "--clear-groups",
                        "--inh-caps=-all",
                    ])
                    .arg("--")
                    .arg(program);
                command
            }
        };
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment())
            .current_dir(self.home());
        command
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let path = |name: &str| self.home().join(name).display().to_string();
        let kept = [
            "PATH",
            "LANG",
            "SSL_CERT_FILE",
            "PIP_CERT",
            "NODE_EXTRA_CA_CERTS",
        ];
        let kept = kept
            .iter()
            .filter_map(|k| Some(((*k).to_owned(), std::env::var(k).ok()?)));
        let own = [
            ("HOME", path("")),
            ("XDG_CONFIG_HOME", path("config")),
            ("GIT_CONFIG_GLOBAL", path("gitconfig")),
            ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
            ("GIT_AUTHOR_NAME", "Ada".to_owned()),
            ("GIT_AUTHOR_EMAIL", "ada@example.com".to_owned()),
            ("GIT_COMMITTER_NAME", "Ada".to_owned()),
            ("GIT_COMMITTER_EMAIL", "ada@example.com".to_owned()),
            ("GIT_TERMINAL_PROMPT", "0".to_owned()),
            ("NOON_DATA_DIR", path("data")),
            ("NOON_HTTP_ADDR", format!("127.0.0.1:{}", self.http)),
            ("NOON_API_ADDR", format!("127.0.0.1:{}", self.api)),
            ("NOON_OWNER", "ada@example.com".to_owned()),
            ("NOON_OWNER_TOKEN", TOKEN.to_owned()),
        ];
        let own = own
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        kept.chain(own).chain(self.env.clone()).collect()
    }

    pub(crate) fn chown(&self, dir: &Path) {
        if let Some(user) = &self.user {
            let id = format!("{0}:{0}", user.uid);
            let _ = Command::new("chown").args(["-R", &id]).arg(dir).status();
        }
    }

    /// A new repository.
    pub fn repo(&self, name: &str) -> Repo<'_> {
        Repo::new(self, name)
    }

    /// Asks an app with GET.
    pub fn get(&self, app: &str, path: &str) -> Answer {
        crate::get(self.http, &format!("{app}.localhost:{}", self.http), path)
    }

    /// The process id of the server's parent.
    pub fn parent_pid(&self) -> u32 {
        self.server.as_ref().expect("a running server").id()
    }

    /// The process id of a role.
    pub fn role_pid(&self, role: &str) -> Option<u32> {
        let parent = self.parent_pid();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        let children = children.unwrap_or_default();
        let name = format!("noon-{role}");
        children.split_whitespace().find_map(|pid| {
            let cmdline = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            cmdline
                .starts_with(name.as_bytes())
                .then(|| pid.parse().ok())?
        })
    }

    /// Stops a role with SIGSTOP: it is there, and does nothing until it is killed.
    pub fn stun_role(&self, role: &str) {
        kill(self.role_pid(role).expect("a running role"), Signal::STOP);
    }

    /// Kills a role with SIGKILL and waits until another plays it.
    pub fn kill_role(&self, role: &str) {
        let before = self.role_pid(role).expect("a running role");
        kill(before, Signal::KILL);
        eventually("the role is played again", || {
            self.role_pid(role).filter(|pid| *pid != before)
        });
    }

    /// Kills the server's parent with SIGKILL, and so its roles, and waits for their end.
    pub fn kill_server(&mut self) {
        let roles: Vec<u32> = ["control", "router", "logs"]
            .iter()
            .filter_map(|r| self.role_pid(r))
            .collect();
        let mut server = self.server.take().expect("a running server");
        kill(server.id(), Signal::KILL);
        let _ = server.wait();
        eventually("the roles end with their parent", || {
            roles
                .iter()
                .all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
                .then_some(())
        });
    }

    /// Stops the server in order. Its exit code.
    pub fn stop_server(&mut self) -> Option<i32> {
        let mut server = self.server.take()?;
        kill(server.id(), Signal::TERM);
        server.wait().ok()?.code()
    }

    fn unmount(&mut self) {
        if std::mem::take(&mut self.has_disk) {
            let _ = Command::new("umount")
                .arg("--lazy")
                .arg(self.data())
                .status();
        }
    }

    /// Stops everything and insists that nothing is left behind.
    ///
    /// # Panics
    /// With what was left.
    pub fn tear_down(mut self) {
        let code = self.stop_server();
        self.unmount();
        assert!(
            matches!(code, None | Some(0)),
            "the server ended with {code:?}: {}",
            self.log()
        );
        let home = self.home().to_owned();
        let since = std::time::Instant::now();
        let left = loop {
            // A killed process is gone a moment after its parent.
            let left = leftovers::of(&home);
            if left.is_empty() || since.elapsed() > std::time::Duration::from_secs(5) {
                break left;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        };
        assert!(
            left.is_empty(),
            "left behind:\n{}\n{}",
            left.join("\n"),
            self.log()
        );
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.stop_server();
        self.unmount();
    }
}

fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
