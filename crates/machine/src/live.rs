//! One running process: the machine's hold on its shim.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use noon_domain::{Address, Exit, Timestamp};
use noon_sandbox::{Ended, Shim};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::Error;
use crate::house::House;
use crate::label::{Label, Role};
use crate::ports::Target;

/// How long a shim whose output belongs to a log is kept after the start, so that a process which
/// ends at once is still heard.
const HEARING: Duration = Duration::from_secs(3);
/// How long such a shim waits for a log that nobody keeps at the moment.
const PATIENCE: Duration = Duration::from_secs(30);

/// One running process: the machine's hold on its shim.
pub(crate) struct Live {
    pub label: Label,
    pub dir: PathBuf,
    pub init_pid: u32,
    netns: Option<Arc<OwnedFd>>,
    shim: Arc<Mutex<Option<Shim>>>,
    ended: AsyncFd<OwnedFd>,
}

impl Live {
    /// Takes hold of a shim. Must be called inside a runtime.
    pub fn new(mut shim: Shim, label: Label, dir: PathBuf) -> Result<Self, Error> {
        let hold = |source| Error::Launch {
            process: label.name.to_string(),
            source,
        };
        let status = shim.status().map_err(hold)?;
        // A process that has ended already has no namespace any more.
        let netns = match label.on_host || status.ended.is_some() {
            true => None,
            false => shim.netns().ok().map(Arc::new),
        };
        let ended = watch(&shim).map_err(Error::file("watch", &dir))?;
        Ok(Self {
            label,
            dir,
            init_pid: status.init_pid,
            netns,
            shim: Arc::new(Mutex::new(Some(shim))),
            ended,
        })
    }

    /// Where it is asked whether it listens; nowhere, when its network is gone.
    pub fn target(&self) -> Option<Target> {
        (self.label.on_host || self.netns.is_some()).then(|| Target {
            netns: self.netns.clone(),
            port: self.label.port,
        })
    }

    /// Where requests reach it.
    pub fn address(&self) -> Address {
        if self.label.on_host {
            Address::Tcp(([127, 0, 0, 1], self.label.port).into())
        } else {
            Address::Namespace {
                shim: self.dir.clone(),
                port: self.label.port,
            }
        }
    }

    /// Its network namespace, if it has one of its own.
    pub fn netns(&self) -> Option<Arc<OwnedFd>> {
        self.netns.clone()
    }

    /// Sends a signal to all its processes. A process that is gone needs none.
    pub async fn signal(&self, signal: i32) {
        self.ask(move |shim| shim.signal(signal)).await;
    }

    /// Ends all its processes at once.
    pub async fn kill(&self) {
        self.ask(Shim::kill).await;
    }

    async fn ask<F>(&self, act: F)
    where
        F: FnOnce(&mut Shim) -> Result<(), noon_sandbox::Error> + Send + 'static,
    {
        let shim = self.shim.clone();
        let done = tokio::task::spawn_blocking(move || match lock(&shim).as_mut() {
            Some(shim) => act(shim),
            None => Ok(()),
        });
        if let Ok(Err(error)) = done.await {
            tracing::debug!(shim = %self.dir.display(), %error, "a shim did not obey");
        }
    }

    /// Waits until all of it ended; how it did.
    pub async fn ended(&self) -> Ended {
        loop {
            let watched = self.ended.readable().await;
            let (shim, dir) = (self.shim.clone(), self.dir.clone());
            let asked = tokio::task::spawn_blocking(move || how_it_ended(&shim, &dir)).await;
            match (watched, asked) {
                (Ok(mut guard), Ok(None)) => guard.clear_ready(),
                (_, Ok(Some(ended))) => return ended,
                _ => return Ended::Signal(9),
            }
        }
    }

    /// Lets the shim go once what it holds of its output was read, and takes its directory and its
    /// way out away.
    pub fn dismiss(self, house: &Arc<House>) {
        let open = house.open();
        let house = house.clone();
        tokio::spawn(async move {
            let _open = open;
            let age = Timestamp::now().since(self.label.started_at);
            if self.label.role != Role::Attended {
                tokio::time::sleep(HEARING.saturating_sub(age)).await;
                // Its pipe goes with it: a log collector that was killed is waited for.
                let _ = tokio::time::timeout(PATIENCE, (house.hooks.heard)()).await;
            }
            let _ = tokio::task::spawn_blocking(move || self.sweep_now(&house)).await;
        });
    }

    /// Lets the shim go and takes away what it leaves, without waiting for anybody.
    pub fn sweep_now(self, house: &House) {
        if let Some(shim) = lock(&self.shim).take()
            && let Err(error) = shim.dismiss()
        {
            tracing::debug!(shim = %self.dir.display(), %error, "a shim was gone before it was let go");
        }
        drop((self.netns, self.ended));
        sweep(&self.dir, Some(&self.label), house);
    }
}

#[expect(
    deprecated,
    reason = "the replacement is unsafe for the sake of descriptors that can be closed under it; \
              an owned one cannot"
)]
fn watch(shim: &Shim) -> io::Result<AsyncFd<OwnedFd>> {
    let fd = shim.wait_fd().try_clone_to_owned()?;
    AsyncFd::with_interest(fd, Interest::READABLE)
}

fn how_it_ended(shim: &Mutex<Option<Shim>>, dir: &Path) -> Option<Ended> {
    let status = lock(shim).as_mut().map(Shim::status);
    match status {
        Some(Ok(status)) => status.ended,
        // The shim is gone: what it wrote before stays; if it could not, it was killed.
        _ => Some(noon_sandbox::read_exit(dir).unwrap_or(Ended::Signal(9))),
    }
}

/// Takes away what a process leaves behind: its cgroups, its directories, its way out.
pub(crate) fn sweep(dir: &Path, label: Option<&Label>, house: &House) {
    if let Err(error) = noon_sandbox::clear(dir) {
        tracing::warn!(shim = %dir.display(), %error, "a sandbox left something behind");
    }
    crate::forget_namespace(dir);
    if let Some(slot) = label.and_then(|label| label.egress) {
        house.egress.release(slot);
    }
    let scratch = label.and_then(|label| label.scratch.as_deref());
    for dir in scratch.into_iter().chain([dir]) {
        if let Err(error) = std::fs::remove_dir_all(dir)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(dir = %dir.display(), %error, "a directory cannot be removed");
        }
    }
}

/// A sandbox's end in the domain's words.
pub(crate) fn exit(ended: Ended) -> Exit {
    match ended {
        Ended::Code(code) => Exit::Code(code),
        Ended::Signal(signal) => Exit::Signal(signal),
        Ended::OutOfMemory | Ended::MachineOutOfMemory => Exit::Signal(9),
    }
}

fn lock(shim: &Mutex<Option<Shim>>) -> std::sync::MutexGuard<'_, Option<Shim>> {
    shim.lock().unwrap_or_else(PoisonError::into_inner)
}
