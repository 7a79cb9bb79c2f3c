//! What an app should look like, from what the store remembers. Pure.

use std::sync::Arc;

use noon_domain::{
    App, Formation, HealthChecks, Intent, Place, ProcessFilter, ProcessName, ProcessSettings,
    Reach, Runnable, Slug, Timestamp,
};

/// The order to restart: whatever of the filter started before the time.
pub type Restart = (ProcessFilter, Timestamp);

/// The intent of an app: each place of the formation that the release has a command for, once.
pub fn intent(
    (app, reach): (&App, Reach),
    release: Option<Arc<Runnable>>,
    formation: &Formation,
    restarts: &[Restart],
) -> Intent {
    let places = release
        .as_deref()
        .map(|runnable| places(&runnable.slug, formation, restarts))
        .unwrap_or_default();
    Intent {
        app: app.id,
        app_name: app.name.clone(),
        slot: app.slot,
        release,
        reach,
        places,
    }
}

fn places(slug: &Slug, formation: &Formation, restarts: &[Restart]) -> Vec<Place> {
    let mut places = Vec::new();
    for (kind, quantity) in formation.iter().filter(|(kind, _)| !kind.is_release()) {
        let Some(command) = slug.process_types.command(kind) else {
            continue;
        };
        let ProcessSettings { size, timeouts } = formation.settings(kind);
        for ordinal in 1..=quantity.get() {
            let name = ProcessName {
                kind: kind.clone(),
                ordinal,
            };
            let not_before = not_before(&name, restarts);
            places.push(Place {
                name,
                command: command.to_owned(),
                not_before,
                size,
                timeouts,
                health: if kind.is_web() {
                    slug.health.clone()
                } else {
                    HealthChecks::default()
                },
            });
        }
    }
    places
}

fn not_before(name: &ProcessName, restarts: &[Restart]) -> Timestamp {
    restarts
        .iter()
        .filter(|(filter, _)| filter.matches(name))
        .map(|(_, at)| *at)
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use noon_domain::{
        AppId, Network, ProcessTypes, Quantity, ReleaseId, SlugId, StackName, UserId, Version,
    };

    use super::*;

    fn app() -> App {
        App {
            id: AppId::new(),
            name: "demo".parse().unwrap(),
            owner: UserId::new(),
            stack: StackName::new("debian-12"),
            slot: 1,
            maintenance: false,
            network: None,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            released_at: None,
        }
    }

    fn runnable(procfile: &str) -> Arc<Runnable> {
        Arc::new(Runnable {
            id: ReleaseId::new(),
            version: Version::FIRST,
            created_at: Timestamp::default(),
            env: BTreeMap::new(),
            slug: Slug {
                id: SlugId::from_bytes([0; 32]),
                stack: StackName::new("debian-12"),
                layers: vec![],
                process_types: ProcessTypes::parse(procfile.as_bytes()).unwrap(),
                health: HealthChecks::default(),
                commit: "0".repeat(40).parse().unwrap(),
                builder: "Procfile".to_owned(),
                created_at: Timestamp::default(),
            },
        })
    }

    fn formation(quantities: &[(&str, u32)]) -> Formation {
        let one = |(k, q): &(&str, u32)| (k.parse().unwrap(), Quantity::new(*q).unwrap());
        Formation::from_map(quantities.iter().map(one).collect())
    }

    fn names(intent: &Intent) -> Vec<String> {
        intent.places.iter().map(|p| p.name.to_string()).collect()
    }

    #[test]
    fn each_place_stands_once_and_only_with_a_command() {
        let formation = formation(&[("web", 2), ("gone", 3), ("worker", 0), ("release", 1)]);
        let runnable = runnable("web: a\nworker: b\nrelease: c");
        let intent = intent(
            (&app(), Network::Nat.into()),
            Some(runnable),
            &formation,
            &[],
        );
        assert_eq!(names(&intent), ["web.1", "web.2"]);
    }

    #[test]
    fn an_app_without_a_release_has_no_places() {
        assert!(
            intent(
                (&app(), Network::Nat.into()),
                None,
                &formation(&[("web", 2)]),
                &[]
            )
            .places
            .is_empty()
        );
    }

    #[test]
    fn the_latest_restart_that_means_a_place_counts() {
        let at = Timestamp::from_micros;
        let restarts = [
            (ProcessFilter::All, at(5)),
            (ProcessFilter::Type("worker".parse().unwrap()), at(9)),
            (ProcessFilter::Name("web.2".parse().unwrap()), at(7)),
        ];
        let formation = formation(&[("web", 2), ("worker", 1)]);
        let intent = intent(
            (&app(), Network::Nat.into()),
            Some(runnable("web: a\nworker: b")),
            &formation,
            &restarts,
        );
        let times: Vec<_> = intent
            .places
            .iter()
            .map(|p| p.not_before.as_micros())
            .collect();
        assert_eq!(times, [5, 7, 9]);
    }
}
