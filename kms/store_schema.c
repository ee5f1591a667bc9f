/* kms/store_schema.c: the SQL of the store, all of it: schema and statements */
#include "kms/store_int.h"

/*
 * Columns named `secret` are wrapped. Subscribers take what is theirs with them (ON DELETE CASCADE); ids are never used twice (AUTOINCREMENT), so that
 * a list that is paged by id, and a roll's cursor, miss nobody. What is looked up while 100,000 subscribers are served has its index;
 * tests/unit/test_kms_store.c asks for the plans.
 */
static const char *const migrations[] = {
	/* 1 */
	"CREATE TABLE note (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"

	"CREATE TABLE subscriber (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, impi TEXT UNIQUE, msisdn TEXT UNIQUE,"
	" provision INTEGER NOT NULL, gba_me INTEGER NOT NULL, sqn INTEGER NOT NULL, secret BLOB);"

	"CREATE TABLE gba (id INTEGER PRIMARY KEY, btid TEXT NOT NULL UNIQUE, sub INTEGER NOT NULL REFERENCES subscriber ON DELETE CASCADE,"
	" rand BLOB NOT NULL, secret BLOB NOT NULL, since INTEGER NOT NULL, expires INTEGER NOT NULL, counter INTEGER NOT NULL,"
	" live INTEGER NOT NULL, over INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX gba_live ON gba (sub) WHERE live = 1;"
	"CREATE INDEX gba_sub ON gba (sub);"
	"CREATE INDEX gba_over ON gba (over) WHERE over > 0;"

	"CREATE TABLE registration (sub INTEGER PRIMARY KEY REFERENCES subscriber ON DELETE CASCADE, btid TEXT NOT NULL, at BLOB NOT NULL,"
	" since INTEGER NOT NULL, expires INTEGER NOT NULL, reachable INTEGER NOT NULL, services TEXT NOT NULL);"
	"CREATE INDEX registration_expires ON registration (expires);",

	/* 2 */
	"CREATE TABLE service (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, item TEXT NOT NULL, reference TEXT NOT NULL,"
	" domain BLOB NOT NULL, sek INTEGER NOT NULL, pek INTEGER, crypto_period INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX service_uri ON service (item || reference);"
	"CREATE UNIQUE INDEX service_sek ON service (domain, sek);"
	"CREATE UNIQUE INDEX service_pek ON service (domain, pek);"
	"CREATE TABLE stream (ecm_id INTEGER PRIMARY KEY, service INTEGER NOT NULL REFERENCES service, kind INTEGER NOT NULL);"

	"CREATE TABLE subscription (id INTEGER PRIMARY KEY AUTOINCREMENT, sub INTEGER NOT NULL REFERENCES subscriber ON DELETE CASCADE,"
	" service INTEGER NOT NULL REFERENCES service, kind INTEGER NOT NULL, key INTEGER NOT NULL, since INTEGER NOT NULL,"
	" until INTEGER NOT NULL, source TEXT NOT NULL, ord TEXT UNIQUE, state INTEGER NOT NULL);"
	"CREATE INDEX subscription_sub ON subscription (sub, service);"
	"CREATE INDEX subscription_service ON subscription (service);"
	"CREATE INDEX subscription_state ON subscription (state);"

	"CREATE TABLE keys (id INTEGER PRIMARY KEY AUTOINCREMENT, service INTEGER NOT NULL REFERENCES service, kind INTEGER NOT NULL,"
	" domain BLOB NOT NULL, grp INTEGER NOT NULL, number INTEGER NOT NULL, secret BLOB NOT NULL, rand BLOB NOT NULL, lower INTEGER NOT NULL,"
	" upper INTEGER NOT NULL, first_cp INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, programme TEXT NOT NULL,"
	" state INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX keys_number ON keys (domain, grp, number) WHERE state < 3;"
	"CREATE INDEX keys_group ON keys (domain, grp);"
	"CREATE INDEX keys_service ON keys (service, kind) WHERE state < 3;"
	"CREATE TABLE tek (key INTEGER NOT NULL, tek_id INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (key, tek_id)) WITHOUT ROWID;",

	/* 3 */
	"CREATE TABLE out (id INTEGER PRIMARY KEY AUTOINCREMENT, sub INTEGER NOT NULL REFERENCES subscriber ON DELETE CASCADE,"
	" pull INTEGER NOT NULL, grp INTEGER NOT NULL, key INTEGER NOT NULL, roll INTEGER NOT NULL, cut INTEGER NOT NULL, sms INTEGER NOT NULL,"
	" btid TEXT, counter INTEGER NOT NULL, octets BLOB NOT NULL, due INTEGER NOT NULL, tries INTEGER NOT NULL, state INTEGER NOT NULL);"
	"CREATE INDEX out_due ON out (due) WHERE state < 2;"
	"CREATE INDEX out_over ON out (due) WHERE state >= 2;"
	"CREATE UNIQUE INDEX out_counter ON out (btid, counter) WHERE btid IS NOT NULL;"
	"CREATE INDEX out_sub ON out (sub);"
	/* How many are in each state: of all (roll -1), and of each roll. They stay when the messages go. */
	"CREATE TABLE tally (roll INTEGER NOT NULL, pull INTEGER NOT NULL, state INTEGER NOT NULL, n INTEGER NOT NULL,"
	" PRIMARY KEY (roll, pull, state)) WITHOUT ROWID;"
	"CREATE TRIGGER out_put AFTER INSERT ON out BEGIN"
	" INSERT INTO tally VALUES (-1, new.pull, new.state, 1) ON CONFLICT (roll, pull, state) DO UPDATE SET n = n + 1;"
	" INSERT INTO tally SELECT new.roll, new.pull, new.state, 1 WHERE new.roll > 0 ON CONFLICT (roll, pull, state) DO UPDATE SET n = n + 1; END;"
	"CREATE TRIGGER out_state AFTER UPDATE OF state ON out WHEN old.state <> new.state BEGIN"
	" UPDATE tally SET n = n - 1 WHERE roll IN (-1, old.roll) AND pull = old.pull AND state = old.state;"
	" INSERT INTO tally VALUES (-1, new.pull, new.state, 1) ON CONFLICT (roll, pull, state) DO UPDATE SET n = n + 1;"
	" INSERT INTO tally SELECT new.roll, new.pull, new.state, 1 WHERE new.roll > 0 ON CONFLICT (roll, pull, state) DO UPDATE SET n = n + 1; END;"
	"CREATE TRIGGER out_lost AFTER DELETE ON out WHEN old.state < 2 BEGIN"
	" UPDATE tally SET n = n - 1 WHERE roll IN (-1, old.roll) AND pull = old.pull AND state = old.state;"
	" INSERT INTO tally VALUES (-1, old.pull, 5, 1) ON CONFLICT (roll, pull, state) DO UPDATE SET n = n + 1;"
	" INSERT INTO tally SELECT old.roll, old.pull, 5, 1 WHERE old.roll > 0 ON CONFLICT (roll, pull, state) DO UPDATE SET n = n + 1; END;"

	"CREATE TABLE roll (id INTEGER PRIMARY KEY AUTOINCREMENT, old_key INTEGER NOT NULL, new_key INTEGER NOT NULL UNIQUE, since INTEGER NOT NULL,"
	" switch INTEGER NOT NULL, cursor INTEGER NOT NULL, state INTEGER NOT NULL);"

	"CREATE TABLE nonce (nonce TEXT PRIMARY KEY, nc INTEGER NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX nonce_expires ON nonce (expires);"
	"CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL);",

	/* 4 */
	/* Keys that are provisioned may come back, when a subscriber is added again: their LTKM counters do not. */
	"CREATE TABLE spent (btid TEXT PRIMARY KEY, counter INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TRIGGER subscriber_end BEFORE DELETE ON subscriber WHEN old.provision <> 0 BEGIN"
	" INSERT INTO spent SELECT btid, counter FROM gba WHERE sub = old.id AND counter > 0"
	" ON CONFLICT (btid) DO UPDATE SET counter = max(counter, excluded.counter); END;"
	"CREATE TRIGGER gba_end BEFORE DELETE ON gba WHEN old.counter > 0 AND (SELECT provision FROM subscriber WHERE id = old.sub) <> 0 BEGIN"
	" INSERT INTO spent VALUES (old.btid, old.counter) ON CONFLICT (btid) DO UPDATE SET counter = max(counter, excluded.counter); END;",

	/* 5 */
	/* A key is rolled to once, and may be updated often. */
	"CREATE TABLE campaign (id INTEGER PRIMARY KEY AUTOINCREMENT, old_key INTEGER NOT NULL, new_key INTEGER NOT NULL, since INTEGER NOT NULL,"
	" switch INTEGER NOT NULL, cursor INTEGER NOT NULL, state INTEGER NOT NULL);"
	"INSERT INTO campaign SELECT id, old_key, new_key, since, switch, cursor, state FROM roll;"
	"DROP TABLE roll;"
	"ALTER TABLE campaign RENAME TO roll;"
	"CREATE UNIQUE INDEX roll_key ON roll (new_key) WHERE old_key <> new_key;",

	/* 6 */
	/* What a purchase was, to tell the same order from another one under its key. */
	"ALTER TABLE subscription ADD COLUMN sold INTEGER NOT NULL DEFAULT -1;"
	"CREATE INDEX stream_service ON stream (service, kind);"
	/* Keys that are provisioned do not come again by themselves: no clock that is wrong, no life that is over takes the live ones away. */
	"UPDATE gba SET over = 0 WHERE live = 1 AND sub IN (SELECT id FROM subscriber WHERE provision <> 0);",

	/* 7 */
	/* Every registration paid for them; what they served is done a few times an hour, and reads most of the rows anyway. */
	"DROP INDEX registration_expires;"
	"DROP INDEX nonce_expires;",
};

#define SUB "SELECT id, name, impi, msisdn, provision, gba_me, sqn, secret FROM subscriber "
#define GBA "SELECT btid, sub, rand, secret, since, expires, counter, live FROM gba "
#define REG "SELECT sub, btid, at, since, expires, reachable, services FROM registration "
#define SERVICE "SELECT s.id, s.name, s.item, s.reference, s.sek, s.pek, s.domain, s.crypto_period"
#define SALE "SELECT id, sub, service, kind, key, since, until, source, ord, state, sold FROM subscription "
#define KEY "SELECT id, service, kind, domain, grp, number, secret, rand, lower, upper, first_cp, since, until, programme, state FROM keys "
#define OUT "SELECT id, sub, pull, grp, key, roll, cut, sms, btid, counter, octets, due, tries, state FROM out "
#define ROLL "SELECT id, old_key, new_key, since, switch, cursor, state FROM roll "

static const char *const sql[NQUERIES] = {
	[SUB_PUT] = "INSERT INTO subscriber (name, impi, msisdn, provision, gba_me, sqn, secret) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SUB_CHANGE] = "UPDATE subscriber SET impi = ?2, msisdn = ?3, gba_me = ?4, secret = ?5 WHERE id = ?1",
	[SUB_GET] = SUB "WHERE id = ?1",
	[SUB_BY_NAME] = SUB "WHERE name = ?1",
	[SUB_BY_IMPI] = SUB "WHERE impi = ?1",
	[SUB_BY_MSISDN] = SUB "WHERE msisdn = ?1",
	[SUB_SQN] = "UPDATE subscriber SET sqn = ?2 WHERE id = ?1",
	[SUB_SQN_SKIP] = "UPDATE subscriber SET sqn = min(sqn + ?1, 281474976710655)",
	[SUB_END] = "DELETE FROM subscriber WHERE id = ?1",
	[SUBS] = SUB "WHERE id > ?1 ORDER BY id LIMIT ?2",

	[GBA_TAKEN] = "SELECT 1 FROM gba WHERE btid = ?1",
	[GBA_OVER] = "UPDATE gba SET live = 0, over = ?2 WHERE sub = ?1 AND live = 1",
	[GBA_PUT] = "INSERT INTO gba (btid, sub, rand, secret, since, expires, counter, live, over) VALUES (?1, ?2, ?3, ?4, ?5, ?6,"
	    " max(?7, coalesce((SELECT counter FROM spent WHERE btid = ?1), 0)), 1,"
	    " CASE (SELECT provision FROM subscriber WHERE id = ?2) WHEN 0 THEN ?6 ELSE 0 END)",
	[GBA_RENEW] = "UPDATE gba SET rand = ?3, secret = ?4, since = ?5, expires = ?6, live = 1, over = 0 WHERE btid = ?1 AND sub = ?2",
	[GBA_GET] = GBA "WHERE btid = ?1",
	[GBA_LIVE] = GBA "WHERE sub = ?1 AND live = 1",
	[GBA_SPEND] = "UPDATE gba SET counter = counter + 1 WHERE btid = ?1 AND counter < 4294967295 RETURNING counter",
	[GBA_SKIP] = "UPDATE gba SET counter = min(counter + ?1, 4294967295)",
	[SPENT_SKIP] = "UPDATE spent SET counter = min(counter + ?1, 4294967295)",
	[GBA_TRIM] = "DELETE FROM gba WHERE over > 0 AND over < ?1",

	[REG_PUT] = "INSERT INTO registration VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (sub) DO UPDATE SET btid = excluded.btid,"
	    " at = excluded.at, since = excluded.since, expires = excluded.expires, reachable = excluded.reachable, services = excluded.services",
	[REG_GET] = REG "WHERE sub = ?1",
	[REG_UNREACHABLE] = "UPDATE registration SET reachable = 0 WHERE sub = ?1",
	[REG_END] = "DELETE FROM registration WHERE sub = ?1",
	[REGS] = REG "WHERE sub > ?1 AND expires > ?2 ORDER BY sub LIMIT ?3",
	[REG_COUNTS] = "SELECT reachable, count(*) FROM registration WHERE expires > ?1 GROUP BY reachable",
	[REG_TRIM] = "DELETE FROM registration WHERE expires < ?1",

	[SERVICE_PUT] = "INSERT INTO service (name, item, reference, domain, sek, crypto_period) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SERVICE_CHANGE] = "UPDATE service SET item = ?2, reference = ?3, domain = ?4, sek = ?5, crypto_period = ?6,"
	    " pek = CASE WHEN domain = ?4 THEN pek END WHERE name = ?1",
	[SERVICE_GET] = SERVICE " FROM service s WHERE id = ?1",
	[SERVICE_FIND] = SERVICE " FROM service s WHERE name = ?1",
	[SERVICE_URI] = SERVICE " FROM service s WHERE item || reference = ?1",
	[SERVICE_GROUP] = SERVICE " FROM service s WHERE domain = ?1 AND sek = ?2 UNION ALL " SERVICE " FROM service s WHERE domain = ?1 AND pek = ?2",
	[SERVICES] = SERVICE " FROM service s ORDER BY id",
	[SERVICE_HAS_KEYS] = "SELECT 1 FROM keys WHERE service = ?1 AND state < 3 LIMIT 1",
	[SERVICE_NEXT_GROUP] = "SELECT 1 + max(coalesce((SELECT max(sek) FROM service WHERE domain = ?1), 0),"
	    " coalesce((SELECT max(pek) FROM service WHERE domain = ?1), 0))",
	[SERVICE_PEK] = "UPDATE service SET pek = ?2 WHERE id = ?1",
	[SERVICE_RENAME] = "UPDATE service SET name = ?2 WHERE id = ?1",
	[SERVICE_FREE] = "UPDATE service SET item = '" KMS_ENDED_ITEM "' || id, reference = '' WHERE id = ?1",
	[STREAM_OF] = "SELECT 1 FROM stream WHERE service = ?1 AND kind = ?2 LIMIT 1",
	[STREAMS_END] = "DELETE FROM stream WHERE service = ?1",
	[SALES_END] = "UPDATE subscription SET state = 3, until = CASE WHEN until = 0 OR until > ?2 THEN ?2 ELSE until END WHERE service = ?1 AND state < 3",
	[TEKS_END] = "DELETE FROM tek WHERE key IN (SELECT id FROM keys WHERE service = ?1)",
	[OUTS_END] = "UPDATE out SET state = 5 WHERE state < 2 AND pull = 0 AND key IN (SELECT id FROM keys WHERE service = ?1 AND state < 3)",
	[ROLLS_END] = "UPDATE roll SET state = 2 WHERE state < 2 AND new_key IN (SELECT id FROM keys WHERE service = ?1 AND state < 3)",
	[KEYS_END] = "UPDATE keys SET state = 3 WHERE service = ?1 AND state < 3",
	[STREAM_PUT] = "INSERT INTO stream VALUES (?1, ?2, ?3) ON CONFLICT (ecm_id) DO UPDATE SET service = excluded.service, kind = excluded.kind",
	[STREAM_GET] = SERVICE ", t.kind FROM stream t JOIN service s ON s.id = t.service WHERE t.ecm_id = ?1",

	[SALE_PUT] = "INSERT INTO subscription (sub, service, kind, key, since, until, source, ord, state, sold)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?6)",
	[SALE_ORDER] = "SELECT id FROM subscription WHERE ord = ?1",
	[SALE_GET] = SALE "WHERE id = ?1",
	[SALE_UNTIL] = "UPDATE subscription SET until = ?2, state = ?3 WHERE id = ?1",
	[SALE_MARK] = "UPDATE subscription SET state = ?2 WHERE id = ?1",
	[SALES_OF] = SALE "WHERE sub = ?1 ORDER BY id",
	[SALES_IN] = SALE "WHERE state = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
	[ENTITLED] = "SELECT 1 FROM subscription WHERE sub = ?1 AND service = ?2 AND (kind = 0 OR (?3 = 1 AND key = ?4))"
	    " AND since <= ?5 AND (until = 0 OR until > ?5) AND state < 2 LIMIT 1",

	[KEY_NEW] = "SELECT id, number FROM keys WHERE domain = ?1 AND grp = ?2 AND state = 0 LIMIT 1",
	[KEY_LAST] = "SELECT number FROM keys WHERE domain = ?1 AND grp = ?2 ORDER BY id DESC LIMIT 1",
	[KEY_PUT] = "INSERT INTO keys (service, kind, domain, grp, number, secret, rand, lower, upper, first_cp, since, until, programme, state)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
	[KEY_GET] = KEY "WHERE id = ?1",
	[KEY_NUMBER] = KEY "WHERE domain = ?1 AND grp = ?2 AND number = ?3 AND state < 3",
	[KEY_CURRENT] = KEY "WHERE domain = ?1 AND grp = ?2 AND state < 2 ORDER BY state DESC, id LIMIT 1",
	[KEY_RETIRE] = "UPDATE keys SET state = 2 WHERE domain = ?1 AND grp = ?2 AND state = 1",
	[KEY_USE] = "UPDATE keys SET state = 1, first_cp = ?2 WHERE id = ?1",
	[KEY_STATE] = "UPDATE keys SET state = ?2 WHERE id = ?1",
	[KEY_VALIDITY] = "UPDATE keys SET until = ?2 WHERE id = ?1",
	[KEY_UPPER] = "UPDATE keys SET upper = ?2 WHERE id = ?1",
	[KEYS] = KEY "WHERE service = ?1 AND kind = ?2 AND state < 3 ORDER BY id",
	[TEK_GET] = "SELECT hash FROM tek WHERE key = ?1 AND tek_id = ?2",
	[TEK_LAST] = "SELECT max(tek_id) FROM tek WHERE key = ?1",
	[TEK_PUT] = "INSERT INTO tek VALUES (?1, ?2, ?3)",
	[TEK_TRIM] = "DELETE FROM tek WHERE key = ?1 AND tek_id <= ?2",
	[TEK_FORGET] = "DELETE FROM tek WHERE key = ?1",

	[OUT_PUT] = "INSERT INTO out (sub, pull, grp, key, roll, cut, sms, btid, counter, octets, due, tries, state)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	[OUT_CHANGE] = "UPDATE out SET pull = ?2, cut = ?3, sms = ?4, btid = ?5, counter = ?6, octets = ?7, due = ?8, tries = ?9, state = ?10 WHERE id = ?1",
	[OUT_FIND] = OUT "WHERE btid = ?1 AND counter = ?2",
	[OUT_DUE] = OUT "WHERE state < 2 AND due <= ?1 ORDER BY due LIMIT ?2",
	[OUT_NEXT] = "SELECT due FROM out WHERE state < 2 ORDER BY due LIMIT 1",
	[OUT_BACK] = "UPDATE out SET due = max(due - ?2, ?3) WHERE state < 2 AND due > ?1",
	[OUTS_OF] = OUT "WHERE sub = ?1 ORDER BY id",
	[OUT_TRIM] = "DELETE FROM out WHERE state >= 2 AND due < ?1",
	[TALLY] = "SELECT pull, state, n FROM tally WHERE roll = ?1",
	[ROLL_PUT] = "INSERT INTO roll (old_key, new_key, since, switch, cursor, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[ROLL_GET] = ROLL "WHERE new_key = ?1 AND old_key <> new_key",
	[ROLL_CHANGE] = "UPDATE roll SET since = ?2, switch = ?3, cursor = ?4, state = ?5 WHERE id = ?1",
	[ROLL_INSTEAD] = "UPDATE roll SET state = 2 WHERE old_key = ?1 AND new_key = ?1 AND state < 2",
	[ROLL_LEFT] = "SELECT count(*) FROM registration WHERE sub > ?1 AND expires > ?2",
	[ROLLS] = ROLL "WHERE ?1 OR state < 2 ORDER BY id",

	[NONCE_USE] = "INSERT INTO nonce VALUES (?1, ?2, ?3) ON CONFLICT (nonce) DO UPDATE SET nc = excluded.nc WHERE excluded.nc > nc",
	[NONCE_TRIM] = "DELETE FROM nonce WHERE expires < ?1",
	[AUDIT] = "INSERT INTO audit (at, who, what) VALUES (?1, ?2, ?3)",
	[AUDITS] = "SELECT id, at, who, what FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2",

	/* What is wrapped, one row at a time, and its place: a rotation of the master key. */
	[TURN_SUB] = "SELECT id, secret FROM subscriber WHERE id > ?1 AND length(secret) > 0 ORDER BY id LIMIT 1",
	[TURNED_SUB] = "UPDATE subscriber SET secret = ?2 WHERE id = ?1",
	[TURN_GBA] = "SELECT id, secret FROM gba WHERE id > ?1 ORDER BY id LIMIT 1",
	[TURNED_GBA] = "UPDATE gba SET secret = ?2 WHERE id = ?1",
	[TURN_KEY] = "SELECT id, secret FROM keys WHERE id > ?1 ORDER BY id LIMIT 1",
	[TURNED_KEY] = "UPDATE keys SET secret = ?2 WHERE id = ?1",
	[TURN_NOTE] = "SELECT name, value FROM note WHERE name > ?1 AND name >= 'secret:' AND name < 'secret;' ORDER BY name LIMIT 1",
	[TURNED_NOTE] = "UPDATE note SET value = ?2 WHERE name = ?1",
};

const struct gw_db_kind kms_store_kind = {
	.application_id = 0x53474b4d,	/* "SGKM" */
	.migrations = migrations, .schema = sizeof(migrations) / sizeof(migrations[0]),
	.sql = sql, .nsql = NQUERIES,
	.any = "SELECT EXISTS (SELECT 1 FROM subscriber) OR EXISTS (SELECT 1 FROM keys) OR EXISTS (SELECT 1 FROM service)",
};
