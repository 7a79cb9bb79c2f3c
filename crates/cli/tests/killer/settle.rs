//! Settling: waiting until the house is as it shall be, and looking closely.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use noon_testkit::{House, Repo, sandboxes};

use crate::model::{Formation, Model};

/// How long the house may take to be whole again. Crashed places wait longer each time.
const PATIENCE: Duration = Duration::from_secs(150);

/// Waits until the house is whole, and holds it against the model.
///
/// # Panics
/// When it does not become whole, or is not what it must be.
pub fn settle(house: &House, repo: &Repo<'_>, model: &mut Model) {
    let since = Instant::now();
    let (formation, answers) = loop {
        match settled(house, repo) {
            Ok(found) => break found,
            Err(why) if since.elapsed() > PATIENCE => {
                panic!("never whole again: {why}\n{}", evidence(house, repo));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    let held = model
        .hold_formation(formation)
        .and_then(|()| model.hold_answers(&answers))
        .and_then(|()| ledger(repo));
    if let Err(why) = held {
        panic!("{why}\n{}", evidence(house, repo));
    }
}

/// The formation and what each web process answers, when all is whole before and after asking: a
/// restart may just have begun.
fn settled(
    house: &House,
    repo: &Repo<'_>,
) -> Result<(Formation, BTreeMap<String, String>), String> {
    let formation = whole(house, repo)?;
    let answers = answers(house, formation)?;
    match whole(house, repo)? == formation {
        true => Ok((formation, answers)),
        false => Err("the formation changes".to_owned()),
    }
}

/// The formation, when exactly its processes run, by what the house says and by what the kernel
/// shows.
fn whole(house: &House, repo: &Repo<'_>) -> Result<Formation, String> {
    let scale = repo.noon(&["ps", "scale", "--json"]);
    let ps = repo.noon(&["ps", "--json"]);
    if scale.code != 0 || ps.code != 0 {
        return Err("control does not answer".to_owned());
    }
    let (scale, ps) = (scale.json(), ps.json());
    let quantity = |kind: &str| {
        let entries = scale.as_array()?;
        entries.iter().find(|entry| entry["type"] == kind)?["quantity"].as_u64()
    };
    let (web, worker) = quantity("web")
        .zip(quantity("worker"))
        .ok_or("an odd formation")?;
    let all = [("web", web), ("worker", worker)];
    let places = all
        .iter()
        .flat_map(|(kind, count)| (1..=*count).map(move |n| format!("{kind}.{n}")));
    let mut wanted: Vec<String> = places.collect();
    wanted.sort();
    let dynos = ps.as_array().ok_or("no list")?;
    let mut said: Vec<String> = dynos
        .iter()
        .map(|dyno| format!("{} {}", text(&dyno["name"]), text(&dyno["state"])))
        .collect();
    said.sort();
    let up: Vec<String> = wanted.iter().map(|place| format!("{place} up")).collect();
    if said != up {
        return Err(format!("noon ps says {said:?} instead of {wanted:?}"));
    }
    let mut real: Vec<String> = sandboxes(house.home())
        .into_iter()
        .map(|it| it.place.unwrap_or_default())
        .collect();
    real.sort();
    if real != wanted {
        return Err(format!("there run {real:?} instead of {wanted:?}"));
    }
    Ok((web, worker))
}

/// What each web process answers, without its own name.
fn answers(house: &House, (web, _): Formation) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for _ in 0..400 {
        let answer = house.get(crate::APP, "/settled");
        let (what, place) = match answer.body.trim().rsplit_once(' ') {
            Some(parts) if answer.status == 200 => parts,
            _ => return Err(format!("a whole house answers {answer:?}")),
        };
        if let Some(before) = found.insert(place.to_owned(), what.to_owned())
            && before != what
        {
            return Err(format!("{place} answers {before:?}, then {what:?}"));
        }
        if found.len() as u64 == web {
            return Ok(found);
        }
    }
    Err(format!(
        "of {web} web processes only these answer: {found:?}"
    ))
}

fn ledger(repo: &Repo<'_>) -> Result<(), String> {
    let verified = repo.noon(&["releases", "verify"]);
    if verified.code != 0 {
        return Err(format!("the ledger does not verify: {verified}"));
    }
    let listed = repo.noon(&["releases", "-n", "100000", "--json"]);
    let releases = listed.json();
    let releases = releases.as_array().ok_or("no list of releases")?;
    let mut versions: Vec<u64> = releases
        .iter()
        .filter_map(|it| it["version"].as_u64())
        .collect();
    versions.sort_unstable();
    if versions != (1..=releases.len() as u64).collect::<Vec<_>>() {
        return Err(format!("versions are not contiguous: {versions:?}"));
    }
    let current = releases.iter().filter(|it| it["current"] == true).count();
    if current != 1 {
        return Err(format!("{current} releases are current"));
    }
    match releases.iter().find(|it| it["status"] == "pending") {
        Some(pending) => Err(format!("still pending: {pending}")),
        None => Ok(()),
    }
}

fn evidence(house: &House, repo: &Repo<'_>) -> String {
    let ps = repo.noon(&["ps"]);
    let releases = repo.noon(&["releases"]);
    let logs = repo
        .noon(&["logs", "--source", "heroku", "-n", "200"])
        .stdout;
    let logs: Vec<_> = logs
        .lines()
        .filter(|line| !line.contains("[router]"))
        .collect();
    let server = house.log();
    let server: Vec<_> = server.lines().rev().take(60).collect();
    let server: Vec<_> = server.into_iter().rev().collect();
    let all = sandboxes(house.home());
    format!(
        "{ps}\n{releases}\n{all:#?}\n{}\n{}",
        logs.join("\n"),
        server.join("\n")
    )
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}
