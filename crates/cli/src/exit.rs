//! The exit codes of `noon`, each with its name.

/// How a command ended, as a number that scripts can rely on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exit {
    /// The number.
    pub code: u8,
    /// Its name.
    pub name: &'static str,
    /// What it means, in one sentence.
    pub meaning: &'static str,
}

/// Done.
pub const OK: Exit = exit(0, "OK", "The command did what it says.");
/// Refused or failed.
pub const FAILURE: Exit = exit(1, "FAILURE", "The request was refused, or it failed.");
/// Not understood.
pub const USAGE: Exit = exit(
    2,
    "USAGE",
    "The command line or its input is not understood.",
);
/// No token, or a token that the server does not take.
pub const NOT_LOGGED_IN: Exit = exit(
    3,
    "NOT_LOGGED_IN",
    "There is no token, or the server does not take it.",
);
/// No such thing.
pub const NOT_FOUND: Exit = exit(
    4,
    "NOT_FOUND",
    "There is no such app, release or other thing.",
);
/// No answer.
pub const UNAVAILABLE: Exit = exit(5, "UNAVAILABLE", "The server cannot be reached.");
/// The app's own failure.
pub const APP_FAILED: Exit = exit(
    6,
    "APP_FAILED",
    "The app failed: its build, its release phase or its boot.",
);
/// Still under way.
pub const TIMED_OUT: Exit = exit(
    7,
    "TIMED_OUT",
    "It was waited for as long as allowed, and is still under way.",
);

/// All of them, in order.
pub const ALL: [Exit; 8] = [
    OK,
    FAILURE,
    USAGE,
    NOT_LOGGED_IN,
    NOT_FOUND,
    UNAVAILABLE,
    APP_FAILED,
    TIMED_OUT,
];

const fn exit(code: u8, name: &'static str, meaning: &'static str) -> Exit {
    Exit {
        code,
        name,
        meaning,
    }
}

/// The page that `noon help exit-codes` prints.
pub fn page() -> String {
    let mut page = String::from("The exit codes of noon:\n\n");
    for exit in ALL {
        page += &format!("  {}  {:<14} {}\n", exit.code, exit.name, exit.meaning);
    }
    page + "\n`noon run` and `noon ps exec` hand on the exit code of the command that they ran.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_at_its_own_number_and_on_the_page() {
        for (index, exit) in ALL.iter().enumerate() {
            assert_eq!(usize::from(exit.code), index);
            assert!(page().contains(exit.name) && page().contains(exit.meaning));
        }
    }
}
