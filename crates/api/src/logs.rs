//! Log sessions: history and tail of an app's stream, at an address that carries its permission.

use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use noon_domain::{AppId, LogSource, Timestamp};
use noon_logs::{Event, Filter, Reader, Record, Start, Tail};
use noon_wire::{LogSession, LogSessionCreate, Time};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::House;
use crate::auth::{Asker, Body as JsonBody};
use crate::failure::Failure;

/// How long an address may be opened after it was given.
const OPEN_WITHIN: Duration = Duration::from_secs(360);
/// How often a quiet tail is looked at.
const EVERY: Duration = Duration::from_millis(50);
/// How long a tail may be silent before a word is sent to keep its connection.
const SILENCE: Duration = Duration::from_secs(25);
/// The lines of history where none are asked for, and the most.
const LINES: (usize, usize) = (100, 10_000);

/// What a session shows: the address says it in full, and its signature vouches for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    app: AppUuid,
    lines: usize,
    #[serde(default)]
    tail: bool,
    #[serde(default)]
    dyno: String,
    #[serde(default)]
    source: String,
    /// The last second of opening, since the epoch.
    until: i64,
}

/// An app's identity in an address.
type AppUuid = Uuid;

/// Makes a session.
pub async fn create(
    State(house): State<House>,
    Asker(who): Asker,
    (Path(app), JsonBody(create)): (Path<String>, JsonBody<LogSessionCreate>),
) -> Result<(StatusCode, Json<LogSession>), Failure> {
    let LogSessionCreate {
        dyno,
        lines,
        source,
        tail,
    } = create;
    let permit = house.control.permit_view(&who, &app).await?;
    let source = source.unwrap_or_default();
    parse_source(&source)?;
    let now = Timestamp::now();
    let window = i64::try_from(OPEN_WITHIN.as_secs()).unwrap_or(i64::MAX);
    let query = Query(Session {
        app: permit.app().id.as_uuid(),
        lines: lines.unwrap_or(LINES.0).min(LINES.1),
        tail: tail.unwrap_or(false),
        dyno: dyno.unwrap_or_default(),
        source,
        until: now.as_micros() / 1_000_000 + window,
    });
    let query = encode(&query.0)?;
    let signature = house.settings.signing_key.sign(&query);
    let session = LogSession {
        created_at: Time(now),
        id: Uuid::new_v4(),
        logplex_url: format!("{}/noon/logs/{signature}?{query}", house.settings.url),
        updated_at: Time(now),
    };
    Ok((StatusCode::CREATED, Json(session)))
}

/// A session as a query. Only the process comes from the user, and it is a name.
fn encode(session: &Session) -> Result<String, Failure> {
    let Session {
        app,
        lines,
        tail,
        dyno,
        source,
        until,
    } = session;
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !dyno.bytes().all(name) {
        return Err(Failure::invalid(format!(
            "{dyno:?} is no process: use web or web.1"
        )));
    }
    Ok(format!(
        "app={app}&lines={lines}&tail={tail}&dyno={dyno}&source={source}&until={until}"
    ))
}

fn parse_source(source: &str) -> Result<Option<LogSource>, Failure> {
    match source {
        "" => Ok(None),
        "app" => Ok(Some(LogSource::App)),
        "heroku" | "noon" | "platform" => Ok(Some(LogSource::Platform)),
        other => Err(Failure::invalid(format!(
            "{other:?} is no source: use app or heroku"
        ))),
    }
}

/// Streams a session: as events where the client asks for them, else as lines.
pub async fn stream(
    State(house): State<House>,
    Path(signature): Path<String>,
    (RawQuery(query), headers): (RawQuery, HeaderMap),
) -> Result<Response, Failure> {
    let session = house.session(&signature, query.as_deref().unwrap_or(""))?;
    let wanted = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let form = if wanted.contains("text/event-stream") {
        Form::Events
    } else {
        Form::Lines
    };
    let last_seen = headers
        .get("last-event-id")
        .and_then(|v| v.to_str().ok()?.parse().ok());
    let (records, tail) = house.open(&session, last_seen)?;
    let first: Bytes = records
        .iter()
        .map(|record| form.write(record))
        .collect::<String>()
        .into();
    let kind = [
        (header::CONTENT_TYPE, form.content_type()),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    if !session.tail {
        return Ok((kind, first).into_response());
    }
    let following = Following {
        first: Some(first),
        tail,
        form,
    };
    Ok((
        kind,
        Body::from_stream(stream::unfold(following, Following::next)),
    )
        .into_response())
}

impl House {
    fn session(&self, signature: &str, query: &str) -> Result<Session, Failure> {
        let missing = || Failure::not_found("log session", "there is no such log session");
        if !self.settings.signing_key.verifies(query, signature) {
            return Err(missing());
        }
        let uri = format!("/?{query}").parse().map_err(|_| missing())?;
        let Query(session): Query<Session> = Query::try_from_uri(&uri).map_err(|_| missing())?;
        if Timestamp::now().as_micros() / 1_000_000 > session.until {
            return Err(Failure::not_found(
                "log session",
                "that log session is over: ask for another",
            ));
        }
        Ok(session)
    }

    fn open(
        &self,
        session: &Session,
        last_seen: Option<u64>,
    ) -> Result<(Vec<Record>, Tail), Failure> {
        let unread = |error: noon_logs::Error| {
            Failure::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "logs_unreadable",
                error.to_string(),
            )
        };
        let reader =
            Reader::open(&self.settings.logs_dir, AppId::from_uuid(session.app)).map_err(unread)?;
        let filter = Filter {
            process: (!session.dyno.is_empty()).then(|| session.dyno.clone()),
            source: parse_source(&session.source)?,
            ..Filter::default()
        };
        match last_seen {
            Some(seq) => Ok((
                Vec::new(),
                reader.tail(&filter, Start::After(seq)).map_err(unread)?,
            )),
            None => reader.follow(&filter, session.lines).map_err(unread),
        }
    }
}

/// How lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// Server-sent events, numbered so that a client can go on where it broke off.
    Events,
    /// Plain lines.
    Lines,
}

impl Form {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Lines => "text/plain; charset=utf-8",
        }
    }

    fn write(self, record: &Record) -> String {
        // A carriage return would end an event's line.
        let line = record.line();
        let line = line.trim_end_matches('\r');
        match self {
            Self::Events if record.seq == 0 => format!("data: {}\n\n", line.replace('\r', " ")),
            Self::Events => format!("id: {}\ndata: {}\n\n", record.seq, line.replace('\r', " ")),
            Self::Lines => format!("{line}\n"),
        }
    }
}

/// A tail on its way to a client.
struct Following {
    first: Option<Bytes>,
    tail: Tail,
    form: Form,
}

impl Following {
    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Self)> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Some((Ok(first), self));
        }
        let since = Instant::now();
        loop {
            let text: String = self
                .tail
                .poll()
                .iter()
                .map(|event| self.write(event))
                .collect();
            if !text.is_empty() {
                return Some((Ok(text.into()), self));
            }
            if self.tail.is_over() {
                return None;
            }
            if self.form == Form::Events && since.elapsed() > SILENCE {
                return Some((Ok(Bytes::from_static(b": still here\n\n")), self));
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    fn write(&self, event: &Event) -> String {
        match event {
            Event::Record(record) => self.form.write(record),
            Event::Gap(gap) => self.form.write(&gap.record()),
        }
    }
}
