//! A launch as it is sent to the shim: the spec, and what only the launcher knows.

use std::io;
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::codec::{Reader, Writer, cut, number, text};
use crate::{AppDir, Bind, Cpu, Limits, Net, Spec, Upper};

const LABEL: u16 = 1;
const ARGUMENT: u16 = 2;
const VARIABLE: u16 = 3;
const CWD: u16 = 4;
const HOSTNAME: u16 = 5;
const UID: u16 = 6;
const LAYER: u16 = 7;
const UPPER: u16 = 8;
const WORK: u16 = 9;
const BIND: u16 = 10;
const BIND_WRITABLE: u16 = 11;
const NETWORK: u16 = 12;
const MEMORY: u16 = 13;
const TASKS: u16 = 14;
const DISK: u16 = 15;
const NOFILE: u16 = 16;
const NAMESERVER: u16 = 17;
const HOST: u16 = 18;
const MEMORY_QUOTA: u16 = 19;
const CPU_WEIGHT: u16 = 20;
const CPU_MILLICORES: u16 = 21;
const STDIO: u16 = 100;
const NESTED: u16 = 101;
const DIRECTORY: u16 = 102;
const LENT: u16 = 103;

/// How the process's descriptors are to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wiring {
    Piped,
    Attached,
    Terminal,
}

/// Everything that a shim is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) spec: Spec,
    pub(crate) wiring: Wiring,
    /// Whether the launcher is root of a user namespace only.
    pub(crate) nested: bool,
    /// The shim's directory, for the names of its cgroups.
    pub(crate) directory: PathBuf,
    /// The owner for whom a user namespace comes along that lends what is theirs to the app.
    pub(crate) lent: Option<u32>,
}

impl Envelope {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let spec = &self.spec;
        let wiring = match self.wiring {
            Wiring::Piped => 0,
            Wiring::Attached => 1,
            Wiring::Terminal => 2,
        };
        let written = Writer::default()
            .bytes(LABEL, &spec.label)
            .each(&spec.argv, |w, argument| w.text(ARGUMENT, argument))
            .each(&spec.env, |w, (key, value)| {
                w.bytes(VARIABLE, &two(key, value))
            })
            .text(CWD, &spec.cwd)
            .text(HOSTNAME, &spec.hostname)
            .number(UID, spec.uid.into())
            .number(NETWORK, i64::from(spec.network == Net::Isolated))
            .each(&spec.system.nameservers, |w, server| {
                w.text(NAMESERVER, &server.to_string())
            })
            .each(&spec.system.hosts, |w, (ip, name)| {
                w.bytes(HOST, &two(&ip.to_string(), name))
            })
            .number(STDIO, wiring)
            .number(NESTED, self.nested.into())
            .bytes(DIRECTORY, self.directory.as_os_str().as_bytes())
            .maybe(LENT, self.lent.map(u64::from));
        encode_limits(encode_paths(written, spec), &spec.limits).done()
    }

    pub(crate) fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut envelope = Self {
            spec: empty(),
            wiring: Wiring::Piped,
            nested: false,
            directory: PathBuf::new(),
            lent: None,
        };
        let mut reader = Reader::new(bytes);
        while let Some((field, value)) = reader.next()? {
            match field {
                STDIO => envelope.wiring = decode_wiring(number(value)?),
                NESTED => envelope.nested = number(value)? != 0,
                DIRECTORY => envelope.directory = path(value),
                LENT => envelope.lent = Some(number(value)? as u32),
                _ => decode_spec(&mut envelope.spec, field, value)?,
            }
        }
        Ok(envelope)
    }
}

fn encode_limits(written: Writer, limits: &Limits) -> Writer {
    let bound = limits.cpu.and_then(|cpu| cpu.millicores);
    written
        .maybe(MEMORY, limits.memory)
        .maybe(MEMORY_QUOTA, limits.memory_quota)
        .maybe(CPU_WEIGHT, limits.cpu.map(|cpu| cpu.weight.into()))
        .maybe(CPU_MILLICORES, bound.map(u64::from))
        .maybe(TASKS, limits.tasks.map(u64::from))
        .maybe(DISK, limits.disk)
        .maybe(NOFILE, limits.nofile)
}

fn decode_limit(limits: &mut Limits, field: u16, value: &[u8]) -> io::Result<()> {
    let number = number(value)? as u64;
    match field {
        MEMORY => limits.memory = Some(number),
        MEMORY_QUOTA => limits.memory_quota = Some(number),
        CPU_WEIGHT => {
            limits.cpu = Some(Cpu {
                weight: number as u32,
                millicores: None,
            });
        }
        CPU_MILLICORES => {
            if let Some(cpu) = &mut limits.cpu {
                cpu.millicores = Some(number as u32);
            }
        }
        TASKS => limits.tasks = Some(number as u32),
        DISK => limits.disk = Some(number),
        _ => limits.nofile = Some(number),
    }
    Ok(())
}

fn encode_paths(written: Writer, spec: &Spec) -> Writer {
    let raw = |path: &Path| path.as_os_str().as_bytes().to_vec();
    let written = written.each(&spec.app.layers, |w, layer| w.bytes(LAYER, &raw(layer)));
    let written = match &spec.app.upper {
        Some(top) => written
            .bytes(UPPER, &raw(&top.upper))
            .bytes(WORK, &raw(&top.work)),
        None => written,
    };
    written.each(&spec.mounts, |w, bind| {
        let field = if bind.writable { BIND_WRITABLE } else { BIND };
        let mut value = raw(&bind.source);
        value.push(0);
        value.extend(raw(&bind.target));
        w.bytes(field, &value)
    })
}

fn decode_spec(spec: &mut Spec, field: u16, value: &[u8]) -> io::Result<()> {
    match field {
        LABEL => spec.label = value.to_vec(),
        ARGUMENT => spec.argv.push(text(value)?),
        VARIABLE => spec.env.push(split_text(value)?),
        CWD => spec.cwd = text(value)?,
        HOSTNAME => spec.hostname = text(value)?,
        UID => spec.uid = number(value)? as u32,
        NETWORK => {
            spec.network = if number(value)? == 0 {
                Net::Host
            } else {
                Net::Isolated
            }
        }
        MEMORY | MEMORY_QUOTA | CPU_WEIGHT | CPU_MILLICORES | TASKS | DISK | NOFILE => {
            decode_limit(&mut spec.limits, field, value)?;
        }
        NAMESERVER => spec.system.nameservers.push(address(&text(value)?)?),
        HOST => {
            let (ip, name) = split_text(value)?;
            spec.system.hosts.push((address(&ip)?, name));
        }
        _ => decode_path(spec, field, value)?,
    }
    Ok(())
}

fn decode_path(spec: &mut Spec, field: u16, value: &[u8]) -> io::Result<()> {
    match field {
        LAYER => spec.app.layers.push(path(value)),
        UPPER => {
            spec.app.upper = Some(Upper {
                upper: path(value),
                work: PathBuf::new(),
            });
        }
        WORK => {
            if let Some(top) = &mut spec.app.upper {
                top.work = path(value);
            }
        }
        BIND | BIND_WRITABLE => {
            let (source, target) = split(value)?;
            let (source, target) = (path(source), path(target));
            spec.mounts.push(Bind {
                source,
                target,
                writable: field == BIND_WRITABLE,
            });
        }
        _ => {}
    }
    Ok(())
}

fn decode_wiring(number: i64) -> Wiring {
    match number {
        1 => Wiring::Attached,
        2 => Wiring::Terminal,
        _ => Wiring::Piped,
    }
}

fn two(first: &str, second: &str) -> Vec<u8> {
    [first.as_bytes(), second.as_bytes()].join(&0)
}

fn split(value: &[u8]) -> io::Result<(&[u8], &[u8])> {
    let at = value.iter().position(|byte| *byte == 0).ok_or_else(cut)?;
    Ok((&value[..at], &value[at + 1..]))
}

fn split_text(value: &[u8]) -> io::Result<(String, String)> {
    let (first, second) = split(value)?;
    Ok((text(first)?, text(second)?))
}

fn path(value: &[u8]) -> PathBuf {
    std::ffi::OsString::from_vec(value.to_vec()).into()
}

fn address(text: &str) -> io::Result<IpAddr> {
    text.parse().map_err(|_| cut())
}

/// A specification that asks for nothing.
pub(crate) fn empty() -> Spec {
    Spec {
        label: Vec::new(),
        argv: Vec::new(),
        env: Vec::new(),
        cwd: String::new(),
        hostname: String::new(),
        uid: 0,
        app: AppDir::default(),
        mounts: Vec::new(),
        network: Net::Host,
        limits: Limits::default(),
        system: crate::System::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::System;

    fn full() -> Envelope {
        let spec = Spec {
            label: b"web.1\0\xff".to_vec(),
            argv: vec!["/bin/sh".into(), "-c".into(), String::new()],
            env: vec![("A".into(), "1=2".into()), ("B".into(), String::new())],
            cwd: "/app".into(),
            hostname: "web-1".into(),
            uid: 200_001,
            app: AppDir {
                layers: vec!["/l/1".into(), "/l/2".into()],
                upper: Some(Upper {
                    upper: "/b/upper".into(),
                    work: "/b/work".into(),
                }),
            },
            mounts: vec![
                Bind {
                    source: "/s".into(),
                    target: "/cache".into(),
                    writable: true,
                },
                Bind {
                    source: "/r".into(),
                    target: "/app/r".into(),
                    writable: false,
                },
            ],
            network: Net::Isolated,
            limits: Limits {
                memory: Some(1),
                memory_quota: Some(5),
                cpu: Some(Cpu {
                    weight: 50,
                    millicores: Some(250),
                }),
                tasks: Some(2),
                disk: Some(3),
                nofile: Some(4),
            },
            system: System {
                nameservers: vec![IpAddr::from([10, 0, 0, 1])],
                hosts: vec![(IpAddr::from([10, 0, 0, 2]), "db".into())],
            },
        };
        let directory = "/run/x".into();
        Envelope {
            spec,
            wiring: Wiring::Terminal,
            nested: true,
            directory,
            lent: Some(0),
        }
    }

    #[test]
    fn a_launch_survives_the_way_to_the_shim() {
        assert_eq!(Envelope::decode(&full().encode()).unwrap(), full());
    }

    #[test]
    fn a_shim_skips_what_a_newer_launcher_says() {
        let mut bytes = full().encode();
        bytes.extend(Writer::default().text(9999, "from the future").done());
        assert_eq!(Envelope::decode(&bytes).unwrap(), full());
    }
}
