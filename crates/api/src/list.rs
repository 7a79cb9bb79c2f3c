//! Lists, a part at a time: `Range` in, `206` and `Next-Range` out.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use noon_wire::{Order, Range};
use serde::Serialize;

use crate::failure::Failure;

/// How a list is ordered, and where its parts are cut.
pub struct Ordered<T> {
    /// The field's name.
    pub field: &'static str,
    /// The field's text, which sorts as the list does.
    pub key: fn(&T) -> String,
}

/// The part of `items`, which come in ascending order, that the request asks for.
pub fn part<T: Serialize>(
    headers: &HeaderMap,
    by: &Ordered<T>,
    mut items: Vec<T>,
) -> Result<Response, Failure> {
    let asked = headers
        .get(header::RANGE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let range = Range::parse(asked).map_err(|error| {
        Failure::bad_request(format!(
            "the Range header is not understood at {:?}",
            error.0
        ))
    })?;
    if range.order == Order::Descending {
        items.reverse();
    }
    if let Some(start) = &range.start {
        let at = items.iter().position(|item| (by.key)(item) == *start);
        items.drain(..at.map_or(items.len(), |at| at + usize::from(range.is_after)));
    }
    let is_whole = items.len() <= range.max;
    items.truncate(range.max);
    let next = items
        .last()
        .map(|last| range.next(by.field, &(by.key)(last)));
    let mut response = Json(items).into_response();
    if let (false, Some(next)) = (is_whole, next) {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        if let Ok(next) = HeaderValue::from_str(&next) {
            response.headers_mut().insert("next-range", next);
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY: Ordered<u32> = Ordered {
        field: "version",
        key: |n| n.to_string(),
    };

    fn asked(range: &str) -> (StatusCode, Option<String>) {
        let headers = HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]);
        let response = part(&headers, &BY, vec![1, 2, 3, 4, 5]).unwrap();
        let next = response
            .headers()
            .get("next-range")
            .map(|v| v.to_str().unwrap().to_owned());
        (response.status(), next)
    }

    #[test]
    fn a_list_is_handed_out_part_by_part_until_its_end() {
        let (mut range, mut parts) = ("version ..; order=desc,max=2".to_owned(), 1);
        while let (StatusCode::PARTIAL_CONTENT, Some(next)) = asked(&range) {
            range = next;
            parts += 1;
            assert!(parts < 10, "never ends");
        }
        assert_eq!(
            (parts, range.as_str()),
            (3, "version ]2..; max=2; order=desc")
        );
    }

    #[test]
    fn a_list_that_fits_is_whole() {
        assert_eq!(asked(""), (StatusCode::OK, None));
        assert_eq!(asked("version ..; max=5"), (StatusCode::OK, None));
    }
}
