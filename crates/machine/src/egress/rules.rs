//! The packet filter, as text for `nft`.

use std::net::Ipv4Addr;

use super::routes::own_addresses;

/// Networks that are nobody's business outside of this machine's owner, and none at all.
const PRIVATE: &str = "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, \
                       172.16.0.0/12, 192.168.0.0/16, 224.0.0.0/3";

/// What the filter is made of.
pub struct Rules<'a> {
    /// The name of its table.
    pub table: &'a str,
    /// The bridge at which all processes are.
    pub bridge: &'a str,
    /// Their network: its first address, and the length of its prefix.
    pub network: (Ipv4Addr, u8),
    /// The name servers that they may ask, wherever those are.
    pub resolvers: &'a [Ipv4Addr],
    /// A name server of this machine alone, which is asked in place of the resolvers.
    pub loopback: Option<Ipv4Addr>,
    /// Whether the whole network is ours, with `pasta` at its other end.
    pub behind_pasta: bool,
}

impl Rules<'_> {
    /// The text that replaces our table as a whole.
    pub fn text(&self) -> String {
        let trie = std::fs::read_to_string("/proc/thread-self/net/fib_trie").unwrap_or_default();
        let own = own_addresses(&trie).into_iter();
        let own: Vec<_> = own
            .filter(|ip| !ip.is_loopback() && !ip.is_private())
            .collect();
        self.text_with(&own)
    }

    fn text_with(&self, own: &[Ipv4Addr]) -> String {
        let Self { table, bridge, .. } = self;
        let network = format!("{}/{}", self.network.0, self.network.1);
        let names = self.name_servers();
        let own = self.when_any(own, "ip daddr", "drop");
        let detour = self.detour();
        let flagless = self.flagless();
        format!(
            "table inet {table} {{}}
delete table inet {table}
table inet {table} {{
  chain input {{
    type filter hook input priority -10; policy accept;
    iifname \"{bridge}\" ct state established,related accept
    {names}
    iifname \"{bridge}\" drop
  }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
    iifname \"{bridge}\" ip saddr != {network} drop
    iifname \"{bridge}\" meta nfproto ipv6 drop
    {names}
    iifname \"{bridge}\" ip daddr {{ {PRIVATE} }} drop
    {own}
    iifname \"{bridge}\" tcp flags syn tcp option maxseg size set rt mtu
    iifname \"{bridge}\" accept
    oifname \"{bridge}\" ct state established,related accept
    oifname \"{bridge}\" drop
  }}
  chain raw {{
    type filter hook prerouting priority -300; policy accept;
    {flagless}
  }}
  chain prerouting {{
    type nat hook prerouting priority -100; policy accept;
    {detour}
  }}
  chain postrouting {{
    type nat hook postrouting priority 100; policy accept;
    ip saddr {network} oifname != \"{bridge}\" masquerade
  }}
}}
"
        )
    }

    fn name_servers(&self) -> String {
        let asked: Vec<_> = match self.loopback {
            Some(loopback) => vec![loopback],
            None => self.resolvers.to_vec(),
        };
        self.when_any(
            &asked,
            "meta l4proto { tcp, udp } th dport 53 ip daddr",
            "accept",
        )
    }

    /// Some versions of `pasta` send segments without any flag, of which the kernel loses the
    /// thread, and resets the connection.
    fn flagless(&self) -> &'static str {
        if self.behind_pasta {
            "tcp flags & (fin|syn|rst|ack) == 0 drop"
        } else {
            ""
        }
    }

    fn detour(&self) -> String {
        let Some(loopback) = self.loopback else {
            return String::new();
        };
        let to = format!("dnat ip to {loopback}");
        self.when_any(
            self.resolvers,
            "meta l4proto { tcp, udp } th dport 53 ip daddr",
            &to,
        )
    }

    fn when_any(&self, addresses: &[Ipv4Addr], what: &str, then: &str) -> String {
        if addresses.is_empty() {
            return String::new();
        }
        let addresses: Vec<_> = addresses.iter().map(Ipv4Addr::to_string).collect();
        let addresses = addresses.join(", ");
        format!(
            "iifname \"{}\" {what} {{ {addresses} }} {then}",
            self.bridge
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_let_through_before_private_networks_are_shut() {
        let rules = Rules {
            table: "noon_x",
            bridge: "noon-x",
            network: (Ipv4Addr::new(10, 213, 0, 0), 20),
            resolvers: &[Ipv4Addr::new(10, 255, 255, 53)],
            loopback: None,
            behind_pasta: false,
        };
        let text = rules.text_with(&[Ipv4Addr::new(192, 0, 2, 2)]);
        let forward = &text[text.find("chain forward").unwrap()..];
        let at = |part: &str| {
            forward
                .find(part)
                .unwrap_or_else(|| panic!("no {part} in {text}"))
        };
        assert!(at("10.255.255.53 } accept") < at("10.0.0.0/8"));
        assert!(at("{ 192.0.2.2 } drop") < at("\"noon-x\" accept"));
        assert!(!text.contains("dnat"));
    }

    #[test]
    fn a_name_server_of_this_machine_alone_is_reached_by_a_detour() {
        let rules = Rules {
            table: "noon_x",
            bridge: "noon-x",
            network: (Ipv4Addr::new(10, 213, 0, 0), 20),
            resolvers: &[Ipv4Addr::new(10, 213, 0, 1)],
            loopback: Some(Ipv4Addr::new(127, 0, 0, 1)),
            behind_pasta: false,
        };
        let text = rules.text_with(&[]);
        assert!(
            text.contains("ip daddr { 10.213.0.1 } dnat ip to 127.0.0.1"),
            "{text}"
        );
        assert!(text.contains("ip daddr { 127.0.0.1 } accept"), "{text}");
    }
}
