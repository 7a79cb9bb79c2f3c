//! Process sizes (factor VIII): what one process may use, under Heroku's names.

use std::fmt;
use std::str::FromStr;

use crate::Limits;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// How large a process may grow. The numbers are Heroku's, the names too, in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Size {
    /// As [`Self::Standard1X`]; for clients that know the name.
    Eco,
    /// As [`Self::Standard1X`]; for clients that know the name.
    Basic,
    /// What a process has unless told otherwise.
    #[default]
    Standard1X,
    /// Twice of all.
    Standard2X,
    /// Five times the memory.
    PerformanceM,
    /// 28 times the memory.
    PerformanceL,
}

/// A text names no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no size: use one of {names}", names = Size::ALL.map(Size::as_str).join(", "))]
pub struct SizeError(pub String);

impl Size {
    /// All sizes, the smallest first.
    pub const ALL: [Self; 6] = [
        Self::Eco,
        Self::Basic,
        Self::Standard1X,
        Self::Standard2X,
        Self::PerformanceM,
        Self::PerformanceL,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eco => "eco",
            Self::Basic => "basic",
            Self::Standard1X => "standard-1x",
            Self::Standard2X => "standard-2x",
            Self::PerformanceM => "performance-m",
            Self::PerformanceL => "performance-l",
        }
    }

    /// Its memory quota, in bytes: more is told, and twice as much ends the process. What is
    /// written to `/app` and `/tmp` counts too.
    pub const fn memory(self) -> u64 {
        match self {
            Self::Eco | Self::Basic | Self::Standard1X => 512 * MIB,
            Self::Standard2X => GIB,
            Self::PerformanceM => 2 * GIB + 512 * MIB,
            Self::PerformanceL => 14 * GIB,
        }
    }

    /// Its share of the processor where processes compete: 100 is ordinary.
    pub const fn cpu_weight(self) -> u32 {
        match self {
            Self::Eco | Self::Basic | Self::Standard1X => 100,
            Self::Standard2X => 200,
            Self::PerformanceM => 1200,
            Self::PerformanceL => 5000,
        }
    }

    /// How many processes and threads it may have.
    pub const fn tasks(self) -> u32 {
        match self {
            Self::Eco | Self::Basic | Self::Standard1X => 256,
            Self::Standard2X => 512,
            Self::PerformanceM => 16_384,
            Self::PerformanceL => 32_768,
        }
    }

    /// What it may write to `/app` and `/tmp`, in bytes: as much as its memory quota, since it is
    /// memory.
    pub const fn disk(self) -> u64 {
        self.memory()
    }

    /// All that a process of this size may use, for as long as it likes.
    pub const fn limits(self) -> Limits {
        Limits {
            time: None,
            memory: Some(2 * self.memory()),
            memory_quota: Some(self.memory()),
            cpu_weight: Some(self.cpu_weight()),
            tasks: Some(self.tasks()),
            disk: Some(self.disk()),
        }
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|size| size.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| SizeError(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_reads_back_as_it_prints_and_as_heroku_writes_it() {
        for size in Size::ALL {
            assert_eq!(size.to_string().parse(), Ok(size));
            assert_eq!(size.as_str().to_uppercase().parse(), Ok(size));
        }
        assert_eq!("Standard-1X".parse(), Ok(Size::default()));
        for bad in ["", "standard", "2x", "standard-2x ", "private-s"] {
            let error = Size::from_str(bad).unwrap_err().to_string();
            assert!(error.contains("standard-2x, performance-m"), "{error}");
        }
    }

    #[test]
    fn a_larger_size_has_no_less_of_anything() {
        for pair in Size::ALL.windows(2) {
            let of = |size: Size| (size.memory(), size.cpu_weight(), size.tasks(), size.disk());
            let (smaller, larger) = (of(pair[0]), of(pair[1]));
            assert!(smaller.0 <= larger.0 && smaller.1 <= larger.1);
            assert!(smaller.2 <= larger.2 && smaller.3 <= larger.3);
        }
        let limits = Size::Standard2X.limits();
        assert_eq!(limits.memory_quota, Some(1 << 30));
        assert_eq!((limits.memory, limits.tasks), (Some(2 << 30), Some(512)));
        assert_eq!(limits.time, None);
    }
}
