//! Output of builds and release phases, as text, at addresses that carry their own permission.

use std::fmt::Display;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use noon_control::{Error, Kind};
use noon_domain::{BuildId, BuildStatus, ReleaseId};

use crate::House;
use crate::failure::Failure;

/// How often a build that is under way is looked at.
const EVERY: Duration = Duration::from_millis(200);
const NO_OUTPUT: &str = "that release has no release phase";

/// What a stream follows.
#[derive(Clone, Copy)]
enum Followed {
    Build(BuildId),
    Phase(ReleaseId),
}

/// Streams a build's output until the build ends.
pub async fn build(
    State(house): State<House>,
    Path((id, signature)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let id = house.signed("build", (&id, &signature))?;
    house.follow(Followed::Build(id)).await
}

/// Streams a release phase's output until the phase ends.
pub async fn release(
    State(house): State<House>,
    Path((id, signature)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let id = house.signed("release", (&id, &signature))?;
    house.follow(Followed::Phase(id)).await
}

/// One step of a stream: what to send, and where to go on; `None` for the end.
type Step = Option<(Result<Bytes, Failed>, Option<(House, usize)>)>;

impl House {
    async fn follow(self, followed: Followed) -> Result<Response, Failure> {
        // Looked up once before the answer begins, so that what is not there is a 404.
        self.output_of(followed).await?;
        let following = stream::unfold(Some((self, 0)), move |state| async move {
            let (house, sent) = state?;
            house.more_output(followed, sent).await
        });
        let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        Ok((kind, Body::from_stream(following)).into_response())
    }

    /// Waits for output beyond `sent` bytes. Ends once the source has ended and all was sent.
    async fn more_output(self, followed: Followed, sent: usize) -> Step {
        loop {
            let (ended, output) = match self.output_of(followed).await {
                Ok(found) => found,
                Err(error) => return Some((Err(Failed(error)), None)),
            };
            if output.len() > sent {
                let more = Bytes::copy_from_slice(&output.as_bytes()[sent..]);
                return Some((Ok(more), Some((self, output.len()))));
            }
            if ended {
                return None;
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Whether it has ended, asked first, so that what was printed before the end is not missed;
    /// and what it has printed.
    async fn output_of(&self, followed: Followed) -> Result<(bool, String), Error> {
        match followed {
            Followed::Build(id) => {
                let ended = self.control.build_status(id).await? != BuildStatus::Pending;
                Ok((ended, self.control.build_output(id).await?))
            }
            Followed::Phase(id) => {
                let missing = || Error::new(Kind::NotFound("release output"), NO_OUTPUT);
                let phase = self.control.phase_output(id).await?.ok_or_else(missing)?;
                Ok((phase.exit.is_some(), phase.output))
            }
        }
    }

    /// The address of a stream.
    pub fn stream_url(&self, kind: &str, id: &impl Display) -> String {
        let signature = self.settings.signing_key.sign(&format!("{kind} {id}"));
        format!("{}/noon/streams/{kind}/{id}/{signature}", self.settings.url)
    }

    fn signed<T: std::str::FromStr>(
        &self,
        kind: &str,
        (id, signature): (&str, &str),
    ) -> Result<T, Failure> {
        let missing = || Failure::not_found("stream", "there is no such stream");
        if !self
            .settings
            .signing_key
            .verifies(&format!("{kind} {id}"), signature)
        {
            return Err(missing());
        }
        id.parse().map_err(|_| missing())
    }
}

/// A stream that broke off.
#[derive(Debug)]
struct Failed(Error);

impl Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failed {}
