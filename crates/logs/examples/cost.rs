//! What collecting costs: CPU nanoseconds per line of 100 bytes, beside `cat`.
//!
//! Run with `cargo run --release -p noon-logs --example cost`.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on should say where"
)]

use std::env;
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use noon_domain::{AppId, LogLine, LogSource, Stream, Timestamp};
use noon_logs::{Client, Collector, Filter, Pipe, Reader, RingSize, Settings, Start, Stop};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 7;
const LINE: [u8; 100] = {
    let mut line = [b'x'; 100];
    line[99] = b'\n';
    line
};

/// One way in which an app may write.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    lines: usize,
    lines_per_write: usize,
}

const LOADS: [Load; 3] = [
    Load {
        name: "64 KiB writes",
        lines: 4_000_000,
        lines_per_write: 655,
    },
    Load {
        name: "4 KiB writes",
        lines: 3_000_000,
        lines_per_write: 41,
    },
    Load {
        name: "a write per line",
        lines: 500_000,
        lines_per_write: 1,
    },
];

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, word, lines, per_write] = arguments.as_slice()
        && word == "write"
    {
        return write(lines.parse().unwrap(), per_write.parse().unwrap());
    }
    println!("CPU ns per line of 100 bytes, median of {ROUNDS} (all rounds)");
    for load in LOADS {
        let (mut collected, mut copied, mut rates) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (cost, rate) = collect(load);
            collected.push(cost);
            rates.push(rate);
            copied.push(cat(load));
        }
        println!(
            "{:17} noon {}  cat {}",
            load.name,
            summary(&mut collected),
            summary(&mut copied)
        );
        println!("{:17} million lines/s {}", "", summary(&mut rates));
    }
    let mut sunk: Vec<_> = (0..ROUNDS).map(|_| sink()).collect();
    println!("{:17} noon {}", "platform's sink", summary(&mut sunk));
}

/// What one call of the platform's sink costs its caller.
fn sink() -> f64 {
    const LINES: usize = 4000;
    let home = tempfile::tempdir().unwrap();
    let settings = Settings {
        dir: home.path().join("logs"),
        socket: home.path().join("logs.sock"),
        ring: RingSize::default(),
    };
    let client = Client::connect(&settings.socket).unwrap();
    let (push, app, stop) = (client.sink(), AppId::new(), Stop::new().unwrap());
    let word = stop.clone();
    let collecting = thread::spawn(move || Collector::run(settings, Vec::new, &word).unwrap());
    let mut cost = 0.0;
    for _ in 0..20 {
        let before = nanos(ClockId::ThreadCPUTime);
        for _ in 0..LINES {
            push(LogLine {
                app,
                at: Timestamp::now(),
                source: LogSource::Platform,
                process: "router".to_owned(),
                text: "x".repeat(100),
            });
        }
        cost += nanos(ClockId::ThreadCPUTime) - before;
        assert!(client.flush(Duration::from_secs(10)));
    }
    stop.now();
    collecting.join().unwrap();
    cost / (20 * LINES) as f64
}

fn write(lines: usize, per_write: usize) {
    let chunk = LINE.repeat(per_write);
    let mut out = fs::File::from(rustix::io::dup(rustix::stdio::stdout()).unwrap());
    for _ in 0..lines / per_write {
        out.write_all(&chunk).unwrap();
    }
}

fn writer(load: Load, to: OwnedFd) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([
            "write",
            &load.lines.to_string(),
            &load.lines_per_write.to_string(),
        ])
        .stdout(Stdio::from(to))
        .spawn()
        .unwrap()
}

/// The collector's cost for one load, and its rate.
fn collect(load: Load) -> (f64, f64) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("logs");
    let settings = Settings {
        dir: dir.clone(),
        socket: home.path().join("logs.sock"),
        ring: RingSize::default(),
    };
    let (reader, to) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let (app, stop) = (AppId::new(), Stop::new().unwrap());
    let word = stop.clone();
    let collecting = thread::Builder::new()
        .name("collect".to_owned())
        .spawn(move || {
            let pipes = || {
                let fd = reader.try_clone().unwrap();
                vec![Pipe {
                    fd,
                    app,
                    process: "web.1".to_owned(),
                    stream: Stream::Stdout,
                }]
            };
            Collector::run(settings, pipes, &word).unwrap();
            nanos(ClockId::ThreadCPUTime)
        });
    let collecting = collecting.unwrap();
    let begun = Instant::now();
    let mut child = writer(load, to);
    let lines = (load.lines / load.lines_per_write * load.lines_per_write) as u64;
    let tail = Reader::open(&dir, app).unwrap();
    while tail
        .tail(&Filter::default(), Start::Now)
        .unwrap()
        .next_seq()
        <= lines
    {
        thread::sleep(Duration::from_millis(2));
    }
    let took = begun.elapsed();
    child.wait().unwrap();
    stop.now();
    let cost = collecting.join().unwrap();
    (cost / lines as f64, lines as f64 / took.as_secs_f64() / 1e6)
}

/// What `cat` costs for the same.
fn cat(load: Load) -> f64 {
    let (from, to) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let mut cat = Command::new("cat")
        .stdin(from)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    writer(load, to).wait().unwrap();
    let file = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", cat.id())).unwrap();
    while !file("stat").contains(") Z ") {
        thread::sleep(Duration::from_millis(1));
    }
    let cost: f64 = file("schedstat")
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    cat.wait().unwrap();
    cost / load.lines as f64
}

fn nanos(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn summary(values: &mut [f64]) -> String {
    values.sort_by(f64::total_cmp);
    let all: Vec<_> = values.iter().map(|value| format!("{value:.1}")).collect();
    format!("{:6.1} ({})", values[values.len() / 2], all.join(" "))
}
