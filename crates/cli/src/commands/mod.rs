//! The commands, one file each.

pub mod apps;
pub mod builds;
pub mod completions;
pub mod config;
pub mod create;
pub mod demo;
pub mod destroy;
pub mod doctor;
pub mod domains;
pub mod git_credentials;
pub mod info;
pub mod links;
pub mod login;
pub mod logout;
pub mod logs;
pub mod maintenance;
pub mod network;
pub mod open;
pub mod ps;
pub mod releases;
pub mod rename;
pub mod rollback;
pub mod run;
pub mod version;
pub mod whoami;
