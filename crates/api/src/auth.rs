//! Who is asking, and bodies of JSON.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use noon_domain::{Principal, Secret};
use serde::de::DeserializeOwned;

use crate::House;
use crate::failure::Failure;

/// The most that a body may hold, in bytes.
const MAX_BODY: usize = 1 << 20;

/// Whoever showed a valid token.
pub struct Asker(pub Principal);

impl FromRequestParts<House> for Asker {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, house: &House) -> Result<Self, Failure> {
        let shown = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok());
        let token = shown.and_then(token).ok_or_else(|| {
            let message = "this needs a token: run `noon login`";
            Failure::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
        })?;
        Ok(Self(house.control.authenticate(&token).await?))
    }
}

/// The token in an `Authorization` header: `Bearer TOKEN`, or `Basic` with it as the password.
fn token(header: &str) -> Option<Secret<String>> {
    let (scheme, rest) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Secret::new(rest.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (_, password) = decoded.split_once(':')?;
    Some(Secret::new(password.to_owned()))
}

/// A body of JSON, whatever the client says of its type; an empty one is `{}`.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<House> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &House) -> Result<Self, Failure> {
        let bytes = axum::body::to_bytes(request.into_body(), MAX_BODY)
            .await
            .map_err(|_| {
                let message = format!("the body is larger than {MAX_BODY} bytes, or broke off");
                Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_request", message)
            })?;
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let parsed = serde_json::from_slice(bytes).map_err(|error| {
            Failure::bad_request(format!(
                "the body is not the JSON that is due here: {error}"
            ))
        })?;
        Ok(Self(parsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_bearer_or_a_password() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for (header, expected) in [
            ("Bearer abc".to_owned(), Some("abc")),
            ("bearer abc".to_owned(), Some("abc")),
            (basic("user:abc"), Some("abc")),
            (basic(":abc"), Some("abc")),
            (basic("a:b:c"), Some("b:c")),
            (basic("nothing"), None),
            ("Basic ???".to_owned(), None),
            ("Digest abc".to_owned(), None),
            ("abc".to_owned(), None),
        ] {
            assert_eq!(
                token(&header).map(Secret::into_exposed).as_deref(),
                expected,
                "{header}"
            );
        }
    }
}
