//! A router on a free port, with all that it keeps.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use noon_codebase::{Settings, router};
use noon_domain::AppId;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::pusher::Pusher;
use crate::verbs::{Fake, Seen, Verbatim};

/// The router, served.
pub struct House {
    pub dir: TempDir,
    pub port: u16,
    pub fake: Arc<Fake>,
    pub settings: Settings,
    runtime: Option<Runtime>,
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
        let mut house = Self {
            dir,
            port: 0,
            fake,
            settings,
            runtime: None,
        };
        house.revive();
        house
    }

    /// Starts anew, on another port, with what is there.
    pub fn revive(&mut self) {
        let runtime = Runtime::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        self.port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let inside = runtime.enter();
        let app = router(Verbatim(self.fake.clone()), self.settings.clone()).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        runtime.spawn(async move { axum::serve(listener, app).await });
        drop(inside);
        self.runtime = Some(runtime);
    }

    /// Ends as a killed server does: at once, whatever it was doing.
    pub fn die(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
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

    /// How many pushes git holds apart at present.
    pub fn quarantines(&self) -> usize {
        let objects = fs::read_dir(self.repository("shop").join("objects"));
        let names = objects
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with("tmp_objdir"))
            .count()
    }

    /// Everything that a push could leave behind: refs, objects, quarantines, checkouts.
    pub fn remains(&self) -> String {
        until("checkouts are gone", || {
            fs::read_dir(&self.settings.checkouts_dir).unwrap().count() == 0
        });
        until("quarantines are gone", || self.quarantines() == 0);
        self.refs_and_objects()
    }

    /// What is in the repository for good.
    pub fn refs_and_objects(&self) -> String {
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
