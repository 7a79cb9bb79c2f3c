//! What it all comes to: a table, and what is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::lines::{Lines, Missing};
use crate::load::{CLIENTS, Failure, Outcome};
use crate::model::Done;
use crate::victims::{Kill, Kind};

/// How long no collector may have a shim's pipe after one was killed.
const AWAY: Duration = Duration::from_secs(4);
/// How long a line may be in a pipe before it is read.
const UNREAD: Duration = Duration::from_millis(500);

/// All that was done and seen.
pub struct Story {
    pub kills: Vec<Kill>,
    pub verbs: Vec<Done>,
    pub outcome: Outcome,
    pub lines: Lines,
}

/// Whether a request may have failed by this kill: it was under way, and in what was killed.
fn explains(kill: &Kill, failure: &Failure) -> bool {
    let is_in_it = kill.kind == Kind::Router || kill.is_of_web();
    is_in_it && failure.began <= kill.after && kill.before <= failure.ended
}

/// Whether a verb may fail by this kill: of control, or of a process that it waits for.
fn breaks(kill: &Kill, done: &Done) -> bool {
    let may = !matches!(kill.kind, Kind::Logs | Kind::Router);
    may && done.began <= kill.after && kill.before <= done.ended
}

impl Story {
    /// The table of what was done and what came of it.
    pub fn table(&self) -> String {
        let mut kinds: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for kill in &self.kills {
            let failed = self.failed_by(kill);
            let entry = kinds.entry(kill.name()).or_default();
            *entry = (entry.0 + 1, entry.1 + failed);
        }
        let mut verbs: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for done in &self.verbs {
            let entry = verbs.entry(done.verb.name()).or_default();
            *entry = (entry.0 + 1, entry.1 + usize::from(done.acknowledged));
        }
        let mut text = format!("{:<22}{:>7}{:>18}\n", "killed", "times", "requests failed");
        for (name, (times, failed)) in kinds {
            text += &format!("{name:<22}{times:>7}{failed:>18}\n");
        }
        text += &format!("{:<22}{:>7}{:>18}\n", "verb", "times", "acknowledged");
        for (name, (times, acknowledged)) in verbs {
            text += &format!("{name:<22}{times:>7}{acknowledged:>18}\n");
        }
        let (answered, failed) = (self.outcome.answered.len(), self.outcome.failures.len());
        let missing = self.lines.missing(&self.outcome.answered);
        let nobodys = missing.iter().filter(|it| self.is_nobodys(it)).count();
        let missing = missing.len();
        text += &format!(
            "requests: {answered} answered, {failed} failed, {} of them for no reason\n",
            self.unexplained().len()
        );
        text += &format!(
            "lines: {} read, {missing} missing ({nobodys} of them from pipes of which both holders \
             were killed), {} doubled, {} torn, {} bytes owned up to\n",
            self.lines.count,
            self.lines.doubled().len(),
            self.lines.torn.len(),
            self.lines.owned_bytes()
        );
        for torn in self.lines.torn.iter().take(5) {
            text += &format!("torn: {torn:?}\n");
        }
        text
    }

    fn failed_by(&self, kill: &Kill) -> usize {
        let failures = self.outcome.failures.iter();
        failures.filter(|it| explains(kill, it)).count()
    }

    fn unexplained(&self) -> Vec<&Failure> {
        let is_explained =
            |failure: &&Failure| self.kills.iter().any(|kill| explains(kill, failure));
        self.outcome
            .failures
            .iter()
            .filter(|it| !is_explained(it))
            .collect()
    }

    /// All that is wrong.
    pub fn wrongs(&self) -> Vec<String> {
        let mut wrongs = self.failures();
        wrongs.extend(self.verbs.iter().filter_map(|done| self.broken(done)));
        wrongs.extend(self.lines.doubled());
        if self.lines.missed > 0 {
            wrongs.push(format!(
                "the log dropped {} lines before they were read",
                self.lines.missed
            ));
        }
        wrongs.extend(self.lost());
        wrongs
    }

    fn failures(&self) -> Vec<String> {
        let mut wrongs: Vec<String> = self
            .unexplained()
            .into_iter()
            .map(|failure| self.told(failure))
            .collect();
        for kill in &self.kills {
            let failed = self.failed_by(kill);
            if failed > CLIENTS {
                wrongs.push(format!("{failed} requests failed by one kill: {kill:?}"));
            }
        }
        wrongs
    }

    fn told(&self, failure: &Failure) -> String {
        let before = self.kills.iter().rfind(|kill| kill.before <= failure.ended);
        let before = before.map_or_else(String::new, |kill| {
            let since = failure.began.saturating_duration_since(kill.after);
            format!(
                ", {since:?} after the end of {} {:?}",
                kill.name(),
                kill.place
            )
        });
        let took = failure.ended - failure.began;
        let path = format!("path=\"/{}\"", failure.id);
        let line = self.lines.refusals.iter().find(|line| line.contains(&path));
        let why = line.unwrap_or(&failure.why);
        format!(
            "request {} failed for no reason: {why} in {took:?}{before}",
            failure.id
        )
    }

    fn broken(&self, done: &Done) -> Option<String> {
        let is_explained = self.kills.iter().any(|kill| breaks(kill, done));
        let (verb, said) = (&done.verb, &done.said);
        (!done.acknowledged && !is_explained)
            .then(|| format!("{verb:?} failed for no reason: {said}"))
    }

    fn lost(&self) -> Option<String> {
        let missing = self.lines.missing(&self.outcome.answered);
        let (_, missing): (Vec<_>, Vec<_>) =
            missing.into_iter().partition(|it| self.is_nobodys(it));
        let bytes: usize = missing.iter().map(|it| it.line.len() + 1).sum();
        let owned = self.lines.owned_bytes();
        (bytes as u64 > owned).then(|| {
            let few = missing.iter().take(10).map(|it| self.told_of_loss(it));
            let (few, count) = (few.collect::<Vec<_>>().join("\n"), missing.len());
            format!("{count} lines are missing and {owned} bytes owned up to:\n{few}")
        })
    }

    /// Whether a line was in a pipe of which both holders were killed, the shim before the next
    /// collector had come: what was in it nobody can tell.
    fn is_nobodys(&self, missing: &Missing) -> bool {
        let Some(at) = missing.at else { return false };
        let shims = self.kills.iter().filter(|kill| kill.kind == Kind::Shim);
        shims.into_iter().any(|shim| {
            let logs = self.kills.iter().filter(|kill| kill.kind == Kind::Logs);
            logs.into_iter().any(|logs| {
                let is_away = logs.before <= shim.after && shim.after - logs.before < AWAY;
                is_away && logs.before <= at + UNREAD && at <= shim.after + UNREAD
            })
        })
    }

    /// A line that is missing, and what was killed around it.
    fn told_of_loss(&self, missing: &Missing) -> String {
        let Some(at) = missing.at else {
            return missing.line.clone();
        };
        let seconds = |kill: &Kill| {
            let (after, before) = (kill.after, kill.before);
            after.saturating_duration_since(at).as_secs_f64()
                - at.saturating_duration_since(before).as_secs_f64()
        };
        let near = self.kills.iter().filter(|kill| seconds(kill).abs() < 4.0);
        let near = near.map(|kill| format!("{} {:+.3}s", kill.name(), seconds(kill)));
        let verbs = self
            .verbs
            .iter()
            .filter(|done| done.began <= at && at <= done.ended);
        let verbs = verbs.map(|done| format!("{:?}", done.verb));
        let (near, verbs): (Vec<_>, Vec<_>) = (near.collect(), verbs.collect());
        format!("{}: {near:?} during {verbs:?}", missing.line)
    }
}
