//! Roles: what the children of the parent do.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;

use super::data::Data;
use super::settings::Settings;
use super::{ServerError, control, handover, logs, router};

/// One of the three roles.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
#[repr(u8)]
pub enum Role {
    /// The verbs, the API and git.
    Control = b'c',
    /// The data path.
    Router = b'r',
    /// The reader of all output.
    Logs = b'l',
}

impl Role {
    /// All of them, in the order in which they are started; they are stopped in it too, but for
    /// control, which goes first.
    pub const ALL: [Self; 3] = [Self::Logs, Self::Router, Self::Control];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Router => "router",
            Self::Logs => "logs",
        }
    }
}

/// Plays one role of a server. Started by `noon server`, never by hand.
#[derive(Debug, clap::Args)]
pub struct RoleArgs {
    /// Which role.
    pub role: Role,
    /// Leave apps running when told to stop.
    #[arg(long)]
    pub detach_apps: bool,
}

/// What every role has.
pub struct Stage {
    /// The settings.
    pub settings: Settings,
    /// The data directory.
    pub data: Data,
    /// What it listens on, if anything.
    pub listener: Option<TcpListener>,
    /// Whether apps are left running at the end.
    pub detach_apps: bool,
    /// As whom the platform runs.
    pub mode: noon_sandbox::Mode,
    parent: UnixStream,
}

impl Stage {
    /// Tells the parent that this role does its work now.
    pub fn ready(&mut self) {
        // A parent that is gone takes this role with it.
        let _ = self.parent.write_all(b"!");
    }
}

/// Plays a role until it is told to stop.
pub fn play(args: &RoleArgs) -> Result<(), ServerError> {
    // A role without its parent would be there twice once the next parent starts.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let mode = noon_sandbox::enter_rootless().map_err(|error| ServerError(error.to_string()))?;
    super::signals::log_to_stdout();
    let settings = Settings::from_env()?;
    let data = Data::prepare(settings.data_dir.clone())?;
    let (parent, listener) = handover::ask(&data.socket("server"), args.role as u8)
        .map_err(|error| ServerError::failed("the server's parent did not answer", error))?;
    let detach_apps = args.detach_apps;
    let stage = Stage {
        settings,
        data,
        listener,
        detach_apps,
        mode,
        parent,
    };
    match args.role {
        Role::Control => control::play(stage),
        Role::Router => router::play(stage),
        Role::Logs => logs::play(stage),
    }
}
