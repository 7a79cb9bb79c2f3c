//! The id that follows a request through every log.

use uuid::Uuid;

/// Keeps the client's id if it is one, else makes a new one.
pub(crate) fn choose<'a>(mut given: impl Iterator<Item = &'a [u8]>) -> String {
    match (given.next(), given.next()) {
        (Some(id), None) if is_valid(id) => String::from_utf8_lossy(id).into_owned(),
        _ => Uuid::new_v4().to_string(),
    }
}

fn is_valid(id: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"+/=-".contains(b);
    (20..=200).contains(&id.len()) && id.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_20_to_200_plain_characters_is_kept_and_any_other_replaced() {
        let long = "x".repeat(200);
        for kept in ["01234567890123456789", "abc+/=-ABC0123456789", &long] {
            assert_eq!(choose([kept.as_bytes()].into_iter()), kept);
        }
        let longer = "x".repeat(201);
        for replaced in [
            "",
            "short",
            "0123456789012345678_",
            "0123456789 0123456789",
            &longer,
        ] {
            let id = choose([replaced.as_bytes()].into_iter());
            assert!(Uuid::parse_str(&id).is_ok(), "{replaced:?} became {id:?}");
        }
        let two = [b"01234567890123456789".as_slice(), b"11234567890123456789"];
        assert!(Uuid::parse_str(&choose(two.into_iter())).is_ok());
    }
}
