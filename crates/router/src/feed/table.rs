//! The table and the reports as JSON. The domain knows nothing of it.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use noon_domain::{
    Address, AppId, Backend, Endpoint, Hostname, Linked, NoBackend, ProcessId, RouteTable,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One table on its way to a router.
#[derive(Serialize, Deserialize)]
pub(crate) struct TableMessage {
    /// Counted by the publisher.
    pub(crate) edition: u64,
    generation: u64,
    apps: Vec<AppEntry>,
    /// Absent from what an older noon wrote, and passed over by one.
    #[serde(default)]
    links: Vec<LinkedEntry>,
}

/// What a router says back.
#[derive(Serialize, Deserialize, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// The edition that is followed.
    pub(crate) taken: u64,
    /// The processes outside of it that still have requests in flight.
    pub(crate) busy: Vec<Uuid>,
}

#[derive(Serialize, Deserialize)]
struct AppEntry {
    app: Uuid,
    name: String,
    hosts: Vec<String>,
    backend: BackendEntry,
}

#[derive(Serialize, Deserialize)]
struct LinkedEntry {
    app: Uuid,
    name: String,
    processes: Vec<(Uuid, AddressEntry)>,
    /// Names, and the apps they lead to.
    hosts: Vec<(String, Uuid)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BackendEntry {
    Ready(Vec<EndpointEntry>),
    Blank,
    NoProcesses,
    Crashed,
    Booting,
    Maintenance,
}

#[derive(Serialize, Deserialize)]
struct EndpointEntry {
    process: Uuid,
    name: String,
    address: AddressEntry,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AddressEntry {
    Namespace { shim: PathBuf, port: u16 },
    Tcp(SocketAddr),
}

/// An entry that reads as no table.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} in a route table is not valid: noon's roles are of different versions")]
pub(crate) struct BadEntry(String);

impl TableMessage {
    /// Writes a table down; hosts of one app share one entry.
    pub(crate) fn new(edition: u64, table: &RouteTable) -> Self {
        let mut apps: HashMap<*const Backend, AppEntry> = HashMap::new();
        for (host, backend) in table.iter() {
            let entry = apps
                .entry(Arc::as_ptr(backend))
                .or_insert_with(|| AppEntry::new(backend));
            entry.hosts.push(host.to_string());
        }
        Self {
            edition,
            generation: table.generation,
            apps: apps.into_values().collect(),
            links: table.links().map(LinkedEntry::new).collect(),
        }
    }

    /// Reads the table.
    pub(crate) fn table(&self) -> Result<RouteTable, BadEntry> {
        let mut hosts = Vec::new();
        let mut backends = HashMap::new();
        for entry in &self.apps {
            let backend = Arc::new(entry.backend()?);
            backends.insert(entry.app, backend.clone());
            for host in &entry.hosts {
                hosts.push((
                    host.parse().map_err(|_| BadEntry(host.clone()))?,
                    backend.clone(),
                ));
            }
        }
        let links = self.links.iter().map(|entry| entry.linked(&backends));
        let links = links.collect::<Result<Vec<_>, _>>()?;
        Ok(RouteTable::new(self.generation, hosts).with_links(links))
    }
}

impl LinkedEntry {
    fn new(linked: &Linked) -> Self {
        let Linked {
            app,
            app_name,
            processes,
            hosts,
        } = linked;
        let process = |(id, address): (&ProcessId, &Address)| (id.as_uuid(), address.into());
        let host = |(host, to): (&Hostname, &Arc<Backend>)| (host.to_string(), to.app.as_uuid());
        Self {
            app: app.as_uuid(),
            name: app_name.to_string(),
            processes: processes.iter().map(process).collect(),
            hosts: hosts.iter().map(host).collect(),
        }
    }

    /// Every app has a host of its own, so that what a link leads to is among the backends.
    fn linked(&self, backends: &HashMap<Uuid, Arc<Backend>>) -> Result<Linked, BadEntry> {
        let mut hosts = BTreeMap::new();
        for (host, app) in &self.hosts {
            let backend = backends.get(app).ok_or_else(|| BadEntry(host.clone()))?;
            let host = host.parse().map_err(|_| BadEntry(host.clone()))?;
            hosts.insert(host, backend.clone());
        }
        let process =
            |(id, address): &(Uuid, AddressEntry)| (ProcessId::from_uuid(*id), address.into());
        Ok(Linked {
            app: AppId::from_uuid(self.app),
            app_name: self.name.parse().map_err(|_| BadEntry(self.name.clone()))?,
            processes: self.processes.iter().map(process).collect(),
            hosts,
        })
    }
}

impl From<&Address> for AddressEntry {
    fn from(address: &Address) -> Self {
        match address.clone() {
            Address::Namespace { shim, port } => Self::Namespace { shim, port },
            Address::Tcp(address) => Self::Tcp(address),
        }
    }
}

impl From<&AddressEntry> for Address {
    fn from(entry: &AddressEntry) -> Self {
        match entry {
            AddressEntry::Namespace { shim, port } => Self::Namespace {
                shim: shim.clone(),
                port: *port,
            },
            AddressEntry::Tcp(address) => Self::Tcp(*address),
        }
    }
}

impl AppEntry {
    fn new(backend: &Backend) -> Self {
        let Backend {
            app,
            app_name,
            ready,
        } = backend;
        Self {
            app: app.as_uuid(),
            name: app_name.to_string(),
            hosts: Vec::new(),
            backend: BackendEntry::new(ready),
        }
    }

    fn backend(&self) -> Result<Backend, BadEntry> {
        Ok(Backend {
            app: AppId::from_uuid(self.app),
            app_name: self.name.parse().map_err(|_| BadEntry(self.name.clone()))?,
            ready: self.backend.ready()?,
        })
    }
}

impl BackendEntry {
    fn new(ready: &Result<Vec<Endpoint>, NoBackend>) -> Self {
        match ready {
            Ok(ready) => Self::Ready(ready.iter().map(EndpointEntry::new).collect()),
            // A table holds no host that it does not know; an app without code comes closest.
            Err(NoBackend::UnknownHost | NoBackend::Blank) => Self::Blank,
            Err(NoBackend::NoProcesses) => Self::NoProcesses,
            Err(NoBackend::Crashed) => Self::Crashed,
            Err(NoBackend::Booting) => Self::Booting,
            Err(NoBackend::Maintenance) => Self::Maintenance,
        }
    }

    fn ready(&self) -> Result<Result<Vec<Endpoint>, NoBackend>, BadEntry> {
        Ok(match self {
            Self::Ready(ready) => {
                let ready: Result<_, _> = ready.iter().map(EndpointEntry::endpoint).collect();
                Ok(ready?)
            }
            Self::Blank => Err(NoBackend::Blank),
            Self::NoProcesses => Err(NoBackend::NoProcesses),
            Self::Crashed => Err(NoBackend::Crashed),
            Self::Booting => Err(NoBackend::Booting),
            Self::Maintenance => Err(NoBackend::Maintenance),
        })
    }
}

impl EndpointEntry {
    fn new(endpoint: &Endpoint) -> Self {
        let Endpoint {
            process,
            name,
            address,
        } = endpoint;
        Self {
            process: process.as_uuid(),
            name: name.to_string(),
            address: address.into(),
        }
    }

    fn endpoint(&self) -> Result<Endpoint, BadEntry> {
        Ok(Endpoint {
            process: ProcessId::from_uuid(self.process),
            name: self.name.parse().map_err(|_| BadEntry(self.name.clone()))?,
            address: (&self.address).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(ready: Result<Vec<Endpoint>, NoBackend>) -> Arc<Backend> {
        Arc::new(Backend {
            app: AppId::new(),
            app_name: "demo".parse().unwrap(),
            ready,
        })
    }

    #[test]
    fn a_table_reads_back_as_it_was_written() {
        let endpoint = |address| Endpoint {
            process: ProcessId::new(),
            name: "web.1".parse().unwrap(),
            address,
        };
        let shim = PathBuf::from("/data/run/shims/x");
        let ready = backend(Ok(vec![
            endpoint(Address::Namespace { shim, port: 5000 }),
            endpoint(Address::Tcp(([127, 0, 0, 1], 5000).into())),
        ]));
        let mut hosts = vec![
            ("a.test".parse().unwrap(), ready.clone()),
            ("b.test".parse().unwrap(), ready),
        ];
        for (index, why) in [
            NoBackend::Blank,
            NoBackend::NoProcesses,
            NoBackend::Crashed,
            NoBackend::Booting,
            NoBackend::Maintenance,
        ]
        .into_iter()
        .enumerate()
        {
            hosts.push((format!("x{index}.test").parse().unwrap(), backend(Err(why))));
        }
        let linked = Linked {
            app: AppId::new(),
            app_name: "caller".parse().unwrap(),
            processes: [(ProcessId::new(), Address::Tcp(([127, 0, 0, 1], 1).into()))].into(),
            hosts: [("demo.internal".parse().unwrap(), hosts[0].1.clone())].into(),
        };
        let table = RouteTable::new(7, hosts).with_links([linked]);
        let json = serde_json::to_string(&TableMessage::new(3, &table)).unwrap();
        let read: TableMessage = serde_json::from_str(&json).unwrap();
        assert_eq!((read.table().unwrap(), read.edition), (table, 3));
    }

    #[test]
    fn a_table_that_an_older_noon_kept_has_no_links() {
        let id = Uuid::new_v4();
        let older = format!(
            r#"{{"edition":2,"generation":9,"apps":[{{"app":"{id}","name":"demo",
            "hosts":["demo.test"],"backend":"no_processes"}}]}}"#
        );
        let read: TableMessage = serde_json::from_str(&older).unwrap();
        let table = read.table().unwrap();
        assert_eq!((table.generation, table.links().count()), (9, 0));
        assert!(table.find("demo.test").is_ok());
    }

    #[test]
    fn an_older_noon_reads_what_it_knows_of_a_table_with_links() {
        #[derive(Deserialize)]
        struct Older {
            edition: u64,
            apps: Vec<AppEntry>,
        }
        let backend = backend(Err(NoBackend::Crashed));
        let linked = Linked {
            app: AppId::new(),
            app_name: "caller".parse().unwrap(),
            processes: BTreeMap::new(),
            hosts: [("demo.internal".parse().unwrap(), backend.clone())].into(),
        };
        let table = RouteTable::new(7, [("a.test".parse().unwrap(), backend)]);
        let table = table.with_links([linked]);
        let json = serde_json::to_string(&TableMessage::new(3, &table)).unwrap();
        let read: Older = serde_json::from_str(&json).unwrap();
        assert_eq!((read.edition, read.apps.len()), (3, 1));
    }
}
