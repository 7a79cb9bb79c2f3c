//! A pusher: the real git client with a work copy, and the line to the house.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::house::until;

/// Someone with a work copy.
#[derive(Clone)]
pub struct Pusher {
    pub dir: PathBuf,
    pub home: PathBuf,
}

/// What git said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub text: String,
    pub code: Option<i32>,
}

impl Said {
    pub fn of(output: &Output) -> Self {
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let text = text
            .lines()
            .map(str::trim_end)
            .collect::<Vec<_>>()
            .join("\n");
        Self {
            text,
            code: output.status.code(),
        }
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.text);
        self
    }

    #[track_caller]
    pub fn says(self, part: &str) -> Self {
        assert!(self.text.contains(part), "no {part:?} in:\n{}", self.text);
        self
    }

    /// A push that git shows as declined by the platform.
    #[track_caller]
    pub fn declined(self, sentence: &str) -> Self {
        assert_eq!(self.code, Some(1), "{}", self.text);
        self.says("(pre-receive hook declined)")
            .says(&format!("remote:  !     {sentence}"))
    }
}

impl Pusher {
    pub fn command(&self, args: &str) -> Command {
        let mut git = Command::new("git");
        git.current_dir(&self.dir)
            .args(args.split(' '))
            .stdin(Stdio::null());
        git.env("HOME", &self.home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0");
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "Ada")
                .env(format!("GIT_{who}_EMAIL"), "ada@example.org");
        }
        git
    }

    pub fn run(&self, args: &str) -> Said {
        Said::of(&self.command(args).output().unwrap())
    }

    #[track_caller]
    pub fn git(&self, args: &str) -> String {
        self.run(args).ok().text
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[track_caller]
    pub fn commit(&self, path: &str, content: impl AsRef<[u8]>) -> String {
        self.write(path, content);
        self.git("add --all --force");
        self.git("commit --quiet --message=change");
        self.head()
    }

    pub fn head(&self) -> String {
        self.git("rev-parse HEAD")
    }
}

/// A line that carries some bytes, then holds, and breaks when dropped.
pub struct Throttle {
    pub port: u16,
    passed: Arc<AtomicUsize>,
    limit: usize,
}

impl Drop for Throttle {
    fn drop(&mut self) {
        self.passed.store(BROKEN, Ordering::SeqCst);
    }
}

const BROKEN: usize = usize::MAX / 2;

impl Throttle {
    pub fn to(target: u16, limit: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let passed = Arc::new(AtomicUsize::new(0));
        let count = passed.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (count, server) = (
                    count.clone(),
                    TcpStream::connect(("127.0.0.1", target)).unwrap(),
                );
                std::thread::spawn(move || Self::carry(client, server, (&count, limit)));
            }
        });
        Self {
            port,
            passed,
            limit,
        }
    }

    pub fn is_full(&self) -> bool {
        self.passed.load(Ordering::SeqCst) >= self.limit
    }

    fn carry(mut client: TcpStream, mut server: TcpStream, (count, limit): (&AtomicUsize, usize)) {
        let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
        let mut buffer = [0; 16 << 10];
        while let Ok(length @ 1..) = client.read(&mut buffer) {
            if count.fetch_add(length, Ordering::SeqCst) < limit {
                server.write_all(&buffer[..length]).unwrap();
            } else {
                until("the line breaks", || count.load(Ordering::SeqCst) >= BROKEN);
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
    }
}

/// Kills a client with all its helpers, which must have been started in a group of their own.
pub fn kill_group(mut leader: Child) {
    let group = format!("-{}", leader.id());
    assert!(
        Command::new("kill")
            .args(["-KILL", "--", &group])
            .status()
            .unwrap()
            .success()
    );
    leader.wait().unwrap();
}
