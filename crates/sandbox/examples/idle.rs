//! What an idle process costs: starts N sleeping ones and prints the memory of shim and init each.
//!
//! `idle SHIM [N]`: SHIM is a static `noon-shim` of the profile `shim`. Needs root.

use noon_sandbox::{AppDir, Limits, Net, ShimProgram, Spec, Stdio, System, launch};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: idle SHIM [N]")?;
    let count: u32 = arguments.next().map_or(Ok(20), |text| text.parse())?;
    let program = ShimProgram::from_bytes(std::fs::read(path)?.leak())?;
    let ground = std::env::temp_dir().join(format!("idle-{}", std::process::id()));
    let free = available()?;
    let mut shims = Vec::new();
    for number in 0..count {
        let dir = ground.join(number.to_string());
        std::fs::create_dir_all(&dir)?;
        shims.push(launch(&program, &dir, &sleeper(number), Stdio::Piped)?);
    }
    std::thread::sleep(std::time::Duration::from_secs(1));
    let used = free.saturating_sub(available()?);
    let (mut outside, mut inside) = (0, 0);
    for shim in &mut shims {
        let init = shim.status()?.init_pid;
        inside += proportional(&init.to_string())?;
        outside += proportional(&parent(init)?)?;
    }
    let each = |sum: u64| sum / u64::from(count);
    println!(
        "{count} idle processes, KiB each: {} in all, {} shim, {} init",
        each(used),
        each(outside),
        each(inside)
    );
    for mut shim in shims {
        shim.kill()?;
        while shim.status()?.ended.is_none() {
            std::thread::yield_now();
        }
        shim.dismiss()?;
    }
    Ok(std::fs::remove_dir_all(ground)?)
}

fn sleeper(number: u32) -> Spec {
    Spec {
        label: Vec::new(),
        argv: vec!["/usr/bin/sleep".into(), "1000".into()],
        env: Vec::new(),
        cwd: "/app".into(),
        hostname: "web-1".into(),
        uid: 300_000 + number,
        app: AppDir::default(),
        mounts: Vec::new(),
        network: Net::Isolated,
        limits: Limits::default(),
        system: System::default(),
    }
}

fn field(path: &str, name: &str) -> Outcome<String> {
    let text = std::fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    Ok(line
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or("no such field")?
        .to_owned())
}

fn proportional(pid: &str) -> Outcome<u64> {
    Ok(field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")?.parse()?)
}

fn parent(pid: u32) -> Outcome<String> {
    field(&format!("/proc/{pid}/status"), "PPid:")
}

fn available() -> Outcome<u64> {
    Ok(field("/proc/meminfo", "MemAvailable:")?.parse()?)
}
