//! Health checks (factor IX): the question over HTTP by which an app lets itself be judged.
//!
//! An app declares them with its code, so they are part of a slug.

use std::fmt;
use std::time::Duration;

/// The longest path, in bytes.
const LONGEST_PATH: usize = 1024;
/// The most attempts.
const MOST_ATTEMPTS: u32 = 100;
/// The longest time for one answer, in seconds.
const LONGEST_TIMEOUT: u32 = 60;
/// The longest pause between two questions, in seconds.
const LONGEST_WAIT: u32 = 3600;

/// One question over HTTP: a path that answers 2xx or 3xx where all is well.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct HealthCheck {
    path: String,
    rhythm: Rhythm,
}

/// How a question is asked again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rhythm {
    /// How long an answer may take, in seconds.
    pub timeout: u32,
    /// So many failures in a row are one too many.
    pub attempts: u32,
    /// The pause between two questions, in seconds.
    pub wait: u32,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            timeout: 5,
            attempts: 3,
            wait: 5,
        }
    }
}

/// Why something is no health check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HealthCheckError {
    /// The path cannot be asked for.
    #[error("{0:?} is no path of a health check: use one such as /up, of visible ASCII characters")]
    BadPath(String),
    /// A number is out of bounds.
    #[error("{what} of a health check is a whole number from 1 to {most}, and not {found}")]
    OutOfBounds {
        /// Which number.
        what: &'static str,
        /// The most it may be.
        most: u32,
        /// What it is.
        found: u32,
    },
}

impl HealthCheck {
    /// Takes a path, and numbers within bounds.
    ///
    /// # Errors
    /// [`HealthCheckError`].
    pub fn new(path: &str, rhythm: Rhythm) -> Result<Self, HealthCheckError> {
        let is_path = path.starts_with('/')
            && path.len() <= LONGEST_PATH
            && path.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        if !is_path {
            let shown = path.chars().take(40).collect();
            return Err(HealthCheckError::BadPath(shown));
        }
        bounded("timeout", rhythm.timeout, LONGEST_TIMEOUT)?;
        bounded("attempts", rhythm.attempts, MOST_ATTEMPTS)?;
        bounded("wait", rhythm.wait, LONGEST_WAIT)?;
        Ok(Self {
            path: path.to_owned(),
            rhythm,
        })
    }

    /// The path, with its query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The numbers.
    pub const fn rhythm(&self) -> Rhythm {
        self.rhythm
    }

    /// How long an answer may take.
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.rhythm.timeout as u64)
    }

    /// So many failures in a row are one too many.
    pub const fn attempts(&self) -> u32 {
        self.rhythm.attempts
    }

    /// The pause between two questions.
    pub const fn wait(&self) -> Duration {
        Duration::from_secs(self.rhythm.wait as u64)
    }
}

impl fmt::Display for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GET {}", self.path)
    }
}

fn bounded(what: &'static str, found: u32, most: u32) -> Result<(), HealthCheckError> {
    if (1..=most).contains(&found) {
        return Ok(());
    }
    Err(HealthCheckError::OutOfBounds { what, most, found })
}

/// How the web processes of a slug are judged; a slug that declares nothing has none of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct HealthChecks {
    /// Asked of a process that starts: it is ready when it answers. Where there is none it is
    /// ready when its port answers.
    pub boot: Option<HealthCheck>,
    /// Asked of a process that is up, for as long as it lives.
    pub live: Option<HealthCheck>,
}

impl HealthChecks {
    /// Whether nothing is declared.
    pub const fn is_empty(&self) -> bool {
        self.boot.is_none() && self.live.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_what_can_stand_in_a_request_line() {
        for good in ["/", "/up", "/health/ready?full=1", "/~a%20b"] {
            assert_eq!(
                HealthCheck::new(good, Rhythm::default()).unwrap().path(),
                good
            );
        }
        let long = format!("/{}", "a".repeat(LONGEST_PATH));
        for bad in [
            "",
            "up",
            "http://x/",
            "/a b",
            "/\r\nX: y",
            "/ü",
            "/a#b",
            "/\0",
            &long,
        ] {
            let error = HealthCheck::new(bad, Rhythm::default()).unwrap_err();
            assert!(matches!(error, HealthCheckError::BadPath(_)), "{bad:?}");
        }
    }

    #[test]
    fn numbers_are_bounded() {
        let of = |timeout, attempts, wait| Rhythm {
            timeout,
            attempts,
            wait,
        };
        assert!(HealthCheck::new("/", of(60, 100, 3600)).is_ok());
        assert!(HealthCheck::new("/", of(1, 1, 1)).is_ok());
        for (rhythm, expected) in [
            (
                of(0, 3, 5),
                "timeout of a health check is a whole number from 1 to 60",
            ),
            (of(61, 3, 5), "and not 61"),
            (of(5, 0, 5), "attempts of a health check"),
            (of(5, 101, 5), "and not 101"),
            (of(5, 3, 0), "wait of a health check"),
            (of(5, 3, 3601), "and not 3601"),
        ] {
            let error = HealthCheck::new("/", rhythm).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
