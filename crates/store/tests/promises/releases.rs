//! Releases: numbered without gap, and how they come out.

use noon_domain::{AppId, Reason, ReleaseId, ReleaseStatus, SlugId, Version};
use noon_store::{Error, PhaseOutput};

use crate::backend::Backend;
use crate::promises;
use crate::world::{World, vars};

promises! {
    async fn twenty_at_once_have_versions_without_gap_or_double(db: &Backend) {
        let world = World::new(db).await;
        let racers = (0..20).map(|n| {
            let (store, new) = (world.store.clone(), world.release(&[("N", &n.to_string())]));
            tokio::spawn(async move { store.append_release(&new).await.unwrap().version.get() })
        });
        let mut versions = Vec::new();
        for racer in racers.collect::<Vec<_>>() {
            versions.push(racer.await.unwrap());
        }
        versions.sort_unstable();
        assert_eq!(versions, (2..=21).collect::<Vec<_>>());
        let report = world.store.verify_chain(world.app.id).await.unwrap();
        assert_eq!(report.entries, 21);
    }

    async fn two_stores_on_one_database_number_as_one(db: &Backend) {
        let world = World::new(db).await;
        let other = db.open().await;
        let racers = (0..20).map(|n| {
            let store = if n % 2 == 0 { world.store.clone() } else { other.clone() };
            let new = world.release(&[]);
            tokio::spawn(async move { store.append_release(&new).await.unwrap() })
        });
        for racer in racers.collect::<Vec<_>>() {
            racer.await.unwrap();
        }
        assert_eq!(world.store.verify_chain(world.app.id).await.unwrap().entries, 21);
    }

    async fn an_acknowledged_release_survives_reopening(db: &Backend) {
        let world = World::new(db).await;
        let release = world.append(&[("A", "1")]).await;
        drop(world.store);
        let store = db.open().await;
        assert_eq!(store.release_by_id(release.id).await.unwrap(), release);
        let config = store.config(release.app, release.version).await.unwrap();
        assert_eq!(config, vars(&[("A", "1")]));
        assert_eq!(store.verify_chain(release.app).await.unwrap().entries, 2);
    }

    async fn releases_are_listed_from_the_newest_in_pages(db: &Backend) {
        let world = World::new(db).await;
        for _ in 0..4 {
            world.append(&[]).await;
        }
        let page = async |before: Option<u32>, limit| -> Vec<u32> {
            let before = before.map(Version::new);
            let page = world.store.releases(world.app.id, before, limit).await.unwrap();
            page.iter().map(|release| release.version.get()).collect()
        };
        assert_eq!(page(None, 2).await, [5, 4]);
        assert_eq!(page(Some(4), 2).await, [3, 2]);
        assert_eq!(page(Some(2), 2).await, [1]);
        assert_eq!(page(None, 99).await, [5, 4, 3, 2, 1]);
    }

    async fn success_makes_current_and_failure_never_does(db: &Backend) {
        let world = World::new(db).await;
        let (store, app) = (&world.store, world.app.id);
        let current = async || store.current_release(app).await.unwrap().unwrap().version.get();
        let (v2, v3) = (world.append(&[]).await, world.append(&[]).await);
        assert_eq!((v2.status, v2.current), (ReleaseStatus::Pending, false));
        store.fail_release(app, v2.version).await.unwrap();
        assert_eq!(current().await, 1);
        let before = store.app(app).await.unwrap().released_at;
        store.succeed_release(app, v3.version).await.unwrap();
        assert_eq!(current().await, 3);
        assert!(store.app(app).await.unwrap().released_at > before);
        let settled = store.succeed_release(app, v2.version).await.unwrap_err();
        assert_eq!(
            settled.to_string(),
            "v2 has failed already and cannot change that: make a new release"
        );
        let settled = store.fail_release(app, v3.version).await;
        assert!(matches!(settled, Err(Error::Settled { .. })));
        store.fail_release(app, v2.version).await.unwrap();
        store.succeed_release(app, v3.version).await.unwrap();
        assert_eq!(current().await, 3);
    }

    async fn a_late_success_does_not_take_current_from_a_newer_one(db: &Backend) {
        let world = World::new(db).await;
        let (store, app) = (&world.store, world.app.id);
        let (v2, v3) = (world.append(&[]).await, world.append(&[]).await);
        store.succeed_release(app, v3.version).await.unwrap();
        store.succeed_release(app, v2.version).await.unwrap();
        let current = store.current_release(app).await.unwrap().unwrap();
        assert_eq!(current.version, v3.version);
        let v2 = store.release(app, v2.version).await.unwrap();
        assert_eq!((v2.status, v2.current), (ReleaseStatus::Succeeded, false));
    }

    async fn releases_cut_short_are_failed_at_start(db: &Backend) {
        let world = World::new(db).await;
        let (store, app) = (&world.store, world.app.id);
        let (v2, v3) = (world.append(&[]).await, world.append(&[]).await);
        store.succeed_release(app, v2.version).await.unwrap();
        assert_eq!(store.fail_pending_releases().await.unwrap(), 1);
        assert_eq!(store.fail_pending_releases().await.unwrap(), 0);
        let status = store.release(app, v3.version).await.unwrap().status;
        assert_eq!(status, ReleaseStatus::Failed);
        assert_eq!(store.current_release(app).await.unwrap().unwrap().version, v2.version);
    }

    async fn what_a_release_phase_printed_is_kept(db: &Backend) {
        let world = World::new(db).await;
        let (store, release) = (&world.store, world.append(&[]).await.id);
        assert_eq!(store.phase_output(release).await.unwrap(), None);
        for (output, exit) in [("part", None), ("part\0 and all", Some(-1))] {
            store.put_phase_output(release, output, exit).await.unwrap();
            let kept = PhaseOutput { output: output.to_owned(), exit };
            assert_eq!(store.phase_output(release).await.unwrap(), Some(kept));
        }
        let unknown = store.put_phase_output(ReleaseId::new(), "", None).await;
        assert!(matches!(unknown, Err(Error::NotFound { what: "release", .. })));
    }

    async fn no_release_is_made_of_what_is_not_there_and_no_version_is_lost(db: &Backend) {
        let world = World::new(db).await;
        let mut new = world.release(&[]);
        new.slug = Some(SlugId::from_bytes([7; 32]));
        let refused = world.store.append_release(&new).await;
        assert!(matches!(refused, Err(Error::NotFound { what: "slug", .. })));
        new.app = AppId::new();
        let refused = world.store.append_release(&new).await;
        assert!(matches!(refused, Err(Error::NotFound { what: "app", .. })));
        let mut next = world.release(&[]);
        next.reason = Reason::RolledBack(Version::FIRST);
        let next = world.store.append_release(&next).await.unwrap();
        assert_eq!(next.version, Version::new(2));
        assert_eq!(next, world.store.release(world.app.id, next.version).await.unwrap());
    }
}
