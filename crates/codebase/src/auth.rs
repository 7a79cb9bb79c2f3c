//! Who pushes: any user name, and a token as the password.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use noon_domain::Secret;

/// The token of a `Basic` authorization; `None` if there is none to try.
pub(crate) fn token(headers: &HeaderMap) -> Option<Secret<String>> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (_user, password) = decoded.split_once(':')?;
    let usable = scheme.eq_ignore_ascii_case("basic") && !password.is_empty();
    usable.then(|| Secret::new(password.to_owned()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_token_is_the_password_whatever_the_user() {
        for (header, expected) in [
            (
                format!("Basic {}", STANDARD.encode("git:t0ken")),
                Some("t0ken"),
            ),
            (format!("basic {}", STANDARD.encode(":a:b")), Some("a:b")),
            (format!("Basic {}", STANDARD.encode("git:")), None),
            (format!("Basic {}", STANDARD.encode("t0ken")), None),
            (format!("Bearer {}", STANDARD.encode("git:t0ken")), None),
            ("Basic %%%".to_owned(), None),
            ("Basic".to_owned(), None),
        ] {
            let value = HeaderValue::from_str(&header).unwrap();
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
            assert_eq!(
                token(&headers).map(Secret::into_exposed).as_deref(),
                expected,
                "{header}"
            );
        }
    }
}
