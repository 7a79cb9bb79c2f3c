//! Errors as answers.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use noon_control::{Error, Kind};
use noon_wire::ApiError;

/// An answer that is an error.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    body: ApiError,
}

impl Failure {
    pub fn new(status: StatusCode, id: &str, message: impl Into<String>) -> Self {
        let body = ApiError {
            id: id.to_owned(),
            message: message.into(),
            resource: None,
        };
        Self { status, body }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub fn invalid(message: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_params",
            message.to_string(),
        )
    }

    pub fn not_found(resource: &str, message: impl Into<String>) -> Self {
        let mut failure = Self::new(StatusCode::NOT_FOUND, "not_found", message);
        failure.body.resource = Some(resource.to_owned());
        failure
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Some(causes) = error.causes() {
            tracing::warn!(kind = ?error.kind(), %error, causes, "request failed");
        }
        let message = error.message();
        match error.kind() {
            Kind::Unauthorized => Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message),
            Kind::Forbidden => Self::new(StatusCode::FORBIDDEN, "forbidden", message),
            Kind::NotFound(resource) => Self::not_found(resource, message),
            Kind::Invalid | Kind::Conflict => Self::invalid(message),
            Kind::AppFailed => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "app_failed", message),
            Kind::Unavailable => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message),
            Kind::Failed => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_server_error",
                message,
            ),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let realm = HeaderValue::from_static("Basic realm=\"noon\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, realm);
        }
        response
    }
}

/// Answers for paths that there are not.
pub async fn no_such_path(uri: axum::http::Uri) -> Failure {
    let message = format!("there is nothing at {} in this API", uri.path());
    Failure::new(StatusCode::NOT_FOUND, "not_found", message)
}

/// Answers for methods that a path does not take.
pub async fn no_such_method(method: axum::http::Method, uri: axum::http::Uri) -> Failure {
    let message = format!("{} does not take {method}", uri.path());
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
}
