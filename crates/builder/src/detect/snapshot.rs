//! What detection looks at: the names at the root of a tree, and its manifests.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use super::plan::{Refusal, refuse};
use crate::Error;

/// The most that a manifest or a lock file may hold, in bytes.
const MAX_MANIFEST: u64 = 64 << 20;

/// The root of a tree, as values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    entries: BTreeMap<String, Entry>,
}

/// One name at the root of a tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Entry {
    /// A file; the content if it is a manifest.
    File(Option<Vec<u8>>),
    /// A manifest larger than any that a person or a tool wrote.
    Huge,
    /// A directory.
    Directory,
    /// A symbolic link, which is not followed.
    Link,
}

impl Snapshot {
    /// Reads the names at the root, and the contents of those that are wanted.
    pub(crate) fn read(root: &Path, is_manifest: impl Fn(&str) -> bool) -> Result<Self, Error> {
        let mut entries = BTreeMap::new();
        for entry in fs::read_dir(root).map_err(Error::io("read", root))? {
            let entry = entry.map_err(Error::io("read", root))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let kind = entry.file_type().map_err(Error::io("read", root))?;
            let found = if kind.is_symlink() {
                Entry::Link
            } else if kind.is_dir() {
                Entry::Directory
            } else if kind.is_file() && is_manifest(&name) {
                read_manifest(&entry.path())?
            } else {
                Entry::File(None)
            };
            entries.insert(name, found);
        }
        Ok(Self { entries })
    }

    /// Whether something of this name is there, be it a link.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The first of these names that is there. A name may begin with `*`.
    pub(crate) fn first_of<'a>(&'a self, names: &[&'a str]) -> Option<&'a str> {
        names.iter().find_map(|name| match name.strip_prefix('*') {
            Some(suffix) => self
                .entries
                .keys()
                .find(|entry| entry.len() > suffix.len() && entry.ends_with(suffix))
                .map(String::as_str),
            None => self.has(name).then_some(*name),
        })
    }

    /// A manifest's content; `None` if there is no such name.
    pub(crate) fn bytes(&self, name: &str) -> Result<Option<&[u8]>, Refusal> {
        match self.entries.get(name) {
            None => Ok(None),
            Some(Entry::File(content)) => Ok(Some(content.as_deref().unwrap_or_default())),
            Some(Entry::Huge) => refuse(format!("{name} is larger than 64 MiB")),
            Some(Entry::Directory) => refuse(format!("{name} is a directory and must be a file")),
            Some(Entry::Link) => refuse(format!(
                "{name} is a symbolic link: commit the file itself, for links in a tree are not followed"
            )),
        }
    }

    /// A manifest's content as text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let Some(bytes) = self.bytes(name)? else {
            return Ok(None);
        };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => refuse(format!("{name} is not UTF-8 text")),
        }
    }

    /// The names that are there, for the sentence that says what was found.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }
}

fn read_manifest(path: &Path) -> Result<Entry, Error> {
    let file = fs::File::open(path).map_err(Error::io("open", path))?;
    let mut content = Vec::new();
    file.take(MAX_MANIFEST + 1)
        .read_to_end(&mut content)
        .map_err(Error::io("read", path))?;
    Ok(if content.len() as u64 > MAX_MANIFEST {
        Entry::Huge
    } else {
        Entry::File(Some(content))
    })
}

#[cfg(test)]
impl Snapshot {
    /// A tree of these files; a name that ends in `/` is a directory, in `@` a link.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let entry = |(name, content): &(&str, &str)| match name.strip_suffix('/') {
            Some(dir) => (dir.to_owned(), Entry::Directory),
            None => match name.strip_suffix('@') {
                Some(link) => (link.to_owned(), Entry::Link),
                None => (
                    (*name).to_owned(),
                    Entry::File(Some(content.as_bytes().to_vec())),
                ),
            },
        };
        Self {
            entries: files.iter().map(entry).collect(),
        }
    }
}
