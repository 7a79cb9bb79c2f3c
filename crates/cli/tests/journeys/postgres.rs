//! The same house on PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use noon_testkit::eventually;

use super::{answers, house, pushed};

/// A PostgreSQL of this test's own.
struct Postgres {
    server: Child,
    dir: tempfile::TempDir,
}

impl Postgres {
    /// Starts one; `None` where there is no PostgreSQL.
    fn start() -> Option<Self> {
        let bin = bin()?;
        let dir = tempfile::Builder::new()
            .prefix("noon-pg-")
            .tempdir()
            .expect("a directory");
        let data = dir.path().join("data");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).expect("a mode");
        let _ = Command::new("chown")
            .arg("postgres")
            .arg(dir.path())
            .status();
        let made = as_postgres(&bin.join("initdb"))
            .args([
                "-D",
                &data.display().to_string(),
                "-A",
                "trust",
                "-U",
                "noon",
            ])
            .stdout(Stdio::null())
            .status()
            .ok()?;
        assert!(made.success(), "initdb failed");
        let server = as_postgres(&bin.join("postgres"))
            .args(["-D", &data.display().to_string(), "-c", "listen_addresses="])
            .args(["-k", &dir.path().display().to_string(), "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let postgres = Self { server, dir };
        eventually("PostgreSQL listens", || {
            postgres
                .dir
                .path()
                .join(".s.PGSQL.5432")
                .exists()
                .then_some(())
        });
        Some(postgres)
    }

    fn url(&self) -> String {
        let dir = self.dir.path().display().to_string().replace('/', "%2F");
        format!("postgres://noon@{dir}/postgres")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let pid = self.server.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let _ = self.server.wait();
    }
}

fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--",
        ])
        .arg(program);
    command.current_dir("/");
    command
}

fn bin() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok();
    let found = versions
        .into_iter()
        .flatten()
        .flatten()
        .map(|v| v.path().join("bin"))
        .next();
    if found.is_none() {
        let is_due = std::env::var_os("NOON_TEST_REQUIRE_POSTGRES").is_some();
        assert!(!is_due, "there is no PostgreSQL, and one is due");
        eprintln!("skipped: there is no PostgreSQL in /usr/lib/postgresql");
    }
    found
}

#[test]
fn the_main_job_is_done_on_postgresql_and_apps_outlive_the_database() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let house = house().env("NOON_DATABASE_URL", postgres.url()).start();
    let repo = pushed(&house, "on-postgres");
    let _ = repo.noon(&["config", "set", "A=1"]).ok();
    let _ = repo.noon(&["rollback", "v2"]).ok();
    let _ = repo.noon(&["releases", "verify"]).ok().says("4 entries");
    drop(postgres);
    let _ = repo.noon(&["releases"]).fails(5).says("database");
    answers(&house, "on-postgres", "one\n");
    house.tear_down();
}
