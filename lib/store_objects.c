/* lib/store_objects.c: see store_objects.h */
#include "lib/store_objects.h"
#include <stdlib.h>
#include <string.h>
#include "lib/store_db.h"

static const char *const migrations[] = {
	"CREATE TABLE object (id INTEGER PRIMARY KEY, stream TEXT NOT NULL, digest BLOB NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,"
	" repetition INTEGER NOT NULL, bandwidth INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE (stream, digest));"
	"CREATE TABLE note (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",
	"CREATE INDEX object_end ON object (end);",
};
enum query { PUT, EACH, TRIM, NQUERIES };
static const char *const sql[NQUERIES] = {
	[PUT] = "INSERT INTO object (stream, digest, start, end, repetition, bandwidth, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
	    " ON CONFLICT (stream, digest) DO UPDATE SET start = ?3, end = ?4, repetition = ?5, bandwidth = ?6",
	[EACH] = "SELECT digest, start, end, repetition, bandwidth, data FROM object WHERE stream = ?1 ORDER BY id",
	[TRIM] = "DELETE FROM object WHERE end < ?1",
};
static const struct gw_db_kind kind = {
	.application_id = 0x53474f42,	/* "SGOB" */
	.migrations = migrations, .schema = sizeof(migrations) / sizeof(migrations[0]),
	.sql = sql, .nsql = NQUERIES,
	.any = "SELECT EXISTS (SELECT 1 FROM object)",
};
struct gw_objects { struct gw_db *db; };

int
gw_objects_open(const char *path, struct gw_objects **out, struct gw_err *err)
{
	struct gw_objects *o = calloc(1, sizeof(*o));

	if (!o)
		return gw_fail(err, GW_ESYS, "out of memory");
	if (gw_db_open(path, &kind, true, &o->db, err) < 0) {
		free(o);
		return -1;
	}
	*out = o;
	return 0;
}

void
gw_objects_close(struct gw_objects *o)
{
	if (!o)
		return;
	gw_db_close(o->db);
	free(o);
}

enum gw_outcome
gw_objects_put(struct gw_objects *o, const char *stream, const struct gw_object *const *v, size_t n)
{
	enum gw_outcome out = GW_WON;

	if (!gw_db_enter(o->db))
		return GW_UNAVAILABLE;
	for (size_t i = 0; i < n && out == GW_WON; i++)
		out = gw_db_outcome(o->db, PUT, gw_db_step(o->db, PUT, "tbiiiib", stream, v[i]->digest, sizeof(v[i]->digest), v[i]->start_s, v[i]->end_s,
		    (int64_t)v[i]->repetition_ms, (int64_t)v[i]->bandwidth_kbps, v[i]->p, v[i]->len), GW_UNAVAILABLE);
	return gw_db_leave(o->db, out) == GW_WON ? GW_WON : GW_UNAVAILABLE;
}

enum gw_outcome
gw_objects_each(struct gw_objects *o, const char *stream, void (*each)(void *, const struct gw_object *), void *self)
{
	int n = gw_db_step(o->db, EACH, "t", stream);

	for (; n == 1; n = gw_db_step(o->db, EACH, NULL)) {
		struct gw_object v = { .start_s = gw_db_int(o->db, EACH, 1), .end_s = gw_db_int(o->db, EACH, 2),
			.repetition_ms = (uint32_t)gw_db_int(o->db, EACH, 3), .bandwidth_kbps = (uint32_t)gw_db_int(o->db, EACH, 4) };
		v.p = gw_db_blob(o->db, EACH, 5, &v.len);
		if (gw_db_octets(o->db, EACH, 0, v.digest, sizeof(v.digest)) == 0)
			each(self, &v);
	}
	gw_db_done(o->db, EACH);
	return n < 0 ? GW_UNAVAILABLE : GW_WON;
}

enum gw_outcome
gw_objects_trim(struct gw_objects *o, int64_t before)
{
	return gw_db_write(o->db, TRIM, GW_WON, "i", before);
}
