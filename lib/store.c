/* lib/store.c: the SQLite back end of lib/store.h */
#include "lib/store.h"
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"
#include "lib/store_db.h"

static const char *const migrations[] = {
	"CREATE TABLE owner (service TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE record (service TEXT NOT NULL, kind INTEGER NOT NULL, cp INTEGER NOT NULL, value BLOB NOT NULL,"
	" PRIMARY KEY (service, kind, cp)) WITHOUT ROWID;"
	"CREATE TABLE note (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",
};

enum query { OWN, EPOCH, GET, PUT, AMEND, EACH, TRIM, NQUERIES };
static const char *const sql[NQUERIES] = {
	[OWN] = "INSERT INTO owner VALUES (?1, 1) ON CONFLICT (service) DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
	[EPOCH] = "SELECT epoch FROM owner WHERE service = ?1",
	[GET] = "SELECT value FROM record WHERE service = ?1 AND kind = ?2 AND cp = ?3",
	[PUT] = "INSERT INTO record VALUES (?1, ?2, ?3, ?4)",
	[AMEND] = "UPDATE record SET value = ?4 WHERE service = ?1 AND kind = ?2 AND cp = ?3",
	[EACH] = "SELECT cp, value FROM record WHERE service = ?1 AND kind = ?2 AND cp >= ?3 ORDER BY cp",
	[TRIM] = "DELETE FROM record WHERE service = ?1 AND kind IN (1, 2) AND cp < ?2",
};
static const struct gw_db_kind kind = {
	.application_id = 0x53474b53,	/* "SGKS" */
	.migrations = migrations, .schema = sizeof(migrations) / sizeof(migrations[0]),
	.sql = sql, .nsql = NQUERIES,
	.any = "SELECT EXISTS (SELECT 1 FROM record)",
};

struct gw_store { struct gw_db *db; };

int
gw_store_open(const char *path, struct gw_store **out, struct gw_err *err)
{
	struct gw_store *s = calloc(1, sizeof(*s));

	if (!s)
		return gw_fail(err, GW_ESYS, "no memory");
	if (gw_db_open(path, &kind, true, &s->db, err) < 0) {
		free(s);
		return -1;
	}
	*out = s;
	return 0;
}

void
gw_store_close(struct gw_store *s)
{
	if (!s)
		return;
	gw_db_close(s->db);
	free(s);
}

struct gw_db *
gw_store_db(struct gw_store *s)
{
	return s->db;
}

void
gw_store_begin(struct gw_store *s)
{
	gw_db_begin(s->db);
}

enum gw_outcome
gw_store_flush(struct gw_store *s)
{
	return gw_db_flush(s->db);
}

void
gw_store_drop(struct gw_store *s)
{
	gw_db_drop(s->db);
}

static enum gw_outcome
mine(struct gw_db *db, const char *service, int64_t epoch)
{
	int n = gw_db_step(db, EPOCH, "t", service);
	enum gw_outcome o = n < 0 ? GW_UNAVAILABLE : GW_FENCED;

	if (n == 1) {
		if (gw_db_int(db, EPOCH, 0) == epoch)
			o = GW_WON;
		gw_db_done(db, EPOCH);
	}
	return o;
}

/* Reads the value of a GET; out NULL is a question only. */
static enum gw_outcome
take(struct gw_db *db, const char *service, enum gw_record_kind k, int64_t cp, enum gw_outcome if_there, enum gw_outcome if_not,
    struct gw_blob *out)
{
	int n = gw_db_step(db, GET, "tii", service, (int64_t)k, cp);
	size_t len = 0;
	const void *p;

	if (n < 1)
		return n < 0 ? GW_UNAVAILABLE : if_not;
	p = gw_db_blob(db, GET, 0, &len);
	if (out) {
		*out = (struct gw_blob){ malloc(len ? len : 1), len };
		if (out->p && len)
			memcpy(out->p, p, len);
	}
	gw_db_done(db, GET);
	return out && !out->p ? GW_UNAVAILABLE : if_there;
}

static enum gw_outcome
write_one(struct gw_db *db, enum query q, const char *service, int64_t k, int64_t cp, const void *value, size_t len)
{
	return gw_db_outcome(db, q, gw_db_step(db, q, "tiib", service, k, cp, value ? value : "", len), GW_EXISTS);
}

/* ---- the contract ---- */

enum gw_outcome
gw_store_own(struct gw_store *s, const char *service, int64_t *epoch)
{
	enum gw_outcome o = GW_UNAVAILABLE;

	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	if (gw_db_step(s->db, OWN, "t", service) == 1) {
		*epoch = gw_db_int(s->db, OWN, 0);
		gw_db_done(s->db, OWN);
		o = GW_WON;
	}
	return gw_db_leave(s->db, o);
}

enum gw_outcome
gw_store_put(struct gw_store *s, const char *service, int64_t epoch, enum gw_record_kind k, int64_t cp,
    const void *value, size_t len, struct gw_blob *found)
{
	enum gw_outcome o;

	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	o = mine(s->db, service, epoch);
	if (o == GW_WON)
		o = take(s->db, service, k, cp, GW_EXISTS, GW_WON, found);
	if (o == GW_WON)
		o = write_one(s->db, PUT, service, k, cp, value, len);
	return gw_db_leave(s->db, o);
}

enum gw_outcome
gw_store_amend(struct gw_store *s, const char *service, int64_t epoch, enum gw_record_kind k, int64_t cp,
    const void *value, size_t len)
{
	enum gw_outcome o;

	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	o = mine(s->db, service, epoch);
	if (o == GW_WON)
		o = write_one(s->db, AMEND, service, k, cp, value, len);
	return gw_db_leave(s->db, o);
}

enum gw_outcome
gw_store_get(struct gw_store *s, const char *service, enum gw_record_kind k, int64_t cp, struct gw_blob *out)
{
	return take(s->db, service, k, cp, GW_WON, GW_EXISTS, out);
}

enum gw_outcome
gw_store_each(struct gw_store *s, const char *service, enum gw_record_kind k, int64_t from,
    int (*each)(void *, int64_t, const void *, size_t), void *self)
{
	int n = gw_db_step(s->db, EACH, "tii", service, (int64_t)k, from);

	while (n == 1) {
		size_t len;
		const void *value = gw_db_blob(s->db, EACH, 1, &len);

		if (each(self, gw_db_int(s->db, EACH, 0), value, len) != 0)
			break;
		n = gw_db_step(s->db, EACH, NULL);
	}
	gw_db_done(s->db, EACH);
	return n < 0 ? GW_UNAVAILABLE : GW_WON;
}

enum gw_outcome
gw_store_trim(struct gw_store *s, const char *service, int64_t epoch, int64_t cp)
{
	enum gw_outcome o;

	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	o = mine(s->db, service, epoch);
	if (o == GW_WON)
		o = gw_db_outcome(s->db, TRIM, gw_db_step(s->db, TRIM, "ti", service, cp), GW_WON);
	return gw_db_leave(s->db, o);
}

enum gw_outcome
gw_store_any(struct gw_store *s)
{
	return gw_db_any(s->db);
}

enum gw_outcome
gw_store_noted(struct gw_store *s, const char *name, struct gw_blob *out)
{
	return gw_db_noted(s->db, name, out);
}

enum gw_outcome
gw_store_note(struct gw_store *s, const char *name, const void *value, size_t len)
{
	return gw_db_note(s->db, name, value, len, false);
}

void
gw_store_free(struct gw_blob *b)
{
	if (b->p)
		gw_cleanse(b->p, b->len);
	free(b->p);
	*b = (struct gw_blob){ NULL, 0 };
}
