//! Collectors that are killed at any instant, as real processes.

use std::collections::HashMap;
use std::env;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use noon_domain::{AppId, Stream};
use noon_logs::{Collector, Flags, Pipe, RingSize, Settings, Stop};

use crate::house::{House, number_before, wait};

const DIR: &str = "NOON_LOGS_TEST_DIR";
const PIPES: &str = "NOON_LOGS_TEST_PIPES";

/// A collector as a process, which asks this one, as if it were the shims, for its pipes.
struct Victim(Child);

impl Victim {
    fn start(house: &House, held: &[(OwnedFd, AppId, String)]) -> Self {
        let me = std::process::id();
        let pipe = |(fd, app, process): &(OwnedFd, AppId, String)| {
            format!("/proc/{me}/fd/{} {app} {process}", fd.as_raw_fd())
        };
        let pipes: Vec<_> = held.iter().map(pipe).collect();
        let child = Command::new(env::current_exe().expect("this test has a file"))
            .args([
                "--exact",
                "kill::the_collector_that_is_killed",
                "--nocapture",
            ])
            .env(DIR, &house.dir)
            .env(PIPES, pipes.join("\n"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("this test can start itself"))
    }

    fn kill(mut self) {
        self.0.kill().expect("it is ours to kill");
        self.0.wait().expect("it is ours to wait for");
    }
}

fn pipes(list: &str) -> Vec<Pipe> {
    let pipe = |line: &str| {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("three words");
        let fd = File::open(word()).expect("the holder lives").into();
        let app = word().parse().expect("an identity");
        Pipe {
            fd,
            app,
            process: word().to_owned(),
            stream: Stream::Stdout,
        }
    };
    list.lines().map(pipe).collect()
}

/// Not a test of its own: what the others start again as a process, and kill.
#[test]
fn the_collector_that_is_killed() {
    let (Ok(dir), Ok(list)) = (env::var(DIR), env::var(PIPES)) else {
        return;
    };
    let dir = PathBuf::from(dir);
    let socket = dir.with_file_name("logs.sock");
    let settings = Settings {
        dir,
        socket,
        ring: RingSize::default(),
    };
    Collector::run(settings, || pipes(&list), &Stop::new().unwrap()).unwrap();
}

/// Writes numbered lines of many lengths, at a rate that any kill meets in the middle.
fn chatter(mut writer: File, lines: u32) {
    for number in 0..lines {
        let line = whole(number);
        writer
            .write_all(line.as_bytes())
            .expect("somebody holds the pipe");
        writer.write_all(b"\n").expect("somebody holds the pipe");
        if number.is_multiple_of(64) {
            thread::sleep(Duration::from_micros(500));
        }
    }
}

fn whole(number: u32) -> String {
    format!(
        "<{number:06} {}>",
        "abcdefghij".repeat((number % 37) as usize)
    )
}

#[test]
fn a_kill_tears_no_frame_loses_nothing_kept_and_gives_no_number_twice() {
    const LINES: u32 = 60_000;
    const KILLS: usize = 25;
    let house = House::new(RingSize::default());
    let app = AppId::new();
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let held = [(reader, app, "web.1".to_owned())];
    let writing = thread::spawn(move || chatter(writer.into(), LINES));
    let mut kept: HashMap<u64, Vec<u8>> = HashMap::new();
    let mut victim = Victim::start(&house, &held);
    for round in 0..KILLS {
        let before = kept.len();
        wait("progress", || {
            (house.all(app).len() > before + 50).then_some(())
        });
        thread::sleep(Duration::from_micros(137 * round as u64));
        // What a reader has seen before the kill must be there after it.
        for record in house.all(app) {
            kept.insert(record.seq, record.text);
        }
        victim.kill();
        victim = Victim::start(&house, &held);
        if writing.is_finished() {
            break;
        }
    }
    writing.join().unwrap();
    let end = whole(LINES - 1);
    let records = wait("the last line", || {
        Some(house.all(app)).filter(|it| it.iter().any(|record| record.text == end.as_bytes()))
    });
    victim.kill();

    assert!(
        records
            .windows(2)
            .all(|pair| pair[1].seq == pair[0].seq + 1)
    );
    for record in &records {
        let was = kept.remove(&record.seq);
        assert!(was.is_none_or(|text| text == record.text));
    }
    assert!(kept.is_empty(), "{} kept lines are gone", kept.len());
    let (mut next, mut said, mut missing, mut torn) = (0, 0, 0i64, 0);
    for record in &records {
        let text = String::from_utf8(record.text.clone()).unwrap();
        if text.starts_with("Error L13") {
            said += i64::try_from(number_before(&text, "bytes")).unwrap();
        } else if let Some(rest) = text.strip_prefix('<') {
            let number: u32 = rest[..6].parse().unwrap();
            assert_eq!(text, whole(number), "a line is whole");
            assert!(number >= next, "{number} stands twice or out of order");
            missing += (next..number)
                .map(|it| whole(it).len() as i64 + 1)
                .sum::<i64>();
            next = number + 1;
        } else {
            // The head of this line was read by a collector that was killed with it.
            torn += 1;
            missing -= text.len() as i64 + 1;
        }
        assert_eq!(record.flags, Flags::NONE);
    }
    eprintln!("{said} bytes said to be lost, {missing} missing, {torn} heads lost");
    assert!(
        missing <= said,
        "{missing} bytes are missing, {said} are owned up to"
    );
    assert!(torn <= KILLS);
}

#[test]
fn what_a_kill_left_half_written_is_neither_seen_nor_in_the_way() {
    use std::os::unix::fs::FileExt;
    const HEADER: u64 = 128;
    const FRAME: u64 = 40;
    let mut house = House::new(RingSize::default());
    let app = AppId::new();
    let writer = house.holder.start(app, "web.1");
    house.start();
    crate::house::write(&writer, "one\ntwo\ntri\nfor\n");
    house.wait_for(app, 4);
    house.stop();
    let segment = house
        .dir
        .join(app.to_string())
        .join(format!("{:020}.seg", 1));
    let file = OpenOptions::new().write(true).open(segment).unwrap();
    // As if the kill had come before the third and the fourth were good, and the third were torn.
    let word = |value: u64, at: u64| file.write_all_at(&value.to_le_bytes(), at).unwrap();
    word(HEADER + 2 * FRAME, 32);
    word(3, 40);
    word(u64::MAX, HEADER + 2 * FRAME);
    assert_eq!(house.all(app).len(), 2);
    for (count, text) in [(3, "tre\n"), (4, "last\n")] {
        house.start();
        crate::house::write(&writer, text);
        house.wait_for(app, count);
        house.stop();
    }
    let records = house.all(app);
    assert_eq!(crate::house::texts(&records), ["one", "two", "tre", "last"]);
    assert_eq!(records[3].seq, 4);
}
