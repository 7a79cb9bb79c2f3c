//! What a push must not bring about: attacks 68 and 69.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use crate::house::House;
use crate::pusher::Pusher;

/// Commits a tree with an entry of this name that `git add` would refuse.
fn with_entry(house: &House, pusher: &Pusher, mode: &str, name: &str) -> String {
    let object = match mode {
        "040000" => pusher.git("rev-parse HEAD^{tree}"),
        _ => pusher.git("hash-object -w Procfile"),
    };
    let kind = if mode == "040000" { "tree" } else { "blob" };
    pusher.write("../entries", format!("{mode} {kind} {object}\t{name}\n"));
    let mut make = pusher.command("mktree");
    make.stdin(fs::File::open(house.dir.path().join("entries")).unwrap());
    let tree = String::from_utf8(make.output().unwrap().stdout).unwrap();
    pusher.git(&format!("commit-tree -p HEAD -m evil {}", tree.trim()))
}

#[test]
fn nothing_that_is_pushed_runs_on_the_server() {
    let house = House::new();
    let pusher = house.pusher("work");
    let canary = house.dir.path().join("canary");
    let evil = format!("#!/bin/sh\ntouch {}\n", canary.display());
    let words = format!("touch {}", canary.display());
    // Files that would be hooks, settings and filters, were the tree a repository.
    for path in [
        "hooks/post-update",
        "hooks/pre-receive",
        "hooks/post-checkout",
        "hooks/reference-transaction",
        ".githooks/post-checkout",
    ] {
        pusher.write(path, &evil);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(pusher.dir.join(path), mode).unwrap();
    }
    let config = format!(
        "[core]\n\tfsmonitor = {words}\n\tsshCommand = {words}\n\thooksPath = hooks\n\tpager = {words}\n\
         [filter \"evil\"]\n\tsmudge = {words}\n\tclean = {words}\n\tprocess = {words}\n\trequired\n\
         [uploadpack]\n\tpackObjectsHook = {words}\n"
    );
    for path in ["config", ".gitconfig", "config.worktree"] {
        pusher.write(path, &config);
    }
    pusher.write(".gitattributes", "* filter=evil diff=evil merge=evil\n");
    let modules = format!(
        "[submodule \"x\"]\n\tpath = x\n\turl = {}\n",
        house.dir.path().display()
    );
    pusher.write(".gitmodules", modules);
    symlink(".git", pusher.dir.join("link")).unwrap();
    pusher.git("add --all");
    pusher.git("commit --quiet --message=evil");
    pusher.git("push noon main");
    let files = &house.deploys()[0].files;
    assert_eq!(files["config"], config, "files arrive as files");
    assert!(!canary.exists(), "something of the push ran");
    // Nor does anything when it is fetched again.
    pusher.git(&format!(
        "clone --quiet --no-checkout {} ../back",
        house.url("git:good", "shop")
    ));
    assert!(!canary.exists(), "something of the push ran");
}

#[test]
fn trees_that_would_become_a_repository_are_refused() {
    let house = House::new();
    let pusher = house.pusher("work");
    pusher.git("push noon main");
    let before = house.remains();
    for (mode, name) in [
        ("040000", ".git"),
        ("040000", ".GIT"),
        ("040000", "GIT~1"),
        ("100644", ".git"),
        ("100644", ".Git "),
        ("120000", ".gitmodules"),
        ("100644", ".."),
        ("040000", ".."),
    ] {
        let evil = with_entry(&house, &pusher, mode, name);
        let said = pusher.run(&format!("push noon {evil}:refs/heads/main"));
        assert_eq!(said.code, Some(1), "{name}: {said:?}");
        assert_eq!(house.remains(), before, "{name} left something");
    }
    let urls = [
        "-u./evil",
        "--upload-pack=touch canary",
        "ext::sh -c touch% canary",
    ];
    for url in urls {
        pusher.write(
            ".gitmodules",
            format!("[submodule \"x\"]\n\tpath = x\n\turl = {url}\n"),
        );
        pusher.git("add .gitmodules");
        pusher.git("commit --quiet --allow-empty --message=modules");
        // Faulty or merely a file: either way nobody fetches it.
        let said = pusher.run("push --force noon main");
        assert!(matches!(said.code, Some(0 | 1)), "{said:?}");
        pusher.git("reset --quiet --hard HEAD^");
    }
}

#[test]
fn a_broken_pack_leaves_nothing() {
    let house = House::new();
    let pusher = house.pusher("work");
    pusher.git("push noon main");
    let before = house.remains();
    let head = pusher.commit("more", "content");
    let mut pack = pusher.command("pack-objects --stdout --all --quiet");
    let whole = pack.stdout(Stdio::piped()).output().unwrap().stdout;
    let old = "0".repeat(40);
    let command = format!("{old} {head} refs/heads/side\0 report-status agent=test");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0xff;
    let claims_more = [&whole[..8], &u32::MAX.to_be_bytes()[..], &whole[12..]].concat();
    for body in [
        &whole[..whole.len() / 2],
        &flipped,
        &claims_more,
        b"PACK",
        b"",
        &[0xff; 4096],
    ] {
        let mut request = format!("{:04x}{command}0000", command.len() + 4).into_bytes();
        request.extend(body);
        let answer = post(&house, &request);
        assert!(!answer.contains("ok refs/heads/side"), "{answer}");
        assert_eq!(house.remains(), before);
    }
}

fn post(house: &House, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", house.port)).unwrap();
    let head = format!(
        "POST /shop.git/git-receive-pack HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
         Authorization: Basic Z2l0Omdvb2Q=\r\nContent-Type: application/x-git-receive-pack-request\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
