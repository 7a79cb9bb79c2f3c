//! `/apps/X/domains`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use noon_control::{Permit, View};
use noon_domain::{App, CustomDomain};
use noon_wire::{Domain, DomainContext, DomainCreate, Named};

use crate::House;
use crate::auth::{Asker, Body};
use crate::failure::Failure;
use crate::list::{Ordered, part};

const BY_HOSTNAME: Ordered<Domain> = Ordered {
    field: "hostname",
    key: |domain| domain.hostname.clone(),
};

/// Lists an app's domains, the platform's own among them.
pub async fn list(
    State(house): State<House>,
    Asker(who): Asker,
    (Path(app), headers): (Path<String>, HeaderMap),
) -> Result<Response, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let mut domains = house.all_domains(&permit).await?;
    domains.sort_by(|a, b| a.hostname.cmp(&b.hostname));
    part(&headers, &BY_HOSTNAME, domains)
}

/// Shows a domain, named by host name or id.
pub async fn show(
    State(house): State<House>,
    Asker(who): Asker,
    Path((app, named)): Path<(String, String)>,
) -> Result<Json<Domain>, Failure> {
    let permit = house.control.permit_view(&who, &app).await?;
    let domains = house.all_domains(&permit).await?;
    let mut meant = domains.into_iter();
    let found = meant.find(|d| d.hostname == named || d.id.to_string() == named);
    let missing = || Failure::not_found("domain", format!("there is no domain {named} here"));
    found.map(Json).ok_or_else(missing)
}

/// Adds a custom domain.
pub async fn add(
    State(house): State<House>,
    Asker(who): Asker,
    (Path(app), Body(create)): (Path<String>, Body<DomainCreate>),
) -> Result<(StatusCode, Json<Domain>), Failure> {
    let permit = house.control.permit_operate(&who, &app).await?;
    let hostname = create.hostname.parse().map_err(Failure::invalid)?;
    let domain = house.control.add_domain(&permit, hostname).await?;
    Ok((
        StatusCode::CREATED,
        Json(house.shown_domain(permit.app(), domain)?),
    ))
}

/// Removes a custom domain.
pub async fn remove(
    State(house): State<House>,
    Asker(who): Asker,
    Path((app, hostname)): Path<(String, String)>,
) -> Result<Json<Domain>, Failure> {
    let permit = house.control.permit_operate(&who, &app).await?;
    let hostname = hostname.parse().map_err(Failure::invalid)?;
    let domain = house.control.remove_domain(&permit, &hostname).await?;
    Ok(Json(house.shown_domain(permit.app(), domain)?))
}

impl House {
    async fn all_domains(&self, permit: &Permit<View>) -> Result<Vec<Domain>, Failure> {
        let own = self.control.own_hostname(permit.app())?;
        let mut domains = vec![Domain::own(permit.app(), own.as_str())];
        for domain in self.control.domains(permit).await? {
            domains.push(self.shown_domain(permit.app(), domain)?);
        }
        Ok(domains)
    }

    fn shown_domain(&self, app: &App, domain: CustomDomain) -> Result<Domain, Failure> {
        let context = DomainContext {
            app: Named {
                id: app.id.as_uuid(),
                name: app.name.to_string(),
            },
            own_hostname: self.control.own_hostname(app)?.to_string(),
        };
        Ok((domain, context).into())
    }
}
