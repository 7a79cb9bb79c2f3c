//! Builds that need no registry: Procfile apps, memos, limits, garbage, and what is refused.

use std::collections::HashSet;
use std::os::unix::fs::symlink;
use std::time::Duration;

use noon_builder::BuildLimits;
use noon_domain::{BuildId, LayerKind, SourceTree};

use crate::support::{House, git_id, has_walls, layer_dir};

const APP: [(&str, &str); 2] = [("Procfile", "web: bin/run\n"), ("bin/run*", "#!/bin/sh\n")];
const BUILD: &str = r#"{"scripts":{"build":"sh build.sh","start":"true"}}"#;

#[tokio::test]
async fn a_procfile_and_a_program_are_a_slug_without_any_step() {
    let house = House::new();
    let built = house.push(&APP).await;
    let slug = built.slug();
    assert_eq!((slug.builder.as_str(), slug.layers.len()), ("Procfile", 1));
    assert_eq!(slug.layers[0].kind, LayerKind::Source);
    assert!(layer_dir(&house, slug, 0).join("bin/run").exists());
    assert_eq!(built.ran, Vec::<String>::new());
    assert_eq!(
        built.lines,
        [
            "-----> Building on the debian-12 stack".to_owned(),
            "-----> Using builder: Procfile".to_owned(),
            "-----> Discovering process types".to_owned(),
            "       Procfile declares types -> web".to_owned(),
            format!(
                "-----> Slug sha256:{} (0.0 KiB in 1 layer)",
                &slug.id.to_string()[..8]
            ),
        ]
    );
}

#[tokio::test]
async fn declared_health_checks_are_part_of_the_slug_and_told_to_the_pusher() {
    let house = House::new();
    let plain = house.push(&APP).await;
    let file = r#"{"healthchecks":{"web":[{"path":"/up","wait":7,"colour":"red"}]}}"#;
    let built = house.push(&[APP[0], APP[1], ("app.json", file)]).await;
    let health = &built.slug().health;
    assert_eq!(health.boot.as_ref().map(|check| check.path()), Some("/up"));
    assert_eq!(health.boot, health.live);
    assert_ne!(built.slug().id, plain.slug().id);
    for line in [
        " !     app.json: noon does not take up colour of the health check /up",
        "       Web processes are up when they answer GET /up",
        "       Web processes are asked GET /up every 7 s, and restarted after 3 failures in a row",
    ] {
        assert!(built.lines.contains(&line.to_owned()), "{:?}", built.lines);
    }
    let failed = house.push(&[APP[0], APP[1], ("app.json", "{")]).await;
    let sentence = &failed.failure().sentence;
    assert!(sentence.starts_with("app.json is not JSON: "), "{sentence}");
}

#[tokio::test]
async fn an_equal_tree_is_an_equal_slug_and_its_copy_goes_to_the_trash() {
    let house = House::new();
    let first = house.push(&APP).await;
    let again = house.push(&APP).await;
    assert_eq!(first.slug().id, again.slug().id);
    assert_eq!(house.names("layers").len(), 1);
    assert_eq!(house.names("builds"), Vec::<String>::new());
    assert!(house.builder.sweep_trash().await.unwrap() > 0);
    assert_eq!(house.names("trash"), Vec::<String>::new());
}

#[tokio::test]
async fn a_memo_whose_layer_is_gone_is_no_hit() {
    let house = House::new();
    let first = house.push(&APP).await;
    assert_eq!(house.builder.collect(&HashSet::new()).await.unwrap(), 1);
    let again = house.push(&APP).await;
    assert_eq!(first.slug().layers, again.slug().layers);
    assert!(layer_dir(&house, again.slug(), 0).join("bin/run").exists());
}

#[tokio::test]
async fn collection_keeps_what_is_to_be_kept_and_takes_the_rest() {
    let house = House::new();
    let kept = house.push(&APP).await;
    let other = house.push(&[APP[0], APP[1], ("more", "x")]).await;
    let keep: HashSet<_> = kept.slug().layers.iter().map(|layer| layer.id).collect();
    assert_eq!(house.builder.collect(&keep).await.unwrap(), 1);
    assert!(layer_dir(&house, kept.slug(), 0).exists());
    assert!(!layer_dir(&house, other.slug(), 0).exists());
}

#[tokio::test]
async fn programs_that_cannot_be_started_are_refused_before_they_are_released() {
    let house = House::new();
    for (files, expected) in [
        (
            [("Procfile", "web: ./missing\n"), ("x", "")],
            "Procfile starts web with missing, which is not in the tree",
        ),
        (
            [("Procfile", "web: bin/run\n"), ("bin/run", "")],
            "Procfile starts web with bin/run, which is not executable: run `git update-index --chmod=+x bin/run` and commit",
        ),
        (
            [("Procfile", "web: ./bin\n"), ("bin/run", "")],
            "Procfile starts web with ./bin, which is not a file",
        ),
    ] {
        let expected = expected.replace("./", "");
        let failed = house.push(&files).await;
        assert_eq!(failed.failure().sentence, expected);
        assert_eq!(failed.failure().step, "detect");
    }
    assert_eq!(house.names("builds"), Vec::<String>::new());
}

#[tokio::test]
async fn a_slug_over_its_limit_is_refused_and_leaves_nothing() {
    let limits = BuildLimits {
        slug_bytes: 1 << 20,
        ..BuildLimits::default()
    };
    let house = House::with_limits(limits);
    let before = house.memory();
    let large = "x".repeat(3 << 20);
    let failed = house.push(&[APP[0], APP[1], ("large", &large)]).await;
    let sentence = &failed.failure().sentence;
    assert!(
        sentence.starts_with("the slug holds 3.0 MiB, and may hold 1.0 MiB: "),
        "{sentence}"
    );
    assert_eq!(house.memory(), before);
}

#[tokio::test]
async fn links_that_lead_out_of_the_tree_are_never_followed() {
    let house = House::new();
    let outside = house.home.path().join("secret");
    std::fs::write(&outside, "web: cat /secret\n").unwrap();
    let dir = house.home.path().join("builds/links");
    std::fs::create_dir_all(&dir).unwrap();
    symlink(&outside, dir.join("Procfile")).unwrap();
    let id = git_id("links");
    let failed = house
        .build(SourceTree {
            dir,
            commit: id.clone(),
            tree: id,
        })
        .await;
    let sentence = &failed.failure().sentence;
    assert!(
        sentence.starts_with("Procfile is a symbolic link"),
        "{sentence}"
    );
    assert!(outside.exists());
}

#[tokio::test]
async fn what_a_build_makes_must_not_be_in_the_tree() {
    let house = House::new();
    let files = [APP[0], ("requirements.txt", ""), (".venv/pyvenv.cfg", "")];
    let failed = house.push(&files).await;
    let sentence = &failed.failure().sentence;
    assert!(sentence.contains("git rm -r --cached .venv"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_the_stack_lacks_is_refused_with_what_it_has() {
    if !has_walls() {
        return;
    }
    let house = House::new();
    let files = [
        APP[0],
        ("requirements.txt", ""),
        ("runtime.txt", "python-2.7.18\n"),
    ];
    let failed = house.push(&files).await;
    let sentence = &failed.failure().sentence;
    assert!(
        sentence.starts_with("runtime.txt asks for Python 2.7.18, and the stack debian-12 has 3."),
        "{sentence}"
    );
    assert_eq!(house.names("layers"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_takes_too_long_is_stopped_and_says_so() {
    if !has_walls() {
        return;
    }
    let limits = BuildLimits {
        time: Duration::from_secs(2),
        ..BuildLimits::default()
    };
    let house = House::with_limits(limits);
    let before = house.memory();
    let failed = house
        .push(&[("package.json", BUILD), ("build.sh", "sleep 60")])
        .await;
    let sentence = &failed.failure().sentence;
    assert!(
        sentence.contains("the build took longer than"),
        "{sentence}"
    );
    assert_eq!(house.memory(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_lies_on_its_source_and_deletions_are_part_of_it() {
    if !has_walls() {
        return;
    }
    let house = House::new();
    let script = "echo made > made; rm gone; mkdir -p sub; echo ENV $NODE_ENV $HOME";
    let files = [("package.json", BUILD), ("build.sh", script), ("gone", "x")];
    let built = house.push(&files).await;
    let slug = built.slug();
    let kinds: Vec<_> = slug.layers.iter().map(|layer| layer.kind).collect();
    assert_eq!(kinds, [LayerKind::Source, LayerKind::Output]);
    let output = layer_dir(&house, slug, 1);
    assert_eq!(
        std::fs::read_to_string(output.join("made")).unwrap(),
        "made\n"
    );
    assert!(
        output
            .join("gone")
            .symlink_metadata()
            .is_ok_and(|m| !m.is_file())
    );
    assert!(
        built.says("       ENV production /tmp/home"),
        "{:?}",
        built.lines
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_one_sentence() {
    if !has_walls() {
        return;
    }
    let house = House::new();
    let script = "echo 'write: No space left on device' >&2; exit 1";
    let failed = house
        .push(&[("package.json", BUILD), ("build.sh", script)])
        .await;
    assert_eq!(
        failed.failure().sentence,
        "the disk of this machine is full: free some space and push again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_nobody_waits_for_is_stopped_and_cleared_away() {
    if !has_walls() {
        return;
    }
    let house = House::new();
    let files = [
        ("package.json", BUILD),
        ("build.sh", "echo under way; sleep 600"),
    ];
    tokio::select! {
        built = house.push(&files) => panic!("{:?}", built.outcome),
        () = house.engine.has_run("npm run build") => {}
    }
    assert_eq!(house.names("builds"), Vec::<String>::new());
    assert_eq!(house.names("layers"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_builder_that_starts_clears_what_another_left() {
    let house = House::new();
    let left = house
        .home
        .path()
        .join(format!("builds/build-{}", BuildId::new()));
    let foreign = house.home.path().join("builds/other");
    std::fs::create_dir_all(left.join("dependencies/upper")).unwrap();
    std::fs::create_dir_all(&foreign).unwrap();
    house.again();
    assert_eq!(house.names("builds"), ["other"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_cache_is_gone() {
    let house = House::new();
    house.push(&APP).await.slug();
    house.builder.purge_cache(house.app).await.unwrap();
    assert!(!house.names("cache").contains(&house.app.to_string()));
    house.push(&APP).await.slug();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_out_of_reach_is_named_as_the_cause() {
    if !has_walls() {
        return;
    }
    let house = House::new();
    let script = "echo 'npm error code EAI_AGAIN'; exit 1";
    let failed = house
        .push(&[("package.json", BUILD), ("build.sh", script)])
        .await;
    let sentence = &failed.failure().sentence;
    assert!(
        sentence.ends_with(": the network could not be reached from the build"),
        "{sentence}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_of_one_tree_at_once_share_its_layer() {
    let house = House::new();
    let (one, two, three) = tokio::join!(house.push(&APP), house.push(&APP), house.push(&APP));
    assert_eq!(one.slug().id, two.slug().id);
    assert_eq!(one.slug().id, three.slug().id);
    assert_eq!(house.names("layers").len(), 1);
    assert_eq!(house.names("builds"), Vec::<String>::new());
}

#[tokio::test]
async fn an_engine_that_cannot_start_a_step_is_no_fault_of_the_pusher() {
    let house = House::new();
    house.engine.refuse();
    let failed = house
        .push(&[("package.json", BUILD), ("build.sh", "true")])
        .await;
    assert_eq!(
        failed.failure().sentence,
        "noon could not run a step of the build (look at the stack): no room for that: tests say so"
    );
    assert_eq!(house.names("layers"), Vec::<String>::new());
}
