//! The nouns of all twelve factors, their rules, and the one port with two real homes.
//!
//! Every word that noon uses has its type here, and every rule that can be decided from values
//! alone is a method on it: what a valid app name is, what a formation may hold, what a Procfile
//! says, which process a host leads to. Text is parsed at a door into one of these types and is
//! never text again.
//!
//! Deliberately absent: any runtime, serde, SQL, HTTP, the environment, the file system and every
//! sibling crate. What a type looks like as JSON is `wire`'s affair, as rows `store`'s.

mod app;
mod build;
mod config;
mod engine;
mod formation;
mod health;
mod ids;
mod link;
mod log;
mod network;
mod process;
mod procfile;
mod release;
mod route;
mod secret;
mod size;
mod slug;
mod terminal;
mod time;
mod timeout;
mod timing;
mod user;

pub use app::{App, AppName, AppNameError};
pub use build::{Build, BuildFailure, BuildStatus, Commit, CommitError, SourceTree};
pub use config::{ConfigChange, ConfigError, ConfigKey, ConfigVars, MAX_CONFIG_BYTES};
pub use engine::{
    BoxFuture, Engine, EngineError, Exit, Files, Input, Intent, Io, Limits, Mount, OutputFn, Place,
    ProcessFilter, ProcessSpec, Runnable, Stream, Visit, WindowSize,
};
pub use formation::{
    Formation, FormationChange, FormationError, MAX_QUANTITY, ProcessSettings, Quantity,
    ScaleChange,
};
pub use health::{HealthCheck, HealthCheckError, HealthChecks, Rhythm};
pub use ids::{AppId, BuildId, DomainId, ProcessId, ReleaseId, TokenId, UserId};
pub use link::{Link, Linked};
pub use log::{LogLine, LogSource, PlatformSink};
pub use network::{Network, NetworkError, NetworkPolicy, Reach};
pub use process::{
    Address, Endpoint, Process, ProcessName, ProcessNameError, ProcessState, ProcessType,
    ProcessTypeError,
};
pub use procfile::{ProcessTypes, ProcfileError};
pub use release::{Reason, Release, ReleaseStatus, Version};
pub use route::{Backend, CustomDomain, Hostname, HostnameError, NoBackend, RouteTable};
pub use secret::Secret;
pub use size::{Size, SizeError};
pub use slug::{Layer, LayerId, LayerKind, Slug, SlugId, StackName};
pub use terminal::tame;
pub use time::Timestamp;
pub use timeout::{Timeout, TimeoutChange, TimeoutError, Timeouts};
pub use timing::{Spread, Timing, TimingSink, Took, TypeTimes};
pub use user::{AccessToken, Principal, User};
