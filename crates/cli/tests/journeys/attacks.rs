//! What an app tries through the whole house: attacks 10, 70 to 72 and 83.

use noon_testkit::{House, Repo};

use super::{SERVER, answers, house, pushed};

/// What the victim keeps to itself; in two parts, so that no attacker holds it whole.
const SECRET: (&str, &str) = ("canary-", "5b1e-of-the-victim");

/// An app that is built by a script, committed but not pushed.
fn built_by<'h>(house: &'h House, name: &str, package: &str, script: &str) -> Repo<'h> {
    let repo = house.repo(name);
    let _ = repo.noon(&["create", name]).ok();
    let lock = "{\"name\":\"x\",\"lockfileVersion\":3,\"requires\":true,\"packages\":{\"\":{\"name\":\"x\"}}}";
    repo.write("Procfile", "web: ./server\n")
        .write("server", SERVER)
        .write("word", "one\n")
        .write("package.json", package)
        .write("package-lock.json", lock)
        .write("build.sh", script)
        .commit("Attack");
    repo
}

#[test]
fn a_build_sees_nothing_of_others_and_leaves_nothing_running() {
    let house = house().start();
    let victim = pushed(&house, "victim");
    let set = format!("PASSWORD={}{}", SECRET.0, SECRET.1);
    let _ = victim.noon(&["config", "set", &set]).ok();
    let stays = format!("86{}", std::process::id());
    let script = format!(
        r#"
n="{first}""{second}"
# Gathered first: whoever looks for it has it among its arguments.
cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null >/tmp/gathered
echo "environments: $(tr '\0' '\n' </tmp/gathered | grep -cF "$n")"; rm /tmp/gathered
echo "files: $(grep -rlaF "$n" /app /cache /tmp /var /etc /run /home /root /srv /opt {data} 2>/dev/null | grep -v build.sh | wc -l)"
echo "state: $(ls -d {data} {data}/* 2>/dev/null | wc -l)"
echo "platform: $(env | grep -cE 'NOON_(OWNER_TOKEN|MASTER_KEY|DATABASE_URL|DATA_DIR)')"
setsid sleep {stays} >/dev/null 2>&1 </dev/null &
(setsid sh -c 'trap "" TERM HUP; exec sleep {stays}' &) >/dev/null 2>&1 </dev/null
cp /usr/bin/id made-id; chmod 6755 made-id
ln -s {data} state; ln -s /etc/shadow shadow
echo built
"#,
        first = SECRET.0,
        second = SECRET.1,
        data = house.data().display(),
    );
    let package = r#"{"name":"x","scripts":{"build":"sh build.sh"}}"#;
    let repo = built_by(&house, "attacker", package, &script);
    let push = repo.push().ok();
    let _ = push
        .says("environments: 0")
        .says("files: 0")
        .says("state: 0")
        .says("platform: 0")
        .says("built");
    let cmdlines = house.run_in(
        house.home(),
        "sh",
        &["-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"],
    );
    let needle = format!("sleep {stays}");
    assert!(
        !cmdlines.stdout.contains(&needle),
        "the build left a process"
    );
    let seen = repo.noon(&["run", "stat -c %a made-id; ./made-id -u; cat shadow state/* 2>&1 | grep -c denied; ls state/ 2>&1 | grep -c 'No such'"]);
    assert!(
        seen.stdout.starts_with("755\n") && !seen.stdout.contains("\n0\n0\n"),
        "{seen}"
    );
    assert_ne!(seen.stdout.lines().nth(1), Some("0"), "{seen}");
    answers(&house, "victim", "one\n");
    house.tear_down();
}

#[test]
fn a_build_that_poisons_its_cache_harms_nobody_else() {
    let house = house().start();
    let outside = house.home().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let poison = format!(
        "rm -rf /cache/* /cache/.[a-z]*\nfor n in _cacache _logs npm uv pip root; do ln -s {} /cache/$n; done\nmkfifo /cache/pipe\necho poisoned\n",
        outside.display()
    );
    let package = r#"{"name":"x","scripts":{"build":"sh build.sh"}}"#;
    let repo = built_by(&house, "poisoner", package, &poison);
    let first = repo.push().says("poisoned");
    // The next build of it meets what the first laid; it may fail, and harms nothing.
    repo.write(
        "package.json",
        &package.replace("echo poisoned", "echo again"),
    )
    .write("word", "two\n")
    .commit("Again");
    let second = repo.push();
    for push in [&first, &second] {
        assert!(!push.stderr.contains("panicked"), "{push}");
    }
    assert_eq!(
        std::fs::read_dir(&outside).unwrap().count(),
        0,
        "a build wrote outside"
    );
    let looks = "echo \"seen: $(ls -A /cache | grep -cE 'pipe|root|uv')\"\n";
    let other = built_by(&house, "clean", package, looks);
    let _ = other.push().ok().says("seen: 0");
    answers(&house, "clean", "one\n");
    house.tear_down();
}

#[test]
fn a_one_off_of_huge_size_and_input_is_an_ordinary_one() {
    let house = house().start();
    let repo = pushed(&house, "pasted");
    let bin = env!("CARGO_BIN_EXE_noon");
    let paste =
        format!("head -c 33554432 /dev/zero | LINES=65535 COLUMNS=65535 '{bin}' run 'wc -c'");
    let _ = repo.run("sh", &["-c", &paste]).ok().says("33554432");
    let sized = format!("LINES=99999999 COLUMNS=-1 '{bin}' run 'echo fine' </dev/null");
    let _ = repo.run("sh", &["-c", &sized]).ok().says("fine");
    // One that reads nothing of what is pasted.
    let unread = format!("head -c 33554432 /dev/zero | '{bin}' run 'echo unread'");
    let _ = repo.run("sh", &["-c", &unread]).says("unread");
    answers(&house, "pasted", "one\n");
    house.tear_down();
}
