//! The platform's lines and orders, with and without a collector to take them.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::house::{House, SMALL, line, number_before, texts, wait, write};
use noon_domain::{AppId, LogSource};
use noon_logs::RingSize;

#[test]
fn lines_wait_for_a_collector_and_every_other_one_is_counted_at_its_place() {
    const LINES: u64 = 50_000;
    let mut house = House::new(RingSize::default());
    let (app, quiet) = (AppId::new(), AppId::new());
    let client = house.client();
    let sink = client.sink();
    sink(line(quiet, "api", "only one"));
    for number in 0..LINES {
        sink(line(app, "router", &number.to_string()));
    }
    assert!(!client.flush(Duration::from_millis(1)));
    house.start();
    assert!(client.flush(Duration::from_secs(60)));
    sink(line(app, "router", "afterwards"));
    assert!(client.flush(Duration::from_secs(60)));
    let said = texts(&house.all(app));
    let (last, said) = said.split_last().unwrap();
    assert_eq!(last, "afterwards");
    let (mut next, mut notices) = (0, 0);
    for text in said {
        if text.starts_with("Error L13 (Local delivery error) -> ") {
            next += number_before(text, "messages");
            notices += 1;
        } else {
            assert_eq!(*text, next.to_string());
            next += 1;
        }
    }
    assert_eq!(next, LINES);
    assert!((1..=3).contains(&notices));
    assert_eq!(texts(&house.all(quiet)), ["only one"]);
}

#[test]
fn nothing_is_lost_or_out_of_order_while_collectors_come_and_go() {
    const LINES: usize = 6000;
    let mut house = House::new(RingSize::default());
    let app = AppId::new();
    let client = house.client();
    let sink = client.sink();
    for number in 0..LINES {
        if number % 1000 == 0 {
            house.stop();
            house.start();
        }
        sink(line(app, "router", &number.to_string()));
        if number % 100 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    assert!(client.flush(Duration::from_secs(60)));
    let records = house.all(app);
    assert!(
        records
            .iter()
            .all(|record| record.source == LogSource::Platform)
    );
    // What a collector kept and could not confirm any more may stand there twice.
    let mut numbers: Vec<usize> = texts(&records)
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..LINES).collect::<Vec<_>>());
}

#[test]
fn a_forgotten_app_leaves_nothing_and_its_tails_end() {
    let mut house = House::new(SMALL);
    let (app, other) = (AppId::new(), AppId::new());
    let (writer, kept) = (
        house.holder.start(app, "web.1"),
        house.holder.start(other, "web.1"),
    );
    house.start();
    write(&writer, "soon gone\n");
    write(&kept, "stays\n");
    house.wait_for(app, 1);
    let mut tail = house.tail(app);
    assert_eq!(tail.poll().len(), 1);
    let client = house.client();
    client.forget(app);
    client.sink()(line(app, "api", "too late"));
    assert!(client.flush(Duration::from_secs(60)));
    write(&writer, "too late\n");
    wait("the tail's end", || {
        assert!(tail.poll().is_empty());
        tail.is_over().then_some(())
    });
    assert!(!house.dir.join(app.to_string()).exists());
    write(&kept, "still\n");
    assert_eq!(texts(&house.wait_for(other, 2)), ["stays", "still"]);
    // Looking again finds its pipe, and takes nothing of it.
    client.look_again();
    assert!(client.flush(Duration::from_secs(60)));
    write(&kept, "again\n");
    house.wait_for(other, 3);
    assert!(!house.dir.join(app.to_string()).exists());
}

#[test]
fn look_again_finds_new_processes_at_once() {
    let mut house = House::new(SMALL);
    let app = AppId::new();
    let client = house.client();
    house.start();
    let sink = client.sink();
    sink(line(app, "api", "up"));
    house.wait_for(app, 1);
    let writer = house.holder.start(app, "web.1");
    write(&writer, "hello\n");
    client.look_again();
    let begun = std::time::Instant::now();
    house.wait_for(app, 2);
    eprintln!("found after {:?}", begun.elapsed());
}

#[test]
fn who_speaks_gibberish_is_hung_up_on_and_nobody_else() {
    use std::io::{Read, Write};
    let mut house = House::new(SMALL);
    let app = AppId::new();
    let client = house.client();
    house.start();
    client.sink()(line(app, "api", "one"));
    assert!(client.flush(Duration::from_secs(60)));
    let mut stranger = std::os::unix::net::UnixStream::connect(&house.socket).unwrap();
    stranger.write_all(&[0xFF; 100]).unwrap();
    assert_eq!(stranger.read(&mut [0; 8]).unwrap_or(0), 0);
    client.sink()(line(app, "api", "two"));
    assert!(client.flush(Duration::from_secs(60)));
    assert_eq!(texts(&house.all(app)), ["one", "two"]);
    assert!(fs::metadata(&house.socket).is_ok());
}
