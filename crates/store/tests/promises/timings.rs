//! Boot and stop times: kept once, the newest only, and gone with their app.

use std::time::Duration;

use noon_domain::{AppId, ProcessId, Timestamp, Timing, Took, Version};

use crate::backend::Backend;
use crate::promises;
use crate::world::World;

pub fn timing(app: AppId, (version, name): (u32, &str), what: Took, at: i64) -> Timing {
    Timing {
        app,
        release: Version::new(version),
        process: ProcessId::new(),
        name: name.parse().unwrap(),
        what,
        at: Timestamp::from_micros(at),
    }
}

pub fn boot(micros: u64) -> Took {
    Took::Boot(Duration::from_micros(micros))
}

fn stop(micros: u64) -> Took {
    Took::Stop(Duration::from_micros(micros))
}

promises! {
    async fn timings_read_back_by_release_the_newest_first(db: &Backend) {
        let world = World::new(db).await;
        let app = world.app.id;
        let first = timing(app, (1, "web.1"), boot(5), 10);
        let second = timing(app, (1, "worker.2"), stop(7), 20);
        let other = timing(app, (2, "web.1"), boot(9), 30);
        let all = [first.clone(), second.clone(), other.clone()];
        world.store.add_timings(&all).await.unwrap();
        world.store.add_timings(&[]).await.unwrap();
        let of = async |version| world.store.timings(app, Version::new(version)).await.unwrap();
        assert_eq!(of(1).await, [second, first]);
        assert_eq!(of(2).await, [other]);
        assert_eq!(of(3).await, []);
    }

    async fn the_same_timing_twice_is_kept_once(db: &Backend) {
        let world = World::new(db).await;
        let once = timing(world.app.id, (1, "web.1"), boot(5), 10);
        let both = [once.clone(), once.clone()];
        world.store.add_timings(&both).await.unwrap();
        world.store.add_timings(&both).await.unwrap();
        let kept = world.store.timings(world.app.id, Version::FIRST).await.unwrap();
        assert_eq!(kept, [once]);
    }

    async fn of_each_release_type_and_sort_the_newest_two_hundred_are_kept(db: &Backend) {
        let world = World::new(db).await;
        let app = world.app.id;
        let mut all: Vec<_> = (0..210).map(|at| timing(app, (1, "web.1"), boot(1), at)).collect();
        all.push(timing(app, (1, "web.1"), stop(1), 0));
        all.push(timing(app, (1, "worker.1"), boot(1), 0));
        let (early, late) = all.split_at(150);
        world.store.add_timings(early).await.unwrap();
        world.store.add_timings(late).await.unwrap();
        let kept = world.store.timings(app, Version::FIRST).await.unwrap();
        assert_eq!(kept.len(), 202);
        let boots = |t: &&Timing| matches!(t.what, Took::Boot(_)) && t.name.kind.is_web();
        let oldest = kept.iter().filter(boots).map(|t| t.at.as_micros()).min();
        assert_eq!(oldest, Some(10));
    }

    async fn the_last_of_each_place_is_found_across_releases(db: &Backend) {
        let world = World::new(db).await;
        let app = world.app.id;
        let old = timing(app, (1, "web.1"), boot(5), 10);
        let new = timing(app, (2, "web.1"), boot(6), 30);
        let stopped = timing(app, (1, "web.1"), stop(7), 20);
        let neighbour = timing(app, (1, "web.2"), boot(8), 15);
        let all = [new.clone(), old, stopped.clone(), neighbour.clone()];
        world.store.add_timings(&all).await.unwrap();
        let last = world.store.last_timings(app).await.unwrap();
        assert_eq!(last, [new, stopped, neighbour]);
        let another = world.another("another").await;
        assert_eq!(world.store.last_timings(another.id).await.unwrap(), []);
    }

    async fn an_app_that_is_gone_takes_its_timings_along_and_spoils_no_batch(db: &Backend) {
        let world = World::new(db).await;
        let gone = world.another("gone").await;
        let late = timing(gone.id, (1, "web.1"), boot(5), 10);
        world.store.add_timings(std::slice::from_ref(&late)).await.unwrap();
        world.store.destroy_app(gone.id).await.unwrap();
        assert_eq!(world.store.timings(gone.id, Version::FIRST).await.unwrap(), []);
        let other = timing(world.app.id, (1, "web.1"), boot(5), 10);
        world.store.add_timings(&[late, other.clone()]).await.unwrap();
        assert_eq!(world.store.timings(gone.id, Version::FIRST).await.unwrap(), []);
        let kept = world.store.timings(world.app.id, Version::FIRST).await.unwrap();
        assert_eq!(kept, [other]);
    }

    async fn timings_of_long_past_versions_are_forgotten(db: &Backend) {
        let world = World::new(db).await;
        let app = world.app.id;
        for _ in 0..101 {
            world.append(&[]).await;
        }
        let all = [timing(app, (2, "web.1"), boot(5), 10), timing(app, (3, "web.1"), boot(5), 10)];
        world.store.add_timings(&all).await.unwrap();
        assert_eq!(world.store.timings(app, Version::new(2)).await.unwrap(), []);
        assert_eq!(world.store.timings(app, Version::new(3)).await.unwrap().len(), 1);
    }
}
