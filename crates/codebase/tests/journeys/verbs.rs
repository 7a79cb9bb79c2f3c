//! A stand-in for control, which deploys by what it finds in the tree: `gate` names a file to wait
//! for, `fail` says why to fail.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use noon_codebase::Verbs;
use noon_control::{Deployed, Error, Kind};
use noon_domain::{
    App, AppId, Principal, Secret, SourceTree, StackName, Timestamp, TokenId, User, UserId, Version,
};
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
    pub apps: HashMap<&'static str, App>,
    turns: HashMap<AppId, Arc<TurnMutex<()>>>,
    inside: AtomicUsize,
    pub seen: Mutex<Vec<Seen>>,
}

impl Fake {
    pub fn new() -> Self {
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
        network: None,
        created_at: Timestamp::now(),
        updated_at: Timestamp::now(),
        released_at: None,
    }
}

impl Fake {
    /// Forgets who was inside when the server died.
    pub fn leave(&self) {
        self.inside.store(0, Ordering::SeqCst);
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
