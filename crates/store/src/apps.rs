//! Apps.

use noon_domain::{
    App, AppId, AppName, ConfigVars, Network, Reason, StackName, Timestamp, UserId, Version,
};
use sqlx::AnyConnection;

use crate::db::{Query, all, one, run, transact};
use crate::error::{is_taken, not_found};
use crate::key::Keys;
use crate::row::Row;
use crate::{Error, NewRelease, Store, outcomes, releases};

/// An app to be made.
#[derive(Clone, Debug)]
pub struct NewApp {
    /// Its name.
    pub name: AppName,
    /// Who makes it.
    pub owner: UserId,
    /// The stack for its builds.
    pub stack: StackName,
}

macro_rules! select_app {
    ($tail:literal) => {
        concat!(
            "SELECT id, name, owner_id, stack, slot, maintenance, network, created_at, updated_at, \
             released_at FROM apps ",
            $tail
        )
    };
}

impl Store {
    /// Makes an app and its first release, which has no slug and is current at once.
    ///
    /// # Errors
    /// [`Error::Taken`] if the name is, [`Error::NotFound`] if the owner is unknown.
    pub async fn create_app(&self, new: &NewApp) -> Result<App, Error> {
        self.user(new.owner).await?;
        transact!(self, |tx| create(&mut tx, &self.keys, new))
    }

    /// Looks an app up.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn app(&self, id: AppId) -> Result<App, Error> {
        let mut conn = self.db.read().await?;
        by_id(&mut conn, id).await
    }

    /// Looks an app up by its name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn app_by_name(&self, name: &AppName) -> Result<App, Error> {
        let select = sqlx::query(select_app!("WHERE name = $1")).bind(name.to_string());
        let mut conn = self.db.read().await?;
        read(
            &one(&mut conn, select)
                .await?
                .ok_or_else(|| not_found("app", name))?,
        )
    }

    /// All apps, by name.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn apps(&self) -> Result<Vec<App>, Error> {
        let mut conn = self.db.read().await?;
        let rows = all(&mut conn, sqlx::query(select_app!("ORDER BY name"))).await?;
        rows.iter().map(read).collect()
    }

    /// Gives an app another name.
    ///
    /// # Errors
    /// [`Error::NotFound`], and [`Error::Taken`] if another app has the name.
    pub async fn rename_app(&self, id: AppId, name: &AppName) -> Result<App, Error> {
        let update = || {
            sqlx::query("UPDATE apps SET name = $2, updated_at = $3 WHERE id = $1")
                .bind(id.to_string())
                .bind(name.to_string())
                .bind(Timestamp::now().as_micros())
        };
        let done = transact!(self, |tx| change(&mut tx, id, update()));
        done.map_err(|error| taken(error, name))
    }

    /// Puts an app into maintenance, or takes it out.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn set_maintenance(&self, id: AppId, on: bool) -> Result<App, Error> {
        let update = || {
            sqlx::query("UPDATE apps SET maintenance = $2, updated_at = $3 WHERE id = $1")
                .bind(id.to_string())
                .bind(i64::from(on))
                .bind(Timestamp::now().as_micros())
        };
        transact!(self, |tx| change(&mut tx, id, update()))
    }

    /// Chooses what an app's processes may reach; `None` leaves it to the platform.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn set_network(&self, id: AppId, network: Option<Network>) -> Result<App, Error> {
        let update = || {
            sqlx::query("UPDATE apps SET network = $2, updated_at = $3 WHERE id = $1")
                .bind(id.to_string())
                .bind(network.map(|network| network.to_string()))
                .bind(Timestamp::now().as_micros())
        };
        transact!(self, |tx| change(&mut tx, id, update()))
    }
}

async fn create(conn: &mut AnyConnection, keys: &Keys, new: &NewApp) -> Result<App, Error> {
    let id = AppId::new();
    let now = Timestamp::now();
    let slot = free_slot(conn).await?;
    let insert = "INSERT INTO apps (id, name, owner_id, stack, slot, maintenance, last_version, \
        destroying, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, 0, 0, 0, $6, $6)";
    let insert = sqlx::query(insert)
        .bind(id.to_string())
        .bind(new.name.to_string())
        .bind(new.owner.to_string())
        .bind(new.stack.to_string())
        .bind(slot)
        .bind(now.as_micros());
    run(conn, insert)
        .await
        .map_err(|error| taken(error, &new.name))?;
    let first = NewRelease {
        app: id,
        slug: None,
        config: ConfigVars::default(),
        reason: Reason::Created,
        by: new.owner,
    };
    releases::append(conn, keys, &first).await?;
    // Nothing is to start for it, so there is nothing that could fail.
    outcomes::succeed(conn, id, Version::FIRST).await?;
    by_id(conn, id).await
}

/// The smallest number that no app has, from 1. Taken under a lock, for two may look at once.
async fn free_slot(conn: &mut AnyConnection) -> Result<i64, Error> {
    lock_slots(conn).await?;
    let select = "SELECT MIN(c.slot) AS slot \
        FROM (SELECT 1 AS slot UNION ALL SELECT slot + 1 FROM apps) c \
        WHERE c.slot NOT IN (SELECT slot FROM apps)";
    let row = one(conn, sqlx::query(select)).await?;
    row.ok_or_else(|| not_found("slot", "free"))?.int("slot")
}

/// Takes the lock under which slots are given and shared slugs are let go.
pub(crate) async fn lock_slots(conn: &mut AnyConnection) -> Result<(), Error> {
    let lock = "UPDATE counters SET value = value + 1 WHERE name = 'slots'";
    run(conn, sqlx::query(lock)).await.map(drop)
}

async fn change(conn: &mut AnyConnection, id: AppId, update: Query<'_>) -> Result<App, Error> {
    run(conn, update).await?;
    by_id(conn, id).await
}

/// Takes an app's row for this transaction and notes that something of the app changes.
pub(crate) async fn touch(conn: &mut AnyConnection, id: AppId) -> Result<(), Error> {
    let update = sqlx::query("UPDATE apps SET updated_at = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(Timestamp::now().as_micros());
    match run(conn, update).await? {
        0 => Err(not_found("app", id)),
        _ => Ok(()),
    }
}

async fn by_id(conn: &mut AnyConnection, id: AppId) -> Result<App, Error> {
    let select = sqlx::query(select_app!("WHERE id = $1")).bind(id.to_string());
    read(
        &one(conn, select)
            .await?
            .ok_or_else(|| not_found("app", id))?,
    )
}

fn taken(error: Error, name: &AppName) -> Error {
    match is_taken(&error) {
        true => Error::Taken {
            what: "app name",
            name: name.to_string(),
        },
        false => error,
    }
}

fn read(row: &Row) -> Result<App, Error> {
    Ok(App {
        id: row.parse("id")?,
        name: row.parse("name")?,
        owner: row.parse("owner_id")?,
        stack: StackName::new(row.text("stack")?),
        slot: row.number("slot")?,
        maintenance: row.int("maintenance")? != 0,
        network: row.maybe_parse("network")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        released_at: row.maybe_time("released_at")?,
    })
}
