//! What the API answers is valid by Heroku's published schema, read strictly: every property of a
//! strict object is required, and no other is allowed.

use std::path::PathBuf;

use noon_domain as domain;
use noon_wire as wire;
use serde_json::{Map, Value, json};

fn schema() -> Option<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/reference/heroku-platform-api-schema.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: there is no schema at {}", path.display());
        return None;
    };
    Some(strict(serde_json::from_str(&text).expect("valid")))
}

/// The schema with `strictProperties` spelled out in words that validators know, and without what
/// binds it to Heroku's own host names.
fn strict(value: Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(strict_object(object)),
        Value::Array(items) => Value::Array(items.into_iter().map(strict).collect()),
        other => other,
    }
}

fn strict_object(object: Map<String, Value>) -> Map<String, Value> {
    let is_strict = object.get("strictProperties") == Some(&Value::Bool(true));
    let mut out = Map::new();
    for (key, value) in object {
        let text = value.as_str().unwrap_or("");
        let is_hosts =
            (key == "pattern" && text.contains("heroku")) || (key == "format" && text == "uri");
        let is_word = matches!(
            key.as_str(),
            "$schema" | "example" | "default" | "links" | "id"
        );
        let is_empty = key == "required" && value.as_array().is_some_and(Vec::is_empty);
        if !is_hosts && !is_empty && (!is_word || value.is_object()) {
            out.insert(key, strict(value));
        }
    }
    if let (true, Some(Value::Object(properties))) = (is_strict, out.get("properties")) {
        let names: Vec<_> = properties.keys().cloned().collect();
        if !names.is_empty() {
            out.insert("required".to_owned(), json!(names));
        }
        out.insert("additionalProperties".to_owned(), json!(false));
    }
    out
}

fn check(schema: &Value, definition: &str, answer: &impl serde::Serialize) {
    let mut root = schema.clone();
    root["$ref"] = json!(format!("#/definitions/{definition}"));
    let root = json!({ "$ref": root["$ref"], "definitions": root["definitions"] });
    let validator = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft4)
        .build(&root)
        .expect("the schema is a schema");
    let answer = serde_json::to_value(answer).expect("valid");
    let errors: Vec<_> = validator
        .iter_errors(&answer)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{definition}: {errors:#?}\n{answer:#}");
}

fn user() -> domain::User {
    domain::User {
        id: domain::UserId::new(),
        email: "owner@example.com".to_owned(),
        created_at: domain::Timestamp::now(),
        updated_at: domain::Timestamp::now(),
    }
}

fn app() -> domain::App {
    domain::App {
        id: domain::AppId::new(),
        name: "example".parse().expect("valid"),
        owner: domain::UserId::new(),
        stack: domain::StackName::new("debian-12"),
        slot: 1,
        maintenance: false,
        network: None,
        created_at: domain::Timestamp::now(),
        updated_at: domain::Timestamp::now(),
        released_at: Some(domain::Timestamp::now()),
    }
}

fn named() -> wire::Named {
    wire::Named::by_name("app", "example")
}

fn commit() -> domain::Commit {
    "0123456789abcdef0123456789abcdef01234567"
        .parse()
        .expect("valid")
}

#[test]
fn accounts_and_apps_are_valid() {
    let Some(schema) = schema() else { return };
    check(&schema, "account", &wire::Account::from(user()));
    for slug in [None, Some(("Python".to_owned(), 12_345))] {
        let context = wire::AppContext {
            owner: user(),
            git_url: "http://127.0.0.1:8090/example.git".to_owned(),
            web_url: "http://example.localhost:8080/".to_owned(),
            slug,
        };
        check(&schema, "app", &wire::App::from((app(), context)));
    }
}

#[test]
fn processes_and_formations_are_valid() {
    let Some(schema) = schema() else { return };
    let process = domain::Process {
        id: domain::ProcessId::new(),
        app: domain::AppId::new(),
        name: "web.1".parse().expect("valid"),
        release: Some(domain::Version::FIRST),
        command: "run".to_owned(),
        size: Some(domain::Size::Standard2X),
        state: domain::ProcessState::Up,
        started_at: domain::Timestamp::now(),
        updated_at: domain::Timestamp::now(),
        boot: None,
        expires_at: None,
        endpoint: None,
        inside: None,
    };
    let context = wire::DynoContext {
        app: named(),
        release_id: uuid::Uuid::new_v4(),
        attach_url: None,
    };
    check(&schema, "dyno", &wire::Dyno::from((process, context)));
    check(
        &schema,
        "formation",
        &wire::Formation::new(
            &app(),
            (&domain::ProcessType::web(), "run"),
            &domain::Formation::default(),
        ),
    );
}

#[test]
fn sizes_are_valid() {
    let Some(schema) = schema() else { return };
    for size in domain::Size::ALL {
        check(&schema, "dyno-size", &wire::DynoSize::from(size));
    }
}

#[test]
fn releases_and_builds_are_valid() {
    let Some(schema) = schema() else { return };
    let slug = domain::SlugId::from_bytes([7; 32]);
    for slug in [None, Some(slug)] {
        let release = domain::Release {
            id: domain::ReleaseId::new(),
            app: domain::AppId::new(),
            version: domain::Version::FIRST,
            slug,
            reason: domain::Reason::Deployed(commit()),
            by: domain::UserId::new(),
            created_at: domain::Timestamp::now(),
            status: domain::ReleaseStatus::Succeeded,
            updated_at: domain::Timestamp::now(),
            current: true,
            has_slug_kept: true,
        };
        let context = wire::ReleaseContext {
            app: named(),
            user: user(),
            output_stream_url: None,
        };
        check(&schema, "release", &wire::Release::from((release, context)));
        let build = domain::Build {
            id: domain::BuildId::new(),
            app: domain::AppId::new(),
            by: domain::UserId::new(),
            commit: commit(),
            stack: domain::StackName::new("debian-12"),
            status: domain::BuildStatus::Pending,
            slug,
            release: None,
            created_at: domain::Timestamp::now(),
            updated_at: domain::Timestamp::now(),
        };
        let context = wire::BuildContext {
            user: user(),
            git_url: "http://127.0.0.1:8090/example.git".to_owned(),
            output_stream_url: "http://127.0.0.1:8090/noon/streams/build/1/2".to_owned(),
            release_id: slug.map(|_| uuid::Uuid::new_v4()),
        };
        check(&schema, "build", &wire::Build::from((build, context)));
    }
}

#[test]
fn domains_and_log_sessions_are_valid() {
    let Some(schema) = schema() else { return };
    check(
        &schema,
        "domain",
        &wire::Domain::own(&app(), "example.localhost"),
    );
    let custom = domain::CustomDomain {
        id: domain::DomainId::new(),
        app: domain::AppId::new(),
        hostname: "www.example.com".parse().expect("valid"),
        created_at: domain::Timestamp::now(),
    };
    let context = wire::DomainContext {
        app: named(),
        own_hostname: "example.localhost".to_owned(),
    };
    check(&schema, "domain", &wire::Domain::from((custom, context)));
    let now = wire::Time(domain::Timestamp::now());
    let session = wire::LogSession {
        created_at: now,
        id: uuid::Uuid::new_v4(),
        logplex_url: "http://127.0.0.1:8090/noon/logs/x".to_owned(),
        updated_at: now,
    };
    check(&schema, "log-session", &session);
}

#[test]
fn a_missing_and_a_surplus_field_are_both_found() {
    let Some(schema) = schema() else { return };
    let mut answer = serde_json::to_value(wire::Domain::own(&app(), "x.localhost")).expect("valid");
    check(&schema, "domain", &answer);
    answer["surplus"] = json!(1);
    let found = std::panic::catch_unwind(|| check(&schema, "domain", &answer));
    assert!(found.is_err(), "a surplus field passed");
    answer.as_object_mut().expect("valid").remove("surplus");
    answer.as_object_mut().expect("valid").remove("cname");
    let found = std::panic::catch_unwind(|| check(&schema, "domain", &answer));
    assert!(found.is_err(), "a missing field passed");
}
