//! The share of the CPU.

use std::io;

use super::group::Group;
use crate::Cpu;

/// The stretch of time over which a bound is counted, in microseconds: the kernel's own default.
const PERIOD_US: u64 = 100_000;
/// The kernel takes no bound below this.
const LEAST_QUOTA_US: u64 = 1_000;

/// Sets both in a v1 group.
pub(super) fn limit_v1(group: &Group, cpu: Cpu) -> io::Result<()> {
    let shares = (u64::from(cpu.weight) * 1024 / 100).max(2);
    group.set("cpu.shares", shares)?;
    match cpu.millicores {
        Some(millicores) => {
            group.set("cpu.cfs_period_us", PERIOD_US)?;
            group.set("cpu.cfs_quota_us", quota_us(millicores))
        }
        None => Ok(()),
    }
}

/// Sets both in a v2 group.
pub(super) fn limit_v2(group: &Group, cpu: Cpu) -> io::Result<()> {
    group.set("cpu.weight", u64::from(cpu.weight.clamp(1, 10_000)))?;
    match cpu.millicores {
        Some(millicores) => {
            let text = format!("{} {PERIOD_US}", quota_us(millicores));
            group.write("cpu.max", &text)
        }
        None => Ok(()),
    }
}

/// How much of each period so many thousandths of a core are, in microseconds.
fn quota_us(millicores: u32) -> u64 {
    (u64::from(millicores) * PERIOD_US / 1000).max(LEAST_QUOTA_US)
}

/// The niceness nearest to a weight: each step of it is a quarter. More than ordinary cannot be had.
pub(crate) fn niceness(weight: u32) -> i32 {
    let mut nice = 0;
    let mut share = 100.0;
    while share > f64::from(weight) * 1.12 && nice < 19 {
        share /= 1.25;
        nice += 1;
    }
    nice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_a_core_is_a_tenth_of_each_period() {
        let table = [
            (100, 10_000),
            (1000, 100_000),
            (2500, 250_000),
            (1, 1_000),
            (0, 1_000),
        ];
        for (millicores, us) in table {
            assert_eq!(quota_us(millicores), us, "{millicores}");
        }
    }

    #[test]
    fn a_weight_below_the_ordinary_is_nice() {
        let table = [
            (10_000, 0),
            (100, 0),
            (80, 1),
            (50, 3),
            (25, 6),
            (10, 10),
            (1, 19),
            (0, 19),
        ];
        for (weight, nice) in table {
            assert_eq!(niceness(weight), nice, "{weight}");
        }
    }
}
