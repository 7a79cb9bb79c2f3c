//! A shim under a tracer that kills it, or fails one of its system calls, at a chosen step.
//!
//! The test's own program poses as the shim program: started as `noon-shim` it forks a tracer,
//! and becomes the real shim. What to do stands in a file whose path is at the program's end.

use std::collections::HashMap;
use std::ffi::CString;
use std::fmt::Write as _;
use std::path::Path;

use crate::sys;

/// Says that a path follows: the last bytes of the posing program are the path, its length in
/// eight bytes, and this.
const MARK: &[u8; 8] = b"noonplan";

/// Which of the processes of one start: each is the child of the one before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// The launcher's child, which leaves as soon as the shim stands.
    Starter,
    Shim,
    Init,
    /// Until it is the app's command.
    App,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Starter, Self::Shim, Self::Init, Self::App];

    fn child(self) -> Self {
        match self {
            Self::Starter => Self::Shim,
            Self::Shim => Self::Init,
            Self::Init | Self::App => Self::App,
        }
    }

    fn named(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|role| format!("{role:?}") == text)
    }
}

/// What befalls a process at a step: the number of its system call since it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Kill,
    /// The call is not made, and returns this error.
    Fail(i32),
}

/// One step and what happens at it; or nothing, and all steps are noted.
pub type Plan = Option<(Role, usize, Fault)>;

/// A program that poses as the shim.
pub fn posing_program(own: &[u8], plan: &Path) -> Vec<u8> {
    let path = plan.as_os_str().as_encoded_bytes();
    [own, path, &path.len().to_le_bytes(), MARK].concat()
}

/// Writes what the next start is to meet. The second line is the shim, the third where to note
/// the steps, and that all have ended.
pub fn write_plan(file: &Path, plan: Plan, shim: &Path, notes: &Path) {
    let what = match plan {
        None => "record".to_owned(),
        Some((role, step, Fault::Kill)) => format!("kill {role:?} {step}"),
        Some((role, step, Fault::Fail(errno))) => format!("fail {role:?} {step} {errno}"),
    };
    let text = format!("{what}\n{}\n{}\n", shim.display(), notes.display());
    std::fs::write(file, text).unwrap();
}

/// The steps of a recorded start, in order.
pub fn read_notes(file: &Path) -> Vec<(Role, i64)> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let step = |line: &str| {
        let (role, number) = line.split_once(' ')?;
        Some((Role::named(role)?, number.parse().ok()?))
    };
    text.lines().filter_map(step).collect()
}

/// Does what the plan says, as the shim program. Never returns.
pub fn pose() -> ! {
    let own = std::fs::read("/proc/self/exe").unwrap();
    let (rest, mark) = own.split_at(own.len() - MARK.len());
    assert_eq!(mark, MARK);
    let (rest, length) = rest.split_at(rest.len() - 8);
    let length = usize::from_le_bytes(length.try_into().unwrap());
    let path = std::str::from_utf8(&rest[rest.len() - length..]).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    drop(own);
    let mut lines = text.lines();
    let (what, shim) = (lines.next().unwrap(), lines.next().unwrap());
    let notes = lines.next().unwrap().to_owned();
    let plan = parse(what);
    let shim = CString::new(shim).unwrap();
    let (go, tell) = sys::pipe();
    let me = sys::own_pid();
    if sys::fork() == 0 {
        sys::close_below(3);
        Tracer::new(plan).trace(me, tell, Path::new(&notes));
    }
    sys::close(tell);
    sys::read_byte(go);
    sys::close(go);
    sys::become_program(&shim, c"noon-shim")
}

fn parse(what: &str) -> Plan {
    let mut words = what.split(' ');
    let kind = words.next()?;
    let (role, step) = (Role::named(words.next()?)?, words.next()?.parse().ok()?);
    let fault = match kind {
        "kill" => Fault::Kill,
        _ => Fault::Fail(words.next()?.parse().ok()?),
    };
    Some((role, step, fault))
}

struct Traced {
    role: Option<Role>,
    steps: usize,
    /// Whether its call at hand was taken away, and what it is to return.
    failing: Option<i32>,
    /// Stopped before its parent told of it.
    waits: bool,
}

struct Tracer {
    plan: Plan,
    all: HashMap<i32, Traced>,
    notes: String,
    /// The starter has become the real shim's first process.
    begun: bool,
}

impl Tracer {
    fn new(plan: Plan) -> Self {
        Self {
            plan,
            all: HashMap::new(),
            notes: String::new(),
            begun: false,
        }
    }

    /// Traces a process and all that come of it to their ends.
    fn trace(mut self, first: i32, tell: i32, notes: &Path) -> ! {
        sys::seize(first);
        self.meet(first).role = Some(Role::Starter);
        sys::write_byte(tell);
        sys::close(tell);
        while let Some((pid, stop)) = sys::next_stop() {
            self.hear(pid, stop);
        }
        // The last word: who waits for it knows that nothing runs any more.
        self.notes.push_str("ended\n");
        let fresh = notes.with_extension("new");
        let _ = std::fs::write(&fresh, &self.notes);
        let _ = std::fs::rename(fresh, notes);
        sys::leave()
    }

    fn meet(&mut self, pid: i32) -> &mut Traced {
        self.all.entry(pid).or_insert(Traced {
            role: None,
            steps: 0,
            failing: None,
            waits: false,
        })
    }

    fn hear(&mut self, pid: i32, stop: sys::Stop) {
        match stop {
            sys::Stop::Gone => drop(self.all.remove(&pid)),
            sys::Stop::Call => self.call(pid),
            sys::Stop::Forked(child) => {
                let role = self.meet(pid).role.map(Role::child);
                let child_state = self.meet(child);
                child_state.role = role;
                if std::mem::take(&mut child_state.waits) {
                    sys::go_on(child, 0);
                }
                sys::go_on(pid, 0);
            }
            sys::Stop::Executed if !self.begun => {
                self.begun = true;
                sys::go_on(pid, 0);
            }
            // The app's command is none of ours.
            sys::Stop::Executed => sys::let_go(pid),
            sys::Stop::Paused => {
                let state = self.meet(pid);
                state.waits = state.role.is_none();
                if !state.waits {
                    sys::go_on(pid, 0);
                }
            }
            sys::Stop::Signal(signal) => sys::go_on(pid, signal),
        }
    }

    fn call(&mut self, pid: i32) {
        let (begun, plan) = (self.begun, self.plan);
        let state = self.meet(pid);
        let Some(role) = state.role else {
            return sys::go_on(pid, 0);
        };
        match sys::call(pid) {
            sys::Call::Begins(number) if begun => {
                let step = state.steps;
                state.steps += 1;
                match plan {
                    None => drop(writeln!(self.notes, "{role:?} {number}")),
                    Some((who, at, fault)) if (who, at) == (role, step) => match fault {
                        Fault::Kill => return sys::kill(pid),
                        Fault::Fail(errno) => {
                            state.failing = Some(errno);
                            sys::take_away(pid);
                        }
                    },
                    Some(_) => {}
                }
            }
            sys::Call::Ended => {
                if let Some(errno) = state.failing.take() {
                    sys::answer(pid, errno);
                }
            }
            sys::Call::Begins(_) | sys::Call::Other => {}
        }
        sys::go_on(pid, 0);
    }
}
