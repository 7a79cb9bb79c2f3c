//! Whether a spec asks for what can be.

use std::path::{Component, Path};

use crate::{Error, Spec};

/// Directories of the stack, in which nothing of an app may be mounted.
const OF_THE_STACK: [&str; 12] = [
    "usr", "bin", "sbin", "lib", "lib32", "lib64", "etc", "dev", "proc", "sys", "run", "tmp",
];

/// The longest label, so that a status fits one message.
const LONGEST_LABEL: usize = 32 * 1024;

pub(crate) fn spec(spec: &Spec) -> Result<(), Error> {
    let complaint = words(spec).or_else(|| places(spec));
    complaint.map_or(Ok(()), |complaint| Err(Error::Spec(complaint)))
}

fn words(spec: &Spec) -> Option<String> {
    let nul = |text: &String| text.contains('\0');
    if spec.argv.first().is_none_or(String::is_empty) {
        return Some("there is no command to run".to_owned());
    }
    if spec.argv.iter().any(nul) {
        return Some("an argument holds a NUL character".to_owned());
    }
    if let Some((key, _)) = spec.env.iter().find(|(key, value)| nul(key) || nul(value)) {
        return Some(format!("the variable {key:?} holds a NUL character"));
    }
    if let Some((key, _)) = spec
        .env
        .iter()
        .find(|(key, _)| key.is_empty() || key.contains('='))
    {
        return Some(format!("{key:?} cannot be the name of a variable"));
    }
    if spec.uid == 0 {
        return Some("the user id must not be 0, that of root".to_owned());
    }
    (spec.label.len() > LONGEST_LABEL).then(|| "the label is longer than 32 KiB".to_owned())
}

fn places(spec: &Spec) -> Option<String> {
    let plain = |path: &Path| {
        let mut parts = path.components();
        parts.next() == Some(Component::RootDir)
            && parts.all(|part| matches!(part, Component::Normal(_)))
    };
    let cwd = Path::new(&spec.cwd);
    if !plain(cwd) || cwd.starts_with("/proc") {
        return Some(format!(
            "{:?} cannot be the directory to start in",
            spec.cwd
        ));
    }
    for bind in &spec.mounts {
        let target = &bind.target;
        let reserved = OF_THE_STACK
            .iter()
            .any(|name| target.starts_with(Path::new("/").join(name)));
        if !plain(target) || reserved || target == Path::new("/") || target == Path::new("/app") {
            return Some(format!(
                "nothing can be mounted at {target:?}; take a path like /cache"
            ));
        }
    }
    let upper = spec.app.upper.as_ref()?;
    let (top, work) = (upper.upper.parent(), upper.work.parent());
    (top.is_none() || top != work).then(|| {
        format!(
            "{:?} and {:?} must lie in the same directory",
            upper.upper, upper.work
        )
    })
}
