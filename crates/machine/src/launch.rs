//! Putting one process inside its walls: from a recipe to something alive.

use std::fs::{self, DirBuilder};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use noon_domain::{Limits, Network, ProcessId, Timeouts, Timestamp};
use noon_sandbox::{AppDir, Bind, Net, Spec, Stdio, System, Upper};

use crate::environment::{self, Before, Facts, HOME};
use crate::house::House;
use crate::label::{Label, Role};
use crate::live::{self, Live};
use crate::post::{Identity, Recipe};
use crate::{Error, ports};

/// How many files a process may have open: as many as on Heroku, and not as many as noon itself.
const FILES: u64 = 10_000;

/// Everything that one launch needs.
pub(crate) struct Launch {
    pub house: Arc<House>,
    pub identity: Identity,
    pub recipe: Arc<Recipe>,
    pub process: ProcessId,
    pub started_at: Timestamp,
    pub stdio: Stdio,
    pub timeouts: Timeouts,
}

impl Launch {
    /// Puts the process inside its walls, when it is its turn.
    ///
    /// # Errors
    /// [`Error::Launch`] and [`Error::File`]; nothing is left behind then.
    pub async fn go(self) -> Result<Live, Error> {
        let house = self.house.clone();
        let _open = house.open();
        let _turn = house.launches.acquire().await.map_err(|_| Error::Closing)?;
        let runtime = tokio::runtime::Handle::current();
        let launched = tokio::task::spawn_blocking(move || {
            let _inside = runtime.enter();
            self.go_blocking()
        });
        launched.await.map_err(|_| Error::Closing)?
    }

    fn go_blocking(self) -> Result<Live, Error> {
        let house = self.house.clone();
        let dir = house.settings.shims_dir.join(self.process.to_string());
        let label = self.label()?;
        match self.launch(&dir, &label) {
            Ok(live) => Ok(live),
            Err(error) => {
                live::sweep(&dir, Some(&label), &house);
                Err(error)
            }
        }
    }

    fn launch(self, dir: &Path, label: &Label) -> Result<Live, Error> {
        let house = self.house.clone();
        make_dir(dir)?;
        if let Some(scratch) = &label.scratch {
            make_dir(scratch)?;
        }
        let spec = self.spec(label);
        let started = noon_sandbox::launch(&house.program, dir, &spec, self.stdio);
        let shim = started.map_err(|source| Error::Launch {
            process: label.name.to_string(),
            source,
        })?;
        let live = Live::new(shim, label.clone(), dir.to_owned())?;
        if let (Some(slot), Some(netns)) = (label.egress, live.netns()) {
            house.egress.wire(slot, &netns);
        }
        if label.role != Role::Attended {
            (house.hooks.launched)();
        }
        Ok(live)
    }

    fn label(&self) -> Result<Label, Error> {
        let network = self.recipe.reach.network;
        let on_host = network == Network::Host;
        let port = match on_host {
            true => ports::free_on_host().map_err(Error::file("find a free port for", HOME))?,
            false => ports::PORT,
        };
        let who = &self.identity;
        Ok(Label {
            process: self.process,
            app: who.app,
            app_name: who.app_name.clone(),
            name: who.name.clone(),
            role: who.role,
            release: who.release,
            command: who.command.clone(),
            size: who.size,
            timeouts: self.timeouts,
            health: who.health.clone(),
            started_at: self.started_at,
            lifetime: who.lifetime,
            port,
            on_host,
            egress: (network == Network::Nat)
                .then(|| self.house.egress.reserve())
                .flatten(),
            reach: Some(self.recipe.reach.clone()),
            scratch: self
                .recipe
                .upper
                .as_deref()
                .map(|upper| work_dir(upper, self.process)),
        })
    }

    fn spec(&self, label: &Label) -> Spec {
        let layers = &self.recipe.layers;
        let hosts = hosts(label);
        let before = Before {
            profile: environment::has_profile(layers.iter().map(PathBuf::as_path)),
            network: label.egress.is_some(),
            links: !hosts.is_empty(),
        };
        let facts = Facts {
            app_name: &label.app_name,
            name: &label.name,
            port: label.port,
            release: label.release.map(|(_, version)| version),
            commit: self.recipe.commit.as_deref(),
        };
        Spec {
            label: label.to_bytes(),
            argv: environment::arguments(&label.command, before, environment::bash()),
            env: environment::environment(&self.recipe.env, &facts),
            cwd: HOME.to_owned(),
            hostname: label.process.to_string(),
            uid: self
                .house
                .settings
                .uid_base
                .saturating_add(self.identity.slot),
            app: self.app_dir(label),
            mounts: self.recipe.mounts.iter().map(bind).collect(),
            network: if label.on_host {
                Net::Host
            } else {
                Net::Isolated
            },
            limits: limits(&self.recipe.limits),
            system: System {
                nameservers: self.nameservers(label),
                hosts,
            },
        }
    }

    /// The name servers that it can ask. Who has no way out is told at once that a name is not
    /// known, by a server that is not there, and not after a wait for one that cannot be reached.
    fn nameservers(&self, label: &Label) -> Vec<IpAddr> {
        match (label.on_host, label.egress) {
            (true, _) => Vec::new(), // this machine's own list
            (false, None) => vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            (false, slot) => self.house.egress.nameservers(slot),
        }
    }

    fn app_dir(&self, label: &Label) -> AppDir {
        let upper = self.recipe.upper.clone().zip(label.scratch.clone());
        AppDir {
            layers: self.recipe.layers.clone(),
            upper: upper.map(|(upper, work)| Upper { upper, work }),
        }
    }
}

/// The names under which a process finds other apps: all lead to where the router listens for it.
fn hosts(label: &Label) -> Vec<(IpAddr, String)> {
    let links = label.reach.iter().flat_map(|reach| &reach.links);
    links
        .filter(|_| !label.on_host)
        .map(|name| (IpAddr::V4(Ipv4Addr::LOCALHOST), name.to_string()))
        .collect()
}

/// The kernel's own directory beside a writable layer; on the same file system, as it must be.
fn work_dir(upper: &Path, process: ProcessId) -> PathBuf {
    upper.with_file_name(format!(".work-{process}"))
}

fn make_dir(dir: &Path) -> Result<(), Error> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
    }
    let made = DirBuilder::new().mode(0o700).create(dir);
    made.map_err(Error::file("create", dir))
}

fn bind(mount: &noon_domain::Mount) -> Bind {
    Bind {
        source: mount.source.clone(),
        target: mount.target.clone(),
        writable: mount.writable,
    }
}

fn limits(limits: &Limits) -> noon_sandbox::Limits {
    noon_sandbox::Limits {
        memory: limits.memory,
        memory_quota: limits.memory_quota,
        cpu: limits.cpu_weight.map(|weight| noon_sandbox::Cpu {
            weight,
            millicores: None,
        }),
        tasks: limits.tasks,
        disk: limits.disk,
        nofile: Some(FILES),
    }
}
