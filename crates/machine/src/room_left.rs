//! Whether this machine has room for more processes: asked before the first of them is started.
//!
//! What they will need is taken from what processes of their type use now, and at least a floor;
//! what there is, from the kernel. What the kernel does not tell is not held against anybody.

mod free;
mod usage;

use std::fmt;

use noon_domain::EngineError;

pub(crate) use free::Surroundings;
pub(crate) use usage::Usage;

/// What one process costs at least, its walls and its shim included.
pub(crate) const FLOOR: Usage = Usage {
    memory: 2 << 20,
    tasks: 3,
};
/// Descriptors that control holds for one process: its shim twice, its network, its end; and as
/// many again while it is put inside its walls.
const DESCRIPTORS: u64 = 8;
/// What a shim's directory takes on disk, in bytes, and how many files.
const DISK: u64 = 64 << 10;
const FILES: u64 = 8;

/// What is to be started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    /// How many processes.
    pub processes: u64,
    /// How many of them want a way out to the world.
    pub egress: u64,
    /// What all of them use together.
    pub usage: Usage,
}

/// What is free of each thing; `None` where nobody knows, or nothing bounds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Free {
    pub memory: Option<u64>,
    pub tasks: Option<u64>,
    pub user_tasks: Option<u64>,
    pub descriptors: Option<u64>,
    pub ports: Option<u64>,
    pub disk: Option<u64>,
    pub files: Option<u64>,
}

/// One thing that there is too little of.
struct Short {
    what: &'static str,
    needed: u64,
    free: u64,
    in_bytes: bool,
}

impl Demand {
    /// Adds one process that uses so much.
    pub fn add(&mut self, usage: Usage, egress: bool) {
        self.processes += 1;
        self.egress += u64::from(egress);
        self.usage.memory = self
            .usage
            .memory
            .saturating_add(usage.memory.max(FLOOR.memory));
        self.usage.tasks = self
            .usage
            .tasks
            .saturating_add(usage.tasks.max(FLOOR.tasks));
    }
}

/// Whether what is to be started fits into what is free.
///
/// # Errors
/// [`EngineError::NoRoom`], which names all that is short, and by how much.
pub(crate) fn fits(demand: &Demand, free: &Free) -> Result<(), EngineError> {
    let n = demand.processes;
    let (memory, tasks) = (demand.usage.memory, demand.usage.tasks);
    let bytes = |what, needed, free| (what, needed, free, true);
    let count = |what, needed, free| (what, needed, free, false);
    let all = [
        bytes("of memory", memory, free.memory),
        count("processes and threads of this machine", tasks, free.tasks),
        count(
            "processes and threads of this user (ulimit -u)",
            tasks,
            free.user_tasks,
        ),
        count(
            "open files of control (ulimit -n)",
            n.saturating_mul(DESCRIPTORS),
            free.descriptors,
        ),
        count("ports of the network bridge", demand.egress, free.ports),
        bytes("of disk for the shims", n.saturating_mul(DISK), free.disk),
        count(
            "files on the disk of the shims",
            n.saturating_mul(FILES),
            free.files,
        ),
    ];
    let short = |(what, needed, free, in_bytes): (&'static str, u64, Option<u64>, bool)| {
        let free = free.filter(|free| *free < needed)?;
        Some(
            Short {
                what,
                needed,
                free,
                in_bytes,
            }
            .to_string(),
        )
    };
    let short: Vec<_> = all.into_iter().filter_map(short).collect();
    if short.is_empty() {
        return Ok(());
    }
    let s = if n == 1 { " needs" } else { "es need" };
    let why = format!("{n} more process{s} {}", short.join(", and "));
    Err(EngineError::NoRoom { why })
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            needed,
            free,
            in_bytes,
        } = self;
        let lacking = needed - free;
        match in_bytes {
            true => {
                let mib = |bytes: u64| bytes.div_ceil(1 << 20);
                let (needed, lacking) = (mib(*needed), mib(lacking));
                let free = needed.saturating_sub(lacking);
                write!(
                    f,
                    "{needed} MiB {what} where {free} MiB are free: {lacking} MiB are short"
                )
            }
            false => write!(
                f,
                "{needed} {what} where {free} are free: {lacking} are short"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn demand(processes: u64, usage: Usage) -> Demand {
        let mut demand = Demand::default();
        (0..processes).for_each(|_| demand.add(usage, true));
        demand
    }

    fn usage(memory: u64, tasks: u64) -> Usage {
        Usage { memory, tasks }
    }

    #[test]
    fn each_thing_that_is_short_is_named_with_how_much() {
        let ten = demand(10, usage(30 * MIB, 5));
        let free = Free::default;
        let cases = [
            (
                Free {
                    memory: Some(100 * MIB),
                    ..free()
                },
                "300 MiB of memory where 100 MiB are free: 200 MiB are short",
            ),
            (
                Free {
                    tasks: Some(49),
                    ..free()
                },
                "50 processes and threads of this machine where 49 are free: 1 are short",
            ),
            (
                Free {
                    user_tasks: Some(0),
                    ..free()
                },
                "50 processes and threads of this user (ulimit -u) where 0 are free: 50 are short",
            ),
            (
                Free {
                    descriptors: Some(60),
                    ..free()
                },
                "80 open files of control (ulimit -n) where 60 are free: 20 are short",
            ),
            (
                Free {
                    ports: Some(9),
                    ..free()
                },
                "10 ports of the network bridge where 9 are free: 1 are short",
            ),
            (
                Free {
                    disk: Some(0),
                    ..free()
                },
                "1 MiB of disk for the shims where 0 MiB are free: 1 MiB are short",
            ),
            (
                Free {
                    files: Some(79),
                    ..free()
                },
                "80 files on the disk of the shims where 79 are free: 1 are short",
            ),
        ];
        for (free, part) in cases {
            let error = fits(&ten, &free).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("no room for that: 10 more processes need {part}")
            );
        }
        let both = Free {
            ports: Some(0),
            tasks: Some(0),
            ..free()
        };
        let error = fits(&ten, &both).unwrap_err().to_string();
        assert!(error.contains("50 are short, and 10 ports"), "{error}");
        let one = fits(&demand(1, FLOOR), &both).unwrap_err().to_string();
        assert!(one.contains("1 more process needs 3 processes"), "{one}");
    }

    #[test]
    fn what_just_fits_fits_and_what_nobody_knows_is_no_obstacle() {
        let ten = demand(10, usage(30 * MIB, 5));
        let exactly = Free {
            memory: Some(300 * MIB),
            tasks: Some(50),
            user_tasks: Some(50),
            descriptors: Some(80),
            ports: Some(10),
            disk: Some(10 * DISK),
            files: Some(80),
        };
        assert!(fits(&ten, &exactly).is_ok());
        assert!(fits(&demand(1 << 10, FLOOR), &Free::default()).is_ok());
        assert!(
            fits(
                &Demand::default(),
                &Free {
                    memory: Some(0),
                    ..Free::default()
                }
            )
            .is_ok()
        );
    }

    #[test]
    fn a_process_counts_with_the_floor_at_least_and_its_port_only_when_it_wants_one() {
        let mut demand = Demand::default();
        demand.add(usage(0, 0), false);
        demand.add(usage(MIB, 9), true);
        demand.add(usage(8 * MIB, 1), false);
        assert_eq!(demand.usage, usage(12 * MIB, 15));
        assert_eq!((demand.processes, demand.egress), (3, 1));
    }

    proptest! {
        #[test]
        fn more_of_anything_free_never_turns_a_yes_into_a_no(
            processes in 1u64..300, memory in 0u64..(1 << 33), more in 0u64..(1 << 33),
            tasks in 0u64..5000, ports in 0u64..1024,
        ) {
            let demand = demand(processes, FLOOR);
            let free = Free { memory: Some(memory), tasks: Some(tasks), ports: Some(ports), ..Free::default() };
            let larger = Free { memory: Some(memory + more), tasks: Some(tasks + more), ..free };
            if fits(&demand, &free).is_ok() {
                prop_assert!(fits(&demand, &larger).is_ok());
            }
        }
    }
}
