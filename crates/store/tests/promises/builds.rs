//! Builds, their output, and slugs.

use noon_domain::{AppId, BuildId, BuildStatus, Reason, SlugId, Version};
use noon_store::{Error, NewBuild};

use crate::backend::Backend;
use crate::promises;
use crate::world::{World, slug};

fn new(world: &World) -> NewBuild {
    let (app, by) = (world.app.id, world.user.id);
    NewBuild {
        app,
        by,
        commit: slug(1).commit,
        stack: slug(1).stack,
    }
}

promises! {
    async fn a_build_is_pending_then_has_a_slug_and_a_release(db: &Backend) {
        let world = World::new(db).await;
        let store = &world.store;
        let build = store.create_build(&new(&world)).await.unwrap();
        assert_eq!((build.status, build.slug, build.release), (BuildStatus::Pending, None, None));
        store.put_slug(world.app.id, &slug(1)).await.unwrap();
        let done = store.finish_build(build.id, Some(slug(1).id), "").await.unwrap();
        assert_eq!((done.status, done.slug), (BuildStatus::Succeeded, Some(slug(1).id)));
        store.link_build_release(build.id, Version::new(2)).await.unwrap();
        let linked = store.build(build.id).await.unwrap();
        assert_eq!(linked.release, Some(Version::new(2)));
        let failed = store.create_build(&new(&world)).await.unwrap();
        let failed = store.finish_build(failed.id, None, "no").await.unwrap();
        assert_eq!((failed.status, failed.slug), (BuildStatus::Failed, None));
        assert_eq!(store.builds(world.app.id, 9).await.unwrap(), [failed.clone(), linked]);
        assert_eq!(store.builds(world.app.id, 1).await.unwrap(), [failed]);
    }

    async fn output_can_be_read_while_building(db: &Backend) {
        let world = World::new(db).await;
        let store = &world.store;
        let build = store.create_build(&new(&world)).await.unwrap().id;
        assert_eq!(store.build_output(build).await.unwrap(), "");
        for chunk in ["-----> Ünicode", "\0 and NUL\n", "x"] {
            store.append_build_output(build, chunk).await.unwrap();
        }
        assert_eq!(store.build_output(build).await.unwrap(), "-----> Ünicode\0 and NUL\nx");
        store.finish_build(build, None, "y").await.unwrap();
        assert_eq!(store.build_output(build).await.unwrap(), "-----> Ünicode\0 and NUL\nxy");
        for n in 0..20 {
            store.append_build_output(build, &n.to_string()).await.unwrap();
        }
        let output = store.build_output(build).await.unwrap();
        assert!(output.ends_with("xy012345678910111213141516171819"), "{output}");
    }

    async fn builds_cut_short_are_failed_at_start(db: &Backend) {
        let world = World::new(db).await;
        let cut = world.store.create_build(&new(&world)).await.unwrap();
        let done = world.store.create_build(&new(&world)).await.unwrap();
        world.store.put_slug(world.app.id, &slug(1)).await.unwrap();
        world.store.finish_build(done.id, Some(slug(1).id), "").await.unwrap();
        assert_eq!(world.store.fail_pending_builds().await.unwrap(), 1);
        assert_eq!(world.store.fail_pending_builds().await.unwrap(), 0);
        let status = world.store.build(cut.id).await.unwrap().status;
        assert_eq!(status, BuildStatus::Failed);
        let status = world.store.build(done.id).await.unwrap().status;
        assert_eq!(status, BuildStatus::Succeeded);
    }

    async fn what_has_no_build_or_app_is_not_found(db: &Backend) {
        let world = World::new(db).await;
        let (store, none) = (&world.store, BuildId::new());
        let append = store.append_build_output(none, "x").await;
        let finish = store.finish_build(none, None, "").await.map(drop);
        let link = store.link_build_release(none, Version::FIRST).await;
        let read = store.build(none).await.map(drop);
        for refused in [append, finish, link, read] {
            assert!(matches!(refused, Err(Error::NotFound { what: "build", .. })));
        }
        let orphan = NewBuild { app: AppId::new(), ..new(&world) };
        let refused = store.create_build(&orphan).await;
        assert!(matches!(refused, Err(Error::NotFound { what: "app", .. })));
    }

    async fn a_slug_is_given_back_as_it_was_put(db: &Backend) {
        let world = World::new(db).await;
        let store = &world.store;
        for _ in 0..2 {
            store.put_slug(world.app.id, &slug(1)).await.unwrap();
            store.put_slug(world.app.id, &slug(2)).await.unwrap();
        }
        assert_eq!(store.slug(slug(1).id).await.unwrap(), slug(1));
        assert_eq!(store.slugs_of(world.app.id).await.unwrap(), [slug(2), slug(1)]);
        let none = store.slug(SlugId::from_bytes([7; 32])).await;
        assert!(matches!(none, Err(Error::NotFound { what: "slug", .. })));
    }

    async fn a_slug_that_is_gone_is_no_target_of_a_rollback(db: &Backend) {
        let world = World::new(db).await;
        let (store, app) = (&world.store, world.app.id);
        store.put_slug(app, &slug(1)).await.unwrap();
        let mut new = world.release(&[]);
        (new.slug, new.reason) = (Some(slug(1).id), Reason::Deployed(slug(1).commit));
        let version = store.append_release(&new).await.unwrap().version;
        store.succeed_release(app, version).await.unwrap();
        assert!(store.release(app, version).await.unwrap().can_be_rolled_back_to());
        store.mark_slug_gone(slug(1).id).await.unwrap();
        assert!(!store.release(app, version).await.unwrap().can_be_rolled_back_to());
        assert!(store.slugs_of(app).await.unwrap().is_empty());
        store.put_slug(app, &slug(1)).await.unwrap();
        assert!(store.release(app, version).await.unwrap().can_be_rolled_back_to());
    }

    async fn a_slug_that_two_apps_hold_outlives_one_of_them(db: &Backend) {
        let world = World::new(db).await;
        let second = world.another("second").await;
        world.store.put_slug(world.app.id, &slug(1)).await.unwrap();
        let mut new = world.release(&[]);
        (new.app, new.slug) = (second.id, Some(slug(1).id));
        world.store.append_release(&new).await.unwrap();
        world.store.destroy_app(world.app.id).await.unwrap();
        assert_eq!(world.store.slugs_of(second.id).await.unwrap(), [slug(1)]);
        world.store.destroy_app(second.id).await.unwrap();
        let gone = world.store.slug(slug(1).id).await;
        assert!(matches!(gone, Err(Error::NotFound { what: "slug", .. })));
    }
}
