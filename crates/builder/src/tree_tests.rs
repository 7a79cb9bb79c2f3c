use std::os::unix::fs::symlink;
use std::process::Command;

use proptest::prelude::*;

use super::*;

fn hash(root: &Path) -> Normal {
    normalise(root, Whiteouts::Kept, b"").unwrap()
}

fn sample(home: &Path) -> PathBuf {
    let root = home.join("tree");
    fs::create_dir_all(root.join("dir/inner")).unwrap();
    fs::write(root.join("a.txt"), "alpha").unwrap();
    fs::write(root.join("dir/run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(root.join("dir/run"), Permissions::from_mode(0o755)).unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
    root
}

#[test]
fn two_copies_of_one_tree_have_one_hash_whatever_their_modes_and_times() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, two) = (sample(one.path()), sample(two.path()));
    fs::set_permissions(two.join("a.txt"), Permissions::from_mode(0o6400)).unwrap();
    fs::set_permissions(two.join("dir"), Permissions::from_mode(0o2700)).unwrap();
    File::open(two.join("a.txt"))
        .unwrap()
        .set_modified(SystemTime::now())
        .unwrap();
    assert_eq!(hash(&one), hash(&two));
    let modes = ["a.txt", "dir", "dir/run"]
        .map(|name| fs::metadata(two.join(name)).unwrap().mode() & 0o7777);
    assert_eq!(modes, [0o644, 0o755, 0o755]);
    let time = |root: &Path| {
        fs::metadata(root.join("a.txt"))
            .unwrap()
            .modified()
            .unwrap()
    };
    assert_eq!(time(&one), time(&two));
    assert_eq!(hash(&one), hash(&one), "a second walk changes nothing");
}

#[test]
fn every_change_of_byte_mode_name_kind_or_link_changes_the_hash() {
    type Change = (&'static str, fn(&Path));
    let changes: [Change; 9] = [
        ("a byte", |r| fs::write(r.join("a.txt"), "alphb").unwrap()),
        ("a mode", |r| {
            fs::set_permissions(r.join("a.txt"), Permissions::from_mode(0o755)).unwrap();
        }),
        ("a link", |r| {
            fs::remove_file(r.join("link")).unwrap();
            symlink("/etc/shadow", r.join("link")).unwrap();
        }),
        ("a kind", |r| {
            fs::remove_file(r.join("link")).unwrap();
            fs::write(r.join("link"), "/etc/passwd").unwrap();
        }),
        ("a name", |r| {
            fs::rename(r.join("a.txt"), r.join("b.txt")).unwrap()
        }),
        ("a place", |r| {
            fs::rename(r.join("a.txt"), r.join("dir/a.txt")).unwrap()
        }),
        ("an empty directory", |r| {
            fs::create_dir(r.join("empty")).unwrap()
        }),
        ("an empty file", |r| fs::write(r.join("empty"), "").unwrap()),
        ("a missing file", |r| {
            fs::remove_file(r.join("dir/run")).unwrap()
        }),
    ];
    for (what, change) in changes {
        let home = tempfile::tempdir().unwrap();
        let root = sample(home.path());
        let before = hash(&root);
        change(&root);
        assert_ne!(before.digest, hash(&root).digest, "{what}");
    }
}

#[test]
fn a_layer_that_needs_others_below_is_named_with_them() {
    let home = tempfile::tempdir().unwrap();
    let root = sample(home.path());
    let on = |below: &[u8]| normalise(&root, Whiteouts::Kept, below).unwrap().digest;
    assert_ne!(on(b"x"), on(b"y"));
    assert_eq!(on(b"x"), on(b"x"));
}

#[test]
fn contents_of_one_size_get_different_times() {
    let home = tempfile::tempdir().unwrap();
    let root = sample(home.path());
    let time = || {
        fs::metadata(root.join("a.txt"))
            .unwrap()
            .modified()
            .unwrap()
    };
    hash(&root);
    let before = time();
    fs::write(root.join("a.txt"), "alphb").unwrap();
    hash(&root);
    assert_ne!(before, time());
}

#[test]
fn sockets_pipes_and_devices_are_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let root = sample(home.path());
    let _socket = std::os::unix::net::UnixListener::bind(root.join("dir/sock")).unwrap();
    let error = normalise(&root, Whiteouts::Kept, b"")
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        r#""dir/sock" is a socket, which cannot be part of a slug: remove it"#
    );
    fs::remove_file(root.join("dir/sock")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(root.join("pipe"))
            .status()
            .unwrap()
            .success()
    );
    let error = normalise(&root, Whiteouts::Kept, b"")
        .unwrap_err()
        .to_string();
    assert!(error.contains("named pipe"), "{error}");
}

#[test]
fn whiteouts_are_part_of_an_upper_and_never_of_a_source() {
    let home = tempfile::tempdir().unwrap();
    let root = sample(home.path());
    let before = hash(&root);
    let made = Command::new("mknod")
        .arg(root.join("gone"))
        .args(["c", "0", "0"])
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this user cannot make whiteouts");
        return;
    }
    assert_ne!(before.digest, hash(&root).digest);
    let error = normalise(&root, Whiteouts::Forbidden, b"").unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }));
}

#[test]
fn a_bottomless_tree_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("tree");
    fs::create_dir_all(root.join(std::iter::repeat_n("d", 200).collect::<PathBuf>())).unwrap();
    let error = normalise(&root, Whiteouts::Kept, b"").unwrap_err();
    assert!(matches!(error, Error::TooDeep { .. }));
}

#[test]
fn a_plain_path_passes_no_link_and_never_leaves_the_tree() {
    let home = tempfile::tempdir().unwrap();
    let root = sample(home.path());
    symlink("dir", root.join("other")).unwrap();
    for (relative, found) in [
        ("a.txt", true),
        ("./dir/run", true),
        ("dir/none", false),
        ("other/run", false),
        ("../tree/a.txt", false),
        ("a.txt/x", false),
        ("", false),
    ] {
        assert_eq!(plain_path(&root, relative).is_some(), found, "{relative:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn trees_are_equal_exactly_when_their_hashes_are(
        one in proptest::collection::btree_map("[a-c]{1,2}", "[xy]{0,2}", 0..4),
        two in proptest::collection::btree_map("[a-c]{1,2}", "[xy]{0,2}", 0..4),
    ) {
        let home = tempfile::tempdir().unwrap();
        let digest = |name: &str, files: &std::collections::BTreeMap<String, String>| {
            let root = home.path().join(name);
            fs::create_dir(&root).unwrap();
            for (file, content) in files {
                fs::write(root.join(file), content).unwrap();
            }
            hash(&root).digest
        };
        prop_assert_eq!(digest("one", &one) == digest("two", &two), one == two);
    }
}
