//! Users and tokens.

use noon_domain::{Secret, Timestamp, TokenId, UserId};
use noon_store::{Error, NewToken};

use crate::backend::Backend;
use crate::promises;
use crate::world::World;

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn token(world: &World, text: &str, expires_at: Option<Timestamp>) -> NewToken {
    let description = "laptop".to_owned();
    NewToken {
        user: world.user.id,
        description,
        secret: secret(text),
        expires_at,
    }
}

promises! {
    async fn an_owner_is_made_once(db: &Backend) {
        let world = World::new(db).await;
        let again = world.store.ensure_owner("owner@example.com").await.unwrap();
        assert_eq!(again, world.user);
        assert_eq!(world.store.user(world.user.id).await.unwrap(), world.user);
        let unknown = world.store.user(UserId::new()).await;
        assert!(matches!(unknown, Err(Error::NotFound { what: "user", .. })));
    }

    async fn a_token_proves_its_user_until_it_is_revoked(db: &Backend) {
        let world = World::new(db).await;
        let made = world.store.create_token(&token(&world, "t0p", None)).await.unwrap();
        let shown = world.store.authenticate(&secret("t0p")).await.unwrap().unwrap();
        assert_eq!((shown.user, shown.token), (world.user.clone(), made.id));
        let tokens = world.store.tokens(world.user.id).await.unwrap();
        assert_eq!(tokens.as_slice(), std::slice::from_ref(&made));
        let twice = world.store.create_token(&token(&world, "t0p", None)).await;
        assert!(matches!(twice, Err(Error::Taken { what: "token", .. })));
        assert_eq!(world.store.authenticate(&secret("t0")).await.unwrap(), None);
        world.store.revoke_token(made.id).await.unwrap();
        assert_eq!(world.store.authenticate(&secret("t0p")).await.unwrap(), None);
        let again = world.store.revoke_token(made.id).await;
        assert!(matches!(again, Err(Error::NotFound { what: "token", .. })));
    }

    async fn an_expired_token_proves_nothing(db: &Backend) {
        let world = World::new(db).await;
        let now = Timestamp::now().as_micros();
        let past = Some(Timestamp::from_micros(now - 1));
        let future = Some(Timestamp::from_micros(now + 3_600_000_000));
        world.store.create_token(&token(&world, "old", past)).await.unwrap();
        let good = world.store.create_token(&token(&world, "new", future)).await.unwrap();
        assert_eq!(world.store.authenticate(&secret("old")).await.unwrap(), None);
        assert!(world.store.authenticate(&secret("new")).await.unwrap().is_some());
        assert_eq!(good.expires_at, future);
    }

    async fn the_token_itself_is_nowhere_in_the_database(db: &Backend) {
        let world = World::new(db).await;
        let text = "token-9c1f4be2-only-here";
        world.store.create_token(&token(&world, text, None)).await.unwrap();
        let bytes = db.bytes().await;
        let found = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
        assert!(found("owner@example.com") && !found(text));
    }

    async fn no_token_is_made_for_nobody(db: &Backend) {
        let world = World::new(db).await;
        let new = NewToken { user: UserId::new(), ..token(&world, "t", None) };
        let made = world.store.create_token(&new).await;
        assert!(matches!(made, Err(Error::NotFound { what: "user", .. })));
        let gone = world.store.revoke_token(TokenId::new()).await;
        assert!(matches!(gone, Err(Error::NotFound { what: "token", .. })));
    }
}
