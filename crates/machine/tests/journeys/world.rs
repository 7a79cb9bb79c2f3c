//! What processes reach of the world outside.

use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use noon_domain::{Engine, Exit, Network};
use noon_machine::EgressMode;

use crate::site::{SERVE, Site, captured, get};

fn links() -> String {
    let out = Command::new("ip").args(["-br", "link"]).output().unwrap();
    let all = String::from_utf8_lossy(&out.stdout).into_owned();
    all.lines()
        .filter(|line| line.starts_with("noon-") || line.starts_with("nv"))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn tables() -> String {
    let out = Command::new("nft")
        .args(["list", "tables"])
        .output()
        .unwrap();
    let all = String::from_utf8_lossy(&out.stdout).into_owned();
    all.lines()
        .filter(|l| l.contains("noon_"))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_has_a_way_out_but_none_to_this_machine_or_its_neighbours() {
    if Command::new("nft").arg("--version").output().is_err() {
        return eprintln!("skipped: this journey needs nft");
    }
    let Some(site) = Site::with(|s| s.egress = EgressMode::Auto) else {
        return;
    };
    let (links_before, tables_before) = (links(), tables());
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
    udp.set_nonblocking(true).unwrap();
    let app = site.app();
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
print('out', me.startswith('10.21'))
gate = [l.split()[2] for l in open('/proc/net/route') if l.split()[1] == '00000000'][0]
gate = socket.inet_ntoa(bytes.fromhex(gate)[::-1])
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
    spec.network = Network::Egress;
    let outcome = captured(site.machine(), spec).await;
    assert_eq!(
        outcome,
        (
            Exit::Code(0),
            "out True\ngate shut\nneighbour shut\nitself shut\n".to_owned()
        )
    );
    assert!(udp.recv(&mut [0; 8]).is_err(), "a packet came through");
    assert_eq!(get(&site.processes(&app).await[0]), "web.1 v1 None");
    assert_ne!(links(), links_before);
    site.close().await;
    assert_eq!((links(), tables()), (links_before, tables_before));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_this_machines_own_network_every_process_has_a_port_of_its_own() {
    let Some(site) = Site::with(|s| s.egress = EgressMode::Host) else {
        return;
    };
    let app = site.app();
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
