//! Pushes that meet, and pushers that leave.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};

use crate::house::{House, until};
use crate::pusher::{Pusher, Said, Throttle, kill_group};
use crate::refusing::noise;

fn start(pusher: &Pusher, args: &str) -> Child {
    let mut push = pusher.command(args);
    push.stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn finish(push: Child) -> Said {
    Said::of(&push.wait_with_output().unwrap())
}

#[test]
fn the_second_of_two_pushes_waits_and_finds_the_branch_moved() {
    let house = House::new();
    let first = house.pusher("work");
    first.git("push noon main");
    first.git("clone --quiet . ../second");
    let mut second = first.clone();
    second.dir = house.dir.path().join("second");
    second.git(&format!(
        "remote add noon {}",
        house.url("git:good", "shop")
    ));
    let gate = house.dir.path().join("gate-file");
    let winner = first.commit("gate", gate.to_str().unwrap());
    second.commit("other", "");
    let one = start(&first, "push noon main");
    until("the first builds", || house.deploys().len() == 2);
    let two = start(&second, "push noon main");
    until("the second has arrived", || house.quarantines() == 2);
    fs::write(&gate, "").unwrap();
    finish(one).ok().says("Released v5");
    finish(two).declined("main has moved since this push began; fetch it, then push again");
    assert_eq!(house.ask("rev-parse refs/heads/main").trim(), winner);
    assert_eq!(house.deploys().len(), 2);
    second.git("pull --quiet --rebase noon main");
    second.run("push noon main").ok().says("Released v5");
}

#[test]
fn a_push_to_another_app_waits_for_nobody() {
    let house = House::new();
    let pusher = house.pusher("work");
    let gate = house.dir.path().join("gate-file");
    pusher.commit("gate", gate.to_str().unwrap());
    let held = start(&pusher, "push noon main");
    until("the first builds", || house.deploys().len() == 1);
    pusher
        .run("push noon main:side")
        .ok()
        .says("non-deploy branch side");
    fs::write(&gate, "").unwrap();
    finish(held).ok();
}

#[test]
fn two_first_pushes_at_once_make_one_repository() {
    let house = House::new();
    let (one, two) = (house.pusher("one"), house.pusher("two"));
    two.commit("two", "");
    let pushes = [start(&one, "push noon main"), start(&two, "push noon main")].map(finish);
    let won = pushes.iter().filter(|said| said.code == Some(0)).count();
    assert_eq!((won, house.deploys().len()), (1, 1), "{pushes:?}");
}

#[test]
fn a_client_killed_while_it_sends_has_pushed_nothing() {
    let house = House::new();
    let pusher = house.pusher("work");
    pusher.git("push noon main");
    let before = house.remains();
    pusher.commit("noise", noise(24 << 20));
    let proxy = Throttle::to(house.port, 1 << 20);
    let mut push = pusher.command(&format!(
        "push http://git:good@127.0.0.1:{}/shop.git main",
        proxy.port
    ));
    let push = push
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    until("part of the pack is here", || proxy.is_full());
    kill_group(push);
    drop(proxy);
    assert_eq!(house.remains(), before);
    assert_eq!(house.deploys().len(), 1);
    pusher.run("push noon main").ok().says("Released v5");
}

#[test]
fn a_client_that_leaves_during_the_build_has_pushed() {
    let house = House::new();
    let pusher = house.pusher("work");
    let gate = house.dir.path().join("gate-file");
    let tip = pusher.commit("gate", gate.to_str().unwrap());
    let mut push = pusher.command("push noon main");
    let push = push
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    until("it builds", || house.deploys().len() == 1);
    kill_group(push);
    fs::write(&gate, "").unwrap();
    until("the branch is there", || {
        house
            .ask("rev-parse --verify --quiet refs/heads/main")
            .trim()
            == tip
    });
    pusher
        .run("push noon main")
        .ok()
        .says("Everything up-to-date");
}
