//! Attacks 1 to 15: files, mounts and devices.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use noon_sandbox::{AppDir, Bind, Ended, Spec, Upper};

use crate::common::{layers, story};
use crate::stage::Stage;

attacks!(
    the_stack_cannot_be_written,
    mounts_cannot_be_changed,
    the_root_cannot_be_changed,
    devices_cannot_be_made,
    the_devices_of_the_machine_are_absent,
    places_of_the_machine_and_of_others_are_absent,
    the_way_up_ends_at_the_root,
    a_handle_opens_nothing,
    a_set_id_copy_gives_nothing,
    a_set_id_program_of_the_slug_gives_nothing,
    writes_are_lost_and_seen_by_nobody_else,
    a_tree_turned_into_links_leads_nobody_astray,
    a_link_to_a_file_of_the_slug_does_not_reach_it,
    strange_and_deep_names_do_not_hinder_the_end,
    what_was_laid_in_the_way_of_mounts_is_not_followed,
);

/// Attack 1.
fn the_stack_cannot_be_written(stage: &Stage) {
    stage.attack(
        r#"
for path in ["/bin/x", "/usr/lib/x", "/usr/local/x", "/etc/x", "/x", "/dev/x", "/run/x"]:
    tries(path, lambda: os.open(path, os.O_WRONLY | os.O_CREAT))
for path in ["/etc/resolv.conf", "/etc/passwd", "/usr/bin/env"]:
    # As another's file or as a read-only one, whichever the kernel looks at first.
    try: os.open(path, os.O_WRONLY); say(path, "OPEN")
    except OSError as e: say(path, e.errno in (errno.EROFS, errno.EACCES))
tries("remove", lambda: os.unlink("/etc/passwd"))
tries("rename", lambda: os.rename("/usr/bin/env", "/usr/bin/vne"))
tries("mode", lambda: os.chmod("/usr/bin/env", 0o777))
tries("link", lambda: os.symlink("/tmp", "/etc/y"))
"#,
        "/bin/x EROFS\n/usr/lib/x EROFS\n/usr/local/x EROFS\n/etc/x EROFS\n/x EROFS\n/dev/x EROFS\n\
         /run/x EROFS\n/etc/resolv.conf True\n/etc/passwd True\n/usr/bin/env True\nremove EROFS\n\
         rename EROFS\nmode EROFS\nlink EROFS",
    );
}

/// Attack 2.
fn mounts_cannot_be_changed(stage: &Stage) {
    stage.attack(
        r#"
call("remount", 165, b"", b"/", b"", 0x20, 0)
call("bind", 165, b"/", b"/tmp", b"", 0x1000, 0)
call("private", 165, b"", b"/", b"", 0x44000, 0)
call("tmpfs", 165, b"none", b"/tmp", b"tmpfs", 0, 0)
call("overlay", 165, b"none", b"/tmp", b"overlay", 0, b"lowerdir=/app,upperdir=/tmp,workdir=/tmp")
call("fsopen", 430, b"tmpfs", 0)
call("fsmount", 432, 0, 0, 0)
call("fsconfig", 431, 0, 0, 0, 0, 0)
call("fspick", 433, -100, b"/", 0)
call("open_tree", 428, -100, b"/", 1)
call("move_mount", 429, -100, b"/", -100, b"/tmp", 0)
call("mount_setattr", 442, -100, b"/", 0, 0, 0)
places = [line.split()[4] for line in open("/proc/self/mountinfo")]
refused = [raw(166, place.encode(), 2) for place in places]
say("umounts", set(refused), len(places) > 5)
tries("fuse", lambda: os.open("/dev/fuse", os.O_RDWR))
"#,
        "remount EPERM\nbind EPERM\nprivate EPERM\ntmpfs EPERM\noverlay EPERM\nfsopen EPERM\n\
         fsmount EPERM\nfsconfig EPERM\nfspick EPERM\nopen_tree EPERM\nmove_mount EPERM\n\
         mount_setattr EPERM\numounts {-1} True\nfuse ENOENT",
    );
}

/// Attack 3.
fn the_root_cannot_be_changed(stage: &Stage) {
    stage.attack(
        r#"
call("chroot", 161, b"/tmp")
call("chroot-here", 161, b".")
call("pivot_root", 155, b"/tmp", b"/tmp")
"#,
        "chroot EPERM\nchroot-here EPERM\npivot_root EPERM",
    );
}

/// Attack 4.
fn devices_cannot_be_made(stage: &Stage) {
    stage.attack(
        r#"
for place in ["/tmp", "/app", "/dev/shm"]:
    for name, kind, number in [("block", stat.S_IFBLK, (254, 0)), ("char", stat.S_IFCHR, (1, 1))]:
        try: os.mknod(place + "/b", 0o666 | kind, os.makedev(*number)); say(name, "MADE")
        except OSError as e: say(name, e.errno in (errno.EPERM, errno.EACCES))
    tries("open", lambda: os.open(place + "/b", os.O_RDWR))
"#,
        &"block True\nchar True\nopen ENOENT\n".repeat(3),
    );
}

/// Attack 5.
fn the_devices_of_the_machine_are_absent(stage: &Stage) {
    stage.attack(
        r#"
for name in ["mem", "kmem", "port", "kmsg", "vda", "sda", "nvme0n1", "kvm", "fuse", "net/tun", "loop0", "loop-control", "vhost-vsock", "vsock", "userfaultfd", "snapshot", "hwrng", "rtc0", "uinput", "mapper/control"]:
    try: os.open("/dev/" + name, os.O_RDONLY); say(name, "OPEN")
    except FileNotFoundError: pass
    except OSError as e: say(name, e)
tries("write", lambda: os.open("/dev/x", os.O_WRONLY | os.O_CREAT))
tries("replace", lambda: os.unlink("/dev/null"))
with open("/dev/null", "w") as null: null.write("x")
say(len(open("/dev/urandom", "rb").read(3)), len(open("/dev/zero", "rb").read(3)))
"#,
        "write EROFS\nreplace EROFS\n3 3",
    );
}

/// Attack 6.
fn places_of_the_machine_and_of_others_are_absent(stage: &Stage) {
    let other = stage.ground.make_dir("other-slug");
    std::fs::write(other.join("canary-of-the-other"), "secret").unwrap();
    let mut neighbour = stage.up(&layers(
        Spec {
            uid: stage.uid + 1,
            ..stage.shell("cp canary* /tmp/canary-copy; echo up; sleep 1000")
        },
        &[&other],
    ));
    let script = format!(
        r#"
import glob
for path in ["/root", "/home", "/boot", "/var/lib/dpkg", "/var/lib/noon", "/var/log", "/srv", "/mnt", "/work", "/etc/shadow", "/etc/gshadow", "/etc/ssh", "/etc/sudoers", "/etc/machine-id", "/lost+found", "{ground}", "{dir}", "/var/run/docker.sock", "/run/systemd", "/run/user"]:
    try:
        if os.listdir(path): say(path, os.listdir(path))
    except (FileNotFoundError, NotADirectoryError): pass
    except OSError as e: say(path, e)
found = [n for d, ds, ns in os.walk("/") if not d.startswith(("/proc", "/sys", "/usr")) for n in ns if "canary" in n]
say(found)
"#,
        ground = stage.ground.dir.path().display(),
        dir = neighbour.dir.display(),
    );
    stage.attack(&script, "[]");
    neighbour.shim().kill().unwrap();
    neighbour.finish();
}

/// Attack 7.
fn the_way_up_ends_at_the_root(stage: &Stage) {
    let layer = stage.ground.make_dir("layer");
    std::os::unix::fs::symlink("../../../../../../root", layer.join("up")).unwrap();
    let script = r#"
def same(path): 
    a, b = os.stat(path), os.stat("/")
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
say(same("/../../../../.."), same("/app/../../.."), same("/proc/self/root/../.."), same("/proc/self/cwd/../.."))
tries("link", lambda: os.listdir("/app/up"))
os.chdir("../../../../../../.."); say(os.getcwd())
fd = os.open("/", os.O_PATH)
for _ in range(50): fd = os.open("..", os.O_PATH, dir_fd=fd)
say(os.readlink(f"/proc/self/fd/{fd}"))
"#;
    let printed = stage.prints(&layers(stage.python(script), &[&layer]));
    crate::stage::assert_lines(&printed, "True True True True\nlink ENOENT\n/\n/");
}

/// Attack 8.
fn a_handle_opens_nothing(stage: &Stage) {
    stage.attack(
        r#"
handle = struct.pack("IiQ", 8, 1, 2)
call("open", 304, -100, handle, 0)
call("name", 303, -100, b"/", handle, ctypes.addressof(ctypes.c_int()), 0)
"#,
        "open EPERM\nname EPERM",
    );
}

/// Attack 9.
fn a_set_id_copy_gives_nothing(stage: &Stage) {
    let script = "for at in /tmp /app /dev/shm; do cp /usr/bin/id $at/id; chmod 6755 $at/id; $at/id -u; $at/id -g; done";
    let (printed, _) = stage.ground.run_spec(&stage.shell(script));
    let uid = stage.uid.to_string();
    assert!(
        !printed.is_empty() && printed.lines().all(|line| line == uid),
        "{printed}"
    );
}

/// Attack 10; that a build makes slugs without such bits is the builder's.
fn a_set_id_program_of_the_slug_gives_nothing(stage: &Stage) {
    let layer = stage.ground.make_dir("layer");
    let make = |name: &str, from: &str| {
        let to = layer.join(name);
        std::fs::copy(from, &to).unwrap();
        std::fs::set_permissions(&to, PermissionsExt::from_mode(0o755)).unwrap();
        to
    };
    let set_id = make("id", "/usr/bin/id");
    std::fs::set_permissions(&set_id, PermissionsExt::from_mode(0o6755)).unwrap();
    give_all_capabilities(&make("grep", "/usr/bin/grep"));
    let script = "./id -u; ./id -g; ./grep -E '^Cap(Prm|Eff)' /proc/self/status | tr -d '\\t'";
    let printed = stage.prints(&layers(stage.shell(script), &[&layer]));
    let none = "0".repeat(16);
    let expected = format!("{0}\n{0}\nCapPrm:{none}\nCapEff:{none}", stage.uid);
    crate::stage::assert_lines(&printed, &expected);
}

/// What `setcap all=ep` does.
fn give_all_capabilities(program: &Path) {
    let path = std::ffi::CString::new(program.to_str().unwrap()).unwrap();
    let words: [u32; 5] = [0x0200_0001, u32::MAX, 0, 0x1ff, 0];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    // SAFETY: both texts end with a NUL, and the value is as long as is said.
    let done = unsafe {
        libc::setxattr(
            path.as_ptr(),
            c"security.capability".as_ptr(),
            bytes.as_ptr().cast(),
            bytes.len(),
            0,
        )
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

/// Attack 11.
fn writes_are_lost_and_seen_by_nobody_else(stage: &Stage) {
    let layer = stage.ground.make_dir("layer");
    std::fs::write(layer.join("kept"), "original").unwrap();
    let spec = |script: &str| layers(stage.shell(script), &[&layer]);
    let write = "for at in /app /tmp /var/tmp /dev/shm; do echo mine > $at/mine; done; echo changed > kept; echo up; sleep 1000";
    let mut first = stage.up(&spec(write));
    let look = "cat kept; find /app /tmp /var/tmp/ /dev/shm -name mine";
    // Another process of the same app, beside it and after it.
    assert_eq!(stage.prints(&spec(look)), "original");
    first.shim().kill().unwrap();
    first.finish();
    assert_eq!(stage.prints(&spec(look)), "original");
    assert_eq!(
        std::fs::read_to_string(layer.join("kept")).unwrap(),
        "original"
    );
}

/// Attack 12; that no build reads through links is the builder's.
fn a_tree_turned_into_links_leads_nobody_astray(stage: &Stage) {
    let layer = stage.ground.make_dir("layer");
    std::fs::write(layer.join("Procfile"), "web: true\n").unwrap();
    let script = r#"
tries("move", lambda: os.rename("/app", "/elsewhere"))
tries("remove", lambda: os.rmdir("/app"))
os.unlink("/app/Procfile"); os.symlink("/etc/shadow", "/app/Procfile")
tries("through", lambda: open("/app/Procfile"))
"#;
    let printed = stage.prints(&layers(stage.python(script), &[&layer]));
    let (first, rest) = printed.split_once('\n').unwrap();
    assert!(
        ["move EROFS", "move EBUSY", "move EXDEV"].contains(&first),
        "{printed}"
    );
    assert!(
        ["remove EROFS", "remove EBUSY"].contains(&rest.lines().next().unwrap()),
        "{printed}"
    );
    assert!(printed.contains("through ENOENT"), "{printed}");
    assert_eq!(
        std::fs::read_to_string(layer.join("Procfile")).unwrap(),
        "web: true\n"
    );
}

/// Attack 13.
fn a_link_to_a_file_of_the_slug_does_not_reach_it(stage: &Stage) {
    let layer = stage.ground.make_dir("layer");
    std::fs::write(layer.join("lib"), "of the slug").unwrap();
    let script = r#"
os.link("/app/lib", "/app/copy"); open("/app/copy", "a").write("!")
say(open("/app/copy").read(), "|", os.stat("/app/lib").st_nlink)
tries("stack", lambda: os.link("/usr/bin/env", "/tmp/env"))
tries("out", lambda: os.link("/app/lib", "/tmp/lib"))
fd = os.open("/app/lib", os.O_RDONLY)
tries("descriptor", lambda: os.open(f"/proc/self/fd/{fd}", os.O_WRONLY) and None)
m = mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE); m[0:2] = b"OF"
"#;
    let before = listing(&layer);
    let printed = stage.prints(&layers(stage.python(script), &[&layer]));
    let expected = "of the slug! | 2\nstack EXDEV\nout EXDEV\ndescriptor OK";
    crate::stage::assert_lines(&printed, expected);
    assert_eq!(listing(&layer), before);
}

fn listing(layer: &Path) -> Vec<(PathBuf, String, u32)> {
    let entries = std::fs::read_dir(layer).unwrap().flatten();
    let read = |path: PathBuf| {
        let mode = path.metadata().unwrap().permissions().mode();
        (path.clone(), std::fs::read_to_string(&path).unwrap(), mode)
    };
    entries.map(|entry| read(entry.path())).collect()
}

/// Attack 14; that a build's leavings can be cleared away whatever they are is the builder's.
fn strange_and_deep_names_do_not_hinder_the_end(stage: &Stage) {
    let layer = stage.ground.make_dir("a:b,c\\d \u{1b}[2J");
    std::fs::write(layer.join("here"), "x").unwrap();
    let script = r#"
for name in [b"line\nbreak", b"\xff\xfe", b"..\xff", b"\x1b[2J", b"-rf *", b"." * 255]:
    open(b"/app/" + name, "w").close(); os.mkdir(b"/tmp/" + name)
for place in ["/app", "/tmp"]:
    os.chdir(place)
    for _ in range(4096): os.mkdir("d"); os.chdir("d")
    os.chmod(".", 0)
say(open("/app/here").read()); say("up")
signal.pause()
"#;
    let mut spec = layers(stage.python(script), &[&layer]);
    spec.limits.disk = Some(256 << 20);
    let mut running = stage.start(&spec);
    let mut output = running.output();
    assert_eq!(crate::common::read_line(&mut output), "x");
    assert_eq!(crate::common::read_line(&mut output), "up");
    running.shim().signal(libc::SIGTERM).unwrap();
    assert_eq!(running.finish(), Ended::Signal(libc::SIGTERM));
    assert_eq!(std::fs::read_dir(&layer).unwrap().count(), 1);
}

/// Attack 15.
fn what_was_laid_in_the_way_of_mounts_is_not_followed(stage: &Stage) {
    let (layer, canary) = (
        stage.ground.make_dir("layer"),
        stage.ground.make_dir("canary"),
    );
    let kept = Upper {
        upper: stage.ground.make_dir("kept/upper"),
        work: stage.ground.make_dir("kept/work"),
    };
    let app = AppDir {
        layers: vec![layer.clone()],
        upper: Some(kept.clone()),
    };
    let lay = format!(
        "ln -s {} cache; ln -s /etc etc; mkfifo pipe; mkdir d; ln -s /proc/self/cwd d/x; echo ok",
        canary.display()
    );
    let first = Spec {
        app: app.clone(),
        ..stage.shell(&lay)
    };
    assert_eq!(stage.prints(&first), "ok\n");
    for target in [
        "cache", "cache/x", "etc", "etc/ssl", "pipe/x", "d/x", "d/x/y",
    ] {
        let mounts = vec![Bind {
            source: layer.clone(),
            target: Path::new("/app").join(target),
            writable: true,
        }];
        // One that keeps what the first wrote, and one that has it for a layer.
        for app in [
            app.clone(),
            AppDir {
                layers: vec![layer.clone(), kept.upper.clone()],
                upper: None,
            },
        ] {
            let spec = Spec {
                app,
                mounts: mounts.clone(),
                ..stage.shell("true")
            };
            let Err(error) = stage.ground.start(&spec) else {
                panic!("{target} was mounted")
            };
            assert!(story(&error).contains(target), "{}", story(&error));
        }
    }
    assert_eq!(std::fs::read_dir(&canary).unwrap().count(), 0);
}
