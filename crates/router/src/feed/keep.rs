//! The last table as a file, for a router that starts while control is away.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use noon_domain::RouteTable;

use super::table::TableMessage;

/// Writes a table, as JSON, beside the file and renames it into its place: a reader finds the old
/// one or the new one. Only the owner may read it.
pub(crate) fn save(path: &Path, table: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(table)?;
    fs::rename(&beside, path)
}

/// Reads a table that was kept; `None` if there is none.
pub(crate) fn load(path: &Path) -> io::Result<Option<RouteTable>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    let kept: TableMessage = serde_json::from_slice(&bytes)?;
    kept.table().map(Some).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_table_is_kept_for_its_owner_only_and_a_torn_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("routes.json");
        assert!(load(&path).unwrap().is_none());
        let table = RouteTable::new(5, []);
        let written = serde_json::to_vec(&TableMessage::new(1, &table)).unwrap();
        save(&path, &written).unwrap();
        assert_eq!(load(&path).unwrap(), Some(table));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::write(&path, b"{").unwrap();
        assert!(load(&path).is_err());
    }
}
