//! The demo's own server.

use std::cell::RefCell;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::home::Home;
use crate::error::{Error, Result};

/// How long the server may take to answer, and to stop.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(30);
/// The last lines of the server's log that an error shows.
const LAST_LINES: usize = 12;

/// A running server; stopped when it goes out of scope, whatever happened.
#[derive(Debug)]
pub struct House {
    child: RefCell<Child>,
    log: PathBuf,
    token: String,
    api_port: u16,
    http_port: u16,
    /// From the start to the first answer.
    pub started_in: Duration,
}

impl House {
    /// Starts it and waits for its first answer.
    ///
    /// # Errors
    /// [`Error::Demo`] with the server's last words.
    pub fn start(home: &Home) -> Result<Self> {
        let failed = || Error::io("starting the demo's server");
        let began = Instant::now();
        let [api_port, http_port] = free_ports().map_err(failed())?;
        let token = random_token().map_err(failed())?;
        let log = home.at("server.log");
        let output = File::create(&log).map_err(failed())?;
        let errors = output.try_clone().map_err(failed())?;
        let noon = std::env::current_exe().map_err(failed())?;
        let child = home
            .command(noon)
            .arg("server")
            .env("NOON_DATA_DIR", home.at("data"))
            .env("NOON_API_ADDR", format!("127.0.0.1:{api_port}"))
            .env("NOON_HTTP_ADDR", format!("127.0.0.1:{http_port}"))
            .env("NOON_OWNER", "demo@localhost")
            .env("NOON_OWNER_TOKEN", &token)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0) // Ctrl-C is the demo's: it stops the server in order
            .spawn()
            .map_err(failed())?;
        let child = RefCell::new(child);
        let mut house = Self {
            child,
            log,
            token,
            api_port,
            http_port,
            started_in: Duration::ZERO,
        };
        house.wait_for_answer()?;
        house.started_in = began.elapsed();
        Ok(house)
    }

    /// Where the API and git answer.
    pub fn api_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.api_port)
    }

    /// Where an app answers.
    pub fn app_url(&self, app: &str) -> String {
        format!("http://{app}.localhost:{}/", self.http_port)
    }

    /// The port at which apps answer.
    pub const fn http_port(&self) -> u16 {
        self.http_port
    }

    /// The owner's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// [`Error::Demo`] with its last words where it does not.
    pub fn check(&self) -> Result<()> {
        match self.child.borrow_mut().try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.fell(&format!("it ended with {status}"))),
            Err(error) => Err(self.fell(&error.to_string())),
        }
    }

    /// Stops it and all its apps, and waits for the end.
    ///
    /// # Errors
    /// [`Error::Demo`] where it had to be killed.
    pub fn stop(self) -> Result<()> {
        if self.end() {
            Ok(())
        } else {
            Err(self.fell("it did not stop when told to"))
        }
    }

    fn wait_for_answer(&self) -> Result<()> {
        let began = Instant::now();
        let url = format!("{}/noon/server", self.api_url());
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        while agent.get(&url).call().is_err() {
            self.check()?;
            if began.elapsed() > START_LIMIT {
                return Err(self.fell("it did not answer in time"));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn fell(&self, why: &str) -> Error {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n  ");
        Error::Demo {
            step: "ran the server",
            why: format!("{why}; its last words:\n  {last}"),
        }
    }

    /// Says whether it ended by itself.
    fn end(&self) -> bool {
        let mut child = self.child.borrow_mut();
        if !matches!(child.try_wait(), Ok(None)) {
            return true;
        }
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        let began = Instant::now();
        while began.elapsed() < STOP_LIMIT {
            if !matches!(child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(PAUSE);
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ports that nobody listens on at the moment.
fn free_ports() -> std::io::Result<[u16; 2]> {
    let one = TcpListener::bind("127.0.0.1:0")?;
    let other = TcpListener::bind("127.0.0.1:0")?;
    Ok([one.local_addr()?.port(), other.local_addr()?.port()])
}

fn random_token() -> std::io::Result<String> {
    let mut noise = [0; 16];
    getrandom::fill(&mut noise).map_err(std::io::Error::other)?;
    Ok(noise.iter().map(|byte| format!("{byte:02x}")).collect())
}
