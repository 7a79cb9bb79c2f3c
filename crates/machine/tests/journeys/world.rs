//! What processes reach of the world outside.

use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use noon_domain::{Engine, Exit, Network};
use noon_sandbox::Mode;

use crate::site::{SERVE, Site, captured, get};

/// All links and packet filters of this machine, as text.
fn everything() -> String {
    let shown = |program: &str, arguments: &[&str]| {
        let out = Command::new(program).args(arguments).output().unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let links = shown("ip", &["-o", "-4", "addr"]) + &shown("ip", &["-br", "link"]);
    links + &shown("nft", &["list", "tables"])
}

/// The word in the names of the bridge that has this address.
fn word_of(gateway: &str) -> String {
    let all = everything();
    let has = |line: &&str| line.contains(&format!(" {gateway}/"));
    let line = all
        .lines()
        .find(has)
        .unwrap_or_else(|| panic!("no {gateway} in {all}"));
    let (_, after) = line.split_once("noon-").unwrap();
    after.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_has_a_way_out_but_none_to_this_machine_or_its_neighbours() {
    if Command::new("nft").arg("--version").output().is_err() {
        return eprintln!("skipped: this journey needs nft");
    }
    let Some(site) = Site::open() else {
        return;
    };
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
    udp.set_nonblocking(true).unwrap();
    let mut app = site.app();
    app.reach = Network::Nat.into();
    site.machine()
        .converge(&app.intent(1, &[("web.1", SERVE)]))
        .await
        .unwrap();
    let script = format!(
        "import socket
def own():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(('198.51.100.1', 9))
    return s.getsockname()[0]
me = own()
gate = [l.split()[2] for l in open('/proc/net/route') if l.split()[1] == '00000000'][0]
gate = socket.inet_ntoa(bytes.fromhex(gate)[::-1])
print(gate)
def tries(name, host, port):
    try:
        socket.create_connection((host, port), 0.5)
        print(name, 'open')
    except OSError:
        print(name, 'shut')
tries('gate', gate, {port})
base = me.rsplit('.', 1)[0]
tries('neighbour', base + '.2', 5000)
tries('itself', '127.0.0.1', {port})
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b'x', (gate, {udp}))
",
        udp = udp.local_addr().unwrap().port()
    );
    let mut spec = app.one_off("run.1", "/usr/bin/python3 try.py");
    spec.files.layers.push(site.layer(&[("try.py", &script)]));
    let (exit, printed) = captured(site.machine(), spec).await;
    let (gateway, tried) = printed.split_once('\n').unwrap();
    assert_eq!(
        (exit, tried),
        (Exit::Code(0), "gate shut\nneighbour shut\nitself shut\n")
    );
    let word = (site.settings.mode == Mode::Root).then(|| word_of(gateway));
    assert!(udp.recv(&mut [0; 8]).is_err(), "a packet came through");
    assert_eq!(get(&site.processes(&app).await[0]), "web.1 v1 None");
    site.close().await;
    if let Some(word) = word {
        assert!(
            !everything().contains(&word),
            "links or filters were left behind"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_this_machines_own_network_every_process_has_a_port_of_its_own() {
    let Some(site) = Site::open() else {
        return;
    };
    let mut app = site.app();
    app.reach = Network::Host.into();
    site.machine()
        .converge(&app.intent(1, &[("web.1", SERVE), ("web.2", SERVE)]))
        .await
        .unwrap();
    let all = site.processes(&app).await;
    assert_eq!(
        (get(&all[0]), get(&all[1])),
        ("web.1 v1 None".into(), "web.2 v1 None".into())
    );
    site.close().await;
}

/// The name servers that a process is told of.
async fn resolvers(site: &Site, network: Network) -> Vec<String> {
    let mut spec = site.app().one_off("run.1", "/usr/bin/cat /etc/resolv.conf");
    spec.reach = network.into();
    let (exit, printed) = captured(site.machine(), spec).await;
    assert_eq!(exit, Exit::Code(0));
    let server = |line: &str| Some(line.strip_prefix("nameserver")?.trim().to_owned());
    printed.lines().filter_map(server).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_told_of_the_name_servers_that_it_can_ask() {
    let Some(site) = Site::open() else { return };
    let own = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    assert_eq!(resolvers(&site, Network::None).await, ["127.0.0.1"]);
    let shared = resolvers(&site, Network::Host).await;
    assert!(
        shared.iter().all(|server| own.contains(server)),
        "{shared:?} {own}"
    );
    if site.settings.mode == Mode::Root && Command::new("nft").arg("--version").output().is_ok() {
        let routed = resolvers(&site, Network::Nat).await;
        let reachable = |server: &String| {
            let server: std::net::Ipv4Addr = server.parse().unwrap();
            !server.is_loopback()
        };
        assert!(routed.iter().all(reachable), "{routed:?}");
        let is_named = |server: &&str| server.parse::<std::net::Ipv4Addr>().is_ok();
        let named = own
            .lines()
            .filter_map(|line| line.strip_prefix("nameserver "));
        assert_eq!(routed.is_empty(), named.filter(is_named).count() == 0);
    }
    site.close().await;
}
