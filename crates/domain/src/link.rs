//! Links (factor VII): one app's processes reach another app's, inside the platform.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Address, AppId, AppName, Backend, Hostname, ProcessId, Timestamp};

/// A link, in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The app whose processes reach the other.
    pub from: AppId,
    /// The app whose web processes answer.
    pub to: AppId,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An app that is linked to others, as the router needs it: it listens inside the app's processes,
/// and leads what comes there to these hosts and to no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// The app.
    pub app: AppId,
    /// Its name.
    pub app_name: AppName,
    /// Its processes, and where the router is to listen inside each.
    pub processes: BTreeMap<ProcessId, Address>,
    /// What each name leads to.
    pub hosts: BTreeMap<Hostname, Arc<Backend>>,
}
