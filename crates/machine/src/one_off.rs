//! One process that is expected to end: started, listened to, and waited for.

use std::sync::Arc;
use std::time::Duration;

use noon_domain::{
    EngineError, Exit, HealthChecks, Io, ProcessId, ProcessSpec, Timeouts, Timestamp,
};

use crate::keeper::{Charge, Keeper};
use crate::label::Role;
use crate::machine::Machine;
use crate::post::{Identity, Order, Post, Recipe, View};
use crate::supervise::Kind;
use crate::{Error, stdio};

/// How long what was printed last may take to arrive once the process ended.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(2);

impl Machine {
    /// Runs one process to its end.
    pub(crate) async fn run_once(&self, spec: ProcessSpec, io: Io) -> Result<Exit, EngineError> {
        let what = format!("running {}", spec.name);
        let role = match io {
            Io::Log => Role::Detached,
            _ => Role::Attended,
        };
        let (stdio, talk) = stdio::wire(io).map_err(|e| e.into_engine(&what))?;
        let post = {
            let _leave = self.house.still_starts(&spec.name.to_string())?;
            self.post_for(spec, role, stdio)
        };
        let _stop = StopWhenDropped(post.clone());
        let talk = talk.map(|talk| {
            let post = post.clone();
            talk.begin(move |order| post.order(order))
        });
        let outcome = end_of(&post).await;
        if let Some(talk) = talk {
            let _ = tokio::time::timeout(LAST_WORDS, talk.all_said()).await;
        }
        outcome.map_err(|why| Error::NotStarted { why }.into_engine(what))
    }

    fn post_for(
        &self,
        spec: ProcessSpec,
        role: Role,
        stdio: Option<noon_sandbox::Stdio>,
    ) -> Arc<Post> {
        let identity = identity(&spec, role);
        let process: ProcessId = spec.id;
        let (post, desk) = Post::new(identity.clone(), View::new(process, Timestamp::now()));
        self.rooms.of(spec.app).enter(post.clone());
        let charge = Charge {
            house: self.house.clone(),
            rooms: Arc::downgrade(&self.rooms),
            identity,
            desk,
            recipe: Some(Arc::new(self.recipe_for(spec))),
            timeouts: Timeouts::default(),
            stdio,
        };
        Keeper::start(charge, Kind::Once);
        post
    }

    fn recipe_for(&self, spec: ProcessSpec) -> Recipe {
        let layers = spec.files.layers.iter().map(|layer| self.layer_dir(layer));
        Recipe {
            layers: layers.collect(),
            upper: spec.files.upper,
            mounts: spec.files.mounts,
            env: spec.env,
            commit: None,
            reach: spec.reach,
            limits: spec.limits,
        }
    }
}

fn identity(spec: &ProcessSpec, role: Role) -> Identity {
    Identity {
        app: spec.app,
        app_name: spec.app_name.clone(),
        slot: spec.slot,
        name: spec.name.clone(),
        role,
        release: spec.release.map(|version| (None, version)),
        command: spec.command.clone(),
        reach: Some(spec.reach.clone()),
        size: spec.size,
        health: HealthChecks::default(),
        lifetime: spec.limits.time,
        not_before: Timestamp::default(),
    }
}

/// How it ended, or why it never began.
async fn end_of(post: &Post) -> Result<Exit, String> {
    let view = post.gone().await;
    match view.exit {
        Some(_) if view.timed_out => Ok(Exit::TimedOut),
        Some(exit) => Ok(exit),
        None => Err(view.why.unwrap_or_else(|| "its keeper is gone".to_owned())),
    }
}

/// Stops an attended process when nobody waits for it any more.
struct StopWhenDropped(Arc<Post>);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        if self.0.identity.role == Role::Attended {
            self.0.order(Order::Retire);
        }
    }
}
