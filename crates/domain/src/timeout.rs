//! How long a process may take to boot and to stop (factor IX).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A time that a process is given: whole seconds, from one to an hour.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timeout(u16);

/// The longest, in seconds.
const LONGEST: u16 = 3600;

/// A text or number is no timeout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no timeout: use whole seconds or minutes from 1s to 1h, such as 90s or 2m")]
pub struct TimeoutError(pub String);

impl Timeout {
    /// The longest there is: an hour.
    pub const LONGEST: Self = Self(LONGEST);

    /// Takes seconds within bounds.
    ///
    /// # Errors
    /// [`TimeoutError`] for none, and for more than an hour.
    pub fn from_secs(seconds: u64) -> Result<Self, TimeoutError> {
        match u16::try_from(seconds) {
            Ok(seconds @ 1..=LONGEST) => Ok(Self(seconds)),
            _ => Err(TimeoutError(format!("{seconds}s"))),
        }
    }

    /// The time in seconds.
    pub const fn as_secs(self) -> u64 {
        self.0 as u64
    }

    /// The time.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.as_secs())
    }
}

impl FromStr for Timeout {
    type Err = TimeoutError;

    /// Reads `90`, `90s`, `2m`, `1m30s` or `1h`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || TimeoutError(text.chars().take(40).collect());
        let seconds = seconds(text).ok_or_else(bad)?;
        Self::from_secs(seconds).map_err(|_| bad())
    }
}

fn seconds(text: &str) -> Option<u64> {
    if let Ok(seconds) = plain(text) {
        return Some(seconds);
    }
    let (mut sum, mut rest) = (0_u64, text);
    for (unit, factor) in [('h', 3600), ('m', 60), ('s', 1)] {
        if let Some((number, after)) = rest.split_once(unit) {
            sum = sum.checked_add(plain(number).ok()?.checked_mul(factor)?)?;
            rest = after;
        }
    }
    (rest.is_empty() && !text.is_empty()).then_some(sum)
}

/// Digits and nothing else: no sign, as `parse` alone would take.
fn plain(text: &str) -> Result<u64, ()> {
    let is_digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_digits).ok_or(())
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 60, self.0 % 60) {
            (60, 0) => f.write_str("1h"),
            (0, seconds) => write!(f, "{seconds}s"),
            (minutes, 0) => write!(f, "{minutes}m"),
            (minutes, seconds) => write!(f, "{minutes}m{seconds}s"),
        }
    }
}

/// How long a process may take; `None` is as long as the engine gives to all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// From its start until it is ready.
    pub boot: Option<Timeout>,
    /// From SIGTERM to its end, and to be drained before.
    pub stop: Option<Timeout>,
}

/// An order to change a timeout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeoutChange {
    /// To this.
    To(Timeout),
    /// Back to what the server gives to all.
    Default,
}

impl TimeoutChange {
    /// What is set afterwards.
    pub const fn wanted(self) -> Option<Timeout> {
        match self {
            Self::To(timeout) => Some(timeout),
            Self::Default => None,
        }
    }
}

impl FromStr for TimeoutChange {
    type Err = TimeoutError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "default" => Ok(Self::Default),
            _ => text.parse().map(Self::To),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_timeout_is_written_as_people_write_it_and_bounded() {
        for (text, seconds) in [
            ("1", 1),
            ("90", 90),
            ("90s", 90),
            ("2m", 120),
            ("1m30s", 90),
            ("60m", 3600),
            ("1h", 3600),
            ("0h2m", 120),
        ] {
            assert_eq!(
                text.parse::<Timeout>().unwrap().as_secs(),
                seconds,
                "{text}"
            );
        }
        for bad in [
            "",
            "0",
            "0s",
            "3601",
            "61m",
            "2h",
            "1h1s",
            "-1",
            "+1",
            "1.5m",
            "m",
            "1s1m",
            "2 m",
            "soon",
            "1m 30s",
            "99999999999999999999",
            "18446744073709551615h",
        ] {
            let error = Timeout::from_str(bad).unwrap_err().to_string();
            assert!(error.contains("from 1s to 1h"), "{error}");
        }
    }

    #[test]
    fn a_change_sets_or_unsets() {
        assert_eq!("default".parse(), Ok(TimeoutChange::Default));
        assert_eq!(TimeoutChange::Default.wanted(), None);
        let two = TimeoutChange::from_str("2m").unwrap().wanted();
        assert_eq!(two.map(Timeout::as_secs), Some(120));
        assert!(TimeoutChange::from_str("none").is_err());
    }

    proptest! {
        #[test]
        fn a_timeout_reads_back_as_it_prints(seconds in 1u64..=3600) {
            let timeout = Timeout::from_secs(seconds).unwrap();
            prop_assert_eq!(timeout.to_string().parse::<Timeout>(), Ok(timeout));
        }

        #[test]
        fn no_text_is_read_as_anything_out_of_bounds(text in "[0-9hms+ -]{0,8}") {
            if let Ok(timeout) = text.parse::<Timeout>() {
                prop_assert!((1..=3600).contains(&timeout.as_secs()));
            }
        }
    }
}
