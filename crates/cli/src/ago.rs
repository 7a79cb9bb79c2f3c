//! Times as people say them.

use noon_wire::Time;

/// For how long, up to now, a moment has been past.
pub fn since(time: Time) -> String {
    let now = jiff::Timestamp::now().as_microsecond();
    spoken(now.saturating_sub(time.0.as_micros()) / 1_000_000)
}

/// How long it is, from now on, until a moment.
pub fn until(time: Time) -> String {
    let now = jiff::Timestamp::now().as_microsecond();
    spoken(time.0.as_micros().saturating_sub(now) / 1_000_000)
}

fn spoken(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}m", s / 60),
        s @ 3600..86400 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_its_largest_unit() {
        let spans = [
            (-5, "0s"),
            (59, "59s"),
            (60, "1m"),
            (7199, "1h"),
            (90_000, "1d"),
        ];
        for (seconds, said) in spans {
            assert_eq!(spoken(seconds), said);
        }
    }
}
