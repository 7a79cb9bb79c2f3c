//! The model: what must be there, and what may be, when a verb was cut off.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Instant;

use noon_testkit::{House, Repo};

use crate::chance::Chance;

/// How many there shall be of each type: `(web, worker)`.
pub type Formation = (u64, u64);

/// One verb.
#[derive(Clone, Debug)]
pub enum Verb {
    Deploy(String),
    Configure(u64),
    Scale(Formation),
    Restart,
}

impl Verb {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Deploy(_) => "deploy",
            Self::Configure(_) => "config set",
            Self::Scale(_) => "ps scale",
            Self::Restart => "ps restart",
        }
    }
}

/// A verb that was done, or cut off.
#[derive(Debug)]
pub struct Done {
    pub verb: Verb,
    pub began: Instant,
    pub ended: Instant,
    /// Whether the user was told that it is done.
    pub acknowledged: bool,
    pub said: String,
}

/// Everything that may be true. More than one of a kind only after a verb was cut off.
#[derive(Debug)]
pub struct Model {
    words: Vec<String>,
    numbers: Vec<u64>,
    formations: Vec<Formation>,
    next: u64,
}

/// A verb under way.
pub struct Running {
    verb: Verb,
    began: Instant,
    child: std::process::Child,
}

impl Running {
    pub fn is_over(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    pub fn wait(self) -> Done {
        let output = self
            .child
            .wait_with_output()
            .expect("a command that was started");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Done {
            verb: self.verb,
            began: self.began,
            ended: Instant::now(),
            acknowledged: output.status.success(),
            said: text(&output.stdout) + &text(&output.stderr),
        }
    }
}

impl Model {
    pub fn new(word: &str, formation: Formation) -> Self {
        Self {
            words: vec![word.to_owned()],
            numbers: vec![0],
            formations: vec![formation],
            next: 1,
        }
    }

    /// A verb by chance.
    pub fn choose(&mut self, chance: &mut Chance) -> Verb {
        self.next += 1;
        match chance.below(8) {
            0 | 1 => Verb::Deploy(format!("word-{}", self.next)),
            2..=4 => Verb::Configure(self.next),
            5 | 6 => Verb::Scale((3 + chance.below(3), 1 + chance.below(3))),
            _ => Verb::Restart,
        }
    }

    /// Begins a verb, as a user would.
    pub fn begin(&self, verb: Verb, house: &House, repo: &Repo<'_>) -> Running {
        let noon = env!("CARGO_BIN_EXE_noon");
        let arguments: Vec<String> = match &verb {
            Verb::Deploy(word) => {
                repo.write("word", word).commit(word);
                vec!["git".into(), "push".into(), "noon".into(), "main".into()]
            }
            Verb::Configure(number) => {
                vec![
                    noon.into(),
                    "config".into(),
                    "set".into(),
                    format!("NUMBER={number}"),
                ]
            }
            Verb::Scale((web, worker)) => {
                let (web, worker) = (format!("web={web}"), format!("worker={worker}"));
                vec![noon.into(), "ps".into(), "scale".into(), web, worker]
            }
            Verb::Restart => vec![noon.into(), "ps".into(), "restart".into()],
        };
        let rest: Vec<&str> = arguments[1..].iter().map(String::as_str).collect();
        let mut command = house.command(arguments[0].as_ref(), &rest);
        command.current_dir(repo.dir()).stdin(Stdio::null());
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = piped.spawn().expect("a command");
        Running {
            verb,
            began: Instant::now(),
            child,
        }
    }

    /// Takes note of what came of a verb.
    pub fn note(&mut self, done: &Done) {
        let keep = done.acknowledged;
        match &done.verb {
            Verb::Deploy(word) => allow(&mut self.words, word.clone(), keep),
            Verb::Configure(number) => allow(&mut self.numbers, *number, keep),
            Verb::Scale(formation) => allow(&mut self.formations, *formation, keep),
            Verb::Restart => {}
        }
    }

    /// Whether this may be the formation; from now on it is.
    ///
    /// # Errors
    /// What may be, and is not.
    pub fn hold_formation(&mut self, found: Formation) -> Result<(), String> {
        hold(&mut self.formations, found)
    }

    /// Whether this is what all web processes may answer, `word number place`, each place by
    /// itself.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn hold_answers(&mut self, answers: &BTreeMap<String, String>) -> Result<(), String> {
        let mut kinds: Vec<&String> = answers.values().collect();
        kinds.dedup();
        let [one] = kinds.as_slice() else {
            return Err(format!("the web processes answer differently: {answers:?}"));
        };
        let (word, number) = one
            .split_once(' ')
            .ok_or_else(|| format!("an odd answer: {one}"))?;
        hold(&mut self.words, word.to_owned())?;
        hold(
            &mut self.numbers,
            number
                .parse()
                .map_err(|_| format!("an odd number: {number}"))?,
        )
    }
}

fn allow<T: PartialEq>(allowed: &mut Vec<T>, new: T, is_sure: bool) {
    if is_sure {
        allowed.clear();
    }
    allowed.push(new);
}

fn hold<T: PartialEq + std::fmt::Debug>(allowed: &mut Vec<T>, found: T) -> Result<(), String> {
    if !allowed.contains(&found) {
        return Err(format!("{found:?} is there, and only {allowed:?} may be"));
    }
    *allowed = vec![found];
    Ok(())
}
