//! `/account`.

use axum::Json;
use noon_wire::Account;

use crate::auth::Asker;

/// Shows who is asking.
pub async fn show(Asker(who): Asker) -> Json<Account> {
    Json(who.user.into())
}
