//! Points in time as the API writes them.

use noon_domain::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, as RFC 3339 in UTC to the second: `2012-01-01T12:00:00Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Time(pub Timestamp);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_micros().div_euclid(1_000_000);
        jiff::Timestamp::from_second(seconds)
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            .fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Self(Timestamp::from_micros(time.as_microsecond())))
    }
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rfc_3339_to_the_second() {
        let time = Time(Timestamp::from_micros(1_325_419_200_123_456));
        assert_eq!(
            serde_json::to_string(&time).unwrap(),
            "\"2012-01-01T12:00:00Z\""
        );
        let read: Time = serde_json::from_str("\"2012-01-01T12:00:00Z\"").unwrap();
        assert_eq!(read.0.as_micros(), 1_325_419_200_000_000);
    }
}
