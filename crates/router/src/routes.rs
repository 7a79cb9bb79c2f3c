//! The routes as the router's threads see them, and how busy each process is.
//!
//! A table is swapped whole. A thread that takes a process counts itself in first and then looks
//! whether the table changed meanwhile: so whoever swaps the table and then finds a count of zero
//! knows that no request will follow.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use noon_domain::{Address, AppId, Backend, Endpoint, Hostname, NoBackend, ProcessId, RouteTable};
use tokio::sync::{Notify, watch};

use crate::choice::{Candidate, choose};

/// Threads count on separate cache lines.
const STRIPES: usize = 16;

/// The routes that the router follows. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Routes(Arc<Inner>);

struct Inner {
    live: ArcSwap<Live>,
    epoch: AtomicU64,
    changed: watch::Sender<u64>,
    known: Mutex<HashMap<Endpoint, Arc<Upstream>>>,
    idle: Notify,
    born: Instant,
}

/// One table, made ready for lookups.
#[derive(Default)]
struct Live {
    generation: u64,
    sites: Sites,
    insides: HashMap<ProcessId, Arc<Inside>>,
}

type Sites = HashMap<Hostname, Arc<Site>>;

/// What the process of a linked app leads to.
struct Inside {
    app_name: String,
    address: Address,
    sites: Arc<Sites>,
}

/// Where a request came in, which decides what it can be led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entrance {
    /// Through the router's own listeners.
    World,
    /// Inside this process.
    Inside(ProcessId),
}

/// What answers for one app.
pub(crate) struct Site {
    pub(crate) app: AppId,
    ready: Result<Vec<Arc<Upstream>>, NoBackend>,
}

/// One process, for as long as the router has anything to do with it.
pub(crate) struct Upstream {
    pub(crate) endpoint: Endpoint,
    pub(crate) name: String,
    busy: [Stripe; STRIPES],
    is_leaving: AtomicBool,
    aside_until: AtomicU64,
}

#[derive(Default)]
#[repr(align(64))]
struct Stripe(AtomicUsize);

/// Why a request got no process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unrouted {
    /// There is none to be had.
    NoBackend(NoBackend),
    /// All were tried.
    AllTried,
}

/// Whoever looks for a process.
pub(crate) struct Seeker<'a> {
    pub(crate) entrance: Entrance,
    pub(crate) host: &'a str,
    pub(crate) tried: &'a [ProcessId],
    pub(crate) thread: usize,
    pub(crate) random: u64,
}

impl Default for Routes {
    fn default() -> Self {
        Self::new()
    }
}

impl Routes {
    /// Routes that lead nowhere yet.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            live: ArcSwap::default(),
            epoch: AtomicU64::new(0),
            changed: watch::Sender::new(0),
            known: Mutex::default(),
            idle: Notify::new(),
            born: Instant::now(),
        }))
    }

    /// Follows another table from now on. Requests in flight end where they are.
    pub fn apply(&self, table: &RouteTable) {
        let mut known = self.known();
        let live = Live::new(table, &mut known);
        let led_to: HashSet<&Endpoint> = endpoints(table).collect();
        self.0.live.store(Arc::new(live));
        let epoch = self.0.epoch.fetch_add(1, SeqCst) + 1;
        known.retain(|endpoint, upstream| {
            let stays = led_to.contains(endpoint);
            upstream.is_leaving.store(!stays, SeqCst);
            stays || upstream.busy() > 0
        });
        drop(known);
        self.0.changed.send_replace(epoch);
    }

    /// The generation of the table that is followed; 0 before the first.
    pub fn generation(&self) -> u64 {
        self.0.live.load().generation
    }

    /// How many requests a process has in flight, upgraded connections included.
    pub fn busy(&self, process: ProcessId) -> usize {
        let known = self.known();
        let of = known.values().filter(|u| u.endpoint.process == process);
        of.map(|u| u.busy()).sum()
    }

    /// The processes that no host leads to any more and that still have requests in flight.
    pub(crate) fn leaving(&self) -> Vec<ProcessId> {
        let mut known = self.known();
        known.retain(|_, u| !u.is_leaving() || u.busy() > 0);
        let leaving = known.values().filter(|u| u.is_leaving());
        leaving.map(|u| u.endpoint.process).collect()
    }

    /// Resolves when a process that is leaving may have ended its last request.
    pub(crate) async fn may_be_idle(&self) {
        self.0.idle.notified().await;
    }

    /// Tells of each new table.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// The app that answers for a host.
    pub(crate) fn site(&self, entrance: Entrance, host: &str) -> Result<Arc<Site>, NoBackend> {
        self.0.live.load().find(entrance, host).cloned()
    }

    /// The processes inside which the router listens, and where.
    pub(crate) fn insides(&self) -> Vec<(ProcessId, Address)> {
        let live = self.0.live.load();
        let inside = |(id, inside): (&ProcessId, &Arc<Inside>)| (*id, inside.address.clone());
        live.insides.iter().map(inside).collect()
    }

    /// The name of the app in which what came in there was made; `None` for the world.
    pub(crate) fn source(&self, entrance: Entrance) -> Option<String> {
        let Entrance::Inside(process) = entrance else {
            return None;
        };
        let live = self.0.live.load();
        live.insides
            .get(&process)
            .map(|inside| inside.app_name.clone())
    }

    /// Takes a process for one request, and counts it in.
    pub(crate) fn take(&self, seeker: &Seeker<'_>) -> Result<Hold, Unrouted> {
        loop {
            let epoch = self.0.epoch.load(SeqCst);
            let live = self.0.live.load();
            let site = live
                .find(seeker.entrance, seeker.host)
                .map_err(Unrouted::NoBackend)?;
            let ready = site.ready().map_err(Unrouted::NoBackend)?;
            let upstream = self.pick(ready, seeker).ok_or(Unrouted::AllTried)?;
            let hold = Hold::new(self.clone(), upstream.clone(), seeker.thread);
            if self.0.epoch.load(SeqCst) == epoch {
                return Ok(hold);
            }
        }
    }

    fn pick<'a>(
        &self,
        ready: &'a [Arc<Upstream>],
        seeker: &Seeker<'_>,
    ) -> Option<&'a Arc<Upstream>> {
        if let [only] = ready {
            let was_tried = seeker.tried.contains(&only.endpoint.process);
            return (!was_tried).then_some(only);
        }
        let now = self.now();
        let seen: Vec<_> = ready.iter().map(|u| u.candidate(seeker, now)).collect();
        choose(&seen, seeker.random).map(|index| &ready[index])
    }

    /// Sets a process aside that did not accept.
    pub(crate) fn set_aside(&self, upstream: &Upstream, how_long: Duration) {
        upstream
            .aside_until
            .store(self.now() + millis(how_long), SeqCst);
    }

    fn now(&self) -> u64 {
        millis(self.0.born.elapsed())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Endpoint, Arc<Upstream>>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

fn endpoints(table: &RouteTable) -> impl Iterator<Item = &Endpoint> {
    table
        .iter()
        .filter_map(|(_, b)| b.ready.as_ref().ok())
        .flatten()
}

impl Live {
    fn new(table: &RouteTable, known: &mut HashMap<Endpoint, Arc<Upstream>>) -> Self {
        let mut made: HashMap<*const Backend, Arc<Site>> = HashMap::new();
        let mut site = |backend: &Arc<Backend>| {
            made.entry(Arc::as_ptr(backend))
                .or_insert_with(|| Arc::new(Site::new(backend, known)))
                .clone()
        };
        let mut named = |(host, backend): (&Hostname, &Arc<Backend>)| (host.clone(), site(backend));
        let sites = table.iter().map(&mut named).collect();
        let mut insides = HashMap::new();
        for linked in table.links() {
            let sites: Arc<Sites> = Arc::new(linked.hosts.iter().map(&mut named).collect());
            for (process, address) in &linked.processes {
                let inside = Inside {
                    app_name: linked.app_name.to_string(),
                    address: address.clone(),
                    sites: sites.clone(),
                };
                insides.insert(*process, Arc::new(inside));
            }
        }
        Self {
            generation: table.generation,
            sites,
            insides,
        }
    }

    fn find(&self, entrance: Entrance, host: &str) -> Result<&Arc<Site>, NoBackend> {
        let sites = match entrance {
            Entrance::World => &self.sites,
            Entrance::Inside(process) => {
                let inside = self.insides.get(&process);
                &inside.ok_or(NoBackend::UnknownHost)?.sites
            }
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        let found = if host.bytes().any(|b| b.is_ascii_uppercase()) {
            sites.get(host.to_ascii_lowercase().as_str())
        } else {
            sites.get(host)
        };
        found.ok_or(NoBackend::UnknownHost)
    }
}

impl Site {
    fn new(backend: &Backend, known: &mut HashMap<Endpoint, Arc<Upstream>>) -> Self {
        let mut upstream = |endpoint: &Endpoint| {
            let entry = known.entry(endpoint.clone());
            entry
                .or_insert_with(|| Arc::new(Upstream::new(endpoint)))
                .clone()
        };
        let ready = backend.ready.as_ref().map_err(|why| *why);
        Self {
            app: backend.app,
            ready: ready.map(|ready| ready.iter().map(&mut upstream).collect()),
        }
    }

    /// The processes that may answer.
    pub(crate) fn ready(&self) -> Result<&[Arc<Upstream>], NoBackend> {
        match &self.ready {
            Ok(ready) if ready.is_empty() => Err(NoBackend::NoProcesses),
            Ok(ready) => Ok(ready),
            Err(why) => Err(*why),
        }
    }
}

impl Upstream {
    fn new(endpoint: &Endpoint) -> Self {
        Self {
            endpoint: endpoint.clone(),
            name: endpoint.name.to_string(),
            busy: Default::default(),
            is_leaving: AtomicBool::new(false),
            aside_until: AtomicU64::new(0),
        }
    }

    fn busy(&self) -> usize {
        self.busy.iter().map(|stripe| stripe.0.load(SeqCst)).sum()
    }

    /// Whether no host leads here any more.
    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving.load(SeqCst)
    }

    fn candidate(&self, seeker: &Seeker<'_>, now: u64) -> Candidate {
        Candidate {
            busy: self.busy(),
            is_aside: self.aside_until.load(SeqCst) > now,
            was_tried: seeker.tried.contains(&self.endpoint.process),
        }
    }
}

/// A process with one request counted in; counted out when dropped.
pub(crate) struct Hold {
    routes: Routes,
    pub(crate) upstream: Arc<Upstream>,
    thread: usize,
}

impl Hold {
    fn new(routes: Routes, upstream: Arc<Upstream>, thread: usize) -> Self {
        upstream.busy[thread % STRIPES].0.fetch_add(1, SeqCst);
        Self {
            routes,
            upstream,
            thread,
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.upstream.busy[self.thread % STRIPES]
            .0
            .fetch_sub(1, SeqCst);
        if self.upstream.is_leaving() {
            self.routes.0.idle.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use noon_domain::{Address, Linked};

    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint {
            process: ProcessId::new(),
            name: "web.1".parse().unwrap(),
            address: Address::Tcp(([127, 0, 0, 1], 1).into()),
        }
    }

    fn table(generation: u64, ready: Result<Vec<Endpoint>, NoBackend>) -> RouteTable {
        let backend = Backend {
            app: AppId::new(),
            app_name: "demo".parse().unwrap(),
            ready,
        };
        RouteTable::new(
            generation,
            [("demo.test".parse().unwrap(), Arc::new(backend))],
        )
    }

    fn seeker(host: &str) -> Seeker<'_> {
        Seeker {
            entrance: Entrance::World,
            host,
            tried: &[],
            thread: 0,
            random: 0,
        }
    }

    #[test]
    fn hosts_are_found_in_any_case_and_others_are_unknown() {
        let routes = Routes::new();
        routes.apply(&table(1, Ok(vec![endpoint()])));
        assert!(routes.site(Entrance::World, "Demo.TEST.").is_ok());
        let error = routes.take(&seeker("other.test")).err();
        assert_eq!(error, Some(Unrouted::NoBackend(NoBackend::UnknownHost)));
    }

    #[test]
    fn a_process_leads_to_what_its_app_is_linked_to_and_nowhere_else() {
        let (routes, inside) = (Routes::new(), ProcessId::new());
        let unlinked = table(1, Ok(vec![endpoint()]));
        let demo = unlinked.find("demo.test").unwrap().clone();
        let linked = Linked {
            app: AppId::new(),
            app_name: "caller".parse().unwrap(),
            processes: [(inside, endpoint().address)].into(),
            hosts: [("demo.internal".parse().unwrap(), demo)].into(),
        };
        routes.apply(&unlinked.clone().with_links([linked]));
        let knows = |entrance, host| routes.site(entrance, host).is_ok();
        assert!(knows(Entrance::Inside(inside), "demo.internal"));
        assert!(
            !knows(Entrance::Inside(inside), "demo.test"),
            "the world's host"
        );
        assert!(!knows(Entrance::World, "demo.internal"), "from the world");
        let another = Entrance::Inside(ProcessId::new());
        assert!(!knows(another, "demo.test"), "the world from another");
        assert!(!knows(another, "demo.internal"), "from another process");
        assert_eq!(
            routes.source(Entrance::Inside(inside)).as_deref(),
            Some("caller")
        );
        routes.apply(&unlinked);
        assert!(
            !knows(Entrance::Inside(inside), "demo.internal"),
            "unlinked"
        );
    }

    #[test]
    fn a_process_counts_its_requests_until_the_last_is_dropped() {
        let (routes, one) = (Routes::new(), endpoint());
        routes.apply(&table(1, Ok(vec![one.clone()])));
        let first = routes.take(&seeker("demo.test")).unwrap();
        let second = routes.take(&seeker("demo.test")).unwrap();
        assert_eq!(routes.busy(one.process), 2);
        routes.apply(&table(2, Err(NoBackend::NoProcesses)));
        drop(first);
        assert_eq!(routes.leaving(), [one.process]);
        drop(second);
        assert_eq!((routes.leaving(), routes.busy(one.process)), (vec![], 0));
    }

    #[test]
    fn a_process_that_comes_back_is_not_leaving() {
        let (routes, one) = (Routes::new(), endpoint());
        routes.apply(&table(1, Ok(vec![one.clone()])));
        let hold = routes.take(&seeker("demo.test")).unwrap();
        routes.apply(&table(2, Err(NoBackend::Booting)));
        assert!(hold.upstream.is_leaving());
        routes.apply(&table(3, Ok(vec![one])));
        assert!(!hold.upstream.is_leaving() && routes.leaving().is_empty());
    }

    #[test]
    fn a_process_set_aside_gets_no_request_while_another_is_there() {
        let (routes, one, two) = (Routes::new(), endpoint(), endpoint());
        routes.apply(&table(1, Ok(vec![one.clone(), two.clone()])));
        let upstream = routes.known().get(&one).unwrap().clone();
        routes.set_aside(&upstream, Duration::from_secs(60));
        for random in 0..20 {
            let seeker = Seeker {
                random: random << 31,
                ..seeker("demo.test")
            };
            let hold = routes.take(&seeker).unwrap();
            assert_eq!(hold.upstream.endpoint, two);
        }
    }

    #[test]
    fn no_request_begins_at_a_process_that_was_found_idle_after_a_swap() {
        const SWAPS: usize = 4000;
        let routes = Routes::new();
        let all: Vec<_> = (0..=SWAPS).map(|_| endpoint()).collect();
        let is_stopped: HashMap<_, _> = all
            .iter()
            .map(|e| (e.process, AtomicBool::new(false)))
            .collect();
        routes.apply(&table(1, Ok(vec![all[0].clone()])));
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (routes, is_stopped) = (&routes, &is_stopped);
                scope.spawn(move || {
                    let seeker = Seeker {
                        thread,
                        ..seeker("demo.test")
                    };
                    while let Ok(hold) = routes.take(&seeker) {
                        assert!(!is_stopped[&hold.upstream.endpoint.process].load(SeqCst));
                    }
                });
            }
            for swap in 0..SWAPS {
                routes.apply(&table(1, Ok(vec![all[swap + 1].clone()])));
                while routes.busy(all[swap].process) > 0 {
                    std::hint::spin_loop();
                }
                is_stopped[&all[swap].process].store(true, SeqCst);
            }
            routes.apply(&RouteTable::default());
        });
    }
}
