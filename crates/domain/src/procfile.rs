//! The Procfile: which process types an app has, and their commands.

use std::collections::BTreeSet;

use crate::ProcessType;

/// The most that one line may hold, in bytes.
const MAX_LINE: usize = 32 * 1024;
/// The most types that one Procfile may declare.
const MAX_TYPES: usize = 256;

/// Process types with their commands, in the order of their declaration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessTypes(Vec<(ProcessType, String)>);

/// Why a Procfile was refused. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProcfileError {
    /// Not UTF-8.
    #[error("Procfile line {line} is not UTF-8 text")]
    NotText {
        /// Where.
        line: usize,
    },
    /// No `type: command`.
    #[error("Procfile line {line} is not of the form `type: command`: {text:?}")]
    BadLine {
        /// Where.
        line: usize,
        /// What stands there, cut short.
        text: String,
    },
    /// A type without a command.
    #[error("Procfile line {line} declares {kind} without a command")]
    NoCommand {
        /// Where.
        line: usize,
        /// The type.
        kind: ProcessType,
    },
    /// The same type twice.
    #[error("Procfile line {line} declares {kind} a second time")]
    Twice {
        /// Where.
        line: usize,
        /// The type.
        kind: ProcessType,
    },
    /// A line that no person wrote.
    #[error("Procfile line {line} is longer than {MAX_LINE} bytes or holds a NUL byte")]
    Unreadable {
        /// Where.
        line: usize,
    },
    /// Nothing declared.
    #[error("Procfile declares no process type: write a line such as `web: ./server`")]
    Empty,
    /// Too much declared.
    #[error("Procfile declares more than {MAX_TYPES} process types")]
    TooMany,
}

impl ProcessTypes {
    /// Reads a Procfile: lines of `type: command`; blank lines and `#` comments are passed over.
    ///
    /// # Errors
    /// A [`ProcfileError`] that names the first line which is wrong.
    pub fn parse(procfile: &[u8]) -> Result<Self, ProcfileError> {
        let procfile = procfile.strip_prefix(b"\xef\xbb\xbf").unwrap_or(procfile);
        let mut types = Self::default();
        let mut seen = BTreeSet::new();
        for (index, raw) in procfile.split(|b| *b == b'\n').enumerate() {
            let line = index + 1;
            let Some((kind, command)) = parse_line(line, raw)? else {
                continue;
            };
            if !seen.insert(kind.clone()) {
                return Err(ProcfileError::Twice { line, kind });
            }
            types.0.push((kind, command));
        }
        match types.0.len() {
            0 => Err(ProcfileError::Empty),
            n if n > MAX_TYPES => Err(ProcfileError::TooMany),
            _ => Ok(types),
        }
    }

    /// Takes types that were checked before.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (ProcessType, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// The command of a type.
    pub fn command(&self, kind: &ProcessType) -> Option<&str> {
        self.0
            .iter()
            .find(|(k, _)| k == kind)
            .map(|(_, command)| command.as_str())
    }

    /// Types and commands, as declared.
    pub fn iter(&self) -> impl Iterator<Item = (&ProcessType, &str)> {
        self.0
            .iter()
            .map(|(kind, command)| (kind, command.as_str()))
    }

    /// The types that can be in a formation: all but `release`.
    pub fn scalable(&self) -> impl Iterator<Item = &ProcessType> {
        self.0
            .iter()
            .map(|(kind, _)| kind)
            .filter(|kind| !kind.is_release())
    }

    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn parse_line(line: usize, raw: &[u8]) -> Result<Option<(ProcessType, String)>, ProcfileError> {
    if raw.len() > MAX_LINE || raw.contains(&0) {
        return Err(ProcfileError::Unreadable { line });
    }
    let text = std::str::from_utf8(raw)
        .map_err(|_| ProcfileError::NotText { line })?
        .trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let bad = || ProcfileError::BadLine {
        line,
        text: text.chars().take(60).collect(),
    };
    let (kind, command) = text.split_once(':').ok_or_else(bad)?;
    let kind: ProcessType = kind.parse().map_err(|_| bad())?;
    match command.trim() {
        "" => Err(ProcfileError::NoCommand { line, kind }),
        command => Ok(Some((kind, command.to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        ProcessTypes::parse(text.as_bytes())
            .unwrap()
            .iter()
            .map(|(k, c)| (k.to_string(), c.to_owned()))
            .collect()
    }

    #[test]
    fn lines_comments_blanks_and_dos_ends_are_read() {
        let types = pairs("# comment\r\nweb: run -p $PORT\r\n\r\n  worker:echo a:b # kept\n");
        assert_eq!(
            types,
            [
                ("web".to_owned(), "run -p $PORT".to_owned()),
                ("worker".to_owned(), "echo a:b # kept".to_owned())
            ]
        );
    }

    #[test]
    fn each_bad_line_is_named_by_its_number() {
        for (text, expected) in [
            ("web: a\nnonsense\n", "Procfile line 2 is not of the form"),
            ("we b: a\n", "Procfile line 1 is not of the form"),
            ("../x: a\n", "Procfile line 1 is not of the form"),
            (
                "web: a\n\nweb: b\n",
                "Procfile line 3 declares web a second time",
            ),
            ("web:\n", "Procfile line 1 declares web without a command"),
            ("web: a\0b\n", "Procfile line 1 is longer than"),
            ("", "Procfile declares no process type"),
            ("# only\n", "Procfile declares no process type"),
        ] {
            let error = ProcessTypes::parse(text.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(expected), "{text:?} gave {error:?}");
        }
    }

    #[test]
    fn the_release_phase_cannot_be_scaled() {
        let types = ProcessTypes::parse(b"web: a\nrelease: b\nworker: c\n").unwrap();
        let scalable: Vec<_> = types.scalable().map(ProcessType::as_str).collect();
        assert_eq!(scalable, ["web", "worker"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = ProcessTypes::parse(&bytes);
        }

        #[test]
        fn what_is_declared_is_read_back(
            declared in proptest::collection::btree_map("[a-z]{1,8}", "[!-~][ -~]{0,20}[!-~]", 1..5)
        ) {
            let text: String = declared.iter().map(|(k, c)| format!("{k}: {c}\n")).collect();
            let read: std::collections::BTreeMap<_, _> = pairs(&text).into_iter().collect();
            prop_assert_eq!(read, declared);
        }
    }
}
