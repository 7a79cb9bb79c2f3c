//! Journeys of a line: from what a process writes to what a reader gets.

use std::thread;
use std::time::Duration;

use crate::house::{House, SMALL, count, line, texts, wait, write};
use noon_domain::{AppId, LogSource};
use noon_logs::{Event, Filter, Flags, MAX_LINE_BYTES, RingSize, Start};

#[test]
fn sixteen_writers_get_every_line_through_whole_and_in_order() {
    const LINES: usize = 20_000;
    let mut house = House::new(RingSize::default());
    let app = AppId::new();
    let writers: Vec<_> = (1..=16)
        .map(|n| house.holder.start(app, &format!("web.{n}")))
        .collect();
    house.start();
    thread::scope(|scope| {
        for (n, writer) in writers.into_iter().enumerate() {
            scope.spawn(move || {
                let mut chunk = Vec::new();
                for number in 0..LINES {
                    chunk.extend(
                        format!("{} {number} {}\n", n + 1, "x".repeat(number % 90)).bytes(),
                    );
                    // Chunks end anywhere inside lines.
                    if chunk.len() > 3000 {
                        let rest = chunk.split_off(2999);
                        write(&writer, &chunk);
                        chunk = rest;
                    }
                }
                write(&writer, &chunk);
            });
        }
    });
    let records = house.wait_for(app, 16 * LINES);
    let mut next = [0; 17];
    for (at, record) in records.iter().enumerate() {
        assert_eq!(record.seq, at as u64 + 1);
        let text = String::from_utf8(record.text.clone()).unwrap();
        let mut words = text.split(' ');
        let n: usize = words.next().unwrap().parse().unwrap();
        let number: usize = words.next().unwrap().parse().unwrap();
        assert_eq!(record.process, format!("web.{n}"));
        assert_eq!(
            (number, words.next().unwrap().len()),
            (next[n], number % 90)
        );
        next[n] += 1;
    }
    assert!(records.windows(2).all(|pair| pair[0].at <= pair[1].at));
}

#[test]
fn an_open_line_holds_up_nobody_and_is_completed_later() {
    let mut house = House::new(SMALL);
    let app = AppId::new();
    let (prompt, other) = (
        house.holder.start(app, "run.1"),
        house.holder.start(app, "web.1"),
    );
    house.start();
    write(&prompt, "prompt> ");
    for number in 0..20 {
        write(&other, format!("tick {number}\n"));
    }
    house.wait_for(app, 20);
    write(&prompt, "answer\n");
    let records = house.wait_for(app, 21);
    assert_eq!(records.len(), 21);
    assert_eq!(records[20].text, b"prompt> answer");
    assert_eq!(records[20].flags, Flags::NONE);
}

#[test]
fn every_byte_is_kept_as_it_was_written() {
    let mut house = House::new(SMALL);
    let app = AppId::new();
    let writer = house.holder.start(app, "web.1");
    house.start();
    let lines: [&[u8]; 6] = [
        b"nul \0 here",
        b"",
        b"\r 50%\r 60%\r",
        b"\xff\xfe",
        "né".as_bytes(),
        b"\x1b[31m",
    ];
    for line in lines {
        // A character of UTF-8 may come in two writes.
        for byte in line {
            write(&writer, [*byte]);
        }
        write(&writer, "\n");
    }
    let records = house.wait_for(app, 6);
    let got: Vec<_> = records
        .iter()
        .map(|record| record.text.as_slice())
        .collect();
    assert_eq!(got, lines);
}

#[test]
fn the_last_line_is_kept_without_its_newline_and_before_the_pipe_is_let_go() {
    let mut house = House::new(SMALL);
    let app = AppId::new();
    let writer = house.holder.start(app, "web.1");
    house.start();
    write(&writer, "first\nlast words");
    drop(writer);
    let records = house.wait_for(app, 2);
    assert_eq!(texts(&records), ["first", "last words"]);
    assert_eq!(records[1].flags, Flags::NO_NEWLINE);
    // The holder goes on handing out the ended pipe; nothing comes of it.
    house.client().look_again();
    thread::sleep(Duration::from_millis(50));
    assert_eq!(house.all(app).len(), 2);
}

#[test]
fn a_line_of_a_mebibyte_comes_in_flagged_pieces_that_make_it_whole() {
    let mut house = House::new(RingSize::default());
    let app = AppId::new();
    let writer = house.holder.start(app, "web.1");
    house.start();
    let long: Vec<u8> = (0..1 << 20)
        .map(|at: u32| b'a' + u8::try_from(at % 26).unwrap())
        .collect();
    write(&writer, &long);
    write(&writer, "\nshort\n");
    let records = house.wait_for(app, 5);
    assert_eq!(records.len(), 5);
    let joined: Vec<u8> = records[..4]
        .iter()
        .flat_map(|record| record.text.clone())
        .collect();
    assert!(joined == long);
    assert!(
        records[..3]
            .iter()
            .all(|it| it.text.len() == MAX_LINE_BYTES && it.flags == Flags::SPLIT)
    );
    assert_eq!(
        (records[3].flags, records[4].text.as_slice()),
        (Flags::NONE, &b"short"[..])
    );
}

#[test]
fn a_slow_tail_is_overtaken_and_told_exactly_how_much_it_lost() {
    const LINES: u64 = 60_000;
    let mut house = House::new(SMALL);
    let app = AppId::new();
    let writer = house.holder.start(app, "web.1");
    house.start();
    let mut tail = house.tail(app);
    let mut events = Vec::new();
    for number in 0..LINES {
        write(&writer, format!("{number} {}\n", "y".repeat(70)));
        if number % 15_000 == 10 {
            wait("some lines", || {
                events.extend(tail.poll());
                (!events.is_empty()).then_some(())
            });
        }
    }
    drop(writer);
    let last = format!("{} {}", LINES - 1, "y".repeat(70));
    wait("the last line", || {
        events.extend(tail.poll());
        matches!(events.last(), Some(Event::Record(it)) if it.text == last.as_bytes()).then_some(())
    });
    let (got, lost) = count(&events);
    assert_eq!(got + lost, LINES);
    assert!(lost > 0, "nothing was overtaken");
    // Each gap is exactly as wide as it says.
    let mut next = 1;
    for event in &events {
        match event {
            Event::Record(record) => {
                assert_eq!(record.seq, next);
                next += 1;
            }
            Event::Gap(gap) => {
                next += gap.lost;
                let text = gap.record().line();
                let said = format!(
                    "heroku[logplex]: Error L11 (Tail buffer overflow) -> This tail session dropped {} message",
                    gap.lost
                );
                assert!(text.contains(&said), "{text}");
            }
        }
    }
    let segments = std::fs::read_dir(house.dir.join(app.to_string())).unwrap();
    let bytes: u64 = segments
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes <= SMALL.total, "{bytes} bytes are kept");
}

#[test]
fn history_and_tail_filter_and_join_without_a_gap_or_a_double() {
    let mut house = House::new(RingSize {
        total: 64 << 20,
        ..SMALL
    });
    let app = AppId::new();
    let (web, worker) = (
        house.holder.start(app, "web.1"),
        house.holder.start(app, "worker.1"),
    );
    house.start();
    let filter = Filter {
        process: Some("web".to_owned()),
        ..Filter::default()
    };
    let write_both = |range: std::ops::Range<u32>| {
        for number in range {
            write(&web, format!("web {number} {}\n", "z".repeat(150)));
            write(&worker, format!("worker {number}\n"));
        }
    };
    write_both(0..5000);
    house.wait_for(app, 10_000);
    let reader = house.reader(app);
    let (history, mut tail) = reader.follow(&filter, 4000).unwrap();
    assert_eq!(history.len(), 4000);
    write_both(5000..9000);
    let mut numbers: Vec<_> = history;
    wait("the rest", || {
        for event in tail.poll() {
            match event {
                Event::Record(record) => numbers.push(record),
                Event::Gap(gap) => panic!("{gap:?}"),
            }
        }
        (numbers.len() >= 8000).then_some(())
    });
    for (at, text) in texts(&numbers).iter().enumerate() {
        assert!(text.starts_with(&format!("web {} ", at + 1000)), "{text}");
    }
    assert_eq!(reader.history(&filter, 3).unwrap(), numbers[7997..]);
    assert!(reader.tail(&filter, Start::Now).unwrap().poll().is_empty());
    let seq = numbers[7998].seq;
    let after = reader.tail(&filter, Start::After(seq)).unwrap().poll();
    assert_eq!(after, [Event::Record(numbers[7999].clone())]);
}

#[test]
fn an_app_without_a_log_has_an_empty_one_that_can_be_waited_on() {
    let mut house = House::new(SMALL);
    let app = AppId::new();
    let mut tail = house.tail(app);
    assert!(house.all(app).is_empty() && tail.poll().is_empty());
    let writer = house.holder.start(app, "web.1");
    house.start();
    write(&writer, "hello\n");
    let events = wait("the line", || {
        Some(tail.poll()).filter(|events| !events.is_empty())
    });
    assert_eq!(count(&events), (1, 0));
}

#[test]
fn a_line_about_a_process_stands_behind_what_the_process_wrote_before() {
    let mut house = House::new(RingSize::default());
    let app = AppId::new();
    let writer = house.holder.start(app, "web.1");
    // More than one read takes, and all there before the collector is.
    rustix::pipe::fcntl_setpipe_size(&writer, 1 << 20).unwrap();
    let lines = 9000;
    write(&writer, format!("{}\n", "w".repeat(99)).repeat(lines));
    let client = house.client();
    let sink = client.sink();
    sink(line(app, "web.1", "exited"));
    house.start();
    let records = house.wait_for(app, lines + 1);
    let place = records
        .iter()
        .position(|it| it.source == LogSource::Platform);
    assert_eq!(place, Some(lines));
}

#[test]
fn a_collector_rests_after_a_pipe_ended_that_its_holder_still_has() {
    let mut house = House::new(SMALL);
    let app = AppId::new();
    let writer = house.holder.start(app, "web.1");
    house.start();
    write(&writer, "bye\n");
    drop(writer);
    house.wait_for(app, 1);
    wait("the collector's rest", || house.is_resting().then_some(()));
}

#[test]
fn a_planned_stop_keeps_open_lines_and_the_next_collector_goes_on() {
    let mut house = House::new(SMALL);
    let app = AppId::new();
    let writer = house.holder.start(app, "web.1");
    house.start();
    write(&writer, "one\nhalf");
    house.wait_for(app, 1);
    house.stop();
    write(&writer, " whole\nthree\n");
    house.start();
    let records = house.wait_for(app, 4);
    assert_eq!(texts(&records), ["one", "half", " whole", "three"]);
    assert_eq!(records[1].flags, Flags::PARTIAL);
    let seqs: Vec<_> = records.iter().map(|record| record.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
}

#[test]
fn two_collectors_never_write_to_one_directory() {
    let mut house = House::new(SMALL);
    let app = AppId::new();
    let writer = house.holder.start(app, "web.1");
    house.start();
    write(&writer, "up\n");
    house.wait_for(app, 1);
    let settings = noon_logs::Settings {
        dir: house.dir.clone(),
        socket: house.socket.with_file_name("other.sock"),
        ring: SMALL,
    };
    let second = noon_logs::Collector::run(settings, Vec::new, &noon_logs::Stop::new().unwrap());
    assert!(
        matches!(second, Err(noon_logs::Error::Busy(_))),
        "{second:?}"
    );
}
