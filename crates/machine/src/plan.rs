//! The plan of one app, as a pure function: `plan(&Intent, &[Observed]) -> Vec<Step>`.
//!
//! A plan is one round. Its steps may be taken all at once; then the world is looked at again and
//! the next round planned, until a round is empty. So a plan never depends on what an earlier one
//! hoped for, and a convergence that was cut off is taken up where it stands.
//!
//! Rounds come in three sorts: first what is missing is started, then what is started is awaited,
//! and only when every place has its process is what is out of date retired.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use noon_domain::{
    Intent, Place, ProcessId, ProcessName, ProcessState, Reach, ReleaseId, Size, Timestamp,
};

/// A process of the formation as planning needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Which run it is.
    pub process: ProcessId,
    /// Its place.
    pub name: ProcessName,
    /// Its release.
    pub release: ReleaseId,
    /// Its command.
    pub command: String,
    /// What it reaches, where that is known.
    pub reach: Option<Reach>,
    /// Its size.
    pub size: Size,
    /// When this run was started.
    pub started_at: Timestamp,
    /// Its state.
    pub state: ProcessState,
    /// Whether nobody has yet taken note of how its first boot came out.
    pub pending: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Start a process for this place.
    Start(Place),
    /// Wait until the first boot of this process is decided.
    Await(ProcessId),
    /// Take this process out of the router, and stop it.
    Retire(ProcessId),
}

/// What to do next so that the app comes to look like `intent`. Nothing, when it does.
pub fn plan(intent: &Intent, observed: &[Observed]) -> Vec<Step> {
    let mut starts = Vec::new();
    let mut awaits = Vec::new();
    let mut kept = HashSet::new();
    let release = intent.release.as_ref().map(|release| release.id);
    let mut found: HashMap<&ProcessName, Vec<&Observed>> = HashMap::new();
    for observed in observed {
        found.entry(&observed.name).or_default().push(observed);
    }
    for (place, release) in wanted(intent, release) {
        let here = found.get(&place.name).map_or(&[][..], Vec::as_slice);
        match best(place, (release, &intent.reach), here) {
            None => starts.push(Step::Start(place.clone())),
            Some(found) if found.pending && found.state != ProcessState::Up => {
                kept.insert(found.process);
                awaits.push(Step::Await(found.process));
            }
            Some(found) => drop(kept.insert(found.process)),
        }
    }
    if !starts.is_empty() {
        return starts;
    }
    if !awaits.is_empty() {
        return awaits;
    }
    observed
        .iter()
        .filter(|found| !is_leaving(found) && !kept.contains(&found.process))
        .map(|found| Step::Retire(found.process))
        .collect()
}

/// The places that want a process of the release, each name once.
fn wanted(
    intent: &Intent,
    release: Option<ReleaseId>,
) -> impl Iterator<Item = (&Place, ReleaseId)> {
    let mut names = HashSet::new();
    let places = intent.places.iter();
    places
        .filter(move |place| names.insert(&place.name))
        .filter_map(move |place| Some((place, release?)))
}

/// The process that fills a place: one that is up before one that is not, the newest of equals.
fn best<'a>(
    place: &Place,
    (release, reach): (ReleaseId, &Reach),
    observed: &[&'a Observed],
) -> Option<&'a Observed> {
    let rank = |found: &&'a Observed| {
        let state = match found.state {
            ProcessState::Up => 0,
            ProcessState::Starting => 1,
            _ => 2,
        };
        (state, Reverse(found.started_at), found.process)
    };
    observed
        .iter()
        .copied()
        .filter(|found| is_up_to_date(found, place, release) && suffices(found, reach))
        .min_by_key(rank)
}

fn is_up_to_date(found: &Observed, place: &Place, release: ReleaseId) -> bool {
    !is_leaving(found)
        && found.name == place.name
        && found.release == release
        && found.command == place.command
        && found.size == place.size
        && found.started_at >= place.not_before
}

/// Whether it reaches what it should. A name too many leads nowhere: the router sees to that.
fn suffices(found: &Observed, wanted: &Reach) -> bool {
    found.reach.as_ref().is_none_or(|reach| {
        reach.network == wanted.network && wanted.links.iter().all(|it| reach.links.contains(it))
    })
}

fn is_leaving(found: &Observed) -> bool {
    matches!(found.state, ProcessState::Draining | ProcessState::Stopping)
}

#[cfg(test)]
mod tests;
