//! The way out behind one address of ours: a bridge with isolated ports, one veth per process, and
//! a packet filter that masks their addresses, keeps them from this machine and from private
//! networks, and lets name servers through.

use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::netlink::{self, Links};
use super::resolvers::Resolvers;
use super::routes::{self, PREFIX, address};
use super::rules;
use crate::Error;

/// The pause between two looks at a bridge that does not carry packets yet, and how many are taken.
const LOOK: Duration = Duration::from_millis(2);
const MOST_LOOKS: u32 = 100;

/// The way out behind one address of ours.
#[derive(Debug)]
pub struct Nat {
    /// A word of our own in the names of links and tables: six hexadecimal digits.
    word: String,
    block: u32,
    bridge: u32,
    resolvers: Vec<Ipv4Addr>,
    links: Mutex<Links>,
}

impl Nat {
    /// Makes the bridge and the filter in the network namespace of this thread, or takes up those
    /// that an earlier machine of the same data directory left.
    ///
    /// # Errors
    /// [`Error::Egress`], with the act that failed.
    pub fn open(shims_dir: &Path, resolvers: &Resolvers) -> Result<Self, Error> {
        let word = word(shims_dir);
        let name = bridge_name(&word);
        let routes = read_routes()?;
        let start = u32::from_str_radix(&word, 16).unwrap_or(0);
        let block = routes::choose(&routes, &name, start)
            .ok_or_else(|| io::Error::from(io::ErrorKind::AddrInUse))
            .map_err(egress("find a free network under 10.213.0.0"))?;
        let mut links = Links::here().map_err(egress("talk to the kernel about links"))?;
        exists(links.add_bridge(&name)).map_err(egress("make a bridge"))?;
        let bridge = links.index(&name).map_err(egress("find our bridge"))?;
        let gateway = address(block, 1);
        exists(links.add_address(bridge, gateway, PREFIX))
            .map_err(egress("give our bridge an address"))?;
        forward(&name, &routes)?;
        let behind_pasta = matches!(resolvers, Resolvers::Pasta(_));
        let (resolvers, loopback) = match resolvers {
            Resolvers::Reachable(servers) => (servers.clone(), None),
            Resolvers::Pasta(server) => (vec![*server], None),
            Resolvers::Loopback(server) => (vec![gateway], Some(*server)),
        };
        if loopback.is_some() {
            switch_on(&name, "route_localnet")?;
        }
        nft(&rules::Rules {
            table: &table_name(&word),
            bridge: &name,
            network: (Ipv4Addr::from_bits(block), PREFIX),
            resolvers: &resolvers,
            loopback,
            behind_pasta,
        }
        .text())?;
        Ok(Self {
            resolvers,
            links: Mutex::new(links),
            word,
            block,
            bridge,
        })
    }

    /// The name servers that can be asked from inside.
    pub fn resolvers(&self) -> &[Ipv4Addr] {
        &self.resolvers
    }

    /// Gives the process in this namespace its way out.
    ///
    /// # Errors
    /// [`Error::Egress`].
    pub fn wire(&self, slot: u32, netns: &OwnedFd) -> Result<(), Error> {
        let outer = self.veth_name(slot);
        let inner = Links::of(netns.as_fd());
        let mut inner = inner.map_err(egress("enter a process's network"))?;
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        // What is left of an earlier process or an earlier way out would stand in the way.
        let _ = links.delete(&outer);
        let _ = inner.delete(netlink::INNER);
        let made = links.add_veth(&outer, self.bridge, netns.as_fd());
        drop(links);
        made.map_err(egress("make a pair of links"))?;
        let own = address(self.block, slot);
        inner
            .set_up_inner(own, PREFIX)
            .map_err(egress("set up the link of a process"))?;
        self.wait_for_bridge();
        inner
            .route_inner(address(self.block, 1))
            .map_err(egress("lead a process out"))
    }

    /// A bridge carries packets a moment after its first port does. The route that processes wait
    /// for is not to promise more.
    fn wait_for_bridge(&self) {
        let name = bridge_name(&self.word);
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..MOST_LOOKS {
            if links.is_running(&name).unwrap_or(true) {
                return;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Takes the way out of a process away. The kernel may have done so already.
    pub fn unwire(&self, slot: u32) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = links.delete(&self.veth_name(slot));
    }

    /// Takes the filter and the bridge away.
    ///
    /// # Errors
    /// [`Error::Egress`].
    pub fn close(&self) -> Result<(), Error> {
        let table = table_name(&self.word);
        nft(&format!(
            "table inet {table} {{}}\ndelete table inet {table}\n"
        ))?;
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links
            .delete(&bridge_name(&self.word))
            .map_err(egress("take our bridge away"))
    }

    fn veth_name(&self, slot: u32) -> String {
        format!("nv{}.{slot}", self.word)
    }
}

fn read_routes() -> Result<Vec<routes::Route>, Error> {
    let table = fs::read_to_string("/proc/thread-self/net/route");
    Ok(routes::parse(&table.map_err(egress("read the routes"))?))
}

/// Lets packets pass between the bridge and the links that lead to the world.
fn forward(bridge: &str, routes: &[routes::Route]) -> Result<(), Error> {
    let mut links = routes::default_links(routes).into_iter().chain([bridge]);
    links.try_for_each(|link| switch_on(link, "forwarding"))
}

fn switch_on(link: &str, switch: &str) -> Result<(), Error> {
    let file = format!("/proc/sys/net/ipv4/conf/{link}/{switch}");
    if fs::read_to_string(&file).is_ok_and(|now| now.trim() == "1") {
        return Ok(());
    }
    fs::write(&file, "1").map_err(egress(&format!("switch {switch} on for {link}")))
}

fn bridge_name(word: &str) -> String {
    format!("noon-{word}")
}

fn table_name(word: &str) -> String {
    format!("noon_{word}")
}

/// A word that two data directories are unlikely to share: FNV-1a of the path.
fn word(dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let bytes = dir.as_os_str().as_encoded_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:06x}", (hash ^ (hash >> 24)) & 0xff_ffff)
}

/// What stands already need not be made.
fn exists(made: io::Result<()>) -> io::Result<()> {
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn nft(rules: &str) -> Result<(), Error> {
    let run = || {
        let mut nft = Command::new("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = nft.stdin.take() {
            stdin.write_all(rules.as_bytes())?;
        }
        let out = nft.wait_with_output()?;
        match out.status.success() {
            true => Ok(()),
            false => Err(io::Error::other(
                String::from_utf8_lossy(&out.stderr).into_owned(),
            )),
        }
    };
    run().map_err(egress("load packet filter rules with nft"))
}

pub(super) fn egress(act: &str) -> impl FnOnce(io::Error) -> Error {
    let act = act.to_owned();
    move |source| Error::Egress { act, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_kernels_fifteen_characters() {
        let word = word(Path::new("/srv/noon/shims"));
        assert_eq!(word.len(), 6);
        assert!(bridge_name(&word).len() <= 15);
        assert!(format!("nv{word}.4095").len() <= 15);
    }
}
