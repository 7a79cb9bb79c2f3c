//! What outlives the server's death, and what does not.

use std::fs;
use std::process::{Command, Stdio};

use crate::house::{House, until};
use crate::pusher::Said;

#[test]
fn a_server_that_dies_during_a_push_leaves_nothing_of_it() {
    let mut house = House::new();
    let pusher = house.pusher("work");
    pusher.git("push noon main");
    let before = house.remains();
    let gate = house.dir.path().join("gate-file");
    pusher.commit("gate", gate.to_str().unwrap());
    let mut push = pusher.command("push noon main");
    let push = push
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("it builds", || house.deploys().len() == 2);
    house.die();
    let said = Said::of(&push.wait_with_output().unwrap());
    assert_ne!(said.code, Some(0), "{said:?}");
    assert_eq!(house.refs_and_objects(), before);
    house.fake.leave();
    house.revive();
    assert_eq!(house.remains(), before);
    fs::write(&gate, "").unwrap();
    pusher.git(&format!("push {} main", house.url("git:good", "shop")));
}

#[test]
fn what_a_dead_server_left_is_removed_at_the_next_start() {
    let house = House::with(|settings| {
        fs::create_dir_all(settings.checkouts_dir.join("tree/deep")).unwrap();
        fs::write(settings.checkouts_dir.join("tree.index"), "").unwrap();
        fs::create_dir_all(settings.repos_dir.join("new-1/objects")).unwrap();
        fs::create_dir_all(settings.repos_dir.join("old-1/objects")).unwrap();
        let objects = settings.repos_dir.join("a.git/objects");
        fs::create_dir_all(objects.join("tmp_objdir-incoming-1/pack")).unwrap();
        fs::create_dir_all(objects.join("pack")).unwrap();
    });
    let names = |dir: &std::path::Path| {
        let names = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        names
            .map(|name| name.into_string().unwrap())
            .collect::<Vec<_>>()
    };
    let (checkouts, repos) = (&house.settings.checkouts_dir, &house.settings.repos_dir);
    until("checkouts are gone", || names(checkouts).is_empty());
    until("repositories half made and half removed are gone", || {
        names(repos) == ["a.git"]
    });
    let objects = repos.join("a.git/objects");
    until("quarantines are gone", || names(&objects) == ["pack"]);
}

/// The hook alone, as git would start it were the server away.
#[test]
fn a_hook_without_its_server_refuses() {
    let house = House::new();
    let mut hook = Command::new(&house.settings.noon_exe);
    hook.arg("git-hook")
        .env("NOON_HOOK_SOCKET", "/nowhere/hook.sock")
        .env("NOON_HOOK_SECRET", "x");
    let said = Said::of(&hook.stdin(Stdio::null()).output().unwrap());
    assert_eq!(said.code, Some(1));
    said.says(" !     the push was not finished, for noon went away meanwhile; push again");
}

/// Knowing the socket is not enough.
#[test]
fn a_hook_that_no_push_waits_for_is_refused() {
    let house = House::new();
    let mut hook = Command::new(&house.settings.noon_exe);
    hook.arg("git-hook")
        .env("NOON_HOOK_SOCKET", house.settings.run_dir.join("hook.sock"));
    hook.env("NOON_HOOK_SECRET", "0123456789abcdef0123456789abcdef");
    let said = Said::of(&hook.stdin(Stdio::null()).output().unwrap());
    assert_eq!(said.code, Some(1));
}
