//! Which name servers a process in a network of its own can ask.

use std::net::{IpAddr, Ipv4Addr};

/// The host's own list, and where systemd-resolved keeps the list behind its loopback address.
const LISTS: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// The name servers of this machine. Only IPv4: there is no other way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolvers {
    /// These can be asked from anywhere.
    Reachable(Vec<Ipv4Addr>),
    /// Only this one, which answers nobody but this machine itself.
    Loopback(Ipv4Addr),
    /// Whatever this machine asks, behind an address that `pasta` answers for.
    Pasta(Ipv4Addr),
}

impl Resolvers {
    /// Reads the lists: the first that names a server which can be asked from anywhere.
    pub fn read() -> Self {
        let lists: Vec<_> = LISTS
            .iter()
            .map(|list| std::fs::read_to_string(list).unwrap_or_default())
            .collect();
        Self::of(&lists)
    }

    fn of(lists: &[String]) -> Self {
        let servers: Vec<Vec<_>> = lists.iter().map(|list| servers(list)).collect();
        let reachable = |list: &Vec<Ipv4Addr>| -> Vec<_> {
            list.iter()
                .copied()
                .filter(|server| !server.is_loopback())
                .collect()
        };
        let found = servers.iter().map(reachable).find(|list| !list.is_empty());
        match (found, servers.iter().flatten().next()) {
            (None, Some(loopback)) => Self::Loopback(*loopback),
            (found, _) => Self::Reachable(found.unwrap_or_default()),
        }
    }
}

fn servers(list: &str) -> Vec<Ipv4Addr> {
    let server = |line: &str| {
        let address = line.trim().strip_prefix("nameserver")?.trim();
        match address.parse().ok()? {
            IpAddr::V4(v4) if !v4.is_unspecified() => Some(v4),
            _ => None,
        }
    };
    list.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_answer_anyone_are_preferred_to_those_that_answer_us_alone() {
        let ip = Ipv4Addr::new;
        for (own, systemd, expected) in [
            (
                "# x\nnameserver 10.255.255.53\n",
                "",
                Resolvers::Reachable(vec![ip(10, 255, 255, 53)]),
            ),
            (
                "nameserver 127.0.0.53\noptions edns0\n",
                "nameserver 9.9.9.9\nnameserver 1.1.1.1\n",
                Resolvers::Reachable(vec![ip(9, 9, 9, 9), ip(1, 1, 1, 1)]),
            ),
            (
                "nameserver ::1\nnameserver\t127.0.0.1\n",
                "",
                Resolvers::Loopback(ip(127, 0, 0, 1)),
            ),
            (
                "search a\nnameserver nonsense\n",
                "",
                Resolvers::Reachable(vec![]),
            ),
        ] {
            let found = Resolvers::of(&[own.to_owned(), systemd.to_owned()]);
            assert_eq!(found, expected, "{own:?}");
        }
    }
}
