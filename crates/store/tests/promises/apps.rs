//! Apps, their formation and domains, and their end.

use std::collections::BTreeSet;

use noon_domain::{
    AppId, AppName, Formation, Hostname, Network, ProcessFilter, ProcessSettings, ProcessType,
    Quantity, Reason, ReleaseStatus, Size, Timeouts, Timestamp, Version,
};
use noon_store::{Error, NewBuild};

use crate::backend::Backend;
use crate::promises;
use crate::timings;
use crate::world::{World, new_app, slug};

promises! {
    async fn an_app_begins_with_a_first_release_that_is_current(db: &Backend) {
        let World { store, app, user } = World::new(db).await;
        assert_eq!((app.owner, app.slot, app.maintenance), (user.id, 1, false));
        assert_eq!(store.app(app.id).await.unwrap(), app);
        assert_eq!(store.app_by_name(&app.name).await.unwrap(), app);
        let first = store.current_release(app.id).await.unwrap().unwrap();
        assert_eq!((first.version, &first.reason), (Version::FIRST, &Reason::Created));
        assert_eq!((first.status, first.current), (ReleaseStatus::Succeeded, true));
        assert_eq!((first.slug, first.can_be_rolled_back_to()), (None, false));
        assert!(app.released_at.is_some());
        assert!(store.current_config(app.id).await.unwrap().is_empty());
    }

    async fn an_app_name_is_unique_under_a_race(db: &Backend) {
        let World { store, user, .. } = World::new(db).await;
        let racers = (0..20).map(|_| {
            let (store, new) = (store.clone(), new_app("same", &user));
            tokio::spawn(async move { store.create_app(&new).await })
        });
        let mut made = 0;
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                Ok(_) => made += 1,
                Err(Error::Taken { name, .. }) => assert_eq!(name, "same"),
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!((made, store.apps().await.unwrap().len()), (1, 2));
    }

    async fn slots_are_unique_under_a_race_and_free_after_destroy_only(db: &Backend) {
        let World { store, user, app } = World::new(db).await;
        let racers = (0..20).map(|n| {
            let (store, new) = (store.clone(), new_app(&format!("app{n}"), &user));
            tokio::spawn(async move { store.create_app(&new).await.unwrap().slot })
        });
        let mut slots = BTreeSet::from([app.slot]);
        for racer in racers.collect::<Vec<_>>() {
            assert!(slots.insert(racer.await.unwrap()), "a slot was given twice");
        }
        assert_eq!(slots, (1..=21).collect());
        let seventh = store.app_by_name(&"app7".parse().unwrap()).await.unwrap();
        store.destroy_app(seventh.id).await.unwrap();
        let next = store.create_app(&new_app("next", &user)).await.unwrap();
        assert_eq!(next.slot, seventh.slot);
        let after = store.create_app(&new_app("after", &user)).await.unwrap();
        assert_eq!(after.slot, 22);
    }

    async fn a_rename_keeps_the_app_and_takes_no_name_twice(db: &Backend) {
        let world = World::new(db).await;
        world.another("second").await;
        let name: AppName = "third".parse().unwrap();
        let renamed = world.store.rename_app(world.app.id, &name).await.unwrap();
        assert_eq!((renamed.id, &renamed.name), (world.app.id, &name));
        let taken = world.store.rename_app(world.app.id, &"second".parse().unwrap()).await;
        assert!(matches!(taken, Err(Error::Taken { .. })));
        let old = world.store.app_by_name(&world.app.name).await;
        assert!(matches!(old, Err(Error::NotFound { what: "app", .. })));
        let unknown = world.store.rename_app(AppId::new(), &name).await;
        assert!(matches!(unknown, Err(Error::NotFound { what: "app", .. })));
    }

    async fn maintenance_is_remembered(db: &Backend) {
        let World { store, app, .. } = World::new(db).await;
        assert!(store.set_maintenance(app.id, true).await.unwrap().maintenance);
        assert!(store.app(app.id).await.unwrap().maintenance);
        assert!(!store.set_maintenance(app.id, false).await.unwrap().maintenance);
    }

    async fn a_network_is_the_platforms_choice_until_the_app_chooses(db: &Backend) {
        let World { store, app, .. } = World::new(db).await;
        assert_eq!(app.network, None);
        for network in [Some(Network::None), Some(Network::Host), None] {
            assert_eq!(store.set_network(app.id, network).await.unwrap().network, network);
            assert_eq!(store.app(app.id).await.unwrap().network, network);
        }
        let unknown = store.set_network(AppId::new(), None).await;
        assert!(matches!(unknown, Err(Error::NotFound { what: "app", .. })));
    }

    async fn a_formation_is_replaced_as_a_whole(db: &Backend) {
        let World { store, app, .. } = World::new(db).await;
        assert_eq!(store.formation(app.id).await.unwrap(), Formation::default());
        let of = |pairs: &[(&str, u32)]| {
            let pair = |(k, q): &(&str, u32)| (k.parse().unwrap(), Quantity::new(*q).unwrap());
            Formation::from_map(pairs.iter().map(pair).collect())
        };
        for formation in [of(&[("web", 2), ("worker", 0)]), of(&[("clock", 500)]), of(&[])] {
            store.set_formation(app.id, &formation).await.unwrap();
            assert_eq!(store.formation(app.id).await.unwrap(), formation);
        }
        let unknown = store.set_formation(AppId::new(), &of(&[])).await;
        assert!(matches!(unknown, Err(Error::NotFound { what: "app", .. })));
    }

    async fn what_is_set_for_a_type_is_kept_with_the_formation_or_without(db: &Backend) {
        let World { store, app, .. } = World::new(db).await;
        let set = |size, boot: Option<&str>, stop: Option<&str>| ProcessSettings {
            size,
            timeouts: Timeouts {
                boot: boot.map(|boot| boot.parse().unwrap()),
                stop: stop.map(|stop| stop.parse().unwrap()),
            },
        };
        let kind = |kind: &str| kind.parse::<ProcessType>().unwrap();
        let early = Formation::default()
            .with_settings([(kind("web"), set(Size::default(), Some("1h"), None))].into());
        let types = slug(1).process_types;
        let scaled = Formation::first(&types).with_settings(
            [
                (kind("web"), set(Size::PerformanceL, Some("1s"), Some("90s"))),
                (kind("release"), set(Size::Standard2X, None, None)),
                (kind("worker"), set(Size::default(), None, Some("5m"))),
            ]
            .into(),
        );
        for formation in [early, scaled, Formation::first(&types), Formation::default()] {
            store.set_formation(app.id, &formation).await.unwrap();
            assert_eq!(store.formation(app.id).await.unwrap(), formation);
        }
    }

    async fn a_restart_forgets_the_narrower_ones_that_it_covers(db: &Backend) {
        let World { store, app, .. } = World::new(db).await;
        let one = |n: &str| ProcessFilter::Name(n.parse().unwrap());
        let kind = |k: &str| ProcessFilter::Type(k.parse().unwrap());
        let at = Timestamp::from_micros;
        for (filter, time, expected) in [
            (one("web.1"), 1, vec![(one("web.1"), at(1))]),
            (one("web.1"), 2, vec![(one("web.1"), at(2))]),
            (one("work_r.1"), 3, vec![(one("web.1"), at(2)), (one("work_r.1"), at(3))]),
            (kind("web"), 4, vec![(kind("web"), at(4)), (one("work_r.1"), at(3))]),
            (one("web.1"), 5, vec![(kind("web"), at(4)), (one("web.1"), at(5)), (one("work_r.1"), at(3))]),
            (ProcessFilter::All, 5, vec![(ProcessFilter::All, at(5))]),
            (one("web.2"), 6, vec![(ProcessFilter::All, at(5)), (one("web.2"), at(6))]),
        ] {
            store.set_not_before(app.id, &filter, at(time)).await.unwrap();
            assert_eq!(store.not_before(app.id).await.unwrap(), expected);
        }
    }

    async fn a_domain_leads_to_one_app_only(db: &Backend) {
        let world = World::new(db).await;
        let other = world.another("second").await;
        let (store, host) = (&world.store, "www.example.com".parse::<Hostname>().unwrap());
        let domain = store.add_domain(world.app.id, &host).await.unwrap();
        let domains = vec![domain];
        assert_eq!(store.domains(world.app.id).await.unwrap(), domains);
        assert_eq!(store.all_domains().await.unwrap(), domains);
        assert!(store.domains(other.id).await.unwrap().is_empty());
        let twice = store.add_domain(other.id, &host).await;
        assert!(matches!(twice, Err(Error::Taken { what: "domain", .. })));
        let not_its_own = store.remove_domain(other.id, &host).await;
        assert!(matches!(not_its_own, Err(Error::NotFound { what: "domain", .. })));
        store.remove_domain(world.app.id, &host).await.unwrap();
        assert!(store.all_domains().await.unwrap().is_empty());
    }

    async fn a_link_has_one_direction_and_goes_with_either_app(db: &Backend) {
        let world = World::new(db).await;
        let (store, a) = (&world.store, world.app.id);
        let (b, c) = (world.another("second").await.id, world.another("third").await.id);
        let link = store.add_link(a, b).await.unwrap();
        assert_eq!((link.from, link.to), (a, b));
        assert_eq!(store.links_from(a).await.unwrap(), [link]);
        assert_eq!(store.links_to(b).await.unwrap(), [link]);
        assert!(store.links_from(b).await.unwrap().is_empty());
        assert!(store.links_to(a).await.unwrap().is_empty());
        let twice = store.add_link(a, b).await;
        assert!(matches!(twice, Err(Error::Taken { what: "link", .. })));
        let back = store.remove_link(b, a).await;
        assert!(matches!(back, Err(Error::NotFound { what: "link", .. })));
        let nobody = store.add_link(a, AppId::new()).await;
        assert!(matches!(nobody, Err(Error::NotFound { what: "app", .. })));
        store.remove_link(a, b).await.unwrap();
        assert!(store.links_from(a).await.unwrap().is_empty());
        store.add_link(a, b).await.unwrap();
        store.add_link(c, a).await.unwrap();
        store.destroy_app(b).await.unwrap();
        assert!(store.links_from(a).await.unwrap().is_empty());
        store.destroy_app(c).await.unwrap();
        assert!(store.links_to(a).await.unwrap().is_empty());
    }

    async fn a_destroyed_app_leaves_no_row(db: &Backend) {
        let world = World::new(db).await;
        let (store, id) = (&world.store, world.app.id);
        store.put_slug(id, &slug(1)).await.unwrap();
        let mut new = world.release(&[("A", "1")]);
        new.slug = Some(slug(1).id);
        let release = store.append_release(&new).await.unwrap();
        store.succeed_release(id, release.version).await.unwrap();
        store.put_phase_output(release.id, "migrated", Some(0)).await.unwrap();
        store.append_release(&world.release(&[("B", "2")])).await.unwrap();
        let build = NewBuild {
            app: id,
            by: world.user.id,
            commit: slug(1).commit,
            stack: slug(1).stack,
        };
        let build = store.create_build(&build).await.unwrap();
        store.finish_build(build.id, Some(slug(1).id), "done").await.unwrap();
        store.add_domain(id, &"a.example.com".parse().unwrap()).await.unwrap();
        let types = slug(1).process_types;
        let settings = ProcessSettings { size: Size::Basic, ..ProcessSettings::default() };
        let set = [(ProcessType::web(), settings)];
        let formation = Formation::first(&types).with_settings(set.into());
        store.set_formation(id, &formation).await.unwrap();
        store.set_not_before(id, &ProcessFilter::All, Timestamp::now()).await.unwrap();
        let timing = timings::timing(id, (2, "web.1"), timings::boot(1), 0);
        store.add_timings(&[timing]).await.unwrap();
        let other = world.another("other").await.id;
        store.add_link(id, other).await.unwrap();

        let kept = ["meta", "counters", "users", "tokens", "noon_schema"];
        for table in db.tables().await {
            let filled = kept.contains(&table.as_str()) || db.count(&table).await > 0;
            assert!(filled, "the test puts nothing in {table}");
        }
        store.destroy_app(id).await.unwrap();
        assert!(store.links_to(other).await.unwrap().is_empty());
        store.destroy_app(other).await.unwrap();
        for table in db.tables().await {
            let empty = kept.contains(&table.as_str()) || db.count(&table).await == 0;
            assert!(empty, "rows are left in {table}");
        }
        let again = store.destroy_app(id).await;
        assert!(matches!(again, Err(Error::NotFound { what: "app", .. })));
    }
}
