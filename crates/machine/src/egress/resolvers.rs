//! Which name servers a process in a network of its own can ask.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// The host's own list, and where systemd-resolved keeps the list behind its loopback address.
const LISTS: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// The name servers of this machine that are no loopback addresses, the first list that has any.
/// Only IPv4: there is no other way out.
pub fn resolvers() -> Vec<Ipv4Addr> {
    LISTS
        .iter()
        .map(|list| read(Path::new(list)))
        .find(|servers| !servers.is_empty())
        .unwrap_or_default()
}

fn read(list: &Path) -> Vec<Ipv4Addr> {
    usable(&std::fs::read_to_string(list).unwrap_or_default())
}

fn usable(list: &str) -> Vec<Ipv4Addr> {
    let server = |line: &str| {
        let address = line.trim().strip_prefix("nameserver")?.trim();
        match address.parse().ok()? {
            IpAddr::V4(v4) if !v4.is_loopback() && !v4.is_unspecified() => Some(v4),
            _ => None,
        }
    };
    list.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_servers_are_of_no_use_in_another_network() {
        for (list, expected) in [
            ("nameserver 127.0.0.53\noptions edns0\n", vec![]),
            ("# x\nnameserver 10.255.255.53\n", vec![[10, 255, 255, 53]]),
            ("nameserver ::1\nnameserver\t1.1.1.1\n", vec![[1, 1, 1, 1]]),
            ("search a\nnameserver nonsense\n", vec![]),
        ] {
            let expected: Vec<Ipv4Addr> = expected.into_iter().map(Ipv4Addr::from).collect();
            assert_eq!(usable(list), expected, "{list:?}");
        }
    }
}
