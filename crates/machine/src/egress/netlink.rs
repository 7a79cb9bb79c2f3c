//! Just enough of the kernel's language about links, addresses and routes: see rtnetlink(7).

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
const NEWROUTE: u16 = 24;
const ERROR: u16 = 2;

const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const EXCL: u16 = 0x200;
const CREATE: u16 = 0x400;

const IFF_UP: u32 = 1;
const IFF_RUNNING: u32 = 0x40;

const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const INFO_SLAVE_KIND: u16 = 4;
const INFO_SLAVE_DATA: u16 = 5;
const VETH_INFO_PEER: u16 = 1;
const BRPORT_ISOLATED: u16 = 33;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;

/// The name of the inner end of every veth.
pub const INNER: &str = "eth0";

/// A request to the kernel, being written.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; 16];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(REQUEST | ACK | flags).to_ne_bytes());
        Self(bytes)
    }

    fn put(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// The head of a message about a link: found by its number, or by name when that is 0.
    fn link(self, index: u32, up: bool) -> Self {
        let flags = if up { IFF_UP } else { 0 };
        let mut head = [0; 16];
        head[4..8].copy_from_slice(&index.to_ne_bytes());
        head[8..12].copy_from_slice(&flags.to_ne_bytes());
        head[12..16].copy_from_slice(&flags.to_ne_bytes());
        self.put(&head)
    }

    fn attribute(self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len() + 4).expect("attributes here are short");
        let head = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        self.put(&head).put(value)
    }

    fn name(self, name: &str) -> Self {
        self.attribute(IFLA_IFNAME, &[name.as_bytes(), &[0]].concat())
    }

    fn nest(self, kind: u16, inside: impl FnOnce(Self) -> Self) -> Self {
        let inner = inside(Self(Vec::new()));
        self.attribute(kind, &inner.0)
    }

    fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).expect("messages here are short");
        self.0[0..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }
}

/// A conversation with the kernel about the links of one network namespace.
#[derive(Debug)]
pub struct Links {
    socket: OwnedFd,
    sequence: u32,
}

impl Links {
    /// Opens a conversation about the namespace of this thread.
    ///
    /// # Errors
    /// When the kernel gives no socket.
    pub fn here() -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            // Protocol 0 of this family is NETLINK_ROUTE.
            None,
        )?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Opens a conversation about another namespace. A thread is sent there and does not return.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn of(netns: BorrowedFd<'_>) -> io::Result<Self> {
        inside(netns, Self::here)?
    }

    /// Makes a bridge, up.
    ///
    /// # Errors
    /// `AlreadyExists` when there is one of this name.
    pub fn add_bridge(&mut self, name: &str) -> io::Result<()> {
        let message = Message::new(NEWLINK, CREATE | EXCL)
            .link(0, true)
            .name(name);
        self.ask(message.nest(IFLA_LINKINFO, |m| m.attribute(INFO_KIND, b"bridge\0")))
    }

    /// Makes a pair of links: `outer` here, an isolated port of the bridge with this number, and
    /// `eth0` in the namespace.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn add_veth(&mut self, outer: &str, bridge: u32, netns: BorrowedFd<'_>) -> io::Result<()> {
        let peer = |m: Message| {
            m.link(0, false)
                .name(INNER)
                .attribute(IFLA_NET_NS_FD, &netns.as_raw_fd().to_ne_bytes())
        };
        let message = Message::new(NEWLINK, CREATE | EXCL)
            .link(0, true)
            .name(outer)
            .attribute(IFLA_MASTER, &bridge.to_ne_bytes());
        self.ask(message.nest(IFLA_LINKINFO, |m| {
            m.attribute(INFO_KIND, b"veth\0")
                .nest(INFO_DATA, |m| m.nest(VETH_INFO_PEER, peer))
        }))?;
        let isolate = Message::new(NEWLINK, 0).link(0, true).name(outer);
        self.ask(isolate.nest(IFLA_LINKINFO, |m| {
            m.attribute(INFO_SLAVE_KIND, b"bridge\0")
                .nest(INFO_SLAVE_DATA, |m| m.attribute(BRPORT_ISOLATED, &[1]))
        }))
    }

    /// Gives a link an address.
    ///
    /// # Errors
    /// `AlreadyExists` when it has it.
    pub fn add_address(&mut self, link: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let family = 2;
        let head = [[family, prefix, 0, 0], link.to_ne_bytes()].concat();
        let octets = address.octets();
        let message = Message::new(NEWADDR, CREATE | EXCL)
            .put(&head)
            .attribute(IFA_LOCAL, &octets);
        self.ask(message.attribute(IFA_ADDRESS, &octets))
    }

    /// Sets the inner end of a veth up: link and address.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_up_inner(&mut self, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let inner = self.index(INNER)?;
        self.add_address(inner, address, prefix)?;
        self.ask(Message::new(NEWLINK, 0).link(inner, true))
    }

    /// Leads what leaves the inner end of a veth to this gateway.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn route_inner(&mut self, gateway: Ipv4Addr) -> io::Result<()> {
        let inner = self.index(INNER)?;
        // A unicast route of the main table, made by hand, that leads everywhere.
        let head = [2, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0];
        let message = Message::new(NEWROUTE, CREATE | EXCL)
            .put(&head)
            .attribute(RTA_GATEWAY, &gateway.octets());
        self.ask(message.attribute(RTA_OIF, &inner.to_ne_bytes()))
    }

    /// The number of a link in this namespace.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn index(&mut self, name: &str) -> io::Result<u32> {
        Ok(self.look(name)?.0)
    }

    /// Whether a link in this namespace is up and carries packets.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn is_running(&mut self, name: &str) -> io::Result<bool> {
        Ok(self.look(name)?.1 & IFF_RUNNING != 0)
    }

    fn look(&mut self, name: &str) -> io::Result<(u32, u32)> {
        self.send(Message::new(GETLINK, 0).link(0, false).name(name))?;
        loop {
            let answer = self.receive()?;
            if let Some(found) = found(&answer, self.sequence) {
                return found;
            }
        }
    }

    /// Takes a link away.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn delete(&mut self, name: &str) -> io::Result<()> {
        self.ask(Message::new(DELLINK, 0).link(0, false).name(name))
    }

    fn ask(&mut self, message: Message) -> io::Result<()> {
        self.send(message)?;
        loop {
            let answer = self.receive()?;
            if let Some(verdict) = verdict(&answer, self.sequence) {
                return verdict;
            }
        }
    }

    fn send(&mut self, message: Message) -> io::Result<()> {
        self.sequence += 1;
        let bytes = message.finish(self.sequence);
        rustix::net::send(self.socket.as_fd(), &bytes, SendFlags::empty())?;
        Ok(())
    }

    fn receive(&self) -> io::Result<Vec<u8>> {
        let mut answer = vec![0; 8192];
        let (read, _) = rustix::net::recv(&self.socket, &mut answer[..], RecvFlags::empty())?;
        answer.truncate(read);
        Ok(answer)
    }
}

/// The number and the flags of the link that the kernel describes; `None` when it speaks of
/// something else.
fn found(answer: &[u8], sequence: u32) -> Option<io::Result<(u32, u32)>> {
    if let Some(Err(error)) = verdict(answer, sequence) {
        return Some(Err(error));
    }
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let ours = kind == NEWLINK && word(answer, 8)? == sequence;
    ours.then(|| Some(Ok((word(answer, 20)?, word(answer, 24)?))))?
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Does something inside another network namespace, on a thread that does not return from there.
///
/// # Errors
/// When the namespace cannot be entered.
pub fn inside<T: Send>(netns: BorrowedFd<'_>, act: impl FnOnce() -> T + Send) -> io::Result<T> {
    let there = || {
        move_into_link_name_space(netns, Some(LinkNameSpaceType::Network))?;
        Ok(act())
    };
    std::thread::scope(|scope| scope.spawn(there).join())
        .unwrap_or_else(|_| Err(io::Error::other("the thread that went there died")))
}

/// What the kernel answered to a request; `None` when it is about another.
fn verdict(answer: &[u8], sequence: u32) -> Option<io::Result<()>> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    if kind != ERROR || word(answer, 8)? != sequence {
        return None;
    }
    match word(answer, 16)?.cast_signed() {
        0 => Some(Ok(())),
        error => Some(Err(io::Error::from_raw_os_error(-error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_padded_and_say_their_length() {
        let bytes = Message::new(NEWLINK, 0)
            .link(0, false)
            .name("abcd")
            .finish(7);
        assert_eq!(bytes.len(), 16 + 16 + 4 + 8);
        assert_eq!(bytes[0..4], 44u32.to_ne_bytes());
        assert_eq!(bytes[8..12], 7u32.to_ne_bytes());
        assert_eq!(bytes[32..34], 9u16.to_ne_bytes());
    }

    #[test]
    fn answers_to_others_are_passed_over() {
        let mut answer = vec![0; 36];
        answer[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        answer[8..12].copy_from_slice(&3u32.to_ne_bytes());
        assert!(verdict(&answer, 4).is_none());
        assert!(verdict(&answer, 3).unwrap().is_ok());
        answer[16..20].copy_from_slice(&(-17i32).to_ne_bytes());
        let error = verdict(&answer, 3).unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(verdict(&answer[..7], 3).is_none());
    }
}
