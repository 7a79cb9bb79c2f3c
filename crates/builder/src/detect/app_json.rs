//! `app.json`: what an app declares beside its process types. Of it noon takes up the health checks
//! of `web`, in the form that Dokku reads; all else is told to the pusher and left alone.

use noon_domain::{HealthCheck, HealthCheckError, HealthChecks, ProcessTypes, Rhythm};
use serde_json::{Map, Value};

use super::plan::{Refusal, refuse};
use super::snapshot::Snapshot;

/// The file's name.
pub(super) const NAME: &str = "app.json";

/// Keys of the file that describe and ask for nothing.
const DESCRIPTIONS: [&str; 9] = [
    "$schema",
    "description",
    "keywords",
    "logo",
    "name",
    "repository",
    "success_url",
    "website",
    "healthchecks",
];
/// Keys of a health check that noon knows, or that ask for nothing.
const KNOWN: [&str; 11] = [
    "attempts",
    "description",
    "initialDelay", // nobody counts failures before it is ready
    "listening",
    "name",
    "path",
    "port",
    "scheme",
    "timeout",
    "type",
    "wait",
];

type Object = Map<String, Value>;

/// What an app declares.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Declared {
    /// How its web processes are judged.
    pub(super) health: HealthChecks,
    /// What the pusher should know.
    pub(super) warnings: Vec<String>,
}

/// Reads the file, if there is one.
pub(super) fn declared(tree: &Snapshot, types: &ProcessTypes) -> Result<Declared, Refusal> {
    let mut declared = Declared::default();
    let Some(text) = tree.text(NAME)? else {
        return Ok(declared);
    };
    let file = match serde_json::from_str(text) {
        Ok(Value::Object(file)) => file,
        Ok(_) => return refuse("app.json is not an object: it begins with {"),
        Err(error) => return refuse(format!("app.json is not JSON: {error}")),
    };
    declared.left_out("app.json", &file, &DESCRIPTIONS);
    match file.get("healthchecks") {
        None | Some(Value::Null) => {}
        Some(Value::Object(all)) => declared.take(all, types)?,
        Some(_) => return refuse("healthchecks of app.json is not an object of process types"),
    }
    Ok(declared)
}

impl Declared {
    fn take(&mut self, all: &Object, types: &ProcessTypes) -> Result<(), Refusal> {
        for (kind, checks) in all {
            let Value::Array(checks) = checks else {
                return refuse(format!("healthchecks.{kind} of app.json is not a list"));
            };
            let is_web = kind == "web";
            if !is_web || !types.iter().any(|(declared, _)| declared.is_web()) {
                let why = match is_web {
                    true => "there is no such process type",
                    false => "noon asks web processes only",
                };
                self.warn(format!("the health checks of {kind} are left out: {why}"));
                continue;
            }
            for check in checks {
                let Value::Object(check) = check else {
                    return refuse("healthchecks.web of app.json holds what is not an object");
                };
                self.take_check(check)?;
            }
        }
        Ok(())
    }

    fn take_check(&mut self, check: &Object) -> Result<(), Refusal> {
        let path = match check.get("path") {
            Some(Value::String(path)) => path,
            None => {
                self.warn("a health check of web has no path and is left out: noon asks over HTTP");
                return Ok(());
            }
            Some(other) => return refuse(format!("{other} of app.json is no path")),
        };
        if let Some(why) = why_left_out(check) {
            self.warn(format!("the health check {path} is left out: {why}"));
            return Ok(());
        }
        self.left_out(&format!("the health check {path}"), check, &KNOWN);
        let asked = HealthCheck::new(path, rhythm(check)?).map_err(refusal)?;
        let (boot, live) = match check.get("type").and_then(Value::as_str).unwrap_or("") {
            "" => (true, true),
            "startup" => (true, false),
            "readiness" => {
                self.warn(format!(
                    "the health check {path} is asked until a process is up, and not after that"
                ));
                (true, false)
            }
            "liveness" => (false, true),
            other => {
                return refuse(format!(
                    "{other:?} of app.json is no type of health check: use startup, readiness or liveness"
                ));
            }
        };
        let moments = [
            (boot, &mut self.health.boot, "while a process starts"),
            (live, &mut self.health.live, "of a process that is up"),
        ];
        for (_, moment, when) in moments.into_iter().filter(|(is_meant, ..)| *is_meant) {
            if let Some(first) = moment {
                let first = first.path();
                self.warnings.push(format!(
                    "app.json: {path} is not asked {when}: {first} is already, and one path is enough"
                ));
            } else {
                *moment = Some(asked.clone());
            }
        }
        Ok(())
    }

    fn left_out(&mut self, of: &str, object: &Object, known: &[&str]) {
        let unknown: Vec<_> = object.keys().map(String::as_str).collect();
        let unknown: Vec<_> = unknown.into_iter().filter(|k| !known.contains(k)).collect();
        if !unknown.is_empty() {
            self.warn(format!(
                "noon does not take up {} of {of}",
                unknown.join(", ")
            ));
        }
    }

    fn warn(&mut self, text: impl AsRef<str>) {
        self.warnings.push(format!("app.json: {}", text.as_ref()));
    }
}

/// Why a check that has a path cannot be taken up as it is meant.
fn why_left_out(check: &Object) -> Option<&'static str> {
    let is = |key: &str| {
        check
            .get(key)
            .is_some_and(|value| *value != Value::Bool(false))
    };
    if check.get("command").is_some() {
        return Some("it has a command too");
    }
    if is("warn") {
        return Some("it only warns");
    }
    if check.get("scheme").is_some_and(|scheme| scheme != "http") {
        return Some("noon asks by http");
    }
    let port = check.get("port").filter(|port| !port.is_null());
    port.is_some_and(|port| *port != 5000)
        .then_some("noon asks at $PORT, which is 5000")
}

fn rhythm(check: &Object) -> Result<Rhythm, Refusal> {
    let usual = Rhythm::default();
    Ok(Rhythm {
        timeout: number(check, "timeout", usual.timeout)?,
        attempts: number(check, "attempts", usual.attempts)?,
        wait: number(check, "wait", usual.wait)?,
    })
}

fn number(check: &Object, key: &str, usual: u32) -> Result<u32, Refusal> {
    let found = match check.get(key) {
        None | Some(Value::Null) => return Ok(usual),
        Some(found) => found,
    };
    let number = found.as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| {
        Refusal(format!(
            "app.json: {key} of a health check is a whole number, and not {found}"
        ))
    })
}

fn refusal(error: HealthCheckError) -> Refusal {
    Refusal(format!("app.json: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Declared, Refusal> {
        let types = ProcessTypes::parse(b"web: a\nworker: b\n").unwrap();
        declared(&Snapshot::of(&[(NAME, text)]), &types)
    }

    /// The checks of `web` with these in its list, and what the pusher is told.
    fn web(checks: &str) -> Result<Declared, Refusal> {
        read(&format!(r#"{{"healthchecks":{{"web":[{checks}]}}}}"#))
    }

    fn check(path: &str, timeout: u32, attempts: u32, wait: u32) -> Option<HealthCheck> {
        let rhythm = Rhythm {
            timeout,
            attempts,
            wait,
        };
        Some(HealthCheck::new(path, rhythm).unwrap())
    }

    #[test]
    fn no_file_and_a_file_without_checks_declare_nothing() {
        let none = declared(&Snapshot::default(), &ProcessTypes::default());
        assert_eq!(none, Ok(Declared::default()));
        for quiet in [
            "{}",
            r#"{"name":"x","description":"y"}"#,
            r#"{"healthchecks":{}}"#,
            r#"{"healthchecks":null}"#,
            r#"{"healthchecks":{"web":[]}}"#,
            "\u{feff}{}",
        ] {
            assert_eq!(read(quiet), Ok(Declared::default()), "{quiet}");
        }
    }

    #[test]
    fn a_check_is_asked_when_its_type_says_so_and_always_without() {
        for (kind, boot, live) in [
            (r#""type":"startup","#, true, false),
            (r#""type":"readiness","#, true, false),
            (r#""type":"liveness","#, false, true),
            (r#""type":"","#, true, true),
            ("", true, true),
        ] {
            let health = web(&format!(r#"{{{kind}"path":"/up"}}"#)).unwrap().health;
            assert_eq!(
                health.boot,
                check("/up", 5, 3, 5).filter(|_| boot),
                "{kind}"
            );
            assert_eq!(
                health.live,
                check("/up", 5, 3, 5).filter(|_| live),
                "{kind}"
            );
        }
    }

    #[test]
    fn two_checks_share_the_moments_and_a_third_is_left_out_aloud() {
        let two = r#"{"type":"startup","name":"a","path":"/ready","timeout":10,"attempts":1},
            {"type":"liveness","path":"/live","wait":30,"port":5000,"initialDelay":10}"#;
        let declared = web(two).unwrap();
        assert_eq!(declared.health.boot, check("/ready", 10, 1, 5));
        assert_eq!(declared.health.live, check("/live", 5, 3, 30));
        assert_eq!(declared.warnings, Vec::<String>::new());
        let three = web(&format!(r#"{two},{{"path":"/third"}}"#)).unwrap();
        assert_eq!(three.health, declared.health);
        assert_eq!(three.warnings.len(), 2, "{:?}", three.warnings);
        assert!(three.warnings[0].contains("/third is not asked while"));
    }

    #[test]
    fn what_is_not_taken_up_is_told() {
        for (file, expected) in [
            (
                r#"{"env":{},"formation":{},"name":"x"}"#,
                "noon does not take up env, formation of app.json",
            ),
            (
                r#"{"healthchecks":{"worker":[{"path":"/"}]}}"#,
                "the health checks of worker are left out: noon asks web",
            ),
            (
                r#"{"healthchecks":{"web":[{"path":"/","content":"ok","httpHeaders":[]}]}}"#,
                "noon does not take up content, httpHeaders of the health check /",
            ),
            (
                r#"{"healthchecks":{"web":[{"uptime":10}]}}"#,
                "has no path and is left out",
            ),
            (
                r#"{"healthchecks":{"web":[{"path":"/","command":["x"]}]}}"#,
                "it has a command too",
            ),
            (
                r#"{"healthchecks":{"web":[{"path":"/","warn":true}]}}"#,
                "it only warns",
            ),
            (
                r#"{"healthchecks":{"web":[{"path":"/","port":8080}]}}"#,
                "noon asks at $PORT",
            ),
            (
                r#"{"healthchecks":{"web":[{"path":"/","scheme":"https"}]}}"#,
                "noon asks by http",
            ),
        ] {
            let warnings = read(file).unwrap().warnings;
            assert_eq!(warnings.len(), 1, "{file}: {warnings:?}");
            assert!(warnings[0].contains(expected), "{warnings:?}");
        }
        let types = ProcessTypes::parse(b"worker: b\n").unwrap();
        let file = r#"{"healthchecks":{"web":[{"path":"/"}]}}"#;
        let without = declared(&Snapshot::of(&[(NAME, file)]), &types).unwrap();
        assert!(without.health.is_empty());
        assert!(without.warnings[0].contains("no such process type"));
    }

    #[test]
    fn what_is_wrong_is_refused_in_one_sentence() {
        for (file, expected) in [
            ("", "app.json is not JSON: "),
            ("{", "app.json is not JSON: "),
            ("[]", "app.json is not an object"),
            (
                r#"{"healthchecks":[]}"#,
                "is not an object of process types",
            ),
            (
                r#"{"healthchecks":{"web":{}}}"#,
                "healthchecks.web of app.json is not a list",
            ),
            (
                r#"{"healthchecks":{"web":["/up"]}}"#,
                "holds what is not an object",
            ),
        ] {
            let Refusal(sentence) = read(file).unwrap_err();
            assert!(sentence.contains(expected), "{sentence}");
        }
        for (check, expected) in [
            (r#"{"path":"up"}"#, "\"up\" is no path of a health check"),
            (r#"{"path":1}"#, "1 of app.json is no path"),
            (r#"{"path":"/a\r\nX: y"}"#, "is no path of a health check"),
            (
                r#"{"path":"/","timeout":0}"#,
                "timeout of a health check is a whole number from 1 to 60",
            ),
            (
                r#"{"path":"/","attempts":-1}"#,
                "attempts of a health check is a whole number, and not -1",
            ),
            (r#"{"path":"/","wait":1.5}"#, "and not 1.5"),
            (r#"{"path":"/","wait":"5s"}"#, "and not \"5s\""),
            (
                r#"{"path":"/","type":"smoke"}"#,
                "use startup, readiness or liveness",
            ),
        ] {
            let Refusal(sentence) = web(check).unwrap_err();
            assert!(sentence.contains(expected), "{sentence}");
        }
    }
}
