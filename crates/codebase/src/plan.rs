//! What a push asks for, decided from its ref lines alone.

use noon_domain::Commit;

use crate::Refusal;

/// One line of what git tells a `pre-receive` hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    /// Where the ref was when the push began; `None` if it was not.
    pub old: Option<Commit>,
    /// Where it shall be; `None` to delete it.
    pub new: Option<Commit>,
    /// Its full name.
    pub name: String,
}

impl Update {
    /// Reads `<old> <new> <ref>`; `None` if the line is none.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(3, ' ');
        let (old, new, name) = (words.next()?, words.next()?, words.next()?);
        Some(Self {
            old: tip(old)?,
            new: tip(new)?,
            name: name.to_owned(),
        })
    }
}

/// All zeros stand for no commit.
fn tip(text: &str) -> Option<Option<Commit>> {
    let commit: Commit = text.parse().ok()?;
    Some(Some(commit).filter(|commit| commit.as_str().bytes().any(|b| b != b'0')))
}

/// The branches that may deploy, and where they are now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tips {
    pub main: Option<Commit>,
    pub master: Option<Commit>,
}

/// What is to be deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deployment {
    pub branch: &'static str,
    pub old: Option<Commit>,
    pub new: Commit,
}

/// What a push comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub deploy: Option<Deployment>,
    /// What the pusher should know of refs that are stored only.
    pub notes: Vec<String>,
}

/// Whether a push could come to a deploy, wherever the branches are.
pub(crate) fn may_deploy(updates: &[Update]) -> bool {
    let deployable = ["refs/heads/main", "refs/heads/master"];
    updates
        .iter()
        .any(|update| deployable.contains(&update.name.as_str()))
}

/// Decides what a push asks for. The deploy branch is `main` or `master`, whichever is there; with
/// neither, whichever is pushed, and `main` of the two.
pub(crate) fn plan(updates: &[Update], tips: &Tips) -> Result<Plan, Refusal> {
    let branch = deploy_branch(updates, tips);
    let mut plan = Plan::default();
    for update in updates {
        match update.name.strip_prefix("refs/heads/") {
            Some(name) if name == branch => plan.deploy = Some(deployment(branch, update, tips)?),
            Some(name) => plan
                .notes
                .extend(update.new.as_ref().map(|_| stored(name, branch))),
            None if update.name.starts_with("refs/tags/") => {}
            None => {
                return Err(Refusal::ForeignRef {
                    name: update.name.clone(),
                });
            }
        }
    }
    Ok(plan)
}

fn deploy_branch(updates: &[Update], tips: &Tips) -> &'static str {
    let pushed = |name: &str| updates.iter().any(|u| u.name == name && u.new.is_some());
    match (&tips.main, &tips.master) {
        (Some(_), _) => "main",
        (None, Some(_)) => "master",
        (None, None) if pushed("refs/heads/main") || !pushed("refs/heads/master") => "main",
        (None, None) => "master",
    }
}

fn deployment(branch: &'static str, update: &Update, tips: &Tips) -> Result<Deployment, Refusal> {
    let now = if branch == "main" {
        &tips.main
    } else {
        &tips.master
    };
    let Some(new) = update.new.clone() else {
        return Err(Refusal::DeletesDeployBranch { branch });
    };
    if *now != update.old {
        return Err(Refusal::Moved { branch });
    }
    Ok(Deployment {
        branch,
        old: update.old.clone(),
        new,
    })
}

fn stored(name: &str, branch: &str) -> String {
    format!(
        "Pushed to non-deploy branch {name}: stored, not deployed (deploy with: git push noon \
         {name}:{branch})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(digit: char) -> Commit {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn update(old: char, new: char, name: &str) -> Update {
        Update::parse(&format!("{} {} {name}", commit(old), commit(new))).unwrap()
    }

    fn tips(main: Option<char>, master: Option<char>) -> Tips {
        Tips {
            main: main.map(commit),
            master: master.map(commit),
        }
    }

    #[test]
    fn ref_lines_are_read_or_refused_whole() {
        let created = update('0', 'a', "refs/heads/main");
        assert_eq!((created.old, created.new), (None, Some(commit('a'))));
        for bad in ["", "a b c", &format!("{} {}", commit('1'), commit('2'))] {
            assert_eq!(Update::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn whichever_of_main_and_master_came_first_deploys() {
        let both = [
            update('0', '1', "refs/heads/master"),
            update('0', '2', "refs/heads/main"),
        ];
        for (updates, tips, expected) in [
            (&both[..], tips(None, None), Some("main")),
            (&both[..1], tips(None, None), Some("master")),
            (&both[..1], tips(Some('3'), None), None),
            (&both[1..], tips(None, Some('3')), None),
        ] {
            let plan = plan(updates, &tips).unwrap();
            assert_eq!(
                plan.deploy.map(|d| d.branch),
                expected,
                "{updates:?} {tips:?}"
            );
        }
    }

    #[test]
    fn other_branches_and_tags_are_stored() {
        let updates = [
            update('0', '1', "refs/heads/feature/x"),
            update('0', '1', "refs/tags/v1"),
            update('1', '0', "refs/heads/old"),
        ];
        let plan = plan(&updates, &tips(Some('3'), None)).unwrap();
        assert_eq!(plan.deploy, None);
        assert_eq!(
            plan.notes,
            [
                "Pushed to non-deploy branch feature/x: stored, not deployed (deploy with: git push \
              noon feature/x:main)"
            ]
        );
    }

    #[test]
    fn what_may_not_be_is_refused() {
        for (update, tips, refusal) in [
            (
                update('1', '0', "refs/heads/main"),
                tips(Some('1'), None),
                Refusal::DeletesDeployBranch { branch: "main" },
            ),
            (
                update('1', '2', "refs/heads/main"),
                tips(Some('3'), None),
                Refusal::Moved { branch: "main" },
            ),
            (
                update('0', '2', "refs/heads/master"),
                tips(None, Some('3')),
                Refusal::Moved { branch: "master" },
            ),
            (
                update('0', '2', "refs/notes/commits"),
                tips(None, None),
                Refusal::ForeignRef {
                    name: "refs/notes/commits".to_owned(),
                },
            ),
        ] {
            assert_eq!(plan(&[update], &tips), Err(refusal));
        }
    }
}
