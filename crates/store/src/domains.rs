//! Custom domains.

use noon_domain::{AppId, CustomDomain, DomainId, Hostname, Timestamp};
use sqlx::AnyConnection;

use crate::db::{all, run, transact};
use crate::error::{is_taken, not_found};
use crate::row::Row;
use crate::{Error, Store, apps};

impl Store {
    /// Leads a host name to an app.
    ///
    /// # Errors
    /// [`Error::Taken`] if it leads to any app already, [`Error::NotFound`] without the app.
    pub async fn add_domain(&self, app: AppId, host: &Hostname) -> Result<CustomDomain, Error> {
        let domain = CustomDomain {
            id: DomainId::new(),
            app,
            hostname: host.clone(),
            created_at: Timestamp::now(),
        };
        transact!(self, |tx| add(&mut tx, &domain))?;
        Ok(domain)
    }

    /// Leads a host name to the app no more.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is not one of this app.
    pub async fn remove_domain(&self, app: AppId, host: &Hostname) -> Result<(), Error> {
        transact!(self, |tx| remove(&mut tx, app, host))
    }

    /// An app's domains, the oldest first.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn domains(&self, app: AppId) -> Result<Vec<CustomDomain>, Error> {
        let select = "SELECT id, app_id, hostname, created_at FROM domains WHERE app_id = $1 \
            ORDER BY created_at, hostname";
        let mut conn = self.db.read().await?;
        let rows = all(&mut conn, sqlx::query(select).bind(app.to_string())).await?;
        rows.iter().map(read).collect()
    }

    /// All apps' domains, by host name.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn all_domains(&self) -> Result<Vec<CustomDomain>, Error> {
        let select = "SELECT id, app_id, hostname, created_at FROM domains ORDER BY hostname";
        let mut conn = self.db.read().await?;
        let rows = all(&mut conn, sqlx::query(select)).await?;
        rows.iter().map(read).collect()
    }
}

async fn add(conn: &mut AnyConnection, domain: &CustomDomain) -> Result<(), Error> {
    apps::touch(conn, domain.app).await?;
    let insert = "INSERT INTO domains (id, app_id, hostname, created_at) VALUES ($1, $2, $3, $4)";
    let insert = sqlx::query(insert)
        .bind(domain.id.to_string())
        .bind(domain.app.to_string())
        .bind(domain.hostname.to_string())
        .bind(domain.created_at.as_micros());
    let name = || domain.hostname.to_string();
    match run(conn, insert).await {
        Err(error) if is_taken(&error) => Err(Error::Taken {
            what: "domain",
            name: name(),
        }),
        done => done.map(drop),
    }
}

async fn remove(conn: &mut AnyConnection, app: AppId, host: &Hostname) -> Result<(), Error> {
    apps::touch(conn, app).await?;
    let delete = sqlx::query("DELETE FROM domains WHERE app_id = $1 AND hostname = $2")
        .bind(app.to_string())
        .bind(host.to_string());
    match run(conn, delete).await? {
        0 => Err(not_found("domain", host)),
        _ => Ok(()),
    }
}

fn read(row: &Row) -> Result<CustomDomain, Error> {
    Ok(CustomDomain {
        id: row.parse("id")?,
        app: row.parse("app_id")?,
        hostname: row.parse("hostname")?,
        created_at: row.time("created_at")?,
    })
}
