//! Versions that are asked for, and whether the stack's will do. Pure.

use semver::{Comparator, Op, Version, VersionReq};

/// A version that a file asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wanted {
    /// Which file, as in `engines.node in package.json`.
    pub(crate) by: &'static str,
    /// What it says.
    pub(crate) range: String,
    /// How it is to be read.
    pub(crate) dialect: Dialect,
}

/// How a range is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    /// As npm does: `>=18 <21 || ^22`.
    Npm,
    /// As PEP 440 does: `>=3.10,<4`.
    Pep440,
    /// A version or the beginning of one: `3.11`, `3.11.2`.
    Prefix,
}

impl Wanted {
    /// Whether a version will do; `None` if the range cannot be read.
    pub(crate) fn allows(&self, version: &str) -> Option<bool> {
        match self.dialect {
            Dialect::Npm => npm_allows(&self.range, &Version::parse(version).ok()?),
            Dialect::Pep440 => pep440_allows(&self.range, &numbers(version)?),
            Dialect::Prefix => Some(numbers(version)?.starts_with(&numbers(&self.range)?)),
        }
    }
}

fn npm_allows(range: &str, version: &Version) -> Option<bool> {
    let mut allowed = false;
    for alternative in range.split("||") {
        allowed |= npm_comparators(alternative)?
            .iter()
            .all(|req| req.matches(version));
    }
    Some(allowed)
}

fn npm_comparators(text: &str) -> Option<Vec<VersionReq>> {
    if let Some((low, high)) = text.split_once(" - ") {
        return Some(vec![
            requirement(&format!(">={}", low.trim()))?,
            requirement(&format!("<={}", high.trim()))?,
        ]);
    }
    // `>= 18` is one word.
    let mut joined = text.trim().to_owned();
    for op in [">=", "<=", ">", "<", "^", "~", "="] {
        while joined.contains(&format!("{op} ")) {
            joined = joined.replace(&format!("{op} "), op);
        }
    }
    joined
        .split([' ', ','])
        .filter(|word| !word.is_empty())
        .map(requirement)
        .collect()
}

/// One comparator as npm means it: a bare or partial version stands for all that begin with it.
fn requirement(word: &str) -> Option<VersionReq> {
    let at = word
        .find(|c: char| !"<>=~^".contains(c))
        .unwrap_or(word.len());
    let (op, rest) = word.split_at(at);
    let rest = rest.trim_start_matches('v');
    let mut parts: Vec<&str> = rest.split('.').collect();
    parts.truncate(
        parts
            .iter()
            .position(|p| matches!(*p, "x" | "X" | "*" | ""))
            .unwrap_or(parts.len()),
    );
    if parts.is_empty() {
        return Some(VersionReq::STAR);
    }
    let op = match op {
        "" | "=" => "=",
        "~>" => "~",
        other => other,
    };
    let parsed = VersionReq::parse(&format!("{op}{}", parts.join("."))).ok()?;
    parsed.comparators.iter().all(is_usual).then_some(parsed)
}

fn is_usual(comparator: &Comparator) -> bool {
    !matches!(comparator.op, Op::Wildcard)
}

fn pep440_allows(range: &str, version: &[u64]) -> Option<bool> {
    let mut allowed = true;
    for specifier in range.split(',').map(str::trim).filter(|s| !s.is_empty()) {
        allowed &= pep440_one(specifier, version)?;
    }
    Some(allowed)
}

fn pep440_one(specifier: &str, version: &[u64]) -> Option<bool> {
    let at = specifier.find(|c: char| !"<>=!~^".contains(c))?;
    let (op, rest) = specifier.split_at(at);
    let (rest, is_prefix) = match rest.trim().strip_suffix(".*") {
        Some(prefix) => (prefix, true),
        None => (rest.trim(), false),
    };
    let wanted = numbers(rest)?;
    let order = padded(version).cmp(&padded(&wanted));
    Some(match op {
        "==" | "===" if is_prefix => version.starts_with(&wanted),
        "!=" if is_prefix => !version.starts_with(&wanted),
        "==" | "===" => order.is_eq(),
        "!=" => order.is_ne(),
        ">=" => order.is_ge(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        "<" => order.is_lt(),
        "~=" => order.is_ge() && version.starts_with(wanted.split_last()?.1),
        "^" => order.is_ge() && version.first() == wanted.first(),
        _ => return None,
    })
}

fn padded(version: &[u64]) -> [u64; 4] {
    let mut padded = [0; 4];
    for (place, number) in padded.iter_mut().zip(version) {
        *place = *number;
    }
    padded
}

fn numbers(version: &str) -> Option<Vec<u64>> {
    let numbers: Option<Vec<u64>> = version.trim().split('.').map(|n| n.parse().ok()).collect();
    numbers.filter(|n| n.len() <= 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(dialect: Dialect, range: &str, version: &str) -> Option<bool> {
        let range = range.to_owned();
        Wanted {
            by: "a test",
            range,
            dialect,
        }
        .allows(version)
    }

    #[test]
    fn ranges_of_npm_read_as_npm_reads_them() {
        for (range, yes, no) in [
            ("20", "20.20.2", "21.0.0"),
            ("20.x", "20.1.0", "18.0.0"),
            ("20.x.x", "20.1.0", "18.0.0"),
            ("20.1", "20.1.9", "20.2.0"),
            ("20.1.2", "20.1.2", "20.1.3"),
            ("v20.1.2", "20.1.2", "20.1.3"),
            (">=18", "20.0.0", "17.9.9"),
            (">= 18", "20.0.0", "17.9.9"),
            (">=18 <21", "20.0.0", "21.0.0"),
            (">=18.x", "18.0.0", "17.0.0"),
            ("^18 || ^20.3", "20.4.0", "20.2.0"),
            ("^18 || ^20.3", "18.4.0", "19.2.0"),
            ("18 - 20", "20.9.9", "21.0.0"),
            ("~20.1", "20.1.5", "20.2.0"),
            ("<=20", "20.9.0", "21.0.0"),
            (">20", "21.0.0", "20.9.0"),
        ] {
            assert_eq!(
                allows(Dialect::Npm, range, yes),
                Some(true),
                "{range} {yes}"
            );
            assert_eq!(allows(Dialect::Npm, range, no), Some(false), "{range} {no}");
        }
        for any in ["*", "", "x", "latest || *"] {
            let expected = (any != "latest || *").then_some(true);
            assert_eq!(allows(Dialect::Npm, any, "20.0.0"), expected, "{any:?}");
        }
        assert_eq!(allows(Dialect::Npm, "lts/iron", "20.0.0"), None);
    }

    #[test]
    fn specifiers_of_python_read_as_pep_440_says() {
        for (range, yes, no) in [
            (">=3.10", "3.11.2", "3.9.18"),
            (">=3.10,<3.12", "3.11.2", "3.12.0"),
            ("==3.11.*", "3.11.2", "3.12.0"),
            ("~=3.11", "3.12.0", "3.10.9"),
            ("~=3.11.1", "3.11.2", "3.12.0"),
            ("!=3.11.2", "3.11.3", "3.11.2"),
            (">3.11", "3.12", "3.11"),
            ("^3.10", "3.11.2", "4.0.0"),
        ] {
            assert_eq!(
                allows(Dialect::Pep440, range, yes),
                Some(true),
                "{range} {yes}"
            );
            assert_eq!(
                allows(Dialect::Pep440, range, no),
                Some(false),
                "{range} {no}"
            );
        }
        assert_eq!(allows(Dialect::Pep440, "three", "3.11.2"), None);
    }

    #[test]
    fn a_prefix_stands_for_all_that_begin_with_it() {
        for (range, version, expected) in [
            ("3.11", "3.11.2", Some(true)),
            ("3", "3.11.2", Some(true)),
            ("3.11.2", "3.11.2", Some(true)),
            ("3.11.7", "3.11.2", Some(false)),
            ("3.1", "3.11.2", Some(false)),
            ("pypy", "3.11.2", None),
        ] {
            assert_eq!(allows(Dialect::Prefix, range, version), expected, "{range}");
        }
    }

    proptest! {
        #[test]
        fn no_range_makes_it_panic(range in "[ 0-9x.*<>=~^|v,!a-]{0,20}") {
            for dialect in [Dialect::Npm, Dialect::Pep440, Dialect::Prefix] {
                let _ = allows(dialect, &range, "20.1.0");
            }
        }
    }
}
