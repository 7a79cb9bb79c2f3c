//! Text into config vars.

use noon_domain::{ConfigError, ConfigKey};

/// Why a file was not understood. Values are never part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct DotenvError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// No `=`.
    #[error("there is no = after the name")]
    NoEquals,
    /// The name cannot be one.
    #[error("{0}")]
    Name(#[from] ConfigError),
    /// The quote has no end.
    #[error("the quote that begins here has no end")]
    OpenQuote,
    /// Something stands behind the closing quote.
    #[error("there is more after the closing quote")]
    AfterQuote,
    /// A NUL byte.
    #[error("there is a NUL byte, which no environment can carry")]
    Nul,
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    Utf8,
}

/// Reads a file. Where a name comes twice, the last counts.
///
/// # Errors
/// [`DotenvError`] with the first line that is not understood.
pub fn parse(bytes: &[u8]) -> Result<Vec<(ConfigKey, String)>, DotenvError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        DotenvError {
            line,
            why: Why::Utf8,
        }
    })?;
    let text = with_plain_ends(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut reader = Reader {
        rest: &text,
        line: 1,
    };
    let mut vars: Vec<(ConfigKey, String)> = Vec::new();
    while let Some((key, value)) = reader.next()? {
        vars.retain(|(earlier, _)| *earlier != key);
        vars.push((key, value));
    }
    Ok(vars)
}

/// A file is a Windows file where every line ends like one; a stray CR LF is part of a value.
fn with_plain_ends(text: &str) -> String {
    let ends = text.matches('\n').count();
    if ends > 0 && text.matches("\r\n").count() == ends {
        text.replace("\r\n", "\n")
    } else {
        text.to_owned()
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<Option<(ConfigKey, String)>, DotenvError> {
        while !self.rest.is_empty() {
            let line = self.rest.split('\n').next().unwrap_or_default();
            let content = line.trim();
            if !content.is_empty() && !content.starts_with('#') {
                let start = self.line;
                let read = self.assignment(line);
                return read
                    .map(Some)
                    .map_err(|why| DotenvError { line: start, why });
            }
            self.skip(line.len());
        }
        Ok(None)
    }

    fn assignment(&mut self, line: &str) -> Result<(ConfigKey, String), Why> {
        let (name, _) = line.split_once('=').ok_or(Why::NoEquals)?;
        let start = name.len() + 1;
        let name = name.trim();
        let exported = name
            .strip_prefix("export")
            .filter(|rest| rest.starts_with([' ', '\t']));
        let key: ConfigKey = exported.map_or(name, str::trim).parse()?;
        let value = &self.rest[start..];
        let blank = value.len() - value.trim_start_matches([' ', '\t']).len();
        let value = match value[blank..].chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(start + blank, quote)?,
            _ => self.bare(start, line),
        };
        if value.contains('\0') {
            Err(Why::Nul)
        } else {
            Ok((key, value))
        }
    }

    fn bare(&mut self, start: usize, line: &str) -> String {
        let value = &line[start..];
        let is_comment = |(at, _): &(usize, &str)| value[..*at].ends_with([' ', '\t']);
        let end = value
            .match_indices('#')
            .find(is_comment)
            .map_or(value.len(), |(at, _)| at);
        let value = value[..end].trim().to_owned();
        self.skip(line.len());
        value
    }

    fn quoted(&mut self, at: usize, quote: char) -> Result<String, Why> {
        let mut value = String::new();
        let mut chars = self.rest[at + 1..].char_indices();
        let end = loop {
            match chars.next().ok_or(Why::OpenQuote)? {
                (offset, c) if c == quote => break at + 1 + offset + 1,
                (_, '\\') if quote == '"' => {
                    let (_, escaped) = chars.next().ok_or(Why::OpenQuote)?;
                    push_escaped(&mut value, escaped);
                }
                (_, c) => value.push(c),
            }
        };
        let tail = self.rest[end..].split('\n').next().unwrap_or_default();
        if !tail.trim().is_empty() && !tail.trim().starts_with('#') {
            return Err(Why::AfterQuote);
        }
        self.skip(end + tail.len());
        Ok(value)
    }

    /// Goes on behind the line end that follows `length` more bytes.
    fn skip(&mut self, length: usize) {
        let taken = (length + 1).min(self.rest.len());
        self.line += self.rest[..taken].matches('\n').count();
        self.rest = &self.rest[taken..];
    }
}

fn push_escaped(value: &mut String, escaped: char) {
    match escaped {
        'n' => value.push('\n'),
        'r' => value.push('\r'),
        't' => value.push('\t'),
        '\\' | '"' | '$' | '`' => value.push(escaped),
        other => value.extend(['\\', other]),
    }
}
