//! Disks that are full, and bytes that rot.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use noon_domain::AppId;
use noon_logs::{Event, RingSize};
use rustix::mount::{MountFlags, UnmountFlags};

use crate::house::{House, SMALL, count, number_before, texts, wait, write};

/// A small file system of its own, where this user may mount one.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, kib: u32) -> Option<Self> {
        let size = std::ffi::CString::new(format!("size={kib}k")).ok()?;
        let done = rustix::mount::mount("tmpfs", at, "tmpfs", MountFlags::empty(), size.as_c_str());
        if let Err(error) = done {
            eprintln!("skipped: a tmpfs cannot be mounted here ({error})");
            return None;
        }
        Some(Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, UnmountFlags::DETACH);
    }
}

fn newest(dir: &Path) -> PathBuf {
    let names = fs::read_dir(dir).expect("there is a ring").flatten();
    names
        .map(|entry| entry.path())
        .max()
        .expect("there is a segment")
}

#[test]
fn a_full_disk_costs_lines_by_count_and_never_holds_up_the_app() {
    const LINES: u64 = 40_000;
    let home = tempfile::tempdir().unwrap();
    let disk = home.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let Some(_disk) = Disk::mount(&disk, 2048) else {
        return;
    };
    let mut house = House::at(disk.join("logs"), home.path(), SMALL);
    // All room but that for one segment is taken.
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![1; 1200 << 10]).unwrap();
    let app = AppId::new();
    let writer = house.holder.start(app, "web.1");
    house.start();
    for number in 0..LINES {
        write(&writer, format!("{number} {}\n", "x".repeat(80)));
    }
    // That it got here means that the app was never held up.
    let kept = house.all(app).len() as u64;
    assert!(0 < kept && kept < LINES);
    fs::remove_file(ballast).unwrap();
    let notice = wait("room again", || {
        write(&writer, "poke\n");
        house
            .all(app)
            .into_iter()
            .find(|record| record.text.starts_with(b"Error L12"))
    });
    write(&writer, "the end\n");
    let records = wait("the end", || {
        Some(house.all(app)).filter(|it| it.last().is_some_and(|last| last.text == b"the end"))
    });
    let text = String::from_utf8(notice.text.clone()).unwrap();
    assert!(text.contains("No space left on device"), "{text}");
    let lost = number_before(&text, "messages");
    let of =
        |wanted: fn(&[u8]) -> bool| records.iter().filter(|it| wanted(&it.text)).count() as u64;
    let numbered = of(|text| text[0].is_ascii_digit());
    let after: Vec<_> = records.iter().filter(|it| it.seq > notice.seq).collect();
    assert!(
        after.iter().all(|it| !it.text.starts_with(b"Error")),
        "it is said once"
    );
    // Pokes were lost too, until there was room: those kept stand behind the notice.
    assert!(numbered + lost >= LINES, "{numbered} kept, {lost} lost");
    assert_eq!(of(|text| text.starts_with(b"Error")), 1);
}

#[test]
fn on_a_full_disk_a_ring_of_several_segments_goes_on_with_less() {
    let home = tempfile::tempdir().unwrap();
    let disk = home.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let Some(_disk) = Disk::mount(&disk, 2048) else {
        return;
    };
    let mut house = House::at(
        disk.join("logs"),
        home.path(),
        RingSize {
            total: 64 << 20,
            ..SMALL
        },
    );
    let app = AppId::new();
    let writer = house.holder.start(app, "web.1");
    house.start();
    let mut tail = house.tail(app);
    let mut events = Vec::new();
    for number in 0..60_000 {
        write(&writer, format!("{number} {}\n", "x".repeat(80)));
    }
    write(&writer, "the end\n");
    wait("the end", || {
        events.extend(tail.poll());
        matches!(events.last(), Some(Event::Record(it)) if it.text == b"the end").then_some(())
    });
    let (got, lost) = count(&events);
    assert_eq!(
        got + lost,
        60_001,
        "all were numbered; the oldest made room"
    );
}

#[test]
fn damaged_bytes_cost_what_lies_behind_them_and_it_is_said() {
    let mut house = House::new(SMALL);
    let app = AppId::new();
    let writer = house.holder.start(app, "web.1");
    house.start();
    for number in 0..100 {
        write(&writer, format!("line {number}\n"));
    }
    house.wait_for(app, 100);
    let mut tail = house.tail(app);
    house.stop();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(newest(&house.dir.join(app.to_string())));
    // Frames of "line 10" and on take 48 bytes: this one is in the 60th or so.
    file.unwrap()
        .write_all_at(b"torn", 128 + 48 * 60 + 38)
        .unwrap();
    house.start();
    write(&writer, "onwards\n");
    let records = wait("the line after", || {
        Some(house.all(app)).filter(|it| it.last().is_some_and(|last| last.text == b"onwards"))
    });
    let said = texts(&records);
    let good = said.len() - 2;
    assert!((50..70).contains(&good), "{good}");
    for (at, text) in said[..good].iter().enumerate() {
        assert_eq!(*text, format!("line {at}"));
    }
    assert!(said[good].starts_with("Error L13"), "{}", said[good]);
    assert_eq!(number_before(&said[good], "messages"), 100 - good as u64);
    assert_eq!(records[good].seq, 101, "no number is given out twice");
    let (got, lost) = count(&tail.poll());
    assert_eq!((got, lost), (good as u64 + 2, 100 - good as u64));
}

#[test]
fn a_segment_with_no_header_left_is_passed_over() {
    let mut house = House::new(SMALL);
    let app = AppId::new();
    let writer = house.holder.start(app, "web.1");
    house.start();
    write(&writer, "one\n");
    house.wait_for(app, 1);
    house.stop();
    let path = newest(&house.dir.join(app.to_string()));
    let file: File = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[0; 4096], 0).unwrap();
    assert!(house.all(app).is_empty());
    house.start();
    write(&writer, "two\n");
    let records = house.wait_for(app, 2);
    assert!(records[0].text.starts_with(b"Error L13"));
    assert!(records[0].seq > 1);
    assert_eq!(records[1].text, b"two");
    let (got, lost) = count(&house.tail(app).poll());
    assert_eq!((got, lost), (2, records[0].seq - 1));
}

#[test]
fn a_ring_that_cannot_be_opened_counts_its_lines_until_it_can() {
    let mut house = House::new(SMALL);
    let app = AppId::new();
    let in_the_way = house.dir.join(app.to_string());
    fs::create_dir_all(&house.dir).unwrap();
    fs::write(&in_the_way, "").unwrap();
    let writer = house.holder.start(app, "web.1");
    house.start();
    write(&writer, "line\n".repeat(1000));
    let other = AppId::new();
    let neighbour = house.holder.start(other, "web.1");
    house.client().look_again();
    write(&neighbour, "unharmed\n");
    house.wait_for(other, 1);
    fs::remove_file(&in_the_way).unwrap();
    let records = wait("the ring", || {
        write(&writer, "line\n");
        Some(house.all(app)).filter(|records| !records.is_empty())
    });
    let text = String::from_utf8(records[0].text.clone()).unwrap();
    assert!(text.starts_with("Error L12"), "{text}");
    assert!(number_before(&text, "messages") >= 1000);
}
