//! Config vars into text.

/// One `NAME=value` line for each var, or more where a value has more.
pub fn print<'a>(vars: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    vars.map(|(name, value)| format!("{name}={}\n", quoted(value)))
        .collect()
}

/// Whether a shell and docker-compose read the line of this value the same. Alone a value that
/// needs double quotes and holds a backtick or an end of line of Windows is not portable: where one
/// wants an escape, the other has none.
pub fn is_portable(value: &str) -> bool {
    !(needs_double_quotes(value) && value.contains('`') || value.contains("\r\n"))
}

fn quoted(value: &str) -> String {
    if !value.is_empty() && value.bytes().all(is_plain) {
        value.to_owned()
    } else if needs_double_quotes(value) {
        format!("\"{}\"", escaped(value))
    } else {
        format!("'{value}'")
    }
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'_' | b'-' | b'.' | b'/' | b':' | b',' | b'@' | b'%' | b'+' | b'='
        )
}

/// Single quotes take all to the letter, but cannot hold themselves; and docker-compose takes a
/// lone backslash at the end for an escape of the closing quote.
fn needs_double_quotes(value: &str) -> bool {
    let backslashes = value.len() - value.trim_end_matches('\\').len();
    value.contains('\'') || backslashes % 2 == 1
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 8);
    for c in value.chars() {
        if matches!(c, '\\' | '"' | '$' | '`') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}
