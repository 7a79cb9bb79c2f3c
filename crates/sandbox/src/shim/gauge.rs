//! When to look at the memory of a process, and what follows from what is seen.
//!
//! A v1 cgroup rings by itself. Of v2, and where there is none, one must ask: seldom, for most
//! processes are idle, and a thousand of them must not cost anything that can be noticed.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::memory::{self, Used};
use crate::cgroup::{Alarms, Cgroup, Shortage};
use crate::sys::{file, socket};
use crate::{Limits, Notice};

/// How long until the next look at a process that uses more than half of its quota.
const SOON: Duration = Duration::from_secs(2);
/// How long where it uses less; and how often at most the same is told.
const LATER: Duration = Duration::from_secs(20);
/// How long where nobody but the shim holds it to its limit, and it is at more than half of that
/// or has changed; where it is idle the time doubles with each look, up to [`IDLE`].
const AT_ONCE: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(8);
/// How long until the kernel has ended somebody after it found no more memory, at most this often.
const MOMENT: Duration = Duration::from_millis(20);
const MOMENTS: u8 = 100;

/// What a look showed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Fine,
    Tell(Notice),
    /// It is to be ended.
    TooMuch,
}

/// The memory of one process, as it is watched.
#[derive(Debug)]
pub(super) struct Gauge {
    quota: Option<u64>,
    /// Where nobody but the shim holds the process to it.
    limit: Option<u64>,
    alarms: Alarms,
    /// Whether the process was out of memory by its own limit, as far as an alarm said so.
    reached: bool,
    /// How often to look again whether the kernel has ended somebody.
    moments: u8,
    next: Option<Instant>,
    pause: Duration,
    last: u64,
    told: Option<Instant>,
}

impl Gauge {
    pub(super) fn new(limits: &Limits, cgroup: &Cgroup) -> Self {
        Self {
            quota: limits.memory_quota,
            limit: limits.memory.filter(|_| !cgroup.limits_memory()),
            alarms: Alarms::default(),
            reached: false,
            moments: 0,
            next: None,
            pause: AT_ONCE,
            last: 0,
            told: None,
        }
    }

    /// Begins to watch; after the launch was answered, since it need not wait for this.
    pub(super) fn arm(&mut self, cgroup: &Cgroup) {
        self.alarms = cgroup.alarms(self.quota);
        // What happened before cannot ring any more.
        self.reached = cgroup.met_limit() || self.alarms.limit.is_none();
        if self.quota.is_some() || self.limit.is_some() {
            self.next = Some(Instant::now());
        }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = libc::pollfd> {
        let alarms = [&self.alarms.quota, &self.alarms.limit].into_iter();
        alarms
            .flatten()
            .map(|alarm| socket::readable(alarm.as_fd()))
    }

    /// How long until the next look; `None` is until something rings.
    pub(super) fn due(&self) -> Option<Duration> {
        self.next
            .map(|next| next.saturating_duration_since(Instant::now()))
    }

    /// Takes an alarm that rang; false when `fd` is none.
    pub(super) fn ring(&mut self, fd: RawFd) -> bool {
        let is = |alarm: &Option<OwnedFd>| alarm.as_ref().is_some_and(|a| a.as_raw_fd() == fd);
        let (quota, limit) = (is(&self.alarms.quota), is(&self.alarms.limit));
        if limit {
            self.hear_limit();
        }
        if let Some(alarm) = self.alarms.quota.as_ref().filter(|_| quota) {
            let _ = file::read(alarm.as_fd(), &mut [0; 8]);
        }
        if quota || limit {
            self.next = Some(Instant::now());
        }
        quota || limit
    }

    fn hear_limit(&mut self) {
        let Some(alarm) = &self.alarms.limit else {
            return;
        };
        if file::read(alarm.as_fd(), &mut [0; 8]).is_ok() {
            self.reached = true;
            self.moments = MOMENTS;
        }
    }

    /// Looks, if it is time to; `roots` are those from whom all inside descend.
    pub(super) fn look(&mut self, cgroup: &Cgroup, proc: &OwnedFd, roots: Vec<i32>) -> Finding {
        if self.due() != Some(Duration::ZERO) {
            return Finding::Fine;
        }
        if self.moments > 0 && cgroup.shortage(self.reached, 0) == Some(Shortage::Own) {
            self.next = None;
            return Finding::TooMuch;
        }
        let enough = self.quota.into_iter().chain(self.limit).min();
        let used = match cgroup.counts_memory() {
            // A look at half the quota and below shall cost little.
            true => cgroup.memory_used(enough.unwrap_or(0) / 2),
            false => memory::used(proc.as_fd(), roots, enough.unwrap_or(0)),
        };
        let now = Instant::now();
        let finding = self.judge(&used, now);
        self.next = self.pause(&used).map(|pause| now + pause);
        finding
    }

    fn judge(&mut self, used: &Used, now: Instant) -> Finding {
        if self.limit.is_some_and(|limit| used.needed > limit) {
            return Finding::TooMuch;
        }
        let over = self.quota.is_some_and(|quota| used.needed > quota);
        let again = self.told.is_none_or(|told| now - told >= LATER);
        match over && again {
            true => {
                self.told = Some(now);
                Finding::Tell(Notice::MemoryOverQuota { bytes: used.needed })
            }
            false => Finding::Fine,
        }
    }

    /// How long until the next look; `None` where something will ring.
    fn pause(&mut self, used: &Used) -> Option<Duration> {
        if self.moments > 0 {
            self.moments -= 1;
            return Some(MOMENT);
        }
        if let Some(limit) = self.limit {
            let still = used.needed.abs_diff(self.last) <= limit / 64;
            self.last = used.needed;
            self.pause = match still && used.needed <= limit / 2 {
                true => (self.pause * 2).min(IDLE),
                false => AT_ONCE,
            };
            return Some(self.pause);
        }
        let quota = self.quota?;
        if self.alarms.quota.is_some() && used.charged <= quota {
            return None;
        }
        Some(if used.needed > quota / 2 { SOON } else { LATER })
    }

    /// Whose memory was lacking when the kernel ended somebody, beyond so many `known` cases.
    pub(super) fn shortage(&mut self, cgroup: &Cgroup, known: u64) -> Option<Shortage> {
        self.hear_limit();
        cgroup.shortage(self.reached, known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauge(limits: Limits) -> Gauge {
        Gauge::new(&limits, &Cgroup::default())
    }

    fn used(bytes: u64) -> Used {
        Used {
            charged: bytes,
            needed: bytes,
        }
    }

    #[test]
    fn the_same_is_told_again_only_after_a_while() {
        let mut gauge = gauge(Limits {
            memory_quota: Some(100),
            ..Limits::default()
        });
        let start = Instant::now();
        let told = Finding::Tell(Notice::MemoryOverQuota { bytes: 101 });
        let table = [
            (0, 100, false),
            (1, 101, true),
            (2, 101, false),
            (3, 50, false),
        ];
        for (at, bytes, tells) in table.into_iter().chain([(20, 101, false), (21, 101, true)]) {
            let finding = gauge.judge(&used(bytes), start + Duration::from_secs(at));
            assert_eq!(finding == told, tells, "{bytes} bytes after {at} s");
        }
    }

    #[test]
    fn an_idle_process_is_looked_at_seldom() {
        let quota = Limits {
            memory_quota: Some(100),
            ..Limits::default()
        };
        assert_eq!(gauge(quota).pause(&used(50)), Some(LATER));
        assert_eq!(gauge(quota).pause(&used(51)), Some(SOON));
        let cached = Used {
            charged: 200,
            needed: 10,
        };
        assert_eq!(gauge(quota).pause(&cached), Some(LATER));
        let mut ringing = gauge(quota);
        ringing.alarms.quota = file::event().ok();
        assert_eq!(ringing.pause(&used(100)), None);
        assert_eq!(ringing.pause(&cached), Some(LATER));
        assert_eq!(ringing.pause(&used(101)), Some(SOON));
        assert_eq!(gauge(Limits::default()).pause(&used(1)), None);
    }

    #[test]
    fn where_the_shim_alone_holds_the_limit_it_looks_more_often() {
        let mut gauge = gauge(Limits {
            memory: Some(1 << 20),
            ..Limits::default()
        });
        assert_eq!(gauge.pause(&used(500_000)), Some(AT_ONCE));
        let pauses: Vec<_> = (0..5).filter_map(|_| gauge.pause(&used(500_000))).collect();
        assert_eq!(pauses, [2, 4, 8, 8, 8].map(Duration::from_secs));
        assert_eq!(gauge.pause(&used(400_000)), Some(AT_ONCE));
        assert_eq!(gauge.pause(&used(600_000)), Some(AT_ONCE));
        assert_eq!(gauge.pause(&used(600_000)), Some(AT_ONCE));
        assert_eq!(gauge.judge(&used(1 << 20), Instant::now()), Finding::Fine);
        let beyond = used((1 << 20) + 1);
        assert_eq!(gauge.judge(&beyond, Instant::now()), Finding::TooMuch);
    }
}
