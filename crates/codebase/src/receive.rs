//! What is done with a push while git waits for its verdict.

use std::time::{Duration, Instant};

use noon_domain::{Commit, SourceTree};

use crate::checkout::{self, Checkout};
use crate::hook::Call;
use crate::http::Room;
use crate::plan::{self, Deployment, Plan};
use crate::repository::Repository;
use crate::stop::Stop;
use crate::summary::summary;
use crate::{Error, Refusal, Verbs, git, inspect};

/// How long a push waits for its turn before the pusher is told so.
const PATIENCE: Duration = Duration::from_millis(300);

/// When a push began, and how much of the time since it waited for others.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    begun: Instant,
    waited: Duration,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        Self {
            begun: Instant::now(),
            waited: Duration::ZERO,
        }
    }

    fn received(self) -> Duration {
        self.begun.elapsed().saturating_sub(self.waited)
    }
}

/// A push whose hook waits.
pub(crate) struct Receiver<'a, V: Verbs> {
    pub room: &'a Room<V>,
    pub repository: &'a Repository,
    pub call: &'a Call,
}

impl<V: Verbs> Receiver<'_, V> {
    /// Takes a push in, and gives back the turn, which ends only after git has moved the refs.
    /// A push that cannot deploy waits for no one.
    pub async fn receive(
        &self,
        permit: V::Permit,
        mut clock: Clock,
    ) -> (Option<V::Turn>, Result<(), Stop>) {
        if !plan::may_deploy(&self.call.updates) {
            let plan = self.plan().await;
            return (None, plan.map(|plan| self.call.say(plan.notes)));
        }
        let waits = Instant::now();
        let turn = self.turn(permit).await;
        clock.waited = waits.elapsed();
        let outcome = self.deploy(&turn, clock).await;
        (Some(turn), outcome)
    }

    async fn plan(&self) -> Result<Plan, Stop> {
        let tips = async { Ok(self.repository.tips().await?) };
        let (tips, ()) = tokio::try_join!(tips, self.see_whole_history())?;
        Ok(plan::plan(&self.call.updates, &tips)?)
    }

    async fn turn(&self, permit: V::Permit) -> V::Turn {
        let turn = self.room.verbs.begin(permit);
        tokio::pin!(turn);
        match tokio::time::timeout(PATIENCE, &mut turn).await {
            Ok(turn) => turn,
            Err(_) => {
                let wait = "Another push to this app is under way; waiting for its end.";
                self.call.say([wait.to_owned()]);
                turn.await
            }
        }
    }

    async fn deploy(&self, turn: &V::Turn, clock: Clock) -> Result<(), Stop> {
        let plan = self.plan().await?;
        self.call.say(plan.notes);
        let Some(deployment) = plan.deploy else {
            return Ok(());
        };
        let (source, checkout) = self.source(&deployment).await?;
        if deployment.old.is_none() {
            self.repository.set_head(deployment.branch).await?;
        }
        let received = clock.received();
        let out = self.call.out.clone();
        let deployed = self.room.verbs.deploy(turn, source, out).await;
        let deployed = deployed.map_err(Stop::NotDeployed)?;
        checkout.keep();
        self.call.say(summary(&deployed, received));
        Ok(())
    }

    /// Checks what is to be deployed and writes it out.
    async fn source(&self, deployment: &Deployment) -> Result<(SourceTree, Checkout), Stop> {
        let quarantine = &self.call.quarantine;
        let common = self.see_common_history(deployment);
        let (tree, ()) = tokio::try_join!(self.tree(deployment), common)?;
        inspect::inspect(self.repository, quarantine, (&tree, &self.room.settings)).await?;
        let what = (
            self.room.settings.checkouts_dir.as_path(),
            deployment.new.clone(),
            tree,
        );
        Ok(checkout::check_out(self.repository, quarantine, what).await?)
    }

    /// The tree of a tip that must be a commit and no tag.
    async fn tree(&self, Deployment { branch, new, .. }: &Deployment) -> Result<Commit, Stop> {
        let mut command = self
            .repository
            .command_in(&self.call.quarantine, "rev-parse");
        command.args([format!("{new}^{{commit}}"), format!("{new}^{{tree}}")]);
        let output = git::output(command).await?;
        let answer = String::from_utf8_lossy(&output.stdout);
        match answer.split_whitespace().collect::<Vec<_>>()[..] {
            [commit, tree] if commit == new.as_str() && output.status.success() => {
                let nonsense = |_| Error::GitAnswer {
                    command: "rev-parse",
                    answer: tree.into(),
                };
                Ok(tree.parse().map_err(nonsense)?)
            }
            _ => Err(Refusal::NoCommit {
                branch,
                object: new.to_string(),
            }
            .into()),
        }
    }

    async fn see_common_history(&self, deployment: &Deployment) -> Result<(), Stop> {
        let Some(old) = &deployment.old else {
            return Ok(());
        };
        let mut command = self
            .repository
            .command_in(&self.call.quarantine, "merge-base");
        command.args([old.as_str(), deployment.new.as_str()]);
        let output = git::output(command).await?;
        match output.status.code() {
            Some(0) => Ok(()),
            Some(1) => Err(Refusal::Unrelated {
                branch: deployment.branch,
            }
            .into()),
            _ => {
                let stderr = git::complaint(&output);
                Err(Error::Git {
                    command: "merge-base".into(),
                    stderr,
                }
                .into())
            }
        }
    }

    /// Git would accept a shallow push's objects, ask the hook, and only then refuse.
    async fn see_whole_history(&self) -> Result<(), Stop> {
        let mut command = self
            .repository
            .command_in(&self.call.quarantine, "rev-list");
        command.args(["--quiet", "--stdin", "--not", "--all"]);
        let new = self
            .call
            .updates
            .iter()
            .filter_map(|update| update.new.as_ref());
        let input: String = new.map(|new| format!("{new}\n")).collect();
        if input.is_empty() {
            return Ok(());
        }
        let output = git::converse(command, input.as_bytes()).await?;
        if output.status.success() {
            Ok(())
        } else {
            Err(Refusal::Shallow.into())
        }
    }
}
