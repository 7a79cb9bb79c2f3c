//! Shims that are killed, stopped, forgotten, or talked to in other versions' words.
#![expect(unsafe_code, reason = "tests wait and signal as the platform does")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fall")]

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use crate::common::{
    Ground, can_run, parent_of, pidfd, read_line, shell, story, wait_readable, wait_until,
};
use noon_sandbox::{Ended, Error, Shim, clear, end, read_exit};

#[test]
fn a_shim_stays_until_what_was_printed_has_been_read() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let mut running = ground.start(&shell("echo last words")).unwrap();
    assert!(running.shim().note_end().is_err() || running.shim().status().unwrap().noted);
    running.wait();
    running.shim().note_end().unwrap();
    let status = running.shim().status().unwrap();
    assert_eq!((status.unread, status.noted), (11, true));
    // Long enough for it to look up again.
    std::thread::sleep(Duration::from_millis(2500));
    let (shim, dir) = running.forget();
    drop(shim);
    let mut late = Shim::connect(&dir).unwrap();
    assert_eq!(
        read_line(&mut File::from(late.output().unwrap())),
        "last words"
    );
    wait_until("the shim has left", || {
        matches!(Shim::connect(&dir), Err(Error::Gone(_)))
    });
}

#[test]
fn a_sandbox_whose_shim_is_stopped_can_be_ended() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let mut running = ground
        .start(&shell(
            "trap '' TERM HUP; echo up; while :; do sleep 0.1; done",
        ))
        .unwrap();
    assert_eq!(read_line(&mut running.output()), "up");
    let init = running.shim().status().unwrap().init_pid;
    let inside = pidfd(init);
    let shim = parent_of(init);
    // SAFETY: kill takes numbers; this is the shim that this test started.
    unsafe { libc::kill(shim as i32, libc::SIGSTOP) };
    assert!(
        running.shim().kill().is_err(),
        "one that is stopped answers"
    );
    let (mut connection, dir) = running.forget();
    end(&dir).unwrap_or_else(|error| panic!("{}", story(&error)));
    assert!(
        wait_readable(inside.as_raw_fd(), 10_000),
        "it outlived its shim"
    );
    assert!(wait_readable(connection.wait_fd().as_raw_fd(), 10_000));
    assert!(connection.status().is_err());
    assert!(matches!(end(&dir), Err(Error::Gone(_))));
    clear(&dir).unwrap();
}

#[test]
fn an_answer_that_comes_late_is_not_taken_for_another() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let mut running = ground.start(&shell("echo up; sleep 1000")).unwrap();
    assert_eq!(read_line(&mut running.output()), "up");
    let shim = parent_of(running.shim().status().unwrap().init_pid) as i32;
    // SAFETY: kill takes numbers; this is the shim that this test started.
    unsafe { libc::kill(shim, libc::SIGSTOP) };
    assert!(running.shim().netns().is_err());
    // SAFETY: as above.
    unsafe { libc::kill(shim, libc::SIGCONT) };
    assert!(matches!(running.shim().status(), Err(Error::Talk { .. })));
    let (_, dir) = running.forget();
    let mut again = Shim::connect(&dir).unwrap();
    assert_eq!(again.status().unwrap().label, b"test");
    again.kill().unwrap();
    assert!(wait_readable(again.wait_fd().as_raw_fd(), 10_000));
    again.dismiss().unwrap();
}

#[test]
fn the_end_is_on_disk_before_anyone_is_told() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let (mut told, mut written) = (0, 0);
    for round in 0..60 {
        let script = "trap 'exit 3' TERM; echo up; while :; do sleep 1; done";
        let mut running = ground.start(&shell(script)).unwrap();
        assert_eq!(read_line(&mut running.output()), "up");
        let shim = pidfd(parent_of(running.shim().status().unwrap().init_pid));
        running.shim().signal(libc::SIGTERM).unwrap();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(round * 250));
            kill(&shim);
            shim
        });
        let mut seen = None;
        while let Ok(status) = running.shim().status() {
            if let Some(ended) = status.ended {
                assert_eq!(
                    read_exit(&running.dir),
                    Some(ended),
                    "told before it was written"
                );
                seen = Some(ended);
            }
        }
        let shim = killer.join().unwrap();
        assert!(wait_readable(shim.as_raw_fd(), 10_000));
        let (_, dir) = running.forget();
        let exit = read_exit(&dir);
        assert!(matches!(exit, None | Some(Ended::Code(3))), "{exit:?}");
        assert_eq!(dir.join("exit").exists(), exit.is_some(), "half a file");
        told += usize::from(seen.is_some());
        written += usize::from(exit.is_some());
        wait_until("its groups can be removed", || clear(&dir).is_ok());
    }
    eprintln!("of 60 ends {written} were written, and {told} told");
}

fn kill(process: &OwnedFd) {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: siginfo may be null; the descriptor is that of a shim that this test started.
    unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            libc::SIGKILL,
            none,
            0,
        )
    };
}

#[test]
fn a_shim_that_does_not_know_a_word_says_so_and_goes_on() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let mut running = ground.start(&shell("echo up; sleep 1000")).unwrap();
    assert_eq!(read_line(&mut running.output()), "up");
    let client = raw_client(&running.dir);
    // A verb and a field of a later version, with more bytes than this one has fields.
    let answer = exchange(&client, b"\xc8\x09\x0f\x27\x03\0\0\0new");
    assert_eq!(answer[..2], *b"\x65\x01");
    assert!(String::from_utf8_lossy(&answer).contains("does not know that request"));
    // What cannot be read at all.
    assert_eq!(
        exchange(&client, b"\x0d\x01\x01\0\xff\xff\xff\xff")[0],
        0x65
    );
    assert_eq!(exchange(&client, b"\x0d")[0], 0x65);
    // A status as a later version may ask for it, and as the first one did.
    assert_eq!(
        exchange(&client, b"\x0a\x02\x0f\x27\x03\0\0\0new")[..2],
        *b"\x64\x01"
    );
    let answer = exchange(&client, b"\x0a\x01");
    assert_eq!(answer[..12], *b"\x64\x01\x0a\0\x04\0\0\0test");
}

/// A client with no library of ours.
fn raw_client(dir: &Path) -> OwnedFd {
    let path = dir.join("sock");
    let path = path.to_str().unwrap().as_bytes();
    // SAFETY: the address is plain numbers and as long as is said; the descriptor is ours alone.
    unsafe {
        let mut address: libc::sockaddr_un = std::mem::zeroed();
        address.sun_family = libc::AF_UNIX as u16;
        for (to, from) in address.sun_path.iter_mut().zip(path) {
            *to = *from as _;
        }
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
        let client = OwnedFd::from_raw_fd(libc::socket(libc::AF_UNIX, kind, 0));
        let size = size_of::<libc::sockaddr_un>() as u32;
        let done = libc::connect(client.as_raw_fd(), (&raw const address).cast(), size);
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
        client
    }
}

fn exchange(client: &OwnedFd, request: &[u8]) -> Vec<u8> {
    let mut answer = vec![0; 65_536];
    // SAFETY: both buffers are live and as long as is said.
    let length = unsafe {
        libc::send(
            client.as_raw_fd(),
            request.as_ptr().cast(),
            request.len(),
            0,
        );
        assert!(wait_readable(client.as_raw_fd(), 20_000), "no answer");
        libc::recv(
            client.as_raw_fd(),
            answer.as_mut_ptr().cast(),
            answer.len(),
            0,
        )
    };
    answer.truncate(usize::try_from(length).unwrap());
    answer
}
