//! A router on a free port, a stand-in for the verbs, and a pusher with a work copy.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use noon_codebase::{Settings, Verbs, router};
use noon_control::{Deployed, Error, Kind};
use noon_domain::{
    App, AppId, Principal, Secret, SourceTree, StackName, Timestamp, TokenId, User, UserId, Version,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Mutex as TurnMutex, OwnedMutexGuard};

/// The apps that exist.
pub const APPS: [&str; 2] = ["shop", "blog"];

/// One deploy as the stand-in saw it: path to content, links as `-> target`.
#[derive(Clone, Debug)]
pub struct Seen {
    pub commit: String,
    pub tree: String,
    pub files: BTreeMap<String, String>,
}

/// Authenticates, gives turns, and "deploys" by the files that it finds.
pub struct Fake {
    apps: HashMap<&'static str, App>,
    turns: HashMap<AppId, Arc<TurnMutex<()>>>,
    inside: AtomicUsize,
    pub seen: Mutex<Vec<Seen>>,
}

impl Fake {
    fn new() -> Self {
        let apps: HashMap<_, _> = APPS.map(|name| (name, app(name))).into();
        let turns = apps.values().map(|app| (app.id, Arc::default())).collect();
        Self {
            apps,
            turns,
            inside: AtomicUsize::new(0),
            seen: Mutex::default(),
        }
    }
}

fn app(name: &str) -> App {
    App {
        id: AppId::new(),
        name: name.parse().unwrap(),
        owner: UserId::new(),
        stack: StackName::new("noon-1"),
        slot: 1,
        maintenance: false,
        created_at: Timestamp::now(),
        updated_at: Timestamp::now(),
        released_at: None,
    }
}

pub struct Verbatim(pub Arc<Fake>);

impl Verbs for Verbatim {
    type Permit = AppId;
    type Turn = (AppId, OwnedMutexGuard<()>);

    async fn authenticate(&self, token: &Secret<String>) -> Result<Principal, Error> {
        if !matches!(token.expose().as_str(), "good" | "weak") {
            return Err(Error::new(
                Kind::Unauthorized,
                "that token is not valid here",
            ));
        }
        let now = Timestamp::now();
        let user = User {
            id: UserId::new(),
            email: token.expose().clone(),
            created_at: now,
            updated_at: now,
        };
        Ok(Principal {
            user,
            token: TokenId::new(),
        })
    }

    async fn permit(&self, who: &Principal, name: &str) -> Result<(App, AppId), Error> {
        if who.user.email == "weak" {
            return Err(Error::new(Kind::Forbidden, "you may look only"));
        }
        let nothing = || {
            Error::new(
                Kind::NotFound("app"),
                format!("there is no app {name} here"),
            )
        };
        let app = self.0.apps.get(name).ok_or_else(nothing)?;
        Ok((app.clone(), app.id))
    }

    async fn begin(&self, permit: AppId) -> Self::Turn {
        (permit, self.0.turns[&permit].clone().lock_owned().await)
    }

    async fn deploy(
        &self,
        _turn: &Self::Turn,
        source: SourceTree,
        out: UnboundedSender<String>,
    ) -> Result<Deployed, Error> {
        assert_eq!(
            self.0.inside.fetch_add(1, Ordering::SeqCst),
            0,
            "two pushes interleave"
        );
        let files = read_tree(&source.dir);
        let commit = source.commit.to_string();
        self.0.seen.lock().unwrap().push(Seen {
            commit,
            tree: source.tree.to_string(),
            files: files.clone(),
        });
        out.send("-----> Building".to_owned()).unwrap();
        out.send("       \x1b[32mgreen\x1b[0m\x1b[2J\x1b]0;title\x07".to_owned())
            .unwrap();
        if let Some(gate) = files.get("gate") {
            while !Path::new(gate.trim()).exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            out.send("-----> Through the gate".to_owned()).unwrap();
        }
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
        if let Some(why) = files.get("fail") {
            return Err(Error::new(Kind::AppFailed, why.trim()));
        }
        fs::remove_dir_all(&source.dir).unwrap();
        Ok(Deployed {
            version: Version::new(5),
            url: "http://shop.localhost:8080/".to_owned(),
            stages: vec![
                ("build", Duration::from_millis(1234)),
                ("boot", Duration::from_millis(56)),
            ],
            idle_types: vec!["worker".to_owned()],
        })
    }
}

fn read_tree(dir: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            if path.is_symlink() {
                files.insert(
                    name,
                    format!("-> {}", fs::read_link(&path).unwrap().display()),
                );
            } else if path.is_dir() {
                dirs.push(path);
            } else {
                files.insert(
                    name,
                    String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned(),
                );
            }
        }
    }
    files
}

/// The router, served.
pub struct House {
    pub dir: TempDir,
    pub port: u16,
    pub fake: Arc<Fake>,
    pub settings: Settings,
    _runtime: Runtime,
}

impl House {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A house whose settings are changed before it starts. Its socket's path is longer than the
    /// kernel allows for an address.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = TempDir::new().unwrap();
        let data = dir.path().join("d".repeat(100)).join("data");
        let mut settings = Settings::below(&data, hook_program(dir.path()));
        change(&mut settings);
        let fake = Arc::new(Fake::new());
        let runtime = Runtime::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let _inside = runtime.enter();
        let app = router(Verbatim(fake.clone()), settings.clone()).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self {
            dir,
            port,
            fake,
            settings,
            _runtime: runtime,
        }
    }

    pub fn url(&self, user: &str, app: &str) -> String {
        format!("http://{user}@127.0.0.1:{}/{app}.git", self.port)
    }

    /// A work copy with one commit on `main`, and `noon` as its remote.
    pub fn pusher(&self, name: &str) -> Pusher {
        let pusher = Pusher {
            dir: self.dir.path().join(name),
            home: self.dir.path().join("home"),
        };
        fs::create_dir_all(&pusher.dir).unwrap();
        fs::create_dir_all(&pusher.home).unwrap();
        pusher.git("init --quiet --initial-branch=main");
        pusher.git(&format!("remote add noon {}", self.url("git:good", "shop")));
        pusher.commit("Procfile", "web: ./serve\n");
        pusher
    }

    pub fn repository(&self, app: &str) -> PathBuf {
        self.settings
            .repos_dir
            .join(format!("{}.git", self.fake.apps[app].id))
    }

    pub fn app_id(&self, app: &str) -> AppId {
        self.fake.apps[app].id
    }

    pub fn deploys(&self) -> Vec<Seen> {
        self.fake.seen.lock().unwrap().clone()
    }

    /// Asks git about an app's repository.
    pub fn ask(&self, args: &str) -> String {
        let mut git = Command::new("git");
        git.arg("-C")
            .arg(self.repository("shop"))
            .args(args.split(' '));
        git.env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "safe.directory");
        let output = git.env("GIT_CONFIG_VALUE_0", "*").output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Everything that a push could leave behind: refs, objects, quarantines, checkouts.
    pub fn remains(&self) -> String {
        until("checkouts are gone", || {
            fs::read_dir(&self.settings.checkouts_dir).unwrap().count() == 0
        });
        let quarantines = || {
            let entries = fs::read_dir(self.repository("shop").join("objects"))
                .into_iter()
                .flatten();
            entries
                .filter(|e| {
                    e.as_ref()
                        .unwrap()
                        .file_name()
                        .to_string_lossy()
                        .starts_with("tmp_")
                })
                .count()
        };
        until("quarantines are gone", || quarantines() == 0);
        let refs = self.ask("for-each-ref");
        let objects = self.ask("cat-file --batch-all-objects --batch-check --unordered");
        let mut objects: Vec<_> = objects.lines().collect();
        objects.sort_unstable();
        format!("{refs}\n{}", objects.join("\n"))
    }
}

fn hook_program(dir: &Path) -> PathBuf {
    let program = dir.join("noon");
    let this = std::env::current_exe().unwrap();
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = git-hook ] || exit 9\nexec '{}' this_binary_can_be_the_hook --exact --nocapture --quiet >/dev/null\n",
        this.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

/// Waits for what must come, with patience for a busy machine.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("never so: {what}");
}

/// Someone with a work copy.
#[derive(Clone)]
pub struct Pusher {
    pub dir: PathBuf,
    home: PathBuf,
}

/// What git said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub text: String,
    pub code: Option<i32>,
}

impl Said {
    pub fn of(output: &Output) -> Self {
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let text = text
            .lines()
            .map(str::trim_end)
            .collect::<Vec<_>>()
            .join("\n");
        Self {
            text,
            code: output.status.code(),
        }
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.text);
        self
    }

    #[track_caller]
    pub fn says(self, part: &str) -> Self {
        assert!(self.text.contains(part), "no {part:?} in:\n{}", self.text);
        self
    }

    /// A push that git shows as declined by the platform.
    #[track_caller]
    pub fn declined(self, sentence: &str) -> Self {
        assert_eq!(self.code, Some(1), "{}", self.text);
        self.says("(pre-receive hook declined)")
            .says(&format!("remote:  !     {sentence}"))
    }
}

impl Pusher {
    pub fn command(&self, args: &str) -> Command {
        let mut git = Command::new("git");
        git.current_dir(&self.dir)
            .args(args.split(' '))
            .stdin(Stdio::null());
        git.env("HOME", &self.home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0");
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "Ada")
                .env(format!("GIT_{who}_EMAIL"), "ada@example.org");
        }
        git
    }

    pub fn run(&self, args: &str) -> Said {
        Said::of(&self.command(args).output().unwrap())
    }

    #[track_caller]
    pub fn git(&self, args: &str) -> String {
        self.run(args).ok().text
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[track_caller]
    pub fn commit(&self, path: &str, content: impl AsRef<[u8]>) -> String {
        self.write(path, content);
        self.git("add --all --force");
        self.git("commit --quiet --message=change");
        self.head()
    }

    pub fn head(&self) -> String {
        self.git("rev-parse HEAD")
    }
}

/// A line that carries some bytes, then holds, and breaks when dropped.
pub struct Throttle {
    pub port: u16,
    passed: Arc<AtomicUsize>,
    limit: usize,
}

impl Drop for Throttle {
    fn drop(&mut self) {
        self.passed.store(BROKEN, Ordering::SeqCst);
    }
}

const BROKEN: usize = usize::MAX / 2;

impl Throttle {
    pub fn to(target: u16, limit: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let passed = Arc::new(AtomicUsize::new(0));
        let count = passed.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (count, server) = (
                    count.clone(),
                    TcpStream::connect(("127.0.0.1", target)).unwrap(),
                );
                std::thread::spawn(move || Self::carry(client, server, (&count, limit)));
            }
        });
        Self {
            port,
            passed,
            limit,
        }
    }

    pub fn is_full(&self) -> bool {
        self.passed.load(Ordering::SeqCst) >= self.limit
    }

    fn carry(mut client: TcpStream, mut server: TcpStream, (count, limit): (&AtomicUsize, usize)) {
        let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
        let mut buffer = [0; 16 << 10];
        while let Ok(length @ 1..) = client.read(&mut buffer) {
            if count.fetch_add(length, Ordering::SeqCst) < limit {
                server.write_all(&buffer[..length]).unwrap();
            } else {
                until("the line breaks", || count.load(Ordering::SeqCst) >= BROKEN);
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
    }
}

/// Kills a client with all its helpers, which must have been started in a group of their own.
pub fn kill_group(mut leader: Child) {
    let group = format!("-{}", leader.id());
    assert!(
        Command::new("kill")
            .args(["-KILL", "--", &group])
            .status()
            .unwrap()
            .success()
    );
    leader.wait().unwrap();
}
