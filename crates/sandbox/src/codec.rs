//! The encoding of everything that passes between a launcher and a shim: numbered fields.
//!
//! A field is a number (u16), a length (u32) and its bytes, all little-endian. A reader skips
//! fields that it does not know and finds absent what an older writer did not know, so that a shim
//! and a launcher of neighbouring versions understand each other.

use std::io;

/// Collects fields.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn bytes(mut self, field: u16, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(&field.to_le_bytes());
        self.0
            .extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(self, field: u16, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub(crate) fn number(self, field: u16, number: i64) -> Self {
        self.bytes(field, &number.to_le_bytes())
    }

    pub(crate) fn maybe(self, field: u16, number: Option<u64>) -> Self {
        match number {
            Some(number) => self.number(field, number as i64),
            None => self,
        }
    }

    /// Adds one field per item, in their order.
    pub(crate) fn each<T>(self, items: &[T], add: impl Fn(Self, &T) -> Self) -> Self {
        items.iter().fold(self, add)
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads fields in their order.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next field; `None` at the end, an error where the bytes are cut short.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u16, &'a [u8])>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (head, rest) = self.0.split_at_checked(6).ok_or_else(cut)?;
        let field = u16::from_le_bytes([head[0], head[1]]);
        let length = u32::from_le_bytes([head[2], head[3], head[4], head[5]]);
        let (value, rest) = rest.split_at_checked(length as usize).ok_or_else(cut)?;
        self.0 = rest;
        Ok(Some((field, value)))
    }
}

/// A field's bytes as text.
pub(crate) fn text(bytes: &[u8]) -> io::Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| cut())
}

/// A field's bytes as a number.
pub(crate) fn number(bytes: &[u8]) -> io::Result<i64> {
    bytes.try_into().map(i64::from_le_bytes).map_err(|_| cut())
}

pub(crate) fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a message is cut short")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fields_survive_the_way(fields in proptest::collection::vec((any::<u16>(), any::<Vec<u8>>()), 0..20)) {
            let written = fields.iter().fold(Writer::default(), |w, (n, v)| w.bytes(*n, v)).done();
            let mut reader = Reader::new(&written);
            for (field, value) in &fields {
                prop_assert_eq!(reader.next().unwrap(), Some((*field, value.as_slice())));
            }
            prop_assert_eq!(reader.next().unwrap(), None);
        }

        #[test]
        fn no_bytes_make_a_reader_fall(bytes in any::<Vec<u8>>()) {
            let mut reader = Reader::new(&bytes);
            while let Ok(Some(_)) = reader.next() {}
        }
    }
}
