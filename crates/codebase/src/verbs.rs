//! What this door asks of the verbs.

use std::future::Future;
use std::sync::Arc;

use noon_control::{Control, Deploy, Deployed, Error, Permit, PushTurn};
use noon_domain::{App, Principal, Secret, SourceTree};
use tokio::sync::mpsc::UnboundedSender;

/// What a push asks of the platform, in the order of the methods. `Control` is what answers in a
/// house; the journeys of this room's tests have a stand-in, for they deploy nothing.
pub trait Verbs: Send + Sync + 'static {
    /// That someone may deploy one app.
    type Permit: Send + 'static;
    /// That it is this push's turn among the pushes to one app. Ends when dropped.
    type Turn: Send + Sync + 'static;

    /// Finds out who shows this token. Fails with `Unauthorized`.
    fn authenticate(
        &self,
        token: &Secret<String>,
    ) -> impl Future<Output = Result<Principal, Error>> + Send;

    /// Finds an app by name or id and permits its deploy. Fails with `NotFound` or `Forbidden`.
    fn permit(
        &self,
        who: &Principal,
        app: &str,
    ) -> impl Future<Output = Result<(App, Self::Permit), Error>> + Send;

    /// Waits for this push's turn.
    fn begin(&self, permit: Self::Permit) -> impl Future<Output = Self::Turn> + Send;

    /// Builds, releases and boots, telling `out` what the pusher should read meanwhile.
    fn deploy(
        &self,
        turn: &Self::Turn,
        source: SourceTree,
        out: UnboundedSender<String>,
    ) -> impl Future<Output = Result<Deployed, Error>> + Send;
}

impl Verbs for Arc<Control> {
    type Permit = Permit<Deploy>;
    type Turn = PushTurn;

    async fn authenticate(&self, token: &Secret<String>) -> Result<Principal, Error> {
        Control::authenticate(self, token).await
    }

    async fn permit(&self, who: &Principal, app: &str) -> Result<(App, Permit<Deploy>), Error> {
        let permit = self.permit_deploy(who, app).await?;
        Ok((permit.app().clone(), permit))
    }

    async fn begin(&self, permit: Permit<Deploy>) -> PushTurn {
        self.begin_push(permit).await
    }

    async fn deploy(
        &self,
        turn: &PushTurn,
        source: SourceTree,
        out: UnboundedSender<String>,
    ) -> Result<Deployed, Error> {
        Control::deploy(self, turn, source, out).await
    }
}
