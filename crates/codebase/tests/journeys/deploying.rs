//! What a push that goes well looks like.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::process::Stdio;

use crate::house::House;

#[test]
fn a_push_deploys_and_tells_what_it_led_to() {
    let house = House::new();
    let pusher = house.pusher("work");
    let said = pusher.run("push noon main").ok();
    let said = said
        .says("remote: -----> Building\n")
        .says("remote: -----> Released v5\n")
        .says("remote:        http://shop.localhost:8080/ deployed\n")
        .says(" s · build 1.23 s · boot 0.06 s\n")
        .says("remote:        No process runs of: worker\n")
        .says("remote: Verifying deploy... done.\n")
        .says("* [new branch]      main -> main");
    assert!(
        said.text.contains("\x1b[32mgreen\x1b[0m") && !said.text.contains("title"),
        "{said:?}"
    );
    assert!(!said.text.contains("\x1b[2J"), "{said:?}");
    let [deploy] = &house.deploys()[..] else {
        panic!("not one deploy")
    };
    assert_eq!(deploy.commit, pusher.head());
    assert_eq!(deploy.tree, pusher.git("rev-parse HEAD^{tree}"));
    assert_eq!(deploy.files.len(), 1);
    assert_eq!(deploy.files["Procfile"], "web: ./serve\n");
    assert_eq!(house.ask("rev-parse refs/heads/main").trim(), pusher.head());
    pusher
        .run("push noon main")
        .ok()
        .says("Everything up-to-date");
    assert_eq!(house.deploys().len(), 1);
}

#[test]
fn lines_arrive_while_the_build_still_runs() {
    let house = House::new();
    let pusher = house.pusher("work");
    let gate = house.dir.path().join("gate-file");
    pusher.commit("gate", gate.to_str().unwrap());
    let mut push = pusher
        .command("push noon main")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(push.stderr.take().unwrap()).lines();
    lines
        .find(|line| line.as_ref().unwrap().contains("-----> Building"))
        .unwrap()
        .unwrap();
    assert!(!gate.exists(), "this line was sent before the gate opened");
    std::fs::write(&gate, "").unwrap();
    lines
        .find(|line| line.as_ref().unwrap().contains("Through the gate"))
        .unwrap()
        .unwrap();
    lines.for_each(drop);
    assert!(push.wait().unwrap().success());
}

#[test]
fn a_failed_build_leaves_everything_as_it_was() {
    let house = House::new();
    let pusher = house.pusher("work");
    pusher.git("push noon main");
    let before = house.remains();
    pusher.commit("fail", "bundler found no Gemfile.lock; commit one");
    pusher
        .run("push noon main")
        .declined("bundler found no Gemfile.lock; commit one")
        .says("! [remote rejected] main -> main (pre-receive hook declined)");
    assert_eq!(house.remains(), before);
    pusher.git("rm --quiet fail");
    pusher.commit("fixed", "");
    pusher.git("push noon main");
}

#[test]
fn other_branches_and_tags_are_stored_beside_a_deploy() {
    let house = House::new();
    let pusher = house.pusher("work");
    pusher.git("push noon main");
    pusher.git("checkout --quiet -b feature");
    let tip = pusher.commit("feature", "1");
    pusher.git("tag --annotate --message=one v1");
    pusher.run("push noon feature v1").ok().says(
        "remote: Pushed to non-deploy branch feature: stored, not deployed (deploy with: git push \
         noon feature:main)",
    );
    assert_eq!(house.deploys().len(), 1);
    assert_eq!(house.ask("rev-parse refs/heads/feature").trim(), tip);
    assert_eq!(house.ask("rev-parse refs/tags/v1^{}").trim(), tip);
    pusher.git("push noon feature:main");
    assert_eq!(house.deploys()[1].commit, tip);
    pusher.git("push noon :feature");
    assert_eq!(house.ask("for-each-ref refs/heads/feature"), "");
    pusher.git("checkout --quiet main");
    pusher.git("merge --quiet feature");
    pusher.commit("both", "");
    pusher.git("branch other");
    pusher
        .run("push noon main other")
        .ok()
        .says("non-deploy branch other")
        .says("Released v5");
}

#[test]
fn master_deploys_where_it_came_first() {
    let house = House::new();
    let pusher = house.pusher("work");
    pusher.run("push noon main:master").ok().says("Released v5");
    assert_eq!(house.ask("symbolic-ref HEAD").trim(), "refs/heads/master");
    pusher.commit("more", "");
    pusher
        .run("push noon main")
        .ok()
        .says("deploy with: git push noon main:master");
    assert_eq!(house.deploys().len(), 1);
}

#[test]
fn a_forced_push_of_related_history_deploys() {
    let house = House::new();
    let pusher = house.pusher("work");
    let first = pusher.head();
    pusher.commit("more", "");
    pusher.git("push noon main");
    pusher.git(&format!("reset --quiet --hard {first}"));
    assert_eq!(pusher.run("push noon main").code, Some(1));
    pusher
        .run("push --force noon main")
        .ok()
        .says("Released v5");
    assert_eq!(house.deploys()[1].commit, first);
}

#[test]
fn files_arrive_as_committed_whatever_the_attributes_say() {
    let house = House::new();
    let pusher = house.pusher("work");
    symlink("/etc/passwd", pusher.dir.join("absolute")).unwrap();
    symlink("../../outside", pusher.dir.join("upward")).unwrap();
    symlink("Procfile", pusher.dir.join("plain")).unwrap();
    pusher.write("ignored/by-export", "kept");
    pusher.write("subst", "$Format:%H$ $Id$\n");
    pusher.write("crlf", "one\ntwo\n");
    pusher.write("dir with space/é\n.txt", "odd name");
    pusher.write("coded", "plain");
    let attributes = "ignored export-ignore\nsubst export-subst ident\ncrlf text eol=crlf\n\
                      coded working-tree-encoding=UTF-16LE\n";
    pusher.commit("info", "plain");
    pusher.write(".gitattributes", attributes);
    pusher.git("add .gitattributes");
    pusher.git("commit --quiet --message=attributes");
    pusher.git("push noon main");
    let files = &house.deploys()[0].files;
    assert_eq!(files["absolute"], "-> /etc/passwd");
    assert_eq!(files["upward"], "-> ../../outside");
    assert_eq!(files["plain"], "-> Procfile");
    assert_eq!(files["ignored/by-export"], "kept");
    assert_eq!(files["subst"], "$Format:%H$ $Id$\n");
    assert_eq!(files["coded"], "plain");
    assert_eq!(files["crlf"], "one\ntwo\n");
    assert_eq!(files["dir with space/é\n.txt"], "odd name");
    assert_eq!(files[".gitattributes"], attributes);
}

#[test]
fn a_clone_gives_back_what_was_pushed() {
    let house = House::new();
    let pusher = house.pusher("work");
    pusher.commit("deep/er/file", "content");
    pusher.git("push noon main");
    let url = house.url("git:good", "shop");
    for version in [0, 2] {
        pusher.git(&format!(
            "-c protocol.version={version} clone --quiet {url} ../clone-{version}"
        ));
        let mut clone = pusher.clone();
        clone.dir = house.dir.path().join(format!("clone-{version}"));
        assert_eq!(
            clone.git("rev-parse HEAD HEAD^{tree}"),
            pusher.git("rev-parse HEAD HEAD^{tree}")
        );
        assert_eq!(clone.git("status --porcelain"), "");
        clone.commit(&format!("from-clone-{version}"), "");
        clone.git("push origin main");
        pusher.git("pull --quiet noon main");
        assert_eq!(pusher.head(), clone.head());
    }
}

#[test]
fn a_removed_repository_begins_anew() {
    let house = House::new();
    let pusher = house.pusher("work");
    pusher.git("push noon main");
    let removal = noon_codebase::remove_repository(&house.settings, house.app_id("shop"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(removal).unwrap();
    assert!(!house.repository("shop").exists());
    let again = noon_codebase::remove_repository(&house.settings, house.app_id("shop"));
    runtime.block_on(again).unwrap();
    pusher.run("push noon main").ok().says("[new branch]");
}
