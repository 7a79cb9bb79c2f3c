//! The JSON of the API, field for field as Heroku's Platform API v3 has it, for both its ends.
//!
//! Serves every factor and decides nothing: it only says how the domain looks to a client.
//! Each `From<domain type>` takes the domain type apart in full, without `..`, so that a new field
//! fails to compile until someone has decided whether it is public.
//!
//! Deliberately absent: HTTP, the store, and every rule. What Heroku has no word for is in
//! [`noon`], and is served below `/noon/`.

mod account;
mod app;
mod build;
mod domain;
mod dyno;
mod dyno_size;
mod error;
mod formation;
mod log_session;
pub mod noon;
mod range;
mod release;
mod time;

pub use account::Account;
pub use app::{App, AppContext, AppCreate, AppUpdate, Named, Owner};
pub use build::{Build, BuildContext};
pub use domain::{Domain, DomainContext, DomainCreate};
pub use dyno::{Dyno, DynoContext, DynoCreate, wire_state};
pub use dyno_size::{DynoSize, Generation, size_by};
pub use error::ApiError;
pub use formation::{Formation, FormationUpdate, FormationUpdates, Quantity, SizeRef};
pub use log_session::{LogSession, LogSessionCreate};
pub use range::{Order, Range, RangeError};
pub use release::{Release, ReleaseContext, Rollback};
pub use time::Time;

/// The name of the one region.
pub const REGION: &str = "local";

/// A stable UUID for a thing that has only a name, such as a stack or the region.
pub fn named_id(kind: &str, name: &str) -> uuid::Uuid {
    // Two rounds of 64-bit FNV-1a: these ids are labels, not secrets.
    let hash = |seed: u64| {
        let bytes = kind.bytes().chain([0]).chain(name.bytes());
        bytes.fold(seed, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    };
    uuid::Builder::from_custom_bytes(
        ((u128::from(hash(0xcbf2_9ce4_8422_2325)) << 64) | u128::from(hash(0x9e37_79b9_7f4a_7c15)))
            .to_be_bytes(),
    )
    .into_uuid()
}
