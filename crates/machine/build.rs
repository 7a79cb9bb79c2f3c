//! Builds the shim, so that it can be embedded: a small static program of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=../sandbox/src");
    println!("cargo::rerun-if-changed=../sandbox/Cargo.toml");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let built = build(&out.join("shim-target"));
    fs::copy(&built, out.join("noon-shim")).expect("the shim was just built");
}

fn build(target_dir: &Path) -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let root = Path::new(&here).join("../..");
    let target = target();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(&root)
        .args(["build", "--package", "noon-sandbox", "--bin", "noon-shim"])
        .args([
            "--profile",
            "shim",
            "--locked",
            "--target",
            &target,
            "--target-dir",
        ])
        .arg(target_dir);
    // What cargo tells this script about the outer build must not leak into the inner one.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let outer = name.starts_with("CARGO_FEATURE_") || name.starts_with("CARGO_CFG_");
        if outer
            || matches!(
                name.as_str(),
                "RUSTFLAGS" | "CARGO_TARGET_DIR" | "RUSTC_WORKSPACE_WRAPPER"
            )
        {
            cargo.env_remove(name);
        }
    }
    // Static also with glibc, and at a fixed address: what is moved at the start of each process is
    // its own memory, a fifth of all that a shim has. `--target` keeps the flags from build scripts.
    let flags = "-Ctarget-feature=+crt-static\x1f-Crelocation-model=static";
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags);
    let status = cargo.status().expect("cargo runs, for it runs this script");
    assert!(
        status.success(),
        "the shim does not build; its errors stand above"
    );
    target_dir.join(target).join("shim/noon-shim")
}

/// musl where its standard library is installed: smaller, and static without a word.
fn target() -> String {
    let host = env::var("TARGET").expect("cargo sets TARGET");
    let musl = host.replace("-gnu", "-musl");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", &musl])
        .output();
    let dir = asked
        .ok()
        .and_then(|out| String::from_utf8(out.stdout).ok());
    match dir {
        Some(dir) if Path::new(dir.trim()).is_dir() => musl,
        _ => host,
    }
}
