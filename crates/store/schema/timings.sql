-- How long processes took to boot and to stop: of each release and type the newest.
CREATE TABLE timings (
    app_id TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    process_id TEXT NOT NULL,
    type TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    what TEXT NOT NULL,
    micros BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (process_id, what)
);
CREATE INDEX timings_by_release ON timings (app_id, version, type, what, at);
CREATE INDEX timings_by_place ON timings (app_id, type, ordinal, what, at);
