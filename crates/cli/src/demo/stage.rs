//! Steps as the audience sees them: the command, what it printed, and how long it took.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::APP;
use super::home::Home;
use super::house::House;
use crate::error::{Error, Result};
use crate::output::{Colour, Output};

/// A signal that came while a step ran.
#[derive(Debug)]
pub struct Interrupt {
    came: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Takes note of signals from now on.
    ///
    /// # Errors
    /// [`Error::Io`] where that is refused.
    pub fn listen<const N: usize>(signals: [i32; N]) -> Result<Self> {
        let came = Arc::new(AtomicUsize::new(0));
        for signal in signals {
            let number = usize::try_from(signal).unwrap_or(1);
            signal_hook::flag::register_usize(signal, came.clone(), number)
                .map_err(Error::io("listening to signals"))?;
        }
        Ok(Self { came })
    }

    /// Whether one has come.
    pub fn has_come(&self) -> bool {
        self.came.load(Ordering::SeqCst) != 0
    }

    fn check(&self) -> Result<()> {
        match self.came.load(Ordering::SeqCst) {
            0 => Ok(()),
            signal => Err(Error::Interrupted(u8::try_from(signal).unwrap_or(1))),
        }
    }
}

/// How a command must come out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// With exit code 0.
    Done,
    /// With any other.
    Refused,
}

/// Where the steps are shown.
pub struct Stage<'a> {
    out: &'a Output,
    home: &'a Home,
    house: &'a House,
    interrupt: &'a Interrupt,
    scene: usize,
}

impl<'a> Stage<'a> {
    /// An empty stage.
    pub const fn new(
        out: &'a Output,
        home: &'a Home,
        house: &'a House,
        interrupt: &'a Interrupt,
    ) -> Self {
        Self {
            out,
            home,
            house,
            interrupt,
            scene: 0,
        }
    }

    /// The next scene.
    pub fn title(&mut self, title: &str) -> Result<()> {
        self.scene += 1;
        self.out.line(
            self.out
                .paint(Colour::Yellow, &format!("\n{}. {title}", self.scene)),
        )
    }

    /// Says that the server runs.
    pub fn show_started(&self) -> Result<()> {
        self.type_out("noon server &")?;
        self.took(self.house.started_in)
    }

    /// A command that must succeed.
    pub fn shell(&self, line: &str) -> Result<()> {
        self.act(line, "", Outcome::Done)
    }

    /// A command that must come out as said.
    pub fn shell_to(&self, line: &str, outcome: Outcome) -> Result<()> {
        self.act(line, "", outcome)
    }

    /// A command that must succeed, with something on its stdin.
    pub fn shell_with(&self, line: &str, stdin: &str) -> Result<()> {
        self.act(line, stdin, Outcome::Done)
    }

    /// Asks the app; its answer must hold `expected`.
    pub fn fetch(&self, expected: &str) -> Result<()> {
        let url = self.house.app_url(APP);
        self.type_out(&format!("curl {url}"))?;
        let began = Instant::now();
        let answer = ask(self.house.http_port()).map_err(|why| failed("asked the app", why))?;
        self.out.bytes(answer.as_bytes())?;
        self.took(began.elapsed())?;
        if !answer.contains(expected) {
            let why = format!("it answered {answer:?}, without {expected:?}");
            return Err(failed("asked the app", why));
        }
        self.interrupt.check()
    }

    fn type_out(&self, line: &str) -> Result<()> {
        self.out.line(format_args!(
            "\n{} {line}",
            self.out.paint(Colour::Green, "$")
        ))
    }

    fn took(&self, time: Duration) -> Result<()> {
        let text = format!("({:.1} s)", time.as_secs_f64());
        self.out.line(self.out.paint(Colour::Cyan, &text))
    }

    fn act(&self, line: &str, stdin: &str, outcome: Outcome) -> Result<()> {
        self.type_out(line)?;
        let began = Instant::now();
        let mut shell = self.home.command("sh");
        shell.arg("-c").arg(line).current_dir(self.home.at("app"));
        let code =
            run(&mut shell, stdin).map_err(|error| failed("ran a command", error.to_string()))?;
        self.interrupt.check()?;
        self.took(began.elapsed())?;
        self.house.check()?;
        match (outcome, code) {
            (Outcome::Done, 0) | (Outcome::Refused, 1..) => Ok(()),
            (Outcome::Done, code) => Err(failed(
                "ran a command",
                format!("`{line}` ended with exit code {code}"),
            )),
            (Outcome::Refused, _) => Err(failed(
                "ran a command",
                format!("`{line}` should have been refused"),
            )),
        }
    }
}

fn failed(step: &'static str, why: String) -> Error {
    Error::Demo { step, why }
}

fn run(shell: &mut Command, stdin: &str) -> std::io::Result<i32> {
    let mut child = shell.stdin(Stdio::piped()).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // A command that reads nothing closes the pipe.
        let _ = writeln!(pipe, "{stdin}");
    }
    Ok(child.wait()?.code().unwrap_or(128))
}

/// Names under `localhost` lead to this machine, but not every resolver knows.
fn ask(port: u16) -> Result<String, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .proxy(None)
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .user_agent("noon-demo")
        .build()
        .into();
    let request = agent
        .get(format!("http://127.0.0.1:{port}/"))
        .header("host", format!("{APP}.localhost:{port}"));
    let mut answer = request.call().map_err(|error| error.to_string())?;
    let text = answer
        .body_mut()
        .read_to_string()
        .map_err(|error| error.to_string())?;
    match answer.status().as_u16() {
        200 => Ok(text),
        status => Err(format!("it answered {status}")),
    }
}
