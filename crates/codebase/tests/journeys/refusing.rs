//! Each refusal says what mends it, and leaves nothing behind.

use std::fs;

use crate::house::House;
use crate::pusher::Pusher;

/// A house whose app has been deployed once.
fn deployed(house: &House) -> (Pusher, String) {
    let pusher = house.pusher("work");
    pusher.git("push noon main");
    (pusher, house.remains())
}

#[test]
fn deleting_the_deploy_branch_is_refused() {
    let house = House::new();
    let (pusher, before) = deployed(&house);
    pusher
        .run("push noon :main")
        .declined("main is the branch that is deployed");
    assert_eq!(house.remains(), before);
}

#[test]
fn refs_that_are_neither_branch_nor_tag_are_refused() {
    let house = House::new();
    let (pusher, before) = deployed(&house);
    pusher.commit("more", "");
    pusher
        .run("push noon main:refs/notes/x")
        .declined("refs/notes/x is neither");
    assert_eq!(house.remains(), before);
}

#[test]
fn unrelated_history_is_refused() {
    let house = House::new();
    let (_, before) = deployed(&house);
    let stranger = house.pusher("stranger");
    stranger.git("checkout --quiet --orphan anew");
    stranger.commit("other", "history");
    stranger.git("branch --quiet --move --force main");
    stranger
        .run("push --force noon main")
        .declined("the pushed history shares no commit with what main holds here");
    assert_eq!(house.remains(), before);
    assert_eq!(house.deploys().len(), 1);
}

#[test]
fn a_shallow_push_is_refused_unless_the_rest_is_here() {
    let house = House::new();
    let pusher = house.pusher("work");
    pusher.commit("second", "");
    let origin = format!("file://{}", pusher.dir.display());
    pusher.git(&format!("clone --quiet --depth=1 {origin} ../shallow"));
    let mut shallow = pusher.clone();
    shallow.dir = house.dir.path().join("shallow");
    shallow.git(&format!(
        "remote add noon {}",
        house.url("git:good", "shop")
    ));
    // Git has its own name for the refusal, which it shows in place of the hook's.
    for refused in ["push noon main", "push noon main:side"] {
        let said = shallow
            .run(refused)
            .says("remote:  !     this is a shallow clone whose history");
        assert_eq!(said.code, Some(1), "{said:?}");
    }
    assert_eq!(house.deploys().len(), 0);
    assert_eq!(house.remains().trim(), "");
    pusher.git("push noon main");
    shallow.commit("third", "");
    shallow.run("push noon main").ok().says("Released v5");
    assert_eq!(house.deploys().len(), 2);
}

#[test]
fn submodules_are_refused_by_path() {
    let house = House::new();
    let (pusher, before) = deployed(&house);
    let link = format!("160000,{},lib/dependency", pusher.head());
    pusher.git(&format!("update-index --add --cacheinfo {link}"));
    pusher.git("commit --quiet --message=submodule");
    pusher
        .run("push noon main")
        .declined("lib/dependency is a git submodule");
    assert_eq!(house.remains(), before);
}

#[test]
fn lfs_pointers_are_refused_by_path() {
    let house = House::new();
    let (pusher, before) = deployed(&house);
    pusher.write("docs/about-lfs", "x".repeat(150));
    let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n");
    pusher.commit("img/logo.png", pointer);
    pusher
        .run("push noon main")
        .declined("img/logo.png is a Git LFS pointer");
    assert_eq!(house.remains(), before);
}

#[test]
fn too_many_files_are_refused() {
    let house = House::with(|settings| settings.max_checkout_files = 10);
    let (pusher, before) = deployed(&house);
    (0..5).for_each(|n| pusher.write(&format!("d{n}/f"), ""));
    pusher.commit("last", "");
    pusher
        .run("push noon main")
        .declined("the source tree holds more than 10 files");
    assert_eq!(house.remains(), before);
}

/// Ten levels of ten times the same: ten thousand million files from eleven objects.
#[test]
fn a_bomb_of_trees_is_refused_unopened() {
    let house = House::new();
    let (pusher, before) = deployed(&house);
    pusher.write("leaf", "x");
    let mut below = format!("100644 blob {}", pusher.git("hash-object -w leaf"));
    for _ in 0..10 {
        let entries: String = (0..10).map(|n| format!("{below}\tn{n}\n")).collect();
        pusher.write("../entries", entries);
        let mut make = pusher.command("mktree");
        make.stdin(fs::File::open(house.dir.path().join("entries")).unwrap());
        let tree = String::from_utf8(make.output().unwrap().stdout).unwrap();
        below = format!("040000 tree {}", tree.trim());
    }
    let tree = below.rsplit(' ').next().unwrap();
    let bomb = pusher.git(&format!("commit-tree -p HEAD -m bomb {tree}"));
    pusher
        .run(&format!("push noon {bomb}:refs/heads/main"))
        .declined("the source tree holds more than");
    assert_eq!(house.remains(), before);
}

#[test]
fn too_many_bytes_are_refused() {
    let house = House::with(|settings| settings.max_checkout_bytes = 1 << 20);
    let (pusher, before) = deployed(&house);
    pusher.commit("zeros", vec![0; 2 << 20]);
    pusher
        .run("push noon main")
        .declined("the source tree holds more than 1048576 bytes");
    assert_eq!(house.remains(), before);
}

#[test]
fn a_tag_is_no_commit_to_deploy() {
    let house = House::new();
    let (pusher, before) = deployed(&house);
    pusher.commit("more", "");
    pusher.git("tag --annotate --message=one v1");
    let tag = pusher.git("rev-parse v1");
    let said = pusher.run(&format!("push noon {tag}:refs/heads/main"));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(house.remains(), before);
    assert_eq!(house.deploys().len(), 1);
}

#[test]
fn objects_that_git_finds_faulty_are_refused() {
    let house = House::new();
    let (pusher, before) = deployed(&house);
    let blob = pusher.git("hash-object -w Procfile");
    pusher.write("../entries", format!("100644 blob {blob}\t.git\n"));
    let mut make = pusher.command("mktree");
    make.stdin(fs::File::open(house.dir.path().join("entries")).unwrap());
    let tree = String::from_utf8(make.output().unwrap().stdout).unwrap();
    let evil = pusher.git(&format!("commit-tree -p HEAD -m evil {}", tree.trim()));
    let said = pusher.run(&format!("push noon {evil}:refs/heads/main"));
    assert_eq!(said.code, Some(1), "{said:?}");
    said.says("hasDotgit");
    assert_eq!(house.remains(), before);
}

#[test]
fn an_oversized_pack_is_refused_with_its_reason() {
    let house = House::with(|settings| settings.max_pack_bytes = 2 << 20);
    let (pusher, before) = deployed(&house);
    pusher.commit("noise", noise(12 << 20));
    let said = pusher
        .run("push noon main")
        .says("pack exceeds maximum allowed size");
    assert_eq!(said.code, Some(1), "{said:?}");
    said.says("(unpacker error)");
    assert_eq!(house.remains(), before);
    assert_eq!(house.deploys().len(), 1);
}

/// Bytes that do not compress.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length / 8).flat_map(next).collect()
}
