-- What is set for all processes of a type, where it differs from the default: kept through deploys.
-- Timeouts are in seconds; NULL is the server's own.
CREATE TABLE process_settings (
    app_id TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    size TEXT NOT NULL,
    boot_timeout BIGINT,
    stop_timeout BIGINT,
    PRIMARY KEY (app_id, type)
);
-- How a slug's web processes are judged: when they boot, and while they live. Times are in seconds.
CREATE TABLE slug_checks (
    slug_id TEXT NOT NULL REFERENCES slugs (id) ON DELETE CASCADE,
    moment TEXT NOT NULL,
    path TEXT NOT NULL,
    timeout BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    wait BIGINT NOT NULL,
    PRIMARY KEY (slug_id, moment)
);
