//! `.env` files (factor III): config vars as text.
//!
//! Read: `NAME=value`, with or without `export`, spaces around `=`, quotes (over several lines),
//! comments, CRLF and a byte order mark. Single quotes are taken to the letter; in double quotes
//! `\n \r \t \\ \" \$` and an escaped backtick stand for what they do elsewhere. `#` begins a
//! comment only after white space, so that URLs and passwords survive.
//!
//! Written so that this reader, `source` of a shell and docker-compose read the same.
//!
//! Deliberately absent: expansion of `$NAME`, and commands. A value is what is written there.

mod parse;
mod print;

pub use parse::{DotenvError, parse};
pub use print::{is_portable, print};

#[cfg(test)]
mod tests;
