//! Attacks 39 to 44: what an app reaches of the network, and who reaches it.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use noon_sandbox::Spec;

use crate::stage::{Stage, assert_lines};

attacks!(
    loopback_leads_to_nobody_else,
    sockets_of_others_have_no_name_here,
    only_ordinary_kinds_of_sockets_are_made,
    addresses_of_the_machine_are_out_of_reach,
    what_it_listens_on_is_seen_by_nobody,
);

/// Attack 39.
fn loopback_leads_to_nobody_else(stage: &Stage) {
    let of_host = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = of_host.local_addr().unwrap().port();
    let mut neighbour = stage.neighbour(
        "s = socket.create_server(('0.0.0.0', 5123)); t = socket.create_server(('127.0.0.1', 5000)); say('up'); signal.pause()",
    );
    let script = format!(
        r#"
def dial(name, host, port):
    try: socket.create_connection((host, port), 5); say(name, "REACHED")
    except OSError as e: say(name, errno.errorcode.get(e.errno, e))
for host in ["127.0.0.1", "127.0.0.2", "localhost", "0.0.0.0"]:
    for port in [{port}, 5123, 5000]: dial(f"{{host}}:{{port}}" if port == 0 else "dial", host, port)
"#
    );
    stage.attack(&script, &"dial ECONNREFUSED\n".repeat(12));
    // From outside neither is reached: these ports are the neighbour's own.
    assert!(TcpStream::connect("127.0.0.1:5123").is_err());
    neighbour.shim().kill().unwrap();
    neighbour.finish();
}

/// Attack 40.
fn sockets_of_others_have_no_name_here(stage: &Stage) {
    let name = format!("noon-attack-{}-{}", std::process::id(), stage.uid);
    let of_host = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let path = stage.ground.path("sock");
    let by_path = UnixListener::bind(&path).unwrap();
    let mut neighbour = stage.neighbour(&format!(
        "s = socket.socket(socket.AF_UNIX); s.bind('\\0{name}'); s.listen(); say('up'); signal.pause()"
    ));
    let script = format!(
        r#"
def dial(name, address):
    s = socket.socket(socket.AF_UNIX)
    tries(name, lambda: s.connect(address))
dial("abstract", "\0{name}")
dial("path", "{path}")
dial("shim", "{dir}/sock")
say([l for l in open("/proc/net/unix") if "noon" in l])
say([d + "/" + n for d, _, ns in os.walk("/") if not d.startswith("/proc") for n in ns if os.path.exists(d + "/" + n) and stat.S_ISSOCK(os.stat(d + "/" + n).st_mode)])
"#,
        path = path.display(),
        dir = neighbour.dir.display(),
    );
    stage.attack(
        &script,
        "abstract ECONNREFUSED\npath ENOENT\nshim ENOENT\n[]\n[]",
    );
    drop((of_host, by_path));
    neighbour.shim().kill().unwrap();
    neighbour.finish();
}

/// Attack 41. Above all no AF_VSOCK, which no namespace holds back.
fn only_ordinary_kinds_of_sockets_are_made(stage: &Stage) {
    stage.attack(
        r#"
made = []
for family in range(0, 64):
    for kind in [1, 2, 3, 4, 5, 10]:
        for protocol in [0, 1, 3, 9, 255]:
            try: socket.socket(family, kind, protocol); made.append((family, kind & 15, protocol))
            except OSError: pass
say(sorted({f for f, _, _ in made}))
say(sorted({(f, k) for f, k, _ in made if f in (2, 10) and k == 3}))
say(sorted({p for f, _, p in made if f == 16}))
for name, family in [("vsock", 40), ("packet", 17), ("alg", 38), ("bluetooth", 31), ("can", 29), ("xdp", 44), ("tipc", 30), ("kcm", 41), ("rds", 21)]:
    call(name, 41, family, 1, 0)
call("vsock-high", 41, (1 << 32) | 40, 1, 0)
call("pair", 53, 40, 1, 0, ctypes.addressof(ctypes.create_string_buffer(8)))
"#,
        "[1, 2, 10, 16]\n[]\n[0]\nvsock EPERM\npacket EPERM\nalg EPERM\nbluetooth EPERM\ncan EPERM\n\
         xdp EPERM\ntipc EPERM\nkcm EPERM\nrds EPERM\nvsock-high EPERM\npair EPERM",
    );
}

/// Attack 42, for apps without a way out; for others it is the machine's.
fn addresses_of_the_machine_are_out_of_reach(stage: &Stage) {
    stage.attack(
        r#"
for host in ["169.254.169.254", "169.254.170.2", "192.168.0.1", "10.0.0.1", "100.100.100.200", "198.51.100.1", "fd00:ec2::254"]:
    try: socket.create_connection((host, 80), 5); say(host, "REACHED")
    except OSError as e:
        if e.errno not in (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EHOSTUNREACH): say(host, e)
    try:
        s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b"x", (host, 53)); say(host, "SENT")
    except OSError: pass
say(sorted(n for _, n in socket.if_nameindex() if not n.startswith(("tunl", "sit", "ip6tnl", "gre", "erspan", "ip_vti", "ip6_vti", "ip6gre"))))
"#,
        "['lo']",
    );
}

/// Attack 44.
fn what_it_listens_on_is_seen_by_nobody(stage: &Stage) {
    let script = r#"
held = []
for port in range(20000, 20200): held.append(socket.create_server(("0.0.0.0", port)))
try: held.append(socket.create_server(("0.0.0.0", 80)))
except PermissionError: pass
say("up"); sys.stdin.read(); signal.pause()
"#;
    let mut app = stage.up(&stage.python(script));
    let reached = (20000..20200).filter(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok());
    // Others of this machine's may listen there: what answers must not be the app.
    assert_eq!(reached.count(), listening_here(20000..20200));
    let dial = "import socket\nfor p in [80, 20000, 20100]: print(socket.socket().connect_ex(('127.0.0.1', p)) == 111)";
    let spec = Spec {
        uid: stage.uid + 1,
        ..stage.python(dial)
    };
    assert_lines(&stage.prints(&spec), "True\nTrue\nTrue");
    app.shim().kill().unwrap();
    app.finish();
}

/// How many of these ports somebody listens on in this process's own network.
fn listening_here(ports: std::ops::Range<u16>) -> usize {
    let mut text = String::new();
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        let _ = std::fs::File::open(table).and_then(|mut file| file.read_to_string(&mut text));
    }
    let listens = |port: &u16| {
        let needle = format!(":{port:04X} ");
        text.lines().any(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next().unwrap_or_default().to_owned() + " ";
            local.ends_with(&needle) && fields.nth(1) == Some("0A")
        })
    };
    ports.filter(listens).count()
}
