//! The kernel's routes, as far as choosing a network of our own asks for them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// How many addresses one machine's network has: a /20.
pub const BLOCK: u32 = 1 << 12;
/// Its prefix.
pub const PREFIX: u8 = 20;
/// Where networks of our own are looked for: 10.213.0.0 to 10.216.255.255.
const FIRST: u32 = 0x0ad5_0000;
const BLOCKS: u32 = 64;

/// One route: which addresses, by which link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The link.
    pub link: String,
    /// The first address.
    pub network: u32,
    /// Which bits of it count.
    pub mask: u32,
}

/// Reads `/proc/net/route`.
pub fn parse(table: &str) -> Vec<Route> {
    let number = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::swap_bytes);
    let route = |line: &str| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        Some(Route {
            link: (*words.first()?).to_owned(),
            network: number(words.get(1)?)?,
            mask: number(words.get(7)?)?,
        })
    };
    table.lines().skip(1).filter_map(route).collect()
}

/// The network of our bridge, if it stands, else the first from `start` that no route touches.
pub fn choose(routes: &[Route], bridge: &str, start: u32) -> Option<u32> {
    if let Some(ours) = routes.iter().find(|route| route.link == bridge) {
        return Some(ours.network);
    }
    let touches = |block: u32, route: &Route| {
        let mask = route.mask & !(BLOCK - 1);
        route.mask != 0 && block & mask == route.network & mask
    };
    (0..BLOCKS)
        .map(|step| FIRST + (start.wrapping_add(step) % BLOCKS) * BLOCK)
        .find(|block| !routes.iter().any(|route| touches(*block, route)))
}

/// The links that lead to the world.
pub fn default_links(routes: &[Route]) -> Vec<&str> {
    let leads_out = |route: &&Route| route.mask == 0 && route.network == 0;
    routes
        .iter()
        .filter(leads_out)
        .map(|r| r.link.as_str())
        .collect()
}

/// This machine's own addresses, read from `/proc/net/fib_trie`.
pub fn own_addresses(trie: &str) -> BTreeSet<Ipv4Addr> {
    let mut own = BTreeSet::new();
    let mut last: Option<Ipv4Addr> = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line == "/32 host LOCAL" {
            own.extend(last);
        }
    }
    own
}

/// The address with this number in a block.
pub fn address(block: u32, number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(block + number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n\
        eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";

    #[test]
    fn the_table_is_read_in_the_byte_order_that_it_has() {
        let routes = parse(TABLE);
        assert_eq!(routes.len(), 2);
        assert_eq!(
            Ipv4Addr::from_bits(routes[1].network).to_string(),
            "192.0.2.0"
        );
        assert_eq!(default_links(&routes), ["eth0"]);
        assert!(parse("").is_empty() && parse("a\nb c\n").is_empty());
    }

    #[test]
    fn ones_own_addresses_are_found_once_each() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
                    Local:\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 192.0.2.2\n\
                            /32 host LOCAL\n     |-- 192.0.2.255\n        /32 link BROADCAST\n";
        let own: Vec<_> = own_addresses(trie)
            .iter()
            .map(Ipv4Addr::to_string)
            .collect();
        assert_eq!(own, ["127.0.0.1", "192.0.2.2"]);
    }

    #[test]
    fn a_network_is_chosen_that_no_route_touches_and_kept_once_it_stands() {
        let route = |link: &str, network: u32, mask: u32| Route {
            link: link.to_owned(),
            network,
            mask,
        };
        let free = choose(&parse(TABLE), "noon", 0).unwrap();
        assert_eq!(address(free, 1).to_string(), "10.213.0.1");
        let taken = [route("x", 0x0ad5_0000, 0xffff_0000)];
        let next = choose(&taken, "noon", 0).unwrap();
        assert_eq!(address(next, 1).to_string(), "10.214.0.1");
        let small = [route("x", 0x0ad5_0080, 0xffff_ff80)];
        let next = choose(&small, "noon", 0).unwrap();
        assert_eq!(address(next, 1).to_string(), "10.213.16.1");
        let all = [route("x", 0x0a00_0000, 0xff00_0000)];
        assert_eq!(choose(&all, "noon", 0), None);
        let ours = [
            route("x", 0x0a00_0000, 0xff00_0000),
            route("noon", 0x0ad6_3000, 0xffff_f000),
        ];
        assert_eq!(choose(&ours, "noon", 0), Some(0x0ad6_3000));
    }
}
