//! The lines of `requirements.txt`.

/// Those that name a package and pin no version.
pub(super) fn unpinned(text: &str) -> Vec<&str> {
    requirements(text).filter(|line| !is_pinned(line)).collect()
}

/// Whether there is none.
pub(super) fn is_blank(text: &str) -> bool {
    text.lines()
        .all(|line| line.trim().is_empty() || line.trim().starts_with('#'))
}

/// Whether hashes say what may be installed.
pub(super) fn has_hashes(text: &str) -> bool {
    text.contains("--hash=")
}

/// Whether any line names other files of the tree.
pub(super) fn refer_to_tree(text: &str) -> bool {
    text.lines().any(refers_to_tree)
}

fn refers_to_tree(line: &str) -> bool {
    let line = line.trim();
    let option = [
        "-r",
        "-c",
        "-e",
        "--requirement",
        "--constraint",
        "--editable",
        "-f",
        "--find-links",
    ];
    option.iter().any(|o| line.starts_with(o))
        || line.starts_with(['.', '/'])
        || line.contains("file:")
        || line
            .split([' ', ';'])
            .next()
            .is_some_and(|word| word.ends_with(".whl") || word.ends_with(".tar.gz"))
}

/// Lines that name a package, without comments, options and markers.
fn requirements(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split(" #").next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '-']))
        .map(|line| line.split([';', '\\']).next().unwrap_or_default().trim())
}

fn is_pinned(requirement: &str) -> bool {
    requirement.contains("==") && !requirement.contains('*') || requirement.contains(" @ ")
}
