-- The ledger is append-only.
CREATE FUNCTION noon_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE FUNCTION noon_refuse_release_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT destroying FROM apps WHERE id = OLD.app_id) IS DISTINCT FROM 1 THEN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
    END IF;
    RETURN OLD;
END $$;
CREATE FUNCTION noon_refuse_part_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT a.destroying FROM apps a JOIN releases r ON r.app_id = a.id
        WHERE r.id = OLD.release_id) IS DISTINCT FROM 1 THEN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER releases_no_update BEFORE UPDATE ON releases
FOR EACH ROW EXECUTE FUNCTION noon_refuse();
CREATE TRIGGER releases_no_delete BEFORE DELETE ON releases
FOR EACH ROW EXECUTE FUNCTION noon_refuse_release_delete();
CREATE TRIGGER releases_no_truncate BEFORE TRUNCATE ON releases
FOR EACH STATEMENT EXECUTE FUNCTION noon_refuse();

CREATE TRIGGER release_config_no_update BEFORE UPDATE ON release_config
FOR EACH ROW EXECUTE FUNCTION noon_refuse();
CREATE TRIGGER release_config_no_delete BEFORE DELETE ON release_config
FOR EACH ROW EXECUTE FUNCTION noon_refuse_part_delete();
CREATE TRIGGER release_config_no_truncate BEFORE TRUNCATE ON release_config
FOR EACH STATEMENT EXECUTE FUNCTION noon_refuse();

CREATE TRIGGER release_outcomes_no_update BEFORE UPDATE ON release_outcomes
FOR EACH ROW EXECUTE FUNCTION noon_refuse();
CREATE TRIGGER release_outcomes_no_delete BEFORE DELETE ON release_outcomes
FOR EACH ROW EXECUTE FUNCTION noon_refuse_part_delete();
CREATE TRIGGER release_outcomes_no_truncate BEFORE TRUNCATE ON release_outcomes
FOR EACH STATEMENT EXECUTE FUNCTION noon_refuse();
