//! What this machine offers.

/// One thing that this machine has or lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What was looked for.
    pub name: &'static str,
    /// Whether it is there.
    pub present: bool,
    /// What was found, such as a version.
    pub found: String,
    /// What it costs to lack it.
    pub cost: &'static str,
    /// The command that mends it, where there is one.
    pub mend: Option<&'static str>,
}

/// Looks at what this machine offers.
pub fn probe() -> Vec<Probe> {
    Vec::new()
}
