//! The collector: one thread that reads all pipes and the platform's socket.

use std::collections::{HashMap, HashSet};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use noon_domain::{AppId, LogLine};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::connection::Connection;
use crate::frame::Flags;
use crate::intake::{self, Got, Intake};
use crate::message::Message;
use crate::rings::Rings;
use crate::{Error, Pipe, RingSize, Stop, socket};

/// Bytes taken by one read.
const BUFFER: usize = 256 * 1024;
/// Reads that bring less on average are followed by a nap, which lets more gather.
const SMALL_READ: usize = 16 * 1024;
const NAP: Duration = Duration::from_micros(200);
/// How often the holders of pipes are asked without being told to.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How many reads a process gets before the platform's next line about it.
const READS_BEFORE_LINE: usize = 8;

const LISTENER: u64 = 0;
const STOP: u64 = 1;
const FOUND: u64 = 2;
const FIRST_TOKEN: u64 = 3;

/// Where the collector works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory that holds one directory for each app's ring.
    pub dir: PathBuf,
    /// Where the platform connects.
    pub socket: PathBuf,
    /// How much is kept of each app.
    pub ring: RingSize,
}

/// Reads all pipes and keeps all lines.
#[derive(Debug)]
pub struct Collector {
    epoll: OwnedFd,
    listener: UnixListener,
    rings: Rings,
    intakes: HashMap<u64, Intake>,
    known: HashSet<(u64, u64)>,
    connections: HashMap<u64, Connection>,
    next_token: u64,
    buffer: Vec<u8>,
    look: Sender<()>,
    found: Receiver<Vec<Pipe>>,
    arrived: Stop,
    is_listening: bool,
    is_stopped: bool,
}

impl Collector {
    /// Collects until `stop` is spoken. `pipes` gives the pipes of all processes that run now; it
    /// is called on a thread of its own, at the start, whenever the platform says "look again",
    /// and every 2 s. Pipes that are being read already may be among them, as duplicates.
    ///
    /// # Errors
    /// [`Error::Busy`] while another collector has the directory; [`Error::Directory`],
    /// [`Error::Socket`] and [`Error::System`] if it could not begin. Once begun, it goes on.
    pub fn run(
        settings: Settings,
        pipes: impl FnMut() -> Vec<Pipe> + Send,
        stop: &Stop,
    ) -> Result<(), Error> {
        let (look, asked) = mpsc::channel();
        let (give, found) = mpsc::channel();
        let mut collector = Self::open(settings, look, found)?;
        collector.watch(stop, STOP)?;
        let arrived = collector.arrived.clone();
        thread::scope(|scope| {
            thread::Builder::new()
                .name("log-pipes".to_owned())
                .spawn_scoped(scope, move || seek(pipes, &asked, &give, &arrived))
                .map_err(|error| Error::system("a thread", error))?;
            collector.collect();
            // With the collector goes the channel on which the other thread waits.
            drop(collector);
            Ok(())
        })
    }

    fn open(
        settings: Settings,
        look: Sender<()>,
        found: Receiver<Vec<Pipe>>,
    ) -> Result<Self, Error> {
        let rings = Rings::lock(settings.dir, settings.ring)?;
        let path = settings.socket;
        let listener = socket::bind(&path).map_err(|source| Error::Socket { path, source })?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)
            .map_err(|error| Error::system("an epoll descriptor", error))?;
        let collector = Self {
            epoll,
            listener,
            rings,
            intakes: HashMap::new(),
            known: HashSet::new(),
            connections: HashMap::new(),
            next_token: FIRST_TOKEN,
            buffer: vec![0; BUFFER],
            look,
            found,
            arrived: Stop::new()?,
            is_listening: false,
            is_stopped: false,
        };
        collector.watch(&collector.arrived, FOUND)?;
        Ok(collector)
    }

    fn watch(&self, source: impl AsFd, token: u64) -> Result<(), Error> {
        epoll::add(
            &self.epoll,
            source,
            EventData::new_u64(token),
            EventFlags::IN,
        )
        .map_err(|error| Error::system("one more watched descriptor", error))
    }

    fn collect(&mut self) {
        let mut events = [MaybeUninit::uninit(); 256];
        while !self.is_stopped {
            let ready = match epoll::wait(&self.epoll, &mut events, None) {
                Ok((ready, _)) => ready,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => {
                    tracing::error!(%error, "the log collector cannot wait any more");
                    break;
                }
            };
            let tokens: Vec<u64> = ready.iter().map(|event| event.data.u64()).collect();
            self.turn(&tokens);
        }
        for intake in self.intakes.values_mut() {
            intake.flush(Flags::PARTIAL, &mut self.rings);
        }
    }

    /// One turn: what processes wrote comes before what the platform says.
    fn turn(&mut self, tokens: &[u64]) {
        let is_intake = |token: &u64| self.intakes.contains_key(token);
        let (intakes, others): (Vec<u64>, Vec<u64>) = tokens.iter().partition(|it| is_intake(it));
        let reads = intakes.len();
        let bytes: usize = intakes.into_iter().map(|token| self.read(token)).sum();
        for token in others {
            self.attend(token);
        }
        if reads > 0 && bytes / reads < SMALL_READ {
            thread::sleep(NAP);
        }
    }

    fn attend(&mut self, token: u64) {
        match token {
            LISTENER => self.accept(),
            STOP => self.is_stopped = true,
            FOUND => self.take_found(),
            token => self.receive(token),
        }
    }

    fn read(&mut self, token: u64) -> usize {
        let Some(intake) = self.intakes.get_mut(&token) else {
            return 0;
        };
        match intake.read(&mut self.buffer, &mut self.rings) {
            Got::Bytes(bytes) => bytes,
            Got::Nothing => 0,
            Got::End => {
                self.let_go(token);
                0
            }
        }
    }

    /// Takes the pipes that were found. The platform is let in behind the first of them, so that
    /// what it says about a process that ended while no collector ran comes last.
    fn take_found(&mut self) {
        self.arrived.reset();
        while let Ok(pipes) = self.found.try_recv() {
            pipes.into_iter().for_each(|pipe| self.take(pipe));
        }
        if !self.is_listening {
            self.is_listening = true;
            if let Err(error) = self.watch(&self.listener, LISTENER) {
                tracing::error!(%error, "the platform's lines cannot be taken");
            }
        }
    }

    /// Takes a pipe, unless it is one that is being read already.
    fn take(&mut self, pipe: Pipe) {
        let is_known = intake::identity(&pipe.fd).is_ok_and(|it| self.known.contains(&it));
        if is_known {
            return;
        }
        let process = pipe.process.clone();
        let token = self.token();
        let taken = Intake::new(pipe).map_err(|error| Error::system("a pipe", error));
        match taken.and_then(|intake| self.watch(intake.fd(), token).map(|()| intake)) {
            Ok(intake) => {
                self.known.insert(intake.identity());
                self.intakes.insert(token, intake);
            }
            Err(error) => tracing::warn!(process, %error, "an output pipe could not be taken"),
        }
    }

    /// Lets a pipe go. Its holder has duplicates of it, so closing it would not end the watch.
    fn let_go(&mut self, token: u64) {
        if let Some(intake) = self.intakes.remove(&token) {
            self.known.remove(&intake.identity());
            let _ = epoll::delete(&self.epoll, intake.fd());
        }
    }

    fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token - 1
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            let token = self.token();
            let watched = self.watch(&stream, token);
            match Connection::new(stream) {
                Ok(connection) if watched.is_ok() => {
                    self.connections.insert(token, connection);
                }
                _ => tracing::warn!("a connection of the platform could not be taken"),
            }
        }
    }

    fn receive(&mut self, token: u64) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        let Ok(messages) = connection.receive(&mut self.buffer) else {
            return self.hang_up(token);
        };
        for message in messages {
            self.obey(message);
        }
        self.rings.flush();
        let acknowledged = self
            .connections
            .get_mut(&token)
            .map(Connection::acknowledge);
        if matches!(acknowledged, Some(Err(_))) {
            self.hang_up(token);
        }
    }

    fn hang_up(&mut self, token: u64) {
        if let Some(connection) = self.connections.remove(&token) {
            let _ = epoll::delete(&self.epoll, connection.stream());
        }
    }

    fn obey(&mut self, message: Message) {
        match message {
            Message::Line(line) => self.keep(&line),
            Message::LookAgain => {
                // The other thread lives as long as this one.
                let _ = self.look.send(());
            }
            Message::Forget(app) => self.forget(app),
        }
    }

    /// Keeps a line of the platform behind all that the process which it is about wrote before.
    fn keep(&mut self, line: &LogLine) {
        let about = |(token, intake): (&u64, &Intake)| {
            intake.is_of(line.app, &line.process).then_some(*token)
        };
        for token in self.intakes.iter().filter_map(about).collect::<Vec<_>>() {
            let _ = (0..READS_BEFORE_LINE).find(|_| self.read(token) == 0);
        }
        self.rings.keep(line);
    }

    fn forget(&mut self, app: AppId) {
        let of_app = self
            .intakes
            .iter()
            .filter(|(_, intake)| intake.app() == app);
        for token in of_app.map(|(token, _)| *token).collect::<Vec<_>>() {
            self.let_go(token);
        }
        self.rings.forget(app);
    }
}

/// Asks for pipes whenever told to, and now and then; ends with the collector.
fn seek(
    mut pipes: impl FnMut() -> Vec<Pipe>,
    asked: &Receiver<()>,
    give: &Sender<Vec<Pipe>>,
    arrived: &Stop,
) {
    loop {
        if give.send(pipes()).is_err() {
            return;
        }
        arrived.now();
        match asked.recv_timeout(LOOK_EVERY) {
            Ok(()) => asked.try_iter().for_each(drop),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use noon_domain::{LogSource, Stream, Timestamp};

    use super::*;
    use crate::{Filter, Reader};

    #[test]
    fn a_line_about_a_process_waits_for_all_that_is_in_its_pipe() {
        let home = tempfile::tempdir().unwrap();
        let (dir, socket) = (home.path().join("logs"), home.path().join("logs.sock"));
        let ring = RingSize::default();
        let settings = Settings {
            dir: dir.clone(),
            socket,
            ring,
        };
        let mut collector =
            Collector::open(settings, mpsc::channel().0, mpsc::channel().1).unwrap();
        let (fd, writer) = rustix::pipe::pipe().unwrap();
        rustix::pipe::fcntl_setpipe_size(&writer, 1 << 20).unwrap();
        let (app, process, stream) = (AppId::new(), "web.1".to_owned(), Stream::Stdout);
        collector.take(Pipe {
            fd,
            app,
            process: process.clone(),
            stream,
        });
        // More than one read takes.
        std::fs::File::from(writer)
            .write_all(&b"last words\n".repeat(50_000))
            .unwrap();
        let (at, source, text) = (Timestamp::now(), LogSource::Platform, "exited".to_owned());
        collector.keep(&LogLine {
            app,
            at,
            source,
            process,
            text,
        });
        collector.rings.flush();
        let records = Reader::open(&dir, app)
            .unwrap()
            .history(&Filter::default(), usize::MAX);
        let place = records
            .unwrap()
            .iter()
            .position(|record| record.text == b"exited");
        assert_eq!(place, Some(50_000));
    }
}
