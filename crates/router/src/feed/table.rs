//! The table and the reports as JSON. The domain knows nothing of it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use noon_domain::{Address, AppId, Backend, Endpoint, NoBackend, ProcessId, RouteTable};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One table on its way to a router.
#[derive(Serialize, Deserialize)]
pub(crate) struct TableMessage {
    /// Counted by the publisher.
    pub(crate) edition: u64,
    generation: u64,
    apps: Vec<AppEntry>,
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
        }
    }

    /// Reads the table.
    pub(crate) fn table(&self) -> Result<RouteTable, BadEntry> {
        let mut hosts = Vec::new();
        for entry in &self.apps {
            let backend = Arc::new(entry.backend()?);
            for host in &entry.hosts {
                hosts.push((
                    host.parse().map_err(|_| BadEntry(host.clone()))?,
                    backend.clone(),
                ));
            }
        }
        Ok(RouteTable::new(self.generation, hosts))
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
        let address = match address.clone() {
            Address::Namespace { shim, port } => AddressEntry::Namespace { shim, port },
            Address::Tcp(address) => AddressEntry::Tcp(address),
        };
        Self {
            process: process.as_uuid(),
            name: name.to_string(),
            address,
        }
    }

    fn endpoint(&self) -> Result<Endpoint, BadEntry> {
        let address = match &self.address {
            AddressEntry::Namespace { shim, port } => Address::Namespace {
                shim: shim.clone(),
                port: *port,
            },
            AddressEntry::Tcp(address) => Address::Tcp(*address),
        };
        Ok(Endpoint {
            process: ProcessId::from_uuid(self.process),
            name: self.name.parse().map_err(|_| BadEntry(self.name.clone()))?,
            address,
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
        let table = RouteTable::new(7, hosts);
        let json = serde_json::to_string(&TableMessage::new(3, &table)).unwrap();
        let read: TableMessage = serde_json::from_str(&json).unwrap();
        assert_eq!((read.table().unwrap(), read.edition), (table, 3));
    }
}
