//! Users and tokens.

use noon_domain::{AccessToken, Principal, Secret, Timestamp, TokenId, User, UserId};
use sha2::{Digest, Sha256};

use crate::db::{all, one, run};
use crate::error::{is_taken, not_found};
use crate::row::Row;
use crate::{Error, Store};

/// A token to be remembered.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whom it proves.
    pub user: UserId,
    /// What it is for.
    pub description: String,
    /// The token itself, of which only a digest is kept.
    pub secret: Secret<String>,
    /// When it ceases to prove anything; `None` is never.
    pub expires_at: Option<Timestamp>,
}

impl Store {
    /// The user with this e-mail address, who is made if missing.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn ensure_owner(&self, email: &str) -> Result<User, Error> {
        let insert = "INSERT INTO users (id, email, created_at, updated_at) \
            VALUES ($1, $2, $3, $3) ON CONFLICT (email) DO NOTHING";
        let insert = sqlx::query(insert)
            .bind(UserId::new().to_string())
            .bind(email.to_owned())
            .bind(Timestamp::now().as_micros());
        let mut conn = self.db.read().await?;
        run(&mut conn, insert).await?;
        let select = "SELECT id, email, created_at, updated_at FROM users WHERE email = $1";
        let row = one(&mut conn, sqlx::query(select).bind(email.to_owned())).await?;
        user(&row.ok_or_else(|| not_found("user", email))?)
    }

    /// Looks a user up.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn user(&self, id: UserId) -> Result<User, Error> {
        let select = "SELECT id, email, created_at, updated_at FROM users WHERE id = $1";
        let mut conn = self.db.read().await?;
        let row = one(&mut conn, sqlx::query(select).bind(id.to_string())).await?;
        user(&row.ok_or_else(|| not_found("user", id))?)
    }

    /// Remembers a token by its digest.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such user, [`Error::Taken`] if the token is remembered.
    pub async fn create_token(&self, new: &NewToken) -> Result<AccessToken, Error> {
        let token = AccessToken {
            id: TokenId::new(),
            user: self.user(new.user).await?.id,
            description: new.description.clone(),
            created_at: Timestamp::now(),
            expires_at: new.expires_at,
        };
        let insert = "INSERT INTO tokens (id, user_id, description, digest, created_at, expires_at) \
            VALUES ($1, $2, $3, $4, $5, $6)";
        let insert = sqlx::query(insert)
            .bind(token.id.to_string())
            .bind(token.user.to_string())
            .bind(token.description.clone())
            .bind(digest(&new.secret))
            .bind(token.created_at.as_micros())
            .bind(token.expires_at.map(Timestamp::as_micros));
        let mut conn = self.db.read().await?;
        match run(&mut conn, insert).await {
            Err(error) if is_taken(&error) => {
                let name = token.description;
                Err(Error::Taken {
                    what: "token",
                    name,
                })
            }
            done => done.map(|_| token),
        }
    }

    /// Who shows this token, or `None` if it proves nothing (any more).
    ///
    /// The token is looked up by its SHA-256, so that the time it takes says nothing of any token.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn authenticate(&self, secret: &Secret<String>) -> Result<Option<Principal>, Error> {
        let select = "SELECT u.id, u.email, u.created_at, u.updated_at, t.id AS token_id \
            FROM tokens t JOIN users u ON u.id = t.user_id \
            WHERE t.digest = $1 AND (t.expires_at IS NULL OR t.expires_at > $2)";
        let select = sqlx::query(select)
            .bind(digest(secret))
            .bind(Timestamp::now().as_micros());
        let mut conn = self.db.read().await?;
        let row = one(&mut conn, select).await?;
        row.map(|row| {
            Ok(Principal {
                user: user(&row)?,
                token: row.parse("token_id")?,
            })
        })
        .transpose()
    }

    /// A user's tokens, the oldest first; those expired too.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn tokens(&self, user: UserId) -> Result<Vec<AccessToken>, Error> {
        let select = "SELECT id, user_id, description, created_at, expires_at FROM tokens \
            WHERE user_id = $1 ORDER BY created_at, id";
        let mut conn = self.db.read().await?;
        let rows = all(&mut conn, sqlx::query(select).bind(user.to_string())).await?;
        rows.iter().map(token).collect()
    }

    /// Forgets a token, which proves nothing from here on.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke_token(&self, id: TokenId) -> Result<(), Error> {
        let delete = sqlx::query("DELETE FROM tokens WHERE id = $1").bind(id.to_string());
        let mut conn = self.db.read().await?;
        match run(&mut conn, delete).await? {
            0 => Err(not_found("token", id)),
            _ => Ok(()),
        }
    }
}

fn digest(secret: &Secret<String>) -> Vec<u8> {
    Sha256::digest(secret.expose().as_bytes()).to_vec()
}

fn user(row: &Row) -> Result<User, Error> {
    Ok(User {
        id: row.parse("id")?,
        email: row.text("email")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn token(row: &Row) -> Result<AccessToken, Error> {
    Ok(AccessToken {
        id: row.parse("id")?,
        user: row.parse("user_id")?,
        description: row.text("description")?,
        created_at: row.time("created_at")?,
        expires_at: row.maybe_time("expires_at")?,
    })
}
