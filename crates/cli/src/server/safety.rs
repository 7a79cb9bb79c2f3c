//! Which machines a server starts on: what is missing is said once, and what would be unsafe is
//! refused unless the operator allows it.
//!
//! A server that nobody but this machine reaches serves its owner: there a wall less is a line in
//! its log. One that others reach must at least keep one app from taking the memory and the
//! processes of all, which takes a kernel that counts them.

use std::net::SocketAddr;

use super::ServerError;
use super::doctor::Finding;

/// The variable that allows what is refused.
pub const VARIABLE: &str = "NOON_ALLOW_UNSAFE";
/// The wall whose lack is refused where others reach the server, and its name in the variable.
const LIMITS: (&str, &str) = ("cgroup limits", "limits");

/// What the operator allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Apps without limits of memory and processes that the kernel keeps.
    pub limits: bool,
}

impl Allowed {
    /// Reads the variable's words, parted by commas.
    ///
    /// # Errors
    /// For a word that allows nothing.
    pub fn parse(text: &str) -> Result<Self, ServerError> {
        let mut allowed = Self::default();
        for word in text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            if word != LIMITS.1 {
                let known = LIMITS.1;
                return Err(ServerError(format!(
                    "{VARIABLE} is {text:?}: {word:?} is nothing that can be allowed, use {known}"
                )));
            }
            allowed.limits = true;
        }
        Ok(allowed)
    }
}

/// What is to be said once, a line for each wall that is missing.
///
/// # Errors
/// Where a server could not or must not run, with what mends it.
pub fn judge(
    walls: &[Finding],
    addresses: &[SocketAddr],
    allowed: Allowed,
) -> Result<Vec<String>, ServerError> {
    let missing: Vec<&Finding> = walls.iter().filter(|wall| !wall.ok).collect();
    if let Some(wall) = missing.iter().find(|wall| wall.needed) {
        return Err(ServerError(format!("this machine lacks {}", told(wall))));
    }
    let unlimited = missing.iter().find(|wall| wall.name == LIMITS.0);
    let open = addresses.iter().find(|address| !address.ip().is_loopback());
    if let (Some(wall), Some(open), false) = (unlimited, open, allowed.limits) {
        return Err(ServerError(format!(
            "others reach this server at {open}, and this machine lacks {}, or set {VARIABLE}={}",
            told(wall),
            LIMITS.1
        )));
    }
    Ok(missing.iter().map(|wall| told(wall)).collect())
}

fn told(wall: &Finding) -> String {
    let Finding {
        name, what, mend, ..
    } = wall;
    match mend {
        Some(mend) => format!("{name}: {what}; mend: {mend}"),
        None => format!("{name}: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(name: &str, ok: bool, needed: bool) -> Finding {
        Finding {
            name: name.to_owned(),
            ok,
            needed,
            what: "without it less".to_owned(),
            mend: Some("do this".to_owned()),
        }
    }

    #[test]
    fn what_is_missing_is_said_and_what_is_unsafe_refused() {
        let (own, open) = ("127.0.0.1:80", "0.0.0.0:80");
        let allowed = Allowed { limits: true };
        let none = Allowed::default();
        type Missing<'a> = &'a [(&'a str, bool)];
        // The walls that are missing, an address, what is allowed; lines, or none if refused.
        let table: [(Missing<'_>, &str, Allowed, Option<usize>); 8] = [
            (&[], own, none, Some(0)),
            (&[], open, none, Some(0)),
            (&[("landlock", false)], open, none, Some(1)),
            (&[("cgroup limits", false)], own, none, Some(1)),
            (&[("cgroup limits", false)], open, none, None),
            (&[("cgroup limits", false)], open, allowed, Some(1)),
            (&[("seccomp filters", true)], own, allowed, None),
            (
                &[("cgroups", false), ("cgroup limits", false)],
                own,
                none,
                Some(2),
            ),
        ];
        for (missing, address, allowed, lines) in table {
            let mut walls: Vec<_> = missing
                .iter()
                .map(|(name, needed)| wall(name, false, *needed))
                .collect();
            walls.push(wall("kernel", true, true));
            let addresses = [own.parse().unwrap(), address.parse().unwrap()];
            let judged = judge(&walls, &addresses, allowed);
            assert_eq!(
                judged.as_ref().ok().map(Vec::len),
                lines,
                "{missing:?} {judged:?}"
            );
            if let Err(error) = judged {
                let said = error.to_string();
                assert!(said.contains("without it less; mend: do this"), "{said}");
            }
        }
    }

    #[test]
    fn only_what_can_be_allowed_is() {
        assert_eq!(Allowed::parse("").unwrap(), Allowed::default());
        assert!(Allowed::parse(" limits,").unwrap().limits);
        let error = Allowed::parse("limits,seccomp").unwrap_err().to_string();
        assert!(
            error.contains("\"seccomp\"") && error.contains("use limits"),
            "{error}"
        );
    }
}
