//! Whether a spec asks for what can be.

use std::path::{Component, Path};

use crate::{Error, ExecSpec, Spec};

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

pub(crate) fn exec(spec: &ExecSpec) -> Result<(), Error> {
    let complaint = command(&spec.argv, &spec.env).or_else(|| start(&spec.cwd));
    complaint.map_or(Ok(()), |complaint| Err(Error::Spec(complaint)))
}

fn words(spec: &Spec) -> Option<String> {
    if spec.uid == 0 {
        return Some("the user id must not be 0, that of root".to_owned());
    }
    if spec.label.len() > LONGEST_LABEL {
        return Some("the label is longer than 32 KiB".to_owned());
    }
    command(&spec.argv, &spec.env)
}

fn command(argv: &[String], env: &[(String, String)]) -> Option<String> {
    let nul = |text: &String| text.contains('\0');
    if argv.first().is_none_or(String::is_empty) {
        return Some("there is no command to run".to_owned());
    }
    if argv.iter().any(nul) {
        return Some("an argument holds a NUL character".to_owned());
    }
    if let Some((key, _)) = env.iter().find(|(key, value)| nul(key) || nul(value)) {
        return Some(format!("the variable {key:?} holds a NUL character"));
    }
    let odd = |key: &str| key.is_empty() || key.contains('=');
    let (key, _) = env.iter().find(|(key, _)| odd(key))?;
    Some(format!("{key:?} cannot be the name of a variable"))
}

fn is_plain(path: &Path) -> bool {
    let mut parts = path.components();
    parts.next() == Some(Component::RootDir)
        && parts.all(|part| matches!(part, Component::Normal(_)))
}

fn start(cwd: &str) -> Option<String> {
    let path = Path::new(cwd);
    (!is_plain(path) || path.starts_with("/proc"))
        .then(|| format!("{cwd:?} cannot be the directory to start in"))
}

fn places(spec: &Spec) -> Option<String> {
    if let Some(complaint) = start(&spec.cwd) {
        return Some(complaint);
    }
    for bind in &spec.mounts {
        let target = &bind.target;
        let reserved = OF_THE_STACK
            .iter()
            .any(|name| target.starts_with(Path::new("/").join(name)));
        if !is_plain(target) || reserved || target == Path::new("/") || target == Path::new("/app")
        {
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
