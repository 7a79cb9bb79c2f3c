//! Whom to kill, and what was killed when.

use std::time::Instant;

use noon_testkit::{House, Sandbox, kill_if, sandboxes};

use crate::chance::Chance;

/// What can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Control,
    Logs,
    Router,
    Shim,
    Init,
    Process,
}

impl Kind {
    /// Each as often as it is to be met.
    const MIX: [Self; 12] = [
        Self::Control,
        Self::Control,
        Self::Control,
        Self::Logs,
        Self::Logs,
        Self::Router,
        Self::Router,
        Self::Shim,
        Self::Shim,
        Self::Init,
        Self::Process,
        Self::Process,
    ];

    const fn role(self) -> Option<&'static str> {
        match self {
            Self::Control => Some("control"),
            Self::Logs => Some("logs"),
            Self::Router => Some("router"),
            Self::Shim | Self::Init | Self::Process => None,
        }
    }
}

/// A kill that was done.
#[derive(Clone, Debug)]
pub struct Kill {
    pub kind: Kind,
    /// The place of the process, where one was hit.
    pub place: Option<String>,
    pub before: Instant,
    pub after: Instant,
}

impl Kill {
    /// What it is called in the table.
    pub fn name(&self) -> String {
        let place = self.place.as_deref().unwrap_or_default();
        let of = place.split('.').next().unwrap_or_default();
        match (self.kind.role(), self.kind) {
            (Some(role), _) => role.to_owned(),
            (None, Kind::Shim) => format!("shim of a {of}"),
            (None, Kind::Init) => format!("init of a {of}"),
            (None, _) => format!("process of a {of}"),
        }
    }

    pub fn is_of_web(&self) -> bool {
        self.place
            .as_deref()
            .is_some_and(|place| place.starts_with("web."))
    }
}

/// Kills something of this house, by chance. `web_too` says whether a web process may be hit.
pub fn kill_one(house: &House, chance: &mut Chance, web_too: bool) -> Option<Kill> {
    let kind = chance.one_of(&Kind::MIX);
    let (pids, place) = match kind.role() {
        Some(role) => (vec![house.role_pid(role)?], None),
        None => {
            let sandbox = a_sandbox(house, chance, web_too)?;
            (victims(kind, &sandbox, chance)?, sandbox.place)
        }
    };
    let before = Instant::now();
    let is_meant = || match kind.role() {
        Some(role) => house.role_pid(role) == pids.first().copied(),
        None => sandboxes(house.home()).iter().any(|it| holds(it, &pids)),
    };
    let is_done = kill_if(&pids, is_meant);
    let after = Instant::now();
    is_done.then_some(Kill {
        kind,
        place,
        before,
        after,
    })
}

fn holds(sandbox: &Sandbox, pids: &[u32]) -> bool {
    let is_in_it = |pid: &u32| {
        sandbox.shim == *pid || sandbox.init == Some(*pid) || sandbox.inside.contains(pid)
    };
    pids.first().is_some_and(is_in_it)
}

fn a_sandbox(house: &House, chance: &mut Chance, web_too: bool) -> Option<Sandbox> {
    let mut all = sandboxes(house.home());
    all.sort_by_key(|it| it.shim);
    let is_web = |it: &Sandbox| {
        it.place
            .as_deref()
            .is_some_and(|place| place.starts_with("web."))
    };
    all.retain(|it| web_too || !is_web(it));
    let at = usize::try_from(chance.below(all.len() as u64)).ok()?;
    all.into_iter().nth(at)
}

/// Whom to kill, and who dies of it.
fn victims(kind: Kind, sandbox: &Sandbox, chance: &mut Chance) -> Option<Vec<u32>> {
    let first = match kind {
        Kind::Shim => sandbox.shim,
        Kind::Init => sandbox.init?,
        _ if sandbox.inside.is_empty() => return None,
        _ => chance.one_of(&sandbox.inside),
    };
    let die_of_it = match kind {
        Kind::Shim => sandbox
            .init
            .iter()
            .chain(&sandbox.inside)
            .copied()
            .collect(),
        Kind::Init => sandbox.inside.clone(),
        _ => Vec::new(),
    };
    Some([vec![first], die_of_it].concat())
}
