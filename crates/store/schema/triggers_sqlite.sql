-- The ledger is append-only. REPLACE deletes without asking delete triggers, hence those on insert.
CREATE TRIGGER releases_no_update BEFORE UPDATE ON releases
BEGIN SELECT RAISE(ABORT, 'releases is append-only'); END;
CREATE TRIGGER releases_no_replace BEFORE INSERT ON releases
WHEN EXISTS (SELECT 1 FROM releases
             WHERE id = NEW.id OR (app_id = NEW.app_id AND version = NEW.version))
BEGIN SELECT RAISE(ABORT, 'releases is append-only'); END;
CREATE TRIGGER releases_no_delete BEFORE DELETE ON releases
WHEN (SELECT destroying FROM apps WHERE id = OLD.app_id) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'releases is append-only'); END;

CREATE TRIGGER release_config_no_update BEFORE UPDATE ON release_config
BEGIN SELECT RAISE(ABORT, 'release_config is append-only'); END;
CREATE TRIGGER release_config_no_replace BEFORE INSERT ON release_config
WHEN EXISTS (SELECT 1 FROM release_config WHERE release_id = NEW.release_id AND name = NEW.name)
BEGIN SELECT RAISE(ABORT, 'release_config is append-only'); END;
CREATE TRIGGER release_config_no_delete BEFORE DELETE ON release_config
WHEN (SELECT a.destroying FROM apps a JOIN releases r ON r.app_id = a.id
      WHERE r.id = OLD.release_id) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'release_config is append-only'); END;

CREATE TRIGGER release_outcomes_no_update BEFORE UPDATE ON release_outcomes
BEGIN SELECT RAISE(ABORT, 'release_outcomes is append-only'); END;
CREATE TRIGGER release_outcomes_no_replace BEFORE INSERT ON release_outcomes
WHEN EXISTS (SELECT 1 FROM release_outcomes WHERE release_id = NEW.release_id)
BEGIN SELECT RAISE(ABORT, 'release_outcomes is append-only'); END;
CREATE TRIGGER release_outcomes_no_delete BEFORE DELETE ON release_outcomes
WHEN (SELECT a.destroying FROM apps a JOIN releases r ON r.app_id = a.id
      WHERE r.id = OLD.release_id) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'release_outcomes is append-only'); END;
