//! What a command did.

use std::process::Output;

/// What a command did.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The command, for messages.
    pub command: String,
    /// Its exit code; 128 and the number for a signal.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said beside that.
    pub stderr: String,
}

impl Ran {
    /// Takes what a process gave.
    pub fn from_output(command: String, output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let signal = || output.status.signal().map_or(-1, |signal| 128 + signal);
        Self {
            command,
            code: output.status.code().unwrap_or_else(signal),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Insists that it went well.
    ///
    /// # Panics
    /// With all that it printed, if it did not.
    #[must_use]
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self}");
        self
    }

    /// Insists that it failed with this code.
    ///
    /// # Panics
    /// With all that it printed, if it did not.
    #[must_use]
    #[track_caller]
    pub fn fails(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Insists that it printed this somewhere.
    ///
    /// # Panics
    /// With all that it printed, if it did not.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        let is_said = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(is_said, "never said {text:?}: {self}");
        self
    }

    /// What it printed, as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("no JSON ({error}): {self}"),
        }
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            command,
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "`{command}` gave {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}
