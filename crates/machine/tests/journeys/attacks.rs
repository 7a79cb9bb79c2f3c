//! What an app with a way out tries on this machine and on its neighbours: attacks 42, 43, 46 to 48.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;

use noon_domain::{Engine, Exit, Network};

use crate::site::{SERVE, Site, captured, get};

/// What attackers begin with: their address, their gateway, and dialling.
const PRELUDE: &str = "import errno, fcntl, os, resource, socket, struct, sys
def name_of(error): return errno.errorcode.get(error.errno, 'timeout')
def own():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(('198.51.100.1', 9))
    return s.getsockname()[0]
me = own()
gate = [l.split()[2] for l in open('/proc/net/route') if l.split()[1] == '00000000'][0]
gate = socket.inet_ntoa(bytes.fromhex(gate)[::-1])
def opens(host, port, wait=0.3):
    try: socket.create_connection((host, port), wait); return True
    except OSError: return False
";

/// A web process with a way out, and what a script beside it prints.
async fn beside_a_web_process(script: &str) -> Option<(Exit, String)> {
    if Command::new("nft").arg("--version").output().is_err() {
        eprintln!("skipped: this journey needs nft");
        return None;
    }
    let site = Site::open()?;
    let mut app = site.app();
    app.reach = Network::Nat.into();
    let intent = app.intent(1, &[("web.1", SERVE)]);
    site.machine().converge(&intent).await.unwrap();
    // The attacker is another app.
    let mut other = site.app();
    other.reach = Network::Nat.into();
    let mut spec = other.one_off("run.1", "/usr/bin/python3 try.py");
    let whole = format!("{PRELUDE}{script}");
    spec.files.layers.push(site.layer(&[("try.py", &whole)]));
    let tried = captured(site.machine(), spec).await;
    assert_eq!(get(&site.processes(&app).await[0]), "web.1 v1 None");
    site.close().await;
    Some(tried)
}

/// Every address of this machine but those that only it can have.
fn own_addresses() -> Vec<String> {
    let out = Command::new("ip")
        .args(["-o", "-4", "addr"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let addresses = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(3));
    let plain = addresses.filter_map(|address| address.split('/').next());
    plain
        .filter(|address| !address.starts_with("127."))
        .map(str::to_owned)
        .collect()
}

/// Attack 42: the service by which clouds give their machines credentials.
#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_service_of_a_cloud_is_out_of_reach() {
    let script = "for host in ['169.254.169.254', '169.254.170.2', '169.254.0.1']:
    for port in [80, 443, 53]:
        if opens(host, port): print(host, port, 'open')
print('done')
";
    let Some(tried) = beside_a_web_process(script).await else {
        return;
    };
    assert_eq!(tried, (Exit::Code(0), "done\n".to_owned()));
}

/// Attack 43: the whole of its own network, and this machine by each of its addresses.
#[tokio::test(flavor = "multi_thread")]
async fn a_scan_finds_no_open_port() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert!(
        TcpStream::connect(("127.0.0.1", port)).is_ok(),
        "it is open to this machine"
    );
    let script = format!(
        "base = me.rsplit('.', 1)[0]
found = []
for n in range(1, 20):
    host = base + '.' + str(n)
    for p in [{port}, 5000, 22, 80]:
        if host != me and opens(host, p, 0.15): found.append((host, p))
for host in {own:?} + [gate]:
    for p in [{port}, 5000, 5432, 22]:
        if opens(host, p): found.append((host, p))
print(found)
",
        own = own_addresses(),
    );
    let Some(tried) = beside_a_web_process(&script).await else {
        return;
    };
    assert_eq!(tried, (Exit::Code(0), "[]\n".to_owned()));
}

/// Attack 46: without raw sockets no packet can be forged, and no address taken.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_cannot_be_forged() {
    let script = "def tries(name, act):
    try: act(); print(name, 'DONE')
    except OSError as e: print(name, name_of(e))
def sends_from(host):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_IP, 15, 1)
    s.bind((host, 0)); s.sendto(b'x', (gate, 9))
neighbour = me.rsplit('.', 1)[0] + ('.3' if me.endswith('.2') else '.2')
for host in [neighbour, gate, '8.8.8.8']:
    try: sends_from(host); print('sent from', host)
    except OSError: pass
tries('transparent', lambda: socket.socket().setsockopt(socket.SOL_IP, 19, 1))
tries('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 255))
tries('packet', lambda: socket.socket(17, 3, 0x0608))
def netlink(kind, body):
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    s.send(struct.pack('=IHHII', 16 + len(body), kind, 0x605, 1, 0) + body)
    error = struct.unpack('=i', s.recv(4096)[16:20])[0]
    if error: raise OSError(-error, '')
address = socket.inet_aton(gate)
tries('address', lambda: netlink(20, struct.pack('=BBBBI', 2, 24, 0, 0, 2) + struct.pack('=HH', 8, 2) + address))
tries('arp', lambda: netlink(28, struct.pack('=BxxxiHBB', 2, 2, 0x80, 0, 1) + struct.pack('=HH', 8, 1) + address))
tries('device', lambda: fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14x', b'lo', 0)))
";
    let Some((exit, printed)) = beside_a_web_process(script).await else {
        return;
    };
    let expected = "transparent EPERM\nraw EPERM\npacket EPERM\n\
                    address EPERM\narp EPERM\ndevice EPERM\n";
    assert_eq!((exit, printed.as_str()), (Exit::Code(0), expected));
}

/// Attack 47, bounded so that no traffic leaves this machine: connections to where none is let.
#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_connections_exhaust_only_whoever_opens_them() {
    let script = "soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
try:
    while len(held) < 2000:
        s = socket.socket(); s.setblocking(False); s.connect_ex((gate, 1 + len(held))); held.append(s)
except OSError as e: print(name_of(e))
resource.setrlimit(resource.RLIMIT_NOFILE, (len(held) + 20, len(held) + 20))
try:
    while True: held.append(socket.socket())
except OSError as e: print(len(held) > 100, name_of(e))
";
    let Some((exit, printed)) = beside_a_web_process(script).await else {
        return;
    };
    assert_eq!(exit, Exit::Code(0), "{printed}");
    assert!(printed.ends_with("True EMFILE\n"), "{printed}");
    // The table of all connections, where this machine keeps one, has room for others.
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/net/netfilter/{name}"));
        text.ok().and_then(|text| text.trim().parse::<u64>().ok())
    };
    if let (Some(count), Some(most)) = (read("nf_conntrack_count"), read("nf_conntrack_max")) {
        assert!(count < most, "{count} of {most}");
    }
}

/// Attack 48: the addresses by which `pasta` and its like lead to the host. As root it is the
/// bridge's own that must not.
#[tokio::test(flavor = "multi_thread")]
async fn no_address_of_the_gateway_leads_to_this_machines_loopback() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let all = TcpListener::bind("0.0.0.0:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_nonblocking(true).unwrap();
    let ports = [&tcp, &all].map(|listener| listener.local_addr().unwrap().port());
    let script = format!(
        "base = me.rsplit('.', 1)[0]
found = []
for host in ['127.0.0.1', '127.0.0.2', gate, base + '.1', base + '.254', '10.0.2.2', '10.0.2.3', '0.0.0.0', me]:
    for port in {ports:?}:
        if opens(host, port): found.append((host, port))
    try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (host, {udp}))
    except OSError: pass
print(found)
",
        udp = udp.local_addr().unwrap().port()
    );
    let Some(tried) = beside_a_web_process(&script).await else {
        return;
    };
    assert_eq!(tried, (Exit::Code(0), "[]\n".to_owned()));
    assert!(udp.recv(&mut [0; 8]).is_err(), "a packet came through");
}
