//! The client of the API: Heroku's Platform API v3, and noon's own words below `/noon/`.

mod api;
mod app;
pub mod attach;
mod follow;
mod sse;

pub use api::{Api, ListRange};
pub use app::AppApi;
pub use follow::{copy, follow, stream_release_output};
pub use sse::{Event, Parser};
