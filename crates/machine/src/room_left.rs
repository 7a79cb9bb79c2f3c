//! Whether this machine has room for more processes.

use noon_domain::EngineError;

/// What one process costs at least, its walls included, in KiB.
const LEAST_KIB: u64 = 2 * 1024;

/// Checks that so many more processes could live here.
///
/// # Errors
/// [`EngineError::NoRoom`].
pub(crate) fn check(processes: usize) -> Result<(), EngineError> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    match available_kib(&meminfo) {
        Some(available) => fits(processes as u64, available),
        None => Ok(()),
    }
}

fn fits(processes: u64, available: u64) -> Result<(), EngineError> {
    let needed = processes.saturating_mul(LEAST_KIB);
    if needed <= available {
        return Ok(());
    }
    let (needed, available) = (needed / 1024, available / 1024);
    let why = format!(
        "{processes} more processes need at least {needed} MiB of memory, and {available} MiB are free"
    );
    Err(EngineError::NoRoom { why })
}

fn available_kib(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_numbers() {
        let available = available_kib("MemTotal: 9 kB\nMemAvailable:   20480 kB\n").unwrap();
        assert_eq!(available, 20480);
        assert!(fits(10, available).is_ok());
        let error = fits(11, available).unwrap_err().to_string();
        assert!(
            error.contains("22 MiB") && error.contains("20 MiB"),
            "{error}"
        );
        assert!(available_kib("nothing").is_none());
    }
}
