//! One running process: the machine's hold on its shim.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use noon_domain::{Address, Exit, Reach};
use noon_sandbox::{Ended, Notice, Shim};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::Error;
use crate::house::House;
use crate::label::{Label, Role};
use crate::ports::Target;

/// How long a shim is kept after the end of its process for what was printed to be read: the logs
/// may be away. The shim itself does not wait longer.
const HEARING: Duration = Duration::from_secs(600);
/// The same once the machine ends its work, or where an older shim cannot tell what is unread.
const SHORT_HEARING: Duration = Duration::from_secs(3);
/// The pause between two questions whether all has been read: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// A file in a shim's directory: its process passed its health check once.
const READY: &str = "ready";

/// One running process: the machine's hold on its shim.
pub(crate) struct Live {
    pub label: Label,
    pub dir: PathBuf,
    pub init_pid: u32,
    netns: Option<Arc<OwnedFd>>,
    shim: Arc<Mutex<Option<Shim>>>,
    ended: AsyncFd<OwnedFd>,
    /// Words of the shim that nobody has heard yet: whoever waits for them may be called away.
    unheard: Arc<Mutex<VecDeque<Word>>>,
}

/// What a shim says of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It uses so many bytes of memory, more than its quota.
    OverQuota(u64),
    /// All of it ended, like this.
    Ended(Ended),
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
            unheard: Arc::default(),
        })
    }

    /// Where it is asked whether it listens; nowhere, when its network is gone.
    pub fn target(&self) -> Option<Target> {
        (self.label.on_host || self.netns.is_some()).then(|| Target {
            netns: self.netns.clone(),
            port: self.label.port,
        })
    }

    /// Notes on disk that it was ready once, for a machine that takes it over.
    pub fn note_ready(&self) {
        if let Err(error) = std::fs::write(self.dir.join(READY), "") {
            tracing::warn!(shim = %self.dir.display(), %error, "that a process is ready was not noted");
        }
    }

    /// Whether it was ready once, by the word of the machine that had it before.
    pub fn was_ready(&self) -> bool {
        self.dir.join(READY).exists()
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

    /// Where the router can listen inside it, if it knows names of other apps.
    pub fn inside(&self) -> Option<Address> {
        let knows = |reach: &Reach| !reach.links.is_empty();
        let is_linked = self.label.reach.as_ref().is_some_and(knows) && !self.label.on_host;
        is_linked.then(|| self.address())
    }

    /// Its network namespace, if it has one of its own.
    pub fn netns(&self) -> Option<Arc<OwnedFd>> {
        self.netns.clone()
    }

    /// Sends a signal to all its processes. A process that is gone needs none.
    pub async fn signal(&self, signal: i32) {
        self.ask(move |shim| shim.signal(signal)).await;
    }

    /// Ends all its processes at once, and with them a shim that does not answer.
    pub async fn kill(&self) {
        let dir = self.dir.clone();
        self.ask(move |shim| match shim.kill() {
            Err(noon_sandbox::Error::Talk { .. }) => noon_sandbox::end(&dir),
            done => done,
        })
        .await;
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

    /// Waits for the next word of the shim. Its end is said again and again.
    pub async fn word(&self) -> Word {
        loop {
            if let Some(word) = locked(&self.unheard).pop_front() {
                return word;
            }
            let watched = self.ended.readable().await;
            let (shim, dir, heard) = (self.shim.clone(), self.dir.clone(), self.unheard.clone());
            let asked = tokio::task::spawn_blocking(move || {
                // Held meanwhile: who finds nothing must find what another has just taken.
                let mut heard = locked(&heard);
                let word = next_word(&shim, &dir);
                heard.extend(word);
                word.is_some()
            });
            match (watched, asked.await) {
                (Ok(mut guard), Ok(false)) => guard.clear_ready(),
                (_, Ok(true)) => {}
                _ => return Word::Ended(Ended::Signal(9)),
            }
        }
    }

    /// Lets the shim go once all that was printed has been read, and takes its directory and its
    /// way out away.
    pub fn dismiss(mut self, house: &Arc<House>) {
        let open = house.open();
        let house = house.clone();
        tokio::spawn(async move {
            let _open = open;
            if self.label.role != Role::Attended {
                // What is noted may be given away again: an adoption tells by the note.
                if self.unheard().await.is_ok() {
                    self.part(&house).await;
                }
                self.heard(&house).await;
            }
            let _ = tokio::task::spawn_blocking(move || self.sweep_now(&house)).await;
        });
    }

    /// Gives back what only a living process needs.
    async fn part(&mut self, house: &Arc<House>) {
        self.netns = None;
        crate::forget_namespace(&self.dir);
        if let Some(slot) = self.label.egress.take() {
            let house = house.clone();
            let _ = tokio::task::spawn_blocking(move || house.egress.release(slot)).await;
        }
    }

    /// Waits until somebody has read what was printed, within bounds.
    async fn heard(&self, house: &House) {
        let begun = Instant::now();
        let mut pause = PAUSES.0;
        let mut limit = HEARING;
        while begun.elapsed() < limit {
            match self.unheard().await {
                Ok(0) => return,
                Ok(_) if house.is_closing() => limit = SHORT_HEARING,
                Ok(_) => {}
                Err(noon_sandbox::Error::Refused { .. }) => limit = SHORT_HEARING,
                Err(_) => return,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Tells the shim that its end was taken note of: how many bytes nobody has read.
    async fn unheard(&self) -> Result<u64, noon_sandbox::Error> {
        let shim = self.shim.clone();
        let asked = tokio::task::spawn_blocking(move || match lock(&shim).as_mut() {
            Some(shim) => {
                shim.note_end()?;
                Ok(shim.status()?.unread)
            }
            None => Ok(0),
        });
        asked.await.unwrap_or(Ok(0))
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

/// The next word, if there is one now.
fn next_word(shim: &Mutex<Option<Shim>>, dir: &Path) -> Option<Word> {
    let notice = lock(shim).as_ref().map(Shim::next_notice);
    match notice {
        Some(Ok(Some(Notice::MemoryOverQuota { bytes }))) => Some(Word::OverQuota(bytes)),
        Some(Ok(Some(_))) => next_word(shim, dir),
        Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
        _ => how_it_ended(shim, dir).map(Word::Ended),
    }
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

fn lock(shim: &Mutex<Option<Shim>>) -> MutexGuard<'_, Option<Shim>> {
    locked(shim)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
