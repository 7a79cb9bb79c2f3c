//! Whether a pushed tree can be deployed at all, found out before a file of it is written.

use std::process::Stdio;

use noon_domain::Commit;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};

use crate::repository::{Quarantine, Repository};
use crate::stop::Stop;
use crate::{Error, Refusal, Settings};

const LFS_FIRST_LINE: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";

/// The sizes that a Git LFS pointer can have, in bytes.
const LFS_SIZES: std::ops::Range<u64> = 100..1024;

/// One entry of a tree, as `git ls-tree -r -t -l -z` prints it.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    is_submodule: bool,
    object: String,
    /// Bytes of a file or symbolic link.
    size: u64,
    path: String,
}

impl Entry {
    /// Reads `<mode> <type> <object> <size>\t<path>`.
    fn parse(record: &[u8]) -> Option<Self> {
        let tab = record.iter().position(|&b| b == b'\t')?;
        let head = std::str::from_utf8(&record[..tab]).ok()?;
        let mut words = head.split_ascii_whitespace();
        let (mode, _kind) = (words.next()?, words.next()?);
        let (object, size) = (words.next()?.to_owned(), words.next()?.parse().unwrap_or(0));
        let path = String::from_utf8_lossy(&record[tab + 1..]).into_owned();
        Some(Self {
            is_submodule: mode == "160000",
            object,
            size,
            path,
        })
    }
}

/// What was seen of a tree so far.
struct Tally<'a> {
    limits: &'a Settings,
    files: u64,
    bytes: u64,
    /// Object and path of what is small enough to be a Git LFS pointer.
    small: Vec<(String, String)>,
}

impl<'a> Tally<'a> {
    const fn new(limits: &'a Settings) -> Self {
        Self {
            limits,
            files: 0,
            bytes: 0,
            small: Vec::new(),
        }
    }

    fn add(&mut self, entry: Entry) -> Result<(), Refusal> {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(entry.size);
        if entry.is_submodule {
            return Err(Refusal::Submodule { path: entry.path });
        }
        if self.files > self.limits.max_checkout_files {
            return Err(Refusal::TooManyFiles {
                limit: self.limits.max_checkout_files,
            });
        }
        if self.bytes > self.limits.max_checkout_bytes {
            return Err(Refusal::TooManyBytes {
                limit: self.limits.max_checkout_bytes,
            });
        }
        if LFS_SIZES.contains(&entry.size) {
            self.small.push((entry.object, entry.path));
        }
        Ok(())
    }
}

/// Refuses a tree that holds submodules, Git LFS pointers or too much.
pub(crate) async fn inspect(
    repository: &Repository,
    quarantine: &Quarantine,
    (tree, limits): (&Commit, &Settings),
) -> Result<(), Stop> {
    let mut list = repository.command_in(quarantine, "ls-tree");
    list.args(["-r", "-t", "-l", "-z", "--full-tree", tree.as_str()]);
    let small = tally(list, Tally::new(limits)).await?;
    if !small.is_empty() {
        find_pointer(repository.command_in(quarantine, "cat-file"), small).await?;
    }
    Ok(())
}

/// Stops reading at the first refusal: a tree of ten small objects can name billions of files.
async fn tally(mut list: Command, mut tally: Tally<'_>) -> Result<Vec<(String, String)>, Stop> {
    let lost = |source| Error::GitPipe {
        command: "ls-tree".into(),
        source,
    };
    let mut child = list.stderr(Stdio::null()).spawn().map_err(lost)?;
    let mut records = BufReader::new(child.stdout.take().expect("was asked for"));
    let mut record = Vec::new();
    while records.read_until(0, &mut record).await.map_err(lost)? > 0 {
        let entry = Entry::parse(record.strip_suffix(b"\0").unwrap_or(&record));
        tally.add(entry.ok_or_else(|| nonsense("ls-tree", &record))?)?;
        record.clear();
    }
    let status = child.wait().await.map_err(lost)?;
    if !status.success() {
        let stderr = format!("it ended with {status}");
        return Err(Error::Git {
            command: "ls-tree".into(),
            stderr,
        }
        .into());
    }
    Ok(tally.small)
}

async fn find_pointer(mut batch: Command, small: Vec<(String, String)>) -> Result<(), Stop> {
    let lost = |source| Error::GitPipe {
        command: "cat-file".into(),
        source,
    };
    batch
        .arg("--batch")
        .stdin(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = batch.spawn().map_err(lost)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let stdin = stdin.expect("was asked for");
    let stdout = BufReader::new(stdout.expect("was asked for"));
    let (_, found) = tokio::join!(ask(stdin, &small), first_pointer(stdout, &small));
    match found? {
        Some(path) => Err(Refusal::LfsPointer { path }.into()),
        None => Ok(()),
    }
}

/// Asks for all objects. A broken pipe shows at the reading end.
async fn ask(mut stdin: ChildStdin, small: &[(String, String)]) -> std::io::Result<()> {
    for (object, _) in small {
        stdin.write_all(format!("{object}\n").as_bytes()).await?;
    }
    Ok(())
}

/// Reads `<object> <type> <size>\n<content>\n` for each.
async fn first_pointer(
    mut answers: BufReader<ChildStdout>,
    small: &[(String, String)],
) -> Result<Option<String>, Error> {
    let lost = |source| Error::GitPipe {
        command: "cat-file".into(),
        source,
    };
    for (_, path) in small {
        let mut head = String::new();
        answers.read_line(&mut head).await.map_err(lost)?;
        let size = head
            .split_ascii_whitespace()
            .nth(2)
            .and_then(|size| size.parse().ok());
        let size: usize = size.ok_or_else(|| nonsense("cat-file", head.as_bytes()))?;
        let mut content = vec![0; size + 1];
        answers.read_exact(&mut content).await.map_err(lost)?;
        if is_pointer(&content) {
            return Ok(Some(path.clone()));
        }
    }
    Ok(None)
}

/// By the specification of Git LFS: this first line, then keys, of which `oid` is required.
fn is_pointer(content: &[u8]) -> bool {
    content.strip_prefix(LFS_FIRST_LINE).is_some_and(|rest| {
        rest.split(|&b| b == b'\n')
            .any(|line| line.starts_with(b"oid sha256:"))
    })
}

fn nonsense(command: &'static str, answer: &[u8]) -> Error {
    let start = String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned();
    Error::GitAnswer {
        command,
        answer: start,
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn entry(record: &str) -> Entry {
        Entry::parse(record.as_bytes()).unwrap()
    }

    #[test]
    fn entries_are_read_with_whatever_path_they_have() {
        let oid = "0123456789abcdef0123456789abcdef01234567";
        let file = entry(&format!("100644 blob {oid}      12\tdir/a\tb \n.txt"));
        assert_eq!((file.size, file.path.as_str()), (12, "dir/a\tb \n.txt"));
        assert!(!file.is_submodule && file.object == oid);
        assert_eq!(entry(&format!("040000 tree {oid}       -\tdir")).size, 0);
        assert!(entry(&format!("160000 commit {oid}       -\tlib")).is_submodule);
        assert_eq!(Entry::parse(b"100644 blob"), None);
    }

    #[test]
    fn the_first_entry_too_many_is_refused() {
        let limits = Settings {
            max_checkout_files: 3,
            max_checkout_bytes: 10,
            ..Settings::below(Path::new("/nowhere"), PathBuf::new())
        };
        let of = |size| entry(&format!("100644 blob ab {size}\tf"));
        let mut files = Tally::new(&limits);
        assert!((0..3).all(|_| files.add(of(1)).is_ok()));
        assert_eq!(files.add(of(1)), Err(Refusal::TooManyFiles { limit: 3 }));
        let mut bytes = Tally::new(&limits);
        assert_eq!(bytes.add(of(10)), Ok(()));
        assert_eq!(bytes.add(of(1)), Err(Refusal::TooManyBytes { limit: 10 }));
        assert!(Tally::new(&limits).add(of(u64::MAX)).is_err());
    }

    #[test]
    fn text_about_pointers_is_no_pointer() {
        let first = String::from_utf8(LFS_FIRST_LINE.to_vec()).unwrap();
        for (content, expected) in [
            (format!("{first}oid sha256:ab\nsize 1\n"), true),
            (
                format!("{first}ext-0-a sha256:cd\noid sha256:ab\nsize 1\n"),
                true,
            ),
            (first.clone(), false),
            (format!("A pointer begins: {first}oid sha256:ab\n"), false),
        ] {
            assert_eq!(is_pointer(content.as_bytes()), expected, "{content}");
        }
    }
}
