-- One text for SQLite and PostgreSQL: BYTES is BLOB on the one and BYTEA on the other.
-- Ids are text, times are microseconds since 1970, Booleans are 0 and 1.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BYTES NOT NULL
);
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('slots', 0);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    description TEXT NOT NULL,
    digest BYTES NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);

CREATE TABLE apps (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    owner_id TEXT NOT NULL REFERENCES users (id),
    stack TEXT NOT NULL,
    slot BIGINT NOT NULL UNIQUE,
    maintenance BIGINT NOT NULL,
    -- The newest version ever given, and the keyed digest of the entry that has it.
    last_version BIGINT NOT NULL,
    head BYTES,
    current_version BIGINT,
    -- 1 only within the transaction that destroys the app: it opens the ledger's lock.
    destroying BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    released_at BIGINT
);
CREATE TABLE domains (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    hostname TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);
CREATE TABLE formation (
    app_id TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    PRIMARY KEY (app_id, type)
);
-- All of an app: type '' and ordinal -1. All of a type: ordinal -1.
CREATE TABLE restarts (
    app_id TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    not_before BIGINT NOT NULL,
    PRIMARY KEY (app_id, type, ordinal)
);

CREATE TABLE slugs (
    id TEXT PRIMARY KEY,
    stack TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    builder TEXT NOT NULL,
    gone BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE slug_layers (
    slug_id TEXT NOT NULL REFERENCES slugs (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    layer_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (slug_id, position)
);
CREATE TABLE slug_types (
    slug_id TEXT NOT NULL REFERENCES slugs (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    type TEXT NOT NULL,
    command TEXT NOT NULL,
    PRIMARY KEY (slug_id, position)
);
-- Slugs are named by content, so two apps may hold the same one.
CREATE TABLE app_slugs (
    app_id TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    slug_id TEXT NOT NULL REFERENCES slugs (id),
    PRIMARY KEY (app_id, slug_id)
);
CREATE INDEX app_slugs_by_slug ON app_slugs (slug_id);

CREATE TABLE builds (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    by_id TEXT NOT NULL REFERENCES users (id),
    commit_id TEXT NOT NULL,
    stack TEXT NOT NULL,
    status TEXT NOT NULL,
    slug_id TEXT REFERENCES slugs (id),
    release_version BIGINT,
    chunks BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX builds_by_app ON builds (app_id, created_at);
CREATE TABLE build_output (
    build_id TEXT NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    chunk BYTES NOT NULL,
    PRIMARY KEY (build_id, position)
);

-- The ledger. Nothing in these three tables is ever changed: triggers see to it.
CREATE TABLE releases (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES apps (id),
    version BIGINT NOT NULL,
    slug_id TEXT REFERENCES slugs (id),
    kind TEXT NOT NULL,
    detail TEXT NOT NULL,
    by_id TEXT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    config_digest BYTES NOT NULL,
    previous BYTES NOT NULL,
    hash BYTES NOT NULL,
    UNIQUE (app_id, version)
);
CREATE TABLE release_config (
    release_id TEXT NOT NULL REFERENCES releases (id),
    name TEXT NOT NULL,
    sealed BYTES NOT NULL,
    PRIMARY KEY (release_id, name)
);
-- No row: pending.
CREATE TABLE release_outcomes (
    release_id TEXT PRIMARY KEY REFERENCES releases (id),
    status TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE TABLE release_phases (
    release_id TEXT PRIMARY KEY REFERENCES releases (id) ON DELETE CASCADE,
    output BYTES NOT NULL,
    exit_code BIGINT
);
