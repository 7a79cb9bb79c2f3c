//! Reading rows back into nouns. What does not read is [`Error::Corrupt`], never a panic.

use std::str::FromStr;

use noon_domain::{Timestamp, Version};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::Error;

/// One row of an answer.
pub(crate) struct Row(pub(crate) AnyRow);

impl Row {
    pub(crate) fn text(&self, column: &str) -> Result<String, Error> {
        self.0.try_get(column).map_err(|_| unread(column))
    }

    pub(crate) fn bytes(&self, column: &str) -> Result<Vec<u8>, Error> {
        self.0.try_get(column).map_err(|_| unread(column))
    }

    pub(crate) fn digest(&self, column: &str) -> Result<[u8; 32], Error> {
        self.bytes(column)?.try_into().map_err(|_| unread(column))
    }

    pub(crate) fn int(&self, column: &str) -> Result<i64, Error> {
        self.maybe_int(column)?.ok_or_else(|| unread(column))
    }

    pub(crate) fn maybe_int(&self, column: &str) -> Result<Option<i64>, Error> {
        self.0.try_get(column).map_err(|_| unread(column))
    }

    pub(crate) fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T, Error> {
        T::try_from(self.int(column)?).map_err(|_| unread(column))
    }

    pub(crate) fn time(&self, column: &str) -> Result<Timestamp, Error> {
        self.int(column).map(Timestamp::from_micros)
    }

    pub(crate) fn maybe_time(&self, column: &str) -> Result<Option<Timestamp>, Error> {
        Ok(self.maybe_int(column)?.map(Timestamp::from_micros))
    }

    pub(crate) fn version(&self, column: &str) -> Result<Version, Error> {
        self.number(column).map(Version::new)
    }

    pub(crate) fn maybe_version(&self, column: &str) -> Result<Option<Version>, Error> {
        self.maybe_int(column)?
            .map(|_| self.version(column))
            .transpose()
    }

    /// A column of text that is a noun.
    pub(crate) fn parse<T: FromStr>(&self, column: &str) -> Result<T, Error> {
        self.text(column)?.parse().map_err(|_| unread(column))
    }

    pub(crate) fn maybe_parse<T: FromStr>(&self, column: &str) -> Result<Option<T>, Error> {
        let text: Option<String> = self.0.try_get(column).map_err(|_| unread(column))?;
        text.map(|t| t.parse().map_err(|_| unread(column)))
            .transpose()
    }
}

/// The error for a column whose content is no noun of ours.
pub(crate) fn unread(column: &str) -> Error {
    let what = format!("an unreadable value in column {column}");
    Error::Corrupt { what }
}
