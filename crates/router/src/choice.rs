//! Which process gets a request: of two at random, the one with fewer in flight.

/// One process that may be chosen, as seen at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// How many requests it has in flight.
    pub busy: usize,
    /// Whether it lately did not accept.
    pub is_aside: bool,
    /// Whether this request tried it already.
    pub was_tried: bool,
}

/// Chooses one, by index: one set aside only if there is no other, one tried never.
pub(crate) fn choose(candidates: &[Candidate], random: u64) -> Option<usize> {
    let willing = |c: &Candidate| !c.was_tried && !c.is_aside;
    let last_resort = |c: &Candidate| !c.was_tried;
    if candidates.iter().any(willing) {
        choose_among(candidates, willing, random)
    } else {
        choose_among(candidates, last_resort, random)
    }
}

fn choose_among(
    candidates: &[Candidate],
    fits: impl Fn(&Candidate) -> bool,
    random: u64,
) -> Option<usize> {
    let fit = || (0..candidates.len()).filter(|&i| fits(&candidates[i]));
    let count = fit().count();
    if count < 2 {
        return fit().next();
    }
    let (first, second) = two_of(count, random);
    let (a, b) = (fit().nth(first)?, fit().nth(second)?);
    Some(if candidates[b].busy < candidates[a].busy {
        b
    } else {
        a
    })
}

/// Two different numbers below `count`, which is at least 2.
fn two_of(count: usize, random: u64) -> (usize, usize) {
    let (high, low) = ((random >> 32) as usize, (random & 0xffff_ffff) as usize);
    let first = high % count;
    (first, (first + 1 + low % (count - 1)) % count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn free(busy: usize) -> Candidate {
        Candidate {
            busy,
            is_aside: false,
            was_tried: false,
        }
    }

    const ASIDE: Candidate = Candidate {
        busy: 0,
        is_aside: true,
        was_tried: false,
    };
    const TRIED: Candidate = Candidate {
        busy: 0,
        is_aside: false,
        was_tried: true,
    };

    #[test]
    fn the_one_with_fewer_in_flight_is_chosen_and_those_set_aside_come_last() {
        for random in 0..50 {
            let random = random * 0x1234_5678_9abc;
            for (candidates, expected) in [
                (&[][..], None),
                (&[free(7)], Some(0)),
                (&[free(7), free(3)], Some(1)),
                (&[free(1), free(3)], Some(0)),
                (&[ASIDE, free(9)], Some(1)),
                (&[TRIED, ASIDE], Some(1)),
                (&[TRIED, TRIED], None),
            ] {
                assert_eq!(choose(candidates, random), expected, "{candidates:?}");
            }
        }
    }

    #[test]
    fn equals_are_chosen_equally() {
        let mut hits = [0; 4];
        for random in 0..4000_u64 {
            let random = random.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            hits[choose(&[free(0); 4], random).unwrap()] += 1;
        }
        assert!(hits.iter().all(|n| (700..1300).contains(n)), "{hits:?}");
    }

    proptest! {
        #[test]
        fn two_are_never_the_same(count in 2usize..100, random: u64) {
            let (a, b) = two_of(count, random);
            prop_assert!(a != b && a < count && b < count);
        }
    }
}
