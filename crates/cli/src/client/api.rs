//! One request, one answer.

use std::io::Read;
use std::time::Duration;

use noon_domain::Secret;
use noon_wire::{Account, ApiError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Request, Response};
use ureq::{Agent, Body};

use crate::error::{Error, Result};
use crate::server_url::ServerUrl;

/// How every version of the API is asked for.
const ACCEPT: &str = "application/vnd.heroku+json; version=3";
const USER_AGENT: &str = concat!("noon/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most that one JSON answer may hold, in bytes.
const MAX_ANSWER: u64 = 64 << 20;

/// A server's API, as one user.
#[derive(Clone, Debug)]
pub struct Api {
    agent: Agent,
    server: ServerUrl,
    token: Secret<String>,
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListRange {
    /// All of it, in the server's order.
    All,
    /// The newest so many releases.
    Newest(usize),
}

impl Api {
    /// Speaks to `server` with `token`.
    pub fn new(server: ServerUrl, token: Secret<String>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(USER_AGENT);
        // A proxy knows nothing of this machine's own addresses.
        let config = if server.is_loopback() {
            config.proxy(None)
        } else {
            config
        };
        Self {
            agent: config.build().into(),
            server,
            token,
        }
    }

    /// Who the token belongs to.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn account(&self) -> Result<Account> {
        self.get("/account")
    }

    /// `GET`, as JSON.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = self.send("GET", path, None)?;
        parse(&format!("GET {path}"), answer)
    }

    /// `GET` of a list, all of its pages.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn list<T: DeserializeOwned>(&self, path: &str, range: ListRange) -> Result<Vec<T>> {
        let mut wanted = match range {
            ListRange::All => None,
            ListRange::Newest(count) => Some(format!("version ..; order=desc,max={count}")),
        };
        let mut items = Vec::new();
        loop {
            let mut request = self.request("GET", path);
            if let Some(wanted) = &wanted {
                request = request.header("range", wanted);
            }
            let answer = self.run(request.body(()))?;
            let next = answer
                .headers()
                .get("next-range")
                .and_then(|next| next.to_str().ok());
            let next = next.map(str::to_owned);
            items.append(&mut parse::<Vec<T>>(&format!("GET {path}"), answer)?);
            match (range, next) {
                (ListRange::All, Some(next)) => wanted = Some(next),
                _ => return Ok(items),
            }
        }
    }

    /// `POST`, JSON both ways.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let answer = self.send("POST", path, Some(json(body)?))?;
        parse(&format!("POST {path}"), answer)
    }

    /// `PATCH`, JSON both ways.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let answer = self.send("PATCH", path, Some(json(body)?))?;
        parse(&format!("PATCH {path}"), answer)
    }

    /// A request whose answer does not matter beyond its status: `DELETE`, or `POST` of an action.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn act(&self, method: &'static str, path: &str) -> Result<()> {
        let body = (method == "POST").then(|| b"{}".to_vec());
        self.send(method, path, body).map(drop)
    }

    /// The body behind a URL that an answer named, as it comes. The token goes along only where
    /// the URL is the server's own; `last_id` asks an event stream to go on after that event.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn stream(
        &self,
        url: &str,
        accept: &str,
        last_id: Option<&str>,
    ) -> Result<impl Read + use<>> {
        let is_own = ServerUrl::split(url).is_some_and(|(place, _)| place == self.server);
        let mut request = Request::builder()
            .method("GET")
            .uri(url)
            .header("accept", accept);
        if is_own {
            request = request.header("authorization", self.bearer());
        }
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        Ok(self.run(request.body(()))?.into_body().into_reader())
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token.expose())
    }

    fn request(&self, method: &str, path: &str) -> ureq::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header("accept", ACCEPT)
            .header("authorization", self.bearer())
    }

    fn send(&self, method: &str, path: &str, body: Option<Vec<u8>>) -> Result<Response<Body>> {
        let request = self.request(method, path);
        match body {
            None => self.run(request.body(())),
            Some(body) => self.run(
                request
                    .header("content-type", "application/json")
                    .body(body),
            ),
        }
    }

    fn run<B: ureq::AsSendBody>(
        &self,
        request: Result<Request<B>, ureq::http::Error>,
    ) -> Result<Response<Body>> {
        let answer = request
            .map_err(ureq::Error::from)
            .and_then(|request| self.agent.run(request))
            .map_err(|error| self.unreachable(&error))?;
        match answer.status().as_u16() {
            200..=299 => Ok(answer),
            401 => Err(Error::BadToken(self.server.to_string())),
            status => Err(refused(status, answer)),
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> Error {
        let why = match error {
            ureq::Error::Io(error) => error.to_string(),
            other => other.to_string(),
        };
        let why = why
            .split(" (os error")
            .next()
            .unwrap_or_default()
            .to_owned();
        Error::Unreachable {
            server: self.server.to_string(),
            why,
        }
    }
}

fn json(body: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body).map_err(|error| Error::BadAnswer {
        request: "this command".to_owned(),
        why: error.to_string(),
    })
}

fn parse<T: DeserializeOwned>(request: &str, answer: Response<Body>) -> Result<T> {
    let bad = |why: String| Error::BadAnswer {
        request: request.to_owned(),
        why,
    };
    let bytes = answer
        .into_body()
        .with_config()
        .limit(MAX_ANSWER)
        .read_to_vec();
    let bytes = bytes.map_err(|error| bad(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))
}

fn refused(status: u16, answer: Response<Body>) -> Error {
    let bytes = answer
        .into_body()
        .with_config()
        .limit(MAX_ANSWER)
        .read_to_vec();
    let body = serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or_else(|_| ApiError {
        id: "unknown".to_owned(),
        message: format!("the server answered {status} and did not say why"),
        resource: None,
    });
    Error::Refused { status, body }
}
