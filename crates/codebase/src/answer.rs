//! What goes back to git over HTTP.

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use noon_control::Kind;

use crate::Error;

/// An answer, perhaps still being made.
pub(crate) type Answer = Response<Body>;

/// A verb's no, as HTTP has it.
pub(crate) fn denied(error: &noon_control::Error) -> Answer {
    note("could not admit git", error);
    let status = match error.kind() {
        Kind::Unauthorized => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound(_) => StatusCode::NOT_FOUND,
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::AppFailed | Kind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut answer = sentence(status, error.message());
    if status == StatusCode::UNAUTHORIZED {
        let basic = HeaderValue::from_static("Basic realm=\"noon\"");
        answer.headers_mut().insert(WWW_AUTHENTICATE, basic);
    }
    answer
}

/// Puts into the log what the person is not told: what noon itself failed at.
pub(crate) fn note(act: &'static str, error: &noon_control::Error) {
    if matches!(error.kind(), Kind::Unavailable | Kind::Failed) {
        tracing::error!(%error, causes = error.causes(), "{act}");
    }
}

/// A fault of this room's own.
pub(crate) fn broken(error: &Error) -> Answer {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, source, "could not serve git");
    let text = "noon could not open this repository; try again, then see noon's own log";
    sentence(StatusCode::INTERNAL_SERVER_ERROR, text)
}

/// Git shows plain text to whoever runs it.
pub(crate) fn sentence(status: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(Body::from(format!("{text}\n")));
    *answer.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, plain);
    answer
}

/// What git itself answers.
pub(crate) fn of_type(kind: &str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    let content_type = HeaderValue::from_str(&format!("application/x-git-{kind}"));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, content_type.expect("is made of letters"));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-store"),
    );
    answer
}
