/* kms/seaks.c: see seaks.h. All of its SQL is here. */
#include "kms/seaks.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/secret.h"
#include "lib/store_db.h"

enum query { PUT, GATE, MARK, DROP, EACH, MARKS, AUDIT, AUDITS, TRIM, NQUERIES };

static const char *const migrations[] = {
	/* 1. secret is wrapped. No id is used twice, so that an audit that is paged misses nothing. */
	"CREATE TABLE note (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE seak (id INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL, urn TEXT NOT NULL, kind INTEGER NOT NULL,"
	" ext INTEGER NOT NULL, secret BLOB NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, generator TEXT NOT NULL,"
	" stored INTEGER NOT NULL, first INTEGER NOT NULL, open INTEGER NOT NULL, UNIQUE (urn, kind, ext));"
	"CREATE TABLE mark (seak INTEGER NOT NULL REFERENCES seak ON DELETE CASCADE, who TEXT NOT NULL, state INTEGER NOT NULL,"
	" at INTEGER NOT NULL, PRIMARY KEY (seak, who)) WITHOUT ROWID;"
	"CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, urn TEXT NOT NULL, kind INTEGER NOT NULL,"
	" ext INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL);"
	"CREATE INDEX audit_at ON audit (at);",
};

static const char *const sql[NQUERIES] = {
	[PUT] = "INSERT INTO seak (service, urn, kind, ext, secret, since, until, generator, stored, first, open)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	[GATE] = "UPDATE seak SET first = ?2, open = ?3 WHERE id = ?1",
	[MARK] = "INSERT INTO mark VALUES (?1, ?2, ?3, ?4) ON CONFLICT (seak, who) DO UPDATE SET state = excluded.state, at = excluded.at",
	[DROP] = "DELETE FROM seak WHERE id = ?1",
	[EACH] = "SELECT id, service, urn, kind, ext, secret, since, until, generator, stored, first, open FROM seak ORDER BY id",
	[MARKS] = "SELECT seak, who, state, at FROM mark ORDER BY seak",
	[AUDIT] = "INSERT INTO audit (at, urn, kind, ext, who, what) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[AUDITS] = "SELECT id, at, urn, kind, ext, who, what FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2",
	[TRIM] = "DELETE FROM audit WHERE at < ?1",
};

static const struct gw_db_kind kind = {
	.application_id = 0x5345414b,	/* "SEAK" */
	.migrations = migrations, .schema = sizeof(migrations) / sizeof(migrations[0]),
	.sql = sql, .nsql = NQUERIES,
	.any = "SELECT EXISTS (SELECT 1 FROM seak)",
};

struct seaks { struct gw_db *db; struct gw_wrap *wrap; char path[4096], master[4096 + 8]; };

/* A transaction writes under the master key of now. */
static int
same_master(void *self)
{
	struct seaks *s = self;

	return s->wrap ? gw_wrap_follow(s->wrap) : 0;
}

static int
open_files(struct seaks *s, bool create, struct gw_err *err)
{
	if (access(s->path, F_OK) < 0) {
		if (!create)
			return gw_fail(err, GW_ESTORE, "store of SEAKs %s: %s", s->path, errno == ENOENT ? "there is none: simulgate-bridge makes it" : strerror(errno));
		if (access(s->master, F_OK) == 0)
			return gw_fail(err, GW_ESTORE, "store of SEAKs %s is missing, but its master key %s is there: put the store back from the backup, or "
			    "remove this file to begin anew", s->path, s->master);
	}
	if (gw_db_open(s->path, &kind, create, &s->db, err) < 0)
		return -1;
	if (gw_wrap_open_db(s->master, s->db, create, &s->wrap, err) < 0)
		return gw_wrap(err, "store of SEAKs %s", s->path);
	gw_db_on_begin(s->db, same_master, s);
	return 0;
}

int
seaks_open(const char *path, const char *master, bool create, struct seaks **out, struct gw_err *err)
{
	struct seaks *s = calloc(1, sizeof(*s));

	if (!s)
		return gw_fail(err, GW_ESYS, "no memory");
	int n = snprintf(s->path, sizeof(s->path), "%s", path);
	int m = snprintf(s->master, sizeof(s->master), master ? "%s" : "%s.master", master ? master : path);
	if (n >= (int)sizeof(s->path) || m >= (int)sizeof(s->master)) {
		seaks_close(s);
		return gw_fail(err, GW_ECONF, "store of SEAKs %.60s…: the path is too long", path);
	}
	if (open_files(s, create, err) < 0) {
		seaks_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

void
seaks_close(struct seaks *s)
{
	if (!s)
		return;
	gw_wrap_close(s->wrap);
	gw_db_close(s->db);
	free(s);
}

bool
seaks_changed(struct seaks *s)
{
	return gw_db_changed(s->db);
}

void
seaks_begin(struct seaks *s)
{
	gw_db_begin(s->db);
}

enum gw_outcome
seaks_flush(struct seaks *s)
{
	return gw_db_flush(s->db);
}

enum gw_outcome
seaks_put(struct seaks *s, const struct seak_row *r, int64_t *id)
{
	uint8_t sealed[SEAK_LEN + GW_WRAP_OVERHEAD];
	enum gw_outcome o = GW_UNAVAILABLE;
	int n;

	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	n = gw_wrap_seal(s->wrap, r->key, SEAK_LEN, sealed, sizeof(sealed));
	if (n > 0)
		o = gw_db_outcome(s->db, PUT, gw_db_step(s->db, PUT, "ttiibiitiii", r->service, r->urn, (int64_t)r->kind, (int64_t)r->cid_extension, sealed,
		    (size_t)n, r->from_s, r->to_s, r->generator, r->since_us, r->first_us, r->open_us), GW_WON);
	if (o == GW_WON)
		*id = gw_db_id(s->db);
	return gw_db_leave(s->db, o);
}

enum gw_outcome
seaks_gate(struct seaks *s, int64_t id, int64_t first_us, int64_t open_us)
{
	return gw_db_write(s->db, GATE, GW_EXISTS, "iii", id, first_us, open_us);
}

enum gw_outcome
seaks_mark(struct seaks *s, int64_t id, const struct seak_mark *m)
{
	return gw_db_write(s->db, MARK, GW_EXISTS, "itii", id, m->who, (int64_t)m->state, m->at_us);
}

enum gw_outcome
seaks_drop(struct seaks *s, int64_t id)
{
	return gw_db_write(s->db, DROP, GW_EXISTS, "i", id);
}

static int
unseal(struct seaks *s, struct seak_row *r)
{
	size_t n;
	const void *sealed = gw_db_blob(s->db, EACH, 5, &n);
	int got = gw_wrap_open_key(s->wrap, sealed, n, r->key, SEAK_LEN);

	if (got == SEAK_LEN)
		return 0;
	gw_log(GW_ERR, "store_tampered", "a SEAK does not open under the master key of its store", "path=%s", s->path);
	return -1;
}

static int
read_row(struct seaks *s, struct seak_row *r)
{
	r->id = gw_db_int(s->db, EACH, 0);
	gw_db_text(s->db, EACH, 1, r->service, sizeof(r->service));
	gw_db_text(s->db, EACH, 2, r->urn, sizeof(r->urn));
	r->kind = gw_db_int(s->db, EACH, 3) ? SEAK_PROGRAM : SEAK_SERVICE;
	r->cid_extension = (uint32_t)gw_db_int(s->db, EACH, 4);
	r->from_s = gw_db_int(s->db, EACH, 6);
	r->to_s = gw_db_int(s->db, EACH, 7);
	gw_db_text(s->db, EACH, 8, r->generator, sizeof(r->generator));
	r->since_us = gw_db_int(s->db, EACH, 9);
	r->first_us = gw_db_int(s->db, EACH, 10);
	r->open_us = gw_db_int(s->db, EACH, 11);
	return unseal(s, r);
}

static enum gw_outcome
ended(struct seaks *s, int q, int stepped)
{
	gw_db_done(s->db, q);
	return stepped < 0 ? GW_UNAVAILABLE : GW_WON;
}

enum gw_outcome
seaks_each(struct seaks *s, seaks_each_row *each, void *self)
{
	struct seak_row r = { 0 };
	int n;

	/* Another process may have changed the master key since the last look. */
	if (gw_wrap_follow(s->wrap) < 0)
		return GW_UNAVAILABLE;
	n = gw_db_step(s->db, EACH, "");
	while (n == 1) {
		if (read_row(s, &r) < 0)
			n = -1;
		else if (each(self, &r) != 0)
			break;
		else
			n = gw_db_step(s->db, EACH, NULL);
	}
	gw_cleanse(&r, sizeof(r));
	return ended(s, EACH, n);
}

enum gw_outcome
seaks_marks(struct seaks *s, seaks_each_mark *each, void *self)
{
	int n = gw_db_step(s->db, MARKS, "");

	while (n == 1) {
		struct seak_mark m = { .state = (enum seak_state)gw_db_int(s->db, MARKS, 2), .at_us = gw_db_int(s->db, MARKS, 3) };

		gw_db_text(s->db, MARKS, 1, m.who, sizeof(m.who));
		if (each(self, gw_db_int(s->db, MARKS, 0), &m) != 0)
			break;
		n = gw_db_step(s->db, MARKS, NULL);
	}
	return ended(s, MARKS, n);
}

enum gw_outcome
seaks_audit(struct seaks *s, const struct seak_audit *a)
{
	return gw_db_write(s->db, AUDIT, GW_UNAVAILABLE, "itiitt", a->at_us, a->urn, (int64_t)a->kind, (int64_t)a->cid_extension, a->who, a->what);
}

enum gw_outcome
seaks_audits(struct seaks *s, int64_t after, size_t max, seaks_each_audit *each, void *self)
{
	int n = gw_db_step(s->db, AUDITS, "ii", after, (int64_t)max);

	while (n == 1) {
		struct seak_audit a = { .id = gw_db_int(s->db, AUDITS, 0), .at_us = gw_db_int(s->db, AUDITS, 1),
			.kind = gw_db_int(s->db, AUDITS, 3) ? SEAK_PROGRAM : SEAK_SERVICE, .cid_extension = (uint32_t)gw_db_int(s->db, AUDITS, 4) };

		gw_db_text(s->db, AUDITS, 2, a.urn, sizeof(a.urn));
		gw_db_text(s->db, AUDITS, 5, a.who, sizeof(a.who));
		gw_db_text(s->db, AUDITS, 6, a.what, sizeof(a.what));
		if (each(self, &a) != 0)
			break;
		n = gw_db_step(s->db, AUDITS, NULL);
	}
	return ended(s, AUDITS, n);
}

enum gw_outcome
seaks_trim(struct seaks *s, int64_t audits_before_us)
{
	return gw_db_write(s->db, TRIM, GW_WON, "i", audits_before_us);
}
