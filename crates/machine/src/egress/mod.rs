//! The way from a process to the world outside.
//!
//! A process has a network of its own, in which it finds itself and nobody else. Its way out is
//! wired from here, after its walls stand. A way that fails is no reason for an app not to run: it
//! is said once, and the app runs without.

mod nat;
mod netlink;
mod pasta;
mod resolvers;
mod routes;
mod rules;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use nat::Nat;
use noon_sandbox::Mode;
use pasta::Shared;
use resolvers::Resolvers;

use crate::keeper::chain;
use crate::{Error, Settings};

/// Number 1 is the bridge's own.
const FIRST_SLOT: u32 = 2;
const LAST_SLOT: u32 = routes::BLOCK - 2;
/// So many ports the kernel gives a bridge at most.
const BRIDGE_PORTS: usize = 1023;

/// The ways out of this machine's processes.
pub(crate) struct Egress {
    root: Mode,
    shims_dir: PathBuf,
    way: OnceLock<Option<Way>>,
    taken: Mutex<Slots>,
}

/// The bridge and the filter, and where they are.
struct Way {
    nat: Nat,
    /// The network in which they are; `None` is this machine's.
    shared: Mutex<Option<Shared>>,
}

#[derive(Default)]
struct Slots {
    taken: BTreeSet<u32>,
    last: u32,
}

impl Egress {
    /// The ways out as the settings want them; made when the first process asks.
    pub fn new(settings: &Settings) -> Self {
        Self {
            root: settings.mode,
            shims_dir: settings.shims_dir.clone(),
            way: OnceLock::new(),
            taken: Mutex::default(),
        }
    }

    /// Sets a number aside for a process that is to have a way out, if this machine has any.
    pub fn reserve(&self) -> Option<u32> {
        self.nat()?;
        let mut slots = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        slots.next()
    }

    /// How many more processes can have a way out; `None` where this machine has none to give.
    pub fn free_ports(&self) -> Option<u64> {
        self.nat()?;
        let slots = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        Some(BRIDGE_PORTS.saturating_sub(slots.taken.len()) as u64)
    }

    /// Sets aside the number of a process that was found running. Where the network in which all
    /// ways out meet went with the last machine, its own is wired anew.
    pub fn keep(&self, slot: u32, netns: Option<&OwnedFd>) {
        let mut slots = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        slots.taken.insert(slot);
        drop(slots);
        if let (Some(netns), true) = (netns, self.root != Mode::Root) {
            self.wire(slot, netns);
        }
    }

    /// Wires the process in this namespace.
    pub fn wire(&self, slot: u32, netns: &OwnedFd) {
        if let Some(Err(error)) = self.nat().map(|nat| nat.wire(slot, netns)) {
            tracing::warn!(error = %chain(&error), "a process has no way out to the world");
        }
    }

    /// Takes the way out of a process that ended away.
    pub fn release(&self, slot: u32) {
        if let Some(nat) = self.nat() {
            nat.unwire(slot);
        }
        let mut slots = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        slots.taken.remove(&slot);
    }

    /// The name servers for a process with this number; none means the host's own list.
    pub fn nameservers(&self, slot: Option<u32>) -> Vec<IpAddr> {
        let nat = slot.and_then(|_| self.nat());
        let servers = nat.map(Nat::resolvers).unwrap_or_default();
        servers.iter().map(|server| IpAddr::V4(*server)).collect()
    }

    /// Takes down what was made for all, and what is just being made; nothing is made any more.
    pub fn close(&self) {
        let Some(way) = self.way.get_or_init(|| None) else {
            return;
        };
        let shared = way
            .shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(shared) = shared {
            return shared.close();
        }
        if let Err(error) = way.nat.close() {
            tracing::warn!(error = %chain(&error), "the way out to the world was not taken down");
        }
    }

    fn nat(&self) -> Option<&Nat> {
        let way = self.way.get_or_init(|| self.open());
        way.as_ref().map(|way| &way.nat)
    }

    fn open(&self) -> Option<Way> {
        let opened = match self.root {
            Mode::Root => self.open_as_root(),
            _ => self.open_rootless(),
        };
        opened
            .inspect_err(|error| {
                tracing::warn!(error = %chain(error), "apps have no way out to the world");
            })
            .ok()
    }

    fn open_as_root(&self) -> Result<Way, Error> {
        Ok(Way {
            nat: Nat::open(&self.shims_dir, &Resolvers::read())?,
            shared: Mutex::default(),
        })
    }

    fn open_rootless(&self) -> Result<Way, Error> {
        let shared = Shared::open(&self.shims_dir)?;
        let resolvers = Resolvers::Pasta(pasta::RESOLVER);
        let open = || Nat::open(&self.shims_dir, &resolvers);
        let nat = netlink::inside(shared.netns.as_fd(), open)
            .map_err(nat::egress("enter the network of all"))??;
        Ok(Way {
            nat,
            shared: Mutex::new(Some(shared)),
        })
    }
}

impl Slots {
    /// The next number that is free, after the one given out last: a number rests before it is
    /// given out again.
    fn next(&mut self) -> Option<u32> {
        let span = LAST_SLOT - FIRST_SLOT + 1;
        let slot = (0..span)
            .map(|step| FIRST_SLOT + (self.last + step) % span)
            .find(|slot| !self.taken.contains(slot))?;
        self.last = slot - FIRST_SLOT + 1;
        self.taken.insert(slot);
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_out_once_until_none_is_left() {
        let mut slots = Slots::default();
        let given: BTreeSet<_> = std::iter::from_fn(|| slots.next()).collect();
        assert_eq!(given.len() as u32, LAST_SLOT - FIRST_SLOT + 1);
        assert_eq!(
            (given.first(), given.last()),
            (Some(&FIRST_SLOT), Some(&LAST_SLOT))
        );
        slots.taken.remove(&77);
        assert_eq!(slots.next(), Some(77));
    }
}
