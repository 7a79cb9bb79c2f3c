//! How long processes take to boot and to stop (factor IX), and what many such times come to.

use std::sync::Arc;
use std::time::Duration;

use crate::{AppId, ProcessId, ProcessName, ProcessType, Timestamp, Version};

/// One boot or one stop of one process of a formation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Whose.
    pub app: AppId,
    /// The release that it ran.
    pub release: Version,
    /// Which run it was. A run boots once and stops once.
    pub process: ProcessId,
    /// Its place.
    pub name: ProcessName,
    /// What took time, and how much.
    pub what: Took,
    /// When it was over.
    pub at: Timestamp,
}

/// What took time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Took {
    /// From its start to being ready.
    Boot(Duration),
    /// From SIGTERM until the last of it was gone.
    Stop(Duration),
}

impl Took {
    /// How long.
    pub const fn duration(self) -> Duration {
        match self {
            Self::Boot(took) | Self::Stop(took) => took,
        }
    }
}

/// Takes timings as they come. Never blocks and never fails.
pub type TimingSink = Arc<dyn Fn(Timing) + Send + Sync>;

/// What many times come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spread {
    /// How many there were.
    pub count: usize,
    /// The one in the middle; the lower of two.
    pub median: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Spread {
    /// The spread of these times; none of none.
    pub fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        Some(Self {
            count: times.len(),
            median: *times.get(times.len().checked_sub(1)? / 2)?,
            longest: *times.last()?,
        })
    }
}

/// The boots and stops of one process type of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeTimes {
    /// The type.
    pub kind: ProcessType,
    /// Its boots.
    pub boots: Option<Spread>,
    /// Its stops.
    pub stops: Option<Spread>,
}

impl TypeTimes {
    /// The boots and stops of each type among these, by type.
    pub fn of(timings: &[Timing]) -> Vec<Self> {
        let kinds: std::collections::BTreeSet<_> = timings.iter().map(|t| &t.name.kind).collect();
        let times = |kind: &ProcessType, of: fn(&Took) -> bool| {
            let own = timings.iter().filter(|t| t.name.kind == *kind);
            let those = own.map(|t| t.what).filter(of).map(Took::duration);
            Spread::of(those.collect())
        };
        let one = |kind: &ProcessType| Self {
            kind: kind.clone(),
            boots: times(kind, |what| matches!(what, Took::Boot(_))),
            stops: times(kind, |what| matches!(what, Took::Stop(_))),
        };
        kinds.into_iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn timing(name: &str, what: Took) -> Timing {
        Timing {
            app: AppId::new(),
            release: Version::FIRST,
            process: ProcessId::new(),
            name: name.parse().unwrap(),
            what,
            at: Timestamp::default(),
        }
    }

    #[test]
    fn each_type_has_its_own_boots_and_stops() {
        let timings = [
            timing("worker.1", Took::Boot(5 * MS)),
            timing("web.1", Took::Boot(30 * MS)),
            timing("web.2", Took::Boot(10 * MS)),
            timing("web.1", Took::Stop(7 * MS)),
            timing("web.3", Took::Boot(20 * MS)),
        ];
        let spread = |count, median: u32, longest: u32| {
            let (median, longest) = (median * MS, longest * MS);
            Some(Spread {
                count,
                median,
                longest,
            })
        };
        let [web, worker] = &TypeTimes::of(&timings)[..] else {
            panic!("two types")
        };
        assert_eq!((web.boots, web.stops), (spread(3, 20, 30), spread(1, 7, 7)));
        assert_eq!((worker.boots, worker.stops), (spread(1, 5, 5), None));
        assert_eq!(TypeTimes::of(&[]), []);
    }

    proptest! {
        #[test]
        fn at_most_half_are_beyond_the_median_and_none_beyond_the_longest(
            millis in prop::collection::vec(0u32..1000, 1..50)
        ) {
            let times: Vec<_> = millis.iter().map(|m| *m * MS).collect();
            let spread = Spread::of(times.clone()).unwrap();
            prop_assert!(times.contains(&spread.median));
            let beyond = times.iter().filter(|t| **t > spread.median).count();
            let below = times.iter().filter(|t| **t < spread.median).count();
            prop_assert!(beyond * 2 <= times.len() && below * 2 <= times.len());
            prop_assert_eq!(times.iter().max(), Some(&spread.longest));
        }
    }
}
