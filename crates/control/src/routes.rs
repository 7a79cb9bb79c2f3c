//! The route table, from apps and their processes. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use noon_domain::{
    App, AppId, Backend, Endpoint, Formation, Hostname, Linked, NoBackend, Process, ProcessState,
    ProcessType, RouteTable, UserId,
};

/// One app as the router needs to know it.
#[derive(Clone, Debug)]
pub struct Routed {
    /// The app.
    pub app: App,
    /// Its hosts: the platform's own and the custom ones.
    pub hosts: Vec<Hostname>,
    /// Whether a release of it has code.
    pub has_slug: bool,
    /// How many it should have of each type.
    pub formation: Formation,
    /// The apps that its processes reach.
    pub links: Vec<AppId>,
    /// Its processes as they are.
    pub processes: Vec<Process>,
}

/// The table in which each host leads to its app's ready web processes.
pub fn routes(generation: u64, apps: &[Routed]) -> RouteTable {
    let mut hosts = Vec::new();
    let mut backends = HashMap::new();
    for routed in apps {
        let backend = Arc::new(Backend {
            app: routed.app.id,
            app_name: routed.app.name.clone(),
            ready: ready(routed),
        });
        hosts.extend(
            routed
                .hosts
                .iter()
                .map(|host| (host.clone(), backend.clone())),
        );
        backends.insert(routed.app.id, (routed.app.owner, backend));
    }
    let links = apps.iter().filter_map(|routed| linked(routed, &backends));
    RouteTable::new(generation, hosts).with_links(links)
}

/// What the processes of an app lead to, where they lead to anything: only to apps of its owner.
fn linked(routed: &Routed, backends: &HashMap<AppId, (UserId, Arc<Backend>)>) -> Option<Linked> {
    let reached = routed.links.iter().filter_map(|to| backends.get(to));
    let own = reached.filter(|(owner, _)| *owner == routed.app.owner);
    let host = |(_, backend): &(UserId, Arc<Backend>)| {
        (Hostname::internal(&backend.app_name), backend.clone())
    };
    let inside = |process: &Process| Some((process.id, process.inside.clone()?));
    let linked = Linked {
        app: routed.app.id,
        app_name: routed.app.name.clone(),
        processes: routed.processes.iter().filter_map(inside).collect(),
        hosts: own.map(host).collect(),
    };
    (!linked.hosts.is_empty() && !linked.processes.is_empty()).then_some(linked)
}

fn ready(routed: &Routed) -> Result<Vec<Endpoint>, NoBackend> {
    if routed.app.maintenance {
        return Err(NoBackend::Maintenance);
    }
    if !routed.has_slug {
        return Err(NoBackend::Blank);
    }
    let web = || {
        routed
            .processes
            .iter()
            .filter(|process| process.name.kind.is_web())
    };
    let up = web().filter(|process| process.state == ProcessState::Up);
    let endpoints: Vec<_> = up.filter_map(|process| process.endpoint.clone()).collect();
    if !endpoints.is_empty() {
        return Ok(endpoints);
    }
    Err(why_none(web().map(|process| process.state), routed))
}

fn why_none(mut states: impl Iterator<Item = ProcessState>, routed: &Routed) -> NoBackend {
    if routed.formation.quantity(&ProcessType::web()).get() == 0 {
        return NoBackend::NoProcesses;
    }
    if states.any(|state| state == ProcessState::Crashed) {
        return NoBackend::Crashed;
    }
    NoBackend::Booting
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use noon_domain::{Address, ProcessId, Quantity, StackName, Timestamp, Version};

    use super::*;

    fn routed(states: &[ProcessState], web: u32) -> Routed {
        let app = App {
            id: AppId::new(),
            name: "demo".parse().unwrap(),
            owner: UserId::new(),
            stack: StackName::new("debian-12"),
            slot: 1,
            maintenance: false,
            network: None,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            released_at: None,
        };
        let processes = states
            .iter()
            .enumerate()
            .map(|(i, s)| process(&app, i, *s))
            .collect();
        let quantities = [(ProcessType::web(), Quantity::new(web).unwrap())];
        Routed {
            hosts: vec![
                "demo.localhost".parse().unwrap(),
                "www.example.com".parse().unwrap(),
            ],
            has_slug: true,
            links: vec![],
            formation: Formation::from_map(quantities.into()),
            processes,
            app,
        }
    }

    fn process(app: &App, index: usize, state: ProcessState) -> Process {
        let id = ProcessId::new();
        let name: noon_domain::ProcessName = format!("web.{}", index + 1).parse().unwrap();
        Process {
            id,
            app: app.id,
            name: name.clone(),
            release: Some(Version::FIRST),
            command: "run".to_owned(),
            size: Some(noon_domain::Size::default()),
            state,
            started_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            boot: None,
            expires_at: None,
            endpoint: Some(Endpoint {
                process: id,
                name,
                address: Address::Tcp("127.0.0.1:5000".parse().unwrap()),
            }),
            inside: Some(inside(index)),
        }
    }

    #[test]
    fn a_host_leads_to_ready_processes_or_to_the_reason_for_none() {
        use ProcessState::{Crashed, Draining, Starting, Stopping, Up};
        for (states, web, expected) in [
            (&[Up, Up][..], 2, Ok(2)),
            (&[Up, Starting, Draining, Stopping, Crashed], 2, Ok(1)),
            (&[Starting], 1, Err(NoBackend::Booting)),
            (&[], 1, Err(NoBackend::Booting)),
            (&[Crashed], 1, Err(NoBackend::Crashed)),
            (&[Crashed, Starting], 2, Err(NoBackend::Crashed)),
            (&[], 0, Err(NoBackend::NoProcesses)),
            (&[Draining], 0, Err(NoBackend::NoProcesses)),
        ] {
            let table = routes(1, &[routed(states, web)]);
            for host in ["demo.localhost", "www.example.com"] {
                let ready = &table.find(host).unwrap().ready;
                assert_eq!(
                    ready.as_ref().map(Vec::len).map_err(|e| *e),
                    expected,
                    "{states:?}"
                );
            }
        }
    }

    #[test]
    fn maintenance_and_blank_apps_answer_so_whatever_runs() {
        let mut one = routed(&[ProcessState::Up], 1);
        one.has_slug = false;
        assert_eq!(
            routes(1, &[one.clone()])
                .find("demo.localhost")
                .unwrap()
                .ready,
            Err(NoBackend::Blank)
        );
        one.app.maintenance = true;
        assert_eq!(
            routes(1, &[one]).find("demo.localhost").unwrap().ready,
            Err(NoBackend::Maintenance)
        );
    }

    fn inside(index: usize) -> Address {
        let shim = format!("/shims/{index}").into();
        Address::Namespace { shim, port: 5000 }
    }

    fn pair() -> (Routed, Routed) {
        let (mut from, mut to) = (
            routed(&[ProcessState::Starting], 1),
            routed(&[ProcessState::Up], 1),
        );
        to.app.owner = from.app.owner;
        to.app.name = "other".parse().unwrap();
        from.links = vec![to.app.id];
        (from, to)
    }

    #[test]
    fn what_is_linked_leads_from_each_process_to_the_same_backend() {
        let (from, to) = pair();
        let table = routes(1, &[from.clone(), to]);
        let links: Vec<_> = table.links().collect();
        assert_eq!(links.len(), 1);
        assert_eq!(
            (links[0].app, &links[0].app_name),
            (from.app.id, &from.app.name)
        );
        let process = (from.processes[0].id, inside(0));
        assert_eq!(links[0].processes, [process].into());
        let (host, backend) = links[0].hosts.iter().next().unwrap();
        assert_eq!(host.as_str(), "other.internal");
        assert_eq!(backend.ready.as_ref().map(Vec::len), Ok(1));
    }

    #[test]
    fn no_link_leads_to_another_owners_app_nor_to_one_that_is_gone_nor_from_what_does_not_run() {
        let (from, mut to) = pair();
        assert_eq!(
            routes(1, std::slice::from_ref(&from)).links().count(),
            0,
            "gone"
        );
        to.app.owner = UserId::new();
        assert_eq!(
            routes(1, &[from.clone(), to]).links().count(),
            0,
            "another owner"
        );
        let (mut from, to) = pair();
        from.processes.clear();
        assert_eq!(routes(1, &[from, to]).links().count(), 0, "nothing runs");
    }

    fn any_state() -> impl Strategy<Value = ProcessState> {
        use ProcessState::{Crashed, Draining, Starting, Stopping, Up};
        prop_oneof![
            Just(Starting),
            Just(Up),
            Just(Draining),
            Just(Stopping),
            Just(Crashed)
        ]
    }

    proptest! {
        #[test]
        fn a_host_leads_to_all_that_is_up_and_to_nothing_else(
            states in proptest::collection::vec(any_state(), 0..8), web in 0u32..4
        ) {
            let routed = routed(&states, web);
            let table = routes(1, std::slice::from_ref(&routed));
            let ready = &table.find("demo.localhost").expect("a host").ready;
            for process in &routed.processes {
                let is_up = process.state == ProcessState::Up;
                prop_assert_eq!(table.leads_to(process.id), is_up);
            }
            let up = states.iter().filter(|state| **state == ProcessState::Up).count();
            prop_assert_eq!(ready.as_ref().map_or(0, Vec::len), up);
            prop_assert_eq!(ready.is_err(), up == 0);
        }
    }
}
