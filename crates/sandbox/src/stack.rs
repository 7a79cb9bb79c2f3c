//! Which stack this machine offers.

/// The stack of this machine, such as `debian-12`, from `/etc/os-release`; `linux` where it does not say.
pub fn stack_name() -> String {
    from_os_release(&std::fs::read_to_string("/etc/os-release").unwrap_or_default())
}

fn from_os_release(text: &str) -> String {
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(|value| value.trim().trim_matches(['"', '\'']).to_ascii_lowercase())
            .filter(|value| !value.is_empty())
    };
    match (field("ID"), field("VERSION_ID")) {
        (Some(id), Some(version)) => format!("{id}-{version}"),
        (Some(id), None) => id,
        (None, _) => "linux".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_named_after_system_and_version() {
        let debian = "PRETTY_NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\n";
        assert_eq!(from_os_release(debian), "debian-12");
        assert_eq!(from_os_release("ID=arch\n"), "arch");
        assert_eq!(from_os_release(""), "linux");
    }
}
